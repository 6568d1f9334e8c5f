"""The check of hosts: which of them do not answer us, and whether papers need them.

Guarantee: pure; a host that asked us to slow down is a warning at most, however long it asked for. Limit: that no other
source has a paper is known once the paper has failed as `blocked`.
"""

from __future__ import annotations

from rpa_shard.control.sentences import shortened
from rpa_shard.model.failure import Failure
from rpa_shard.observe.health.check import Check, Level, some_of
from rpa_shard.observe.health.measure import Measured

# `hosts` shows all of it.
WHY_CHARACTERS = 100


def refused_papers(found: Measured) -> int:
    """Papers that failed for good because a host refuses us; 0 while none does."""
    return found.by_failure.get(Failure.BLOCKED, 0) if any(each.blocked for each in found.hosts.values()) else 0


def host_check(found: Measured) -> Check:
    """A host that refuses us is critical if papers need it and no other source has them."""
    refusing = [
        f"{name} ({shortened(each.blocked, WHY_CHARACTERS)})" for name, each in found.hosts.items() if each.blocked
    ]
    closed = [
        f"{name} ({shortened(each.why or 'it was closed', WHY_CHARACTERS)})"
        for name, each in found.hosts.items()
        if each.closed_seconds is not None and not each.blocked
    ]
    parts = []
    if refusing:
        papers = refused_papers(found)
        lost = f"; {papers:,} papers that no other source has have failed" if papers else "; no paper has failed for it"
        parts.append(f"{some_of(refusing)} {_verb(refusing, 'refuse')} us{lost}: see `hosts`")
    if closed:
        parts.append(f"{some_of(closed)} {_verb(closed, 'get')} no requests for now")
    if not parts:
        return Check("hosts", Level.OK, f"none of {len(found.hosts)} is closed" if found.hosts else "none is closed")
    return Check("hosts", Level.CRITICAL if refused_papers(found) else Level.WARNING, "; ".join(parts))


def _verb(subjects: list[str], plural: str) -> str:
    return plural if len(subjects) > 1 else f"{plural}s"
