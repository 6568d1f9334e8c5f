"""Papers per second, over several windows.

Guarantee: pure; rates count what was finished inside the window, divided by the part of the window that the run has
lived. The pace leaves out the time in which everything had to wait. Limit: resolution is the interval between samples,
a second.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from rpa_shard.ipc.run_status import Rates

MAX_WINDOW_SECONDS = 60.0
# A pace that was measured over less says nothing.
MIN_PACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Sample:
    """A total at a moment, and how long the run had not waited by then."""

    now: float
    total: int
    busy_seconds: float


class Throughput:
    """Samples of a total that only grows."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._samples: deque[_Sample] = deque([_Sample(now, 0, 0.0)])

    def sample(self, now: float, total: int, *, idle: bool = False) -> None:
        """Notes the total at a moment (monotonic seconds). `idle`: since the last sample everything waited."""
        last = self._samples[-1]
        busy_seconds = last.busy_seconds + (0.0 if idle and total == last.total else now - last.now)
        self._samples.append(_Sample(now, total, busy_seconds))
        while len(self._samples) > 2 and self._samples[1].now <= now - MAX_WINDOW_SECONDS:
            self._samples.popleft()

    def rates(self) -> Rates:
        last = self._samples[-1]
        lived = last.now - self._started
        rates = self._by_second()
        return Rates(
            self._over(10.0),
            self._over(60.0),
            last.total / lived if lived else 0.0,
            _spread(rates),
            tuple(round(each, 2) for each in rates),
        )

    def pace(self) -> float:
        """Papers per second while the run did not wait: over the last minute, or else since it began; 0 if unknown."""
        first, last = self._samples[0], self._samples[-1]
        seconds = last.busy_seconds - first.busy_seconds
        if last.total > first.total and seconds >= MIN_PACE_SECONDS:
            return (last.total - first.total) / seconds
        return last.total / last.busy_seconds if last.busy_seconds >= MIN_PACE_SECONDS else 0.0

    def _over(self, window_seconds: float) -> float:
        last = self._samples[-1]
        then = next(sample for sample in self._samples if sample.now >= last.now - window_seconds)
        return (last.total - then.total) / (last.now - then.now) if last.now > then.now else 0.0

    def _by_second(self) -> list[float]:
        return [
            (later.total - before.total) / (later.now - before.now)
            for before, later in pairwise(self._samples)
            if later.now - before.now > 0.1
        ]


def _spread(rates: list[float]) -> float:
    mean = statistics.fmean(rates) if rates else 0.0
    return statistics.pstdev(rates) / mean if mean else 0.0
