"""When a permit was granted, by the clock of the node that uses it.

Guarantee: pure. The time that `own` gives is never later than the true one, as long as the two clocks run equally fast
to within `DRIFT`: a node's ping left before the governing node noted its own time, so what came a second after that
came at least a second after the ping. Limit: it is too early by what the quickest of the last pings took to get there.
"""

from __future__ import annotations

from collections import deque

from rpa_shard.config.host_policy import PERMIT_VALID_SECONDS

DRIFT = 0.001
# If the quickest of so many pings takes this long, there and back, most permits arrive too old to be used.
PINGS_JUDGED, FAR_SECONDS = 20, 0.7 * PERMIT_VALID_SECONDS


class Stamps:
    """What a node knows of the clock of the node that governs."""

    def __init__(self) -> None:
        self._offset = float("-inf")
        self._offset_of = 0.0

    def pong(self, sent_at: float, clock: float) -> None:
        """A ping that left at `sent_at` was there at `clock` by the other node's clock."""
        aged = self._offset - abs(clock - self._offset_of) * DRIFT
        if sent_at - clock >= aged:
            self._offset, self._offset_of = sent_at - clock, clock

    def own(self, clock: float) -> float:
        """The time here when it was `clock` there, at the earliest; 0 if nothing is known yet."""
        if self._offset == float("-inf"):
            return 0.0
        return clock + self._offset - abs(clock - self._offset_of) * DRIFT


class Distance:
    """Whether the node that governs is too far away for its permits to be of use."""

    def __init__(self) -> None:
        self._pings: deque[float] = deque(maxlen=PINGS_JUDGED)
        self._is_told = False

    def pong(self, seconds: float) -> float | None:
        """A ping was answered after this time; returns the quickest of the last ones if that is too long, once."""
        self._pings.append(seconds)
        if self._is_told or len(self._pings) < PINGS_JUDGED or min(self._pings) < FAR_SECONDS:
            return None
        self._is_told = True
        return min(self._pings)
