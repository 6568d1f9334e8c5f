"""Where the marks of an axis are, and into which bins values are sorted.

Guarantee: pure; ticks are round numbers, or round times of the calendar, in order, few enough to be read, and an axis
of numbers ends at one. Limit: numbers from 0 upwards; times between the years 1 and 9999.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
MAX_TIMES = 8
# At most as many as these between 0 and the largest number.
INTERVALS = 4
_TIME_STEPS = (1, 2, 5, 10, 15, 30, *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)), *(HOUR * n for n in (1, 2, 3, 6, 12)))
_DAY_STEPS = (1, 2, 5, 10)
_MONTH_STEPS = (1, 2, 3, 6, *(12 * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)))
# The lower ends of bins in each power of ten.
_BIN_STARTS = (1, 1.5, 2, 3, 5, 7)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bin:
    """Values from `least` up to, but not including, `below`, and how many there are."""

    least: float
    below: float
    count: int


def number_ticks(most: float, *, whole: bool = False) -> list[Tick]:
    """Round numbers from 0 to the first that is not less than `most`; `whole` numbers only, if they count something."""
    step = round_up(most / INTERVALS) if most > 0 else 1.0
    step = max(step, 1.0) if whole else step
    return [Tick(step * n, in_short(step * n)) for n in range(max(1, math.ceil(most / step - 1e-9)) + 1)]


def round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, … at or above a value, which is more than 0."""
    magnitude: float = 10.0 ** math.floor(math.log10(value))
    return next((step * magnitude for step in (1, 2, 5) if step * magnitude >= value * (1 - 1e-9)), 10 * magnitude)


def in_short(value: float) -> str:
    """A number on an axis."""
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.4g}{mark}"
    return f"{value:.4g}"


def in_time(value: float) -> str:
    """Seconds on an axis."""
    if value < 1:
        return f"{value * 1000:.4g} ms" if value else "0"
    for length, unit in ((2 * DAY, "days"), (2 * HOUR, "h"), (2 * MINUTE, "min")):
        if value >= length:
            return f"{value / (length / 2):.2g} {unit}"
    return f"{value:.4g} s"


def in_bytes(value: float) -> str:
    """Bytes on an axis."""
    for length, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= length:
            return f"{value / length:.4g} {unit}"
    return f"{value:.4g} B"


def time_ticks(begins: float, ends: float, zone: tzinfo) -> list[Tick]:
    """Round times from `begins` to `ends` (Unix seconds), `MAX_TIMES` at most; none if there is no time between."""
    span = ends - begins
    if span <= 0:
        return []
    first, last = (datetime.fromtimestamp(each, zone) for each in (begins, ends))
    seconds = next((step for step in _TIME_STEPS if span / step <= MAX_TIMES - 1), None)
    if seconds is not None:
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        moments = _every(midnight, timedelta(seconds=seconds), first, last)
        return _labelled(moments, "%H:%M:%S" if seconds < MINUTE else "%H:%M", span > DAY)
    days = next((step for step in _DAY_STEPS if span / DAY / step <= MAX_TIMES - 1), None)
    if days is not None:
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        return _labelled(_every(midnight, timedelta(days=days), first, last), "%d %b", False)
    months = next(step for step in _MONTH_STEPS if span / DAY / 30.4 / step <= MAX_TIMES - 1)
    return _labelled(_months(first, last, months), "%b %Y" if months < 12 else "%Y", False)


def _every(start: datetime, step: timedelta, first: datetime, last: datetime) -> Iterator[datetime]:
    moment = start + math.ceil((first - start) / step) * step
    while moment <= last:
        yield moment
        moment += step


def _months(first: datetime, last: datetime, step: int) -> Iterator[datetime]:
    month = first.year * 12 + first.month - 1
    for number in range(month - month % step, last.year * 12 + last.month, step):
        moment = first.replace(
            year=number // 12, month=number % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
        )
        if first <= moment <= last:
            yield moment


def _labelled(moments: Iterator[datetime], form: str, over_days: bool) -> list[Tick]:
    """The ticks of these moments; where a day begins, and the times are of several, the day is named."""
    return [
        Tick(
            each.timestamp(), f"{each:%d %b}" if over_days and (each.hour, each.minute) == (0, 0) else f"{each:{form}}"
        )
        for each in moments
    ]


def bins(counts: Mapping[float, int], *, whole: bool) -> list[Bin]:
    """The values in bins that get wider as values grow, without empty ones at the ends; 0 has a bin of its own.

    `whole`: the values are whole numbers.
    """
    values = sorted(value for value in counts if value > 0)
    zeros = sum(count for value, count in counts.items() if value <= 0)
    edges = _edges(values[0], values[-1], whole) if values else [1.0]
    found = [0] * len(edges)
    for value in values:
        found[bisect_right(edges, value * (1 + 1e-9)) - 1] += counts[value]
    made = [Bin(least, below, count) for least, below, count in zip(edges, edges[1:], found, strict=False)]
    return [Bin(0.0, edges[0], zeros), *made] if zeros else made


def _edges(least: float, most: float, whole: bool) -> list[float]:
    """The ends of the bins that hold the values from `least` to `most`, which are more than 0."""
    powers = range(math.floor(math.log10(least)) - 1, math.floor(math.log10(most)) + 2)
    edges = [float(f"{start}e{power}") for power in powers for start in _BIN_STARTS]
    if whole:
        edges = [edge for edge in edges if edge.is_integer()]
    first = bisect_right(edges, least * (1 + 1e-9)) - 1
    last = bisect_right(edges, most * (1 + 1e-9))
    return edges[first : last + 1]
