"""Whether the leases of a shard surely stand, as far as the shard can know without asking the store.

Guarantee: they are said to be valid only while every held lease was known to stand less than a lease's time ago, by a
clock that also counts while the process is stopped or the machine sleeps; whoever waits until they are valid again goes
on after a renewal, which has interrupted the work on those that were lost. Limit: between the last look and the moment
at which a request leaves, a process may still be stopped; that is microseconds, if one looks right before sending.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from rpa_shard.system.clock import boot_clock

# The rest is for clocks that do not run equally fast, and for the way of a request.
USED_SHARE = 0.9


class LeaseInDoubtError(Exception):
    """A request was not sent, because a lease may have run out; it may be sent once the leases are valid again."""


class LeaseValidity:
    """The leases of one shard, each of which lasts `lease_seconds` from its claim or last renewal."""

    def __init__(self, lease_seconds: float, clock: Callable[[], float] = boot_clock) -> None:
        self._used_seconds = lease_seconds * USED_SHARE
        self._clock = clock
        # All leases were known to stand at this moment, or were claimed later.
        self._known_at = clock()
        # When the first of those was claimed that the renewal under way does not extend.
        self._claimed_at = math.inf
        self._renewed = asyncio.Event()
        # Set when somebody waits for a renewal.
        self.doubted = asyncio.Event()

    @property
    def holds(self) -> bool:
        """Whether all leases surely stand."""
        return self._clock() - self._known_at < self._used_seconds

    def check(self) -> None:
        """Raises LeaseInDoubtError unless all leases surely stand."""
        if not self.holds:
            raise LeaseInDoubtError

    async def wait(self) -> None:
        """Waits until all leases that are still held surely stand."""
        while not self.holds:
            self._renewed.clear()
            self.doubted.set()
            await self._renewed.wait()

    def now(self) -> float:
        """A moment for `claimed`."""
        return self._clock()

    def claimed(self, begun_at: float) -> None:
        """More papers were leased; the store was asked for them at this moment."""
        self._known_at = min(self._known_at, begun_at)
        self._claimed_at = min(self._claimed_at, begun_at)

    def renewal_begins(self) -> float:
        """All leases that are held now are about to be renewed; returns the moment for `renewed`."""
        self.doubted.clear()
        self._claimed_at = math.inf
        return self._clock()

    def renewed(self, begun_at: float) -> None:
        """The renewal that began at this moment was made, and the work on those that were lost is interrupted."""
        self._known_at = min(begun_at, self._claimed_at)
        self._renewed.set()
