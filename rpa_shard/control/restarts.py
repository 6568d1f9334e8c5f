"""When a dead shard is started again, and when deaths stop the run.

Guarantee: pure; the delay doubles with each death of a shard within a minute of the last, up to a ceiling, and more
than `deaths` within any minute stop the run. Limit: deaths that we caused because of a paper (a passed deadline) are
not counted here: the paper, not the shard, is at fault, and it becomes a suspect.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 10.0


@dataclass(slots=True)
class Restarts:
    """The deaths of all shards of a run. `delay_scale` multiplies every delay."""

    deaths: int
    delay_scale: float = 1.0
    _times: deque[float] = field(default_factory=deque)
    _in_a_row: dict[int, tuple[int, float]] = field(default_factory=dict)

    def died(self, shard: int, now: float) -> float | None:
        """Notes a death; returns the seconds to wait before the restart, or None to stop the run."""
        self._times.append(now)
        while self._times[0] <= now - WINDOW_SECONDS:
            self._times.popleft()
        if len(self._times) > self.deaths:
            return None
        row, last = self._in_a_row.get(shard, (0, now))
        row = 0 if now - last >= WINDOW_SECONDS else row
        self._in_a_row[shard] = (row + 1, now)
        return float(min(FIRST_DELAY_SECONDS * 2**row, MAX_DELAY_SECONDS)) * self.delay_scale
