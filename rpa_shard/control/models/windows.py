"""A sliding window of a minute: how much was sent, of requests or of tokens, within the last 60 seconds.

Guarantee: an amount counts from when it is opened until a minute after the time at which it is known to have arrived,
so no minute has more than the limit, whenever within that time it really arrived. The only exception is an amount that
is larger than the limit: it fits when nothing else counts. Each operation takes constant time, whatever the traffic.
Limit: times are rounded up to a fifth of a second, so an amount may count for that much longer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
BUCKET_SECONDS = 0.2


@dataclass(slots=True)
class Entry:
    """An amount in a window; `bucket` is the number of the fifth of a second in which it arrived, once it has."""

    amount: int
    bucket: int | None = None


class Window:
    """What counts within a minute; `limit` None counts without limiting. Times are monotonic seconds."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        # Not known to have arrived.
        self.open = 0
        self._arrived = 0
        self._buckets: deque[int] = deque()
        self._amounts: dict[int, int] = {}

    def arrived(self, now: float) -> int:
        """How much of what has arrived counts now."""
        while self._buckets and _end_of(self._buckets[0]) <= now:
            self._arrived -= self._amounts.pop(self._buckets.popleft())
        return self._arrived

    def total(self, now: float) -> int:
        """How much counts now."""
        return self.open + self.arrived(now)

    def begin(self, amount: int) -> Entry:
        """Something begins that may arrive from now on."""
        self.open += amount
        return Entry(amount)

    def arrive(self, entry: Entry, at: float) -> None:
        """It has arrived by then; said again, that changes nothing."""
        if entry.bucket is None:
            self.open -= entry.amount
            entry.bucket = self._add(entry.amount, at)

    def change(self, entry: Entry, amount: int) -> None:
        """It turns out to be this much."""
        difference, entry.amount = amount - entry.amount, amount
        if entry.bucket is None:
            self.open += difference
        elif entry.bucket in self._amounts:
            self._amounts[entry.bucket] += difference
            self._arrived += difference

    def seconds_until(self, amount: int, now: float) -> float | None:
        """How long until so much more may begin: 0 for now, None while only an event can allow it."""
        total = self.total(now)
        if self._limit is None or not total:
            return 0.0
        too_much = min(total, total + amount - self._limit)
        if too_much <= 0:
            return 0.0
        for bucket in self._buckets:
            too_much -= self._amounts[bucket]
            if too_much <= 0:
                return _end_of(bucket) - now
        return None

    def buckets(self, now: float) -> Iterator[tuple[float, int]]:
        """What has arrived and counts now, to be kept: how long ago, and how much."""
        self.arrived(now)
        for bucket in self._buckets:
            yield now - bucket * BUCKET_SECONDS, self._amounts[bucket]

    def restore(self, buckets: Iterable[tuple[float, int]], now: float) -> None:
        """Counts what had arrived so long ago; the oldest comes first."""
        for ago, amount in buckets:
            if amount > 0 and ago < WINDOW_SECONDS:
                self._add(amount, now - max(ago, -1.0))

    def _add(self, amount: int, at: float) -> int:
        bucket = math.ceil(at / BUCKET_SECONDS)
        if self._buckets:
            bucket = max(bucket, self._buckets[-1])
        if bucket not in self._amounts:
            self._buckets.append(bucket)
            self._amounts[bucket] = 0
        self._amounts[bucket] += amount
        self._arrived += amount
        return bucket


def _end_of(bucket: int) -> float:
    """When what arrived in a bucket no longer counts."""
    return bucket * BUCKET_SECONDS + WINDOW_SECONDS
