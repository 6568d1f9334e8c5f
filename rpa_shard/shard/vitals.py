"""A shard's own figures: the lag of its loop, and counts of what it did.

Guarantee: lag is measured all the time, with a fixed amount of memory and well under 1 % of a core; quantiles are exact
to within the 10 % width of their bucket. Limit: descriptors, CPU and memory are measured from outside, by the
supervisor, so that measuring never adds to the lag.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field

TICK_SECONDS = 0.02
_MIN_SECONDS = 1e-5
_GROWTH = 1.1
_BUCKETS = 170  # up to about 100 s


class LagHistogram:
    """Counts of lags in buckets that grow by a tenth each."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._total = 0
        self.max_seconds = 0.0

    def add(self, lag_seconds: float) -> None:
        self._counts[_bucket(lag_seconds)] += 1
        self._total += 1
        self.max_seconds = max(self.max_seconds, lag_seconds)

    def quantile_seconds(self, quantile: float) -> float:
        """The lag that a share `quantile` of all ticks did not exceed; 0 if there were none."""
        wanted = quantile * self._total
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(_MIN_SECONDS * _GROWTH**bucket, self.max_seconds)
        return 0.0


def _bucket(lag_seconds: float) -> int:
    if lag_seconds <= _MIN_SECONDS:
        return 0
    return min(math.ceil(math.log(lag_seconds / _MIN_SECONDS, _GROWTH)), _BUCKETS - 1)


@dataclass(slots=True)
class Counters:
    """What a shard has done since it started; `completed` counts claims by phase."""

    completed: Counter[str] = field(default_factory=Counter)
    attempts_failed: int = 0
    lost_leases: int = 0


async def measure_lag(histogram: LagHistogram) -> None:
    """Wakes up every `TICK_SECONDS` until cancelled, and records how late it was."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        # uvloop's clock counts full milliseconds, so a tick may seem early.
        histogram.add(max(0.0, loop.time() - due))
