"""What the parts of an account have in common: one wait, and papers divided among what they wait for.

Guarantee: pure; shares add up to what was divided. Limit: none.
"""

from __future__ import annotations

from collections.abc import Mapping

from rpa_shard.control.accounting.known import Known
from rpa_shard.ipc.account import Cause, Wait


def wait(known: Known, cause: Cause, subject: str, papers: int, until: float | None, why: str) -> Wait:
    """A wait that has begun when it was first known."""
    since = known.since.get((cause, subject), known.now)
    return Wait(cause=cause, subject=subject, papers=papers, since=since, until=until, why=why)


def shares(papers: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """The papers that wait for their turn, divided as what they want is."""
    total, found = sum(wanted.values()), {}
    for name, count in wanted.items():
        found[name] = papers * count // total
        papers, total = papers - found[name], total - count
    return found
