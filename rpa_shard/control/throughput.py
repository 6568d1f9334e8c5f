"""Papers per second, over several windows.

Guarantee: pure; rates count what was finished inside the window, divided by the part of the window that the run has
lived. Limit: resolution is the interval between samples, a second.
"""

from __future__ import annotations

import statistics
from collections import deque

from rpa_shard.ipc.run_status import Rates

MAX_WINDOW_SECONDS = 60.0


class Throughput:
    """Samples of a total that only grows."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])

    def sample(self, now: float, total: int) -> None:
        """Notes the total at a moment (monotonic seconds)."""
        self._samples.append((now, total))
        while len(self._samples) > 2 and self._samples[1][0] <= now - MAX_WINDOW_SECONDS:
            self._samples.popleft()

    def rates(self) -> Rates:
        now, total = self._samples[-1]
        lived = now - self._started
        return Rates(self._over(10.0), self._over(60.0), total / lived if lived else 0.0, self._spread())

    def _over(self, window_seconds: float) -> float:
        now, total = self._samples[-1]
        then, before = next(sample for sample in self._samples if sample[0] >= now - window_seconds)
        return (total - before) / (now - then) if now > then else 0.0

    def _spread(self) -> float:
        pairs = zip(self._samples, list(self._samples)[1:], strict=False)
        rates = [(later - before) / (end - begin) for (begin, before), (end, later) in pairs if end - begin > 0.1]
        mean = statistics.fmean(rates) if rates else 0.0
        return statistics.pstdev(rates) / mean if mean else 0.0
