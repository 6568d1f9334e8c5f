"""Checks of the rows: leases and status agree; papers that somebody may want to look at.

Guarantee: pure; judged from the store, which is read from outside the run. Limit: unknown if the store cannot be read.
"""

from __future__ import annotations

import time

from rpa_shard.model.failure import Failure
from rpa_shard.observe.health.check import Check, Level
from rpa_shard.observe.health.measure import Measured


def lease_check(found: Measured) -> Check:
    """No paper is held without a lease, and no lease has run out."""
    if found.store is None:
        return Check("leases", Level.UNKNOWN, found.why_no_store)
    leases = found.store.leases
    oldest = f", oldest {max(0.0, time.time() - leases.oldest_claimed_at):.0f} s" if leases.oldest_claimed_at else ""
    text = f"{leases.held} held{oldest}, {leases.incoherent} held without a lease, {leases.expired} expired"
    if leases.incoherent:
        return Check("leases", Level.CRITICAL, text)
    if leases.expired or (leases.held and not found.live and not found.has_nodes):
        return Check("leases", Level.WARNING, text if found.live else f"{text}; the next run frees them")
    return Check("leases", Level.OK, text)


def suspect_check(found: Measured) -> Check:
    """Papers that killed their process, or may have: a warning, since somebody may want to look at them."""
    if found.store is None:
        return Check("papers", Level.UNKNOWN, found.why_no_store)
    suspects, poison = found.store.suspects, found.by_failure.get(Failure.POISON, 0)
    text = (
        f"{suspects} suspects, {poison} poison, {found.status.handed_back} handed back by the dead, "
        f"{found.status.work.lost_leases} lost leases"
    )
    return Check("papers", Level.WARNING if suspects or poison else Level.OK, text)
