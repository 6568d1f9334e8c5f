"""Whether this node governs: the life of one epoch, from when its lease was won.

Guarantee: pure, with the node's own clock, which only measures durations, as an argument. A node governs only within
the lease, counted from before the request was sent whose answer granted it, and only once the epoch before can be over:
what `Epoch.wait_seconds` says, and the time for which a permit is valid. Limit: it holds as long as no node's clock
runs at more than twice, or less than half, the speed of the database's.
"""

from __future__ import annotations

from enum import Enum, auto

from rpa_shard.config.host_policy import PERMIT_VALID_SECONDS
from rpa_shard.store.cluster import Epoch

# A lease is renewed when this share of it has passed, and asked for as often while another node has it.
RENEW_SHARE = 0.25


class Stage(Enum):
    """How things stand with an epoch.

    `WAITING_OUT`: the one before may not be over. `LAPSED`: the lease may have run out, so nothing is granted until it
    has been renewed. `DEPOSED`: it is over for good.
    """

    WAITING_OUT = auto()
    GOVERNING = auto()
    LAPSED = auto()
    DEPOSED = auto()


class OwnEpoch:
    """One epoch of this node. Times are seconds by a clock that goes on while the machine sleeps."""

    def __init__(self, epoch: Epoch, lease_seconds: float, asked_at: float, now: float) -> None:
        """The lease was asked for at `asked_at`, and granted by an answer that is there `now`."""
        self.number = epoch.number
        self._lease_seconds = lease_seconds
        self._begins = now + epoch.wait_seconds + PERMIT_VALID_SECONDS
        self._renewed_at = asked_at
        self._asked_at = asked_at
        self._is_deposed = False

    def stage(self, now: float) -> Stage:
        """How things stand."""
        if self._is_deposed:
            return Stage.DEPOSED
        if now >= self._renewed_at + self._lease_seconds:
            return Stage.LAPSED
        return Stage.GOVERNING if now >= self._begins else Stage.WAITING_OUT

    def may_grant(self, now: float) -> bool:
        """Whether permits may be granted at this moment."""
        return self.stage(now) is Stage.GOVERNING

    def seconds_to_renewal(self, now: float) -> float:
        """How long until the lease should be asked for again; 0 for now."""
        return max(0.0, self._asked_at + RENEW_SHARE * self._lease_seconds - now)

    def asks(self, now: float) -> float:
        """The lease is about to be asked for again; returns what `answered` must be told."""
        self._asked_at = now
        return now

    def answered(self, asked_at: float, *, stands: bool) -> None:
        """The request of `asked_at` was answered: the epoch still stands, and the lease with it, or not."""
        if stands:
            self._renewed_at = max(self._renewed_at, asked_at)
        else:
            self._is_deposed = True

    def ends(self) -> None:
        """The node gives its epoch up: from now on nothing is granted, whatever is answered later."""
        self._is_deposed = True
