"""How long things took: counts in buckets that grow by a tenth each.

Guarantee: pure; a distribution takes a fixed amount of memory however much it has counted, and two of them add up to
the one that would have counted everything; quantiles are exact to within the 10 % width of their bucket. Limit: from 10
microseconds to about 28 hours; what is outside counts as the nearest bucket.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

FIRST_BUCKET_SECONDS = 1e-5
GROWTH = 1.1
LAST_BUCKET = 240


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations that were measured, as a value. Bucket `n` holds what took up to 10 µs times 1.1 to the power of n."""

    counts: Annotated[
        Mapping[int, int],
        Meta(description="How many there were, by bucket; n holds what took up to 0.00001 × 1.1ⁿ seconds."),
    ] = field(default_factory=dict)
    sum_seconds: Annotated[float, Meta(description="All of them together.")] = 0.0
    max_seconds: Annotated[float, Meta(description="The longest.")] = 0.0

    @property
    def count(self) -> int:
        """How many were measured."""
        return sum(self.counts.values())

    @property
    def mean_seconds(self) -> float:
        """Their mean; 0 if there were none."""
        return self.sum_seconds / self.count if self.counts else 0.0

    def quantile_seconds(self, quantile: float) -> float:
        """The duration that a share `quantile` of them did not exceed; 0 if there were none."""
        wanted = quantile * self.count
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(bucket_seconds(bucket), self.max_seconds)
        return 0.0

    def up_to(self, seconds: float) -> int:
        """How many are in buckets that end by then."""
        return sum(count for bucket, count in self.counts.items() if bucket_seconds(bucket) <= seconds)

    def plus(self, other: Distribution) -> Distribution:
        """Both together."""
        return Distribution(
            dict(Counter(self.counts) + Counter(other.counts)),
            self.sum_seconds + other.sum_seconds,
            max(self.max_seconds, other.max_seconds),
        )


class Durations:
    """Measures durations, one at a time."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._sum_seconds = 0.0
        self.max_seconds = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bucket_of(seconds)] += 1
        self._sum_seconds += seconds
        self.max_seconds = max(self.max_seconds, seconds)

    def so_far(self) -> Distribution:
        """What has been measured until now."""
        return Distribution(dict(self._counts), self._sum_seconds, self.max_seconds)


def bucket_of(seconds: float) -> int:
    """The bucket of a duration, from 0 to `LAST_BUCKET`."""
    if seconds <= FIRST_BUCKET_SECONDS:
        return 0
    return min(math.ceil(math.log(seconds / FIRST_BUCKET_SECONDS, GROWTH)), LAST_BUCKET)


def bucket_seconds(bucket: int) -> float:
    """The longest duration of a bucket."""
    return FIRST_BUCKET_SECONDS * GROWTH**bucket
