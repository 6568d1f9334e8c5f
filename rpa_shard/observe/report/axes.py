"""Where the marks of an axis are, and into which bins values are sorted.

Guarantee: pure; ticks are round numbers, or round times of the calendar, in order, few enough to be read, and an axis
of numbers ends at one. Limit: numbers from 0 upwards; times between the years 1 and 9999.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

MINUTE, HOUR, DAY = 60, 3600, 86_400
MAX_TIMES = 8
_TIME_STEPS = (1, 2, 5, 10, 15, 30, *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)), *(HOUR * n for n in (1, 2, 3, 6, 12)))
_DAY_STEPS = (1, 2, 5, 10)
_MONTH_STEPS = (1, 2, 3, 6, *(12 * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)))
# The lower ends of bins in each power of ten. Whole numbers have none between 1 and 2.
_BIN_STARTS, _WHOLE_BIN_STARTS = (1, 1.5, 2, 3, 5, 7), (1, 2, 3, 5, 7)


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


def number_ticks(most: float, intervals: int = 4) -> list[Tick]:
    """Round numbers from 0 to the first that is not less than `most`, at about `intervals` intervals."""
    step = round_up(most / intervals) if most > 0 else 1.0
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
    starts = _WHOLE_BIN_STARTS if whole else _BIN_STARTS
    found: dict[int, int] = {}
    zeros = 0
    for value, count in counts.items():
        if value > 0:
            number = _bin_number(value, starts)
            found[number] = found.get(number, 0) + count
        else:
            zeros += count
    edge: Callable[[int], float] = lambda number: _edge(number, starts)  # noqa: E731
    shown = range(min(found), max(found) + 1) if found else range(0)
    made = [Bin(edge(number), edge(number + 1), found.get(number, 0)) for number in shown]
    return [Bin(0.0, made[0].least if made else 1.0, zeros), *made] if zeros else made


def _bin_number(value: float, starts: tuple[float, ...]) -> int:
    power = math.floor(math.log10(value) + 1e-9)
    number = (power - 1) * len(starts)
    while _edge(number + 1, starts) <= value * (1 + 1e-9):
        number += 1
    return number


def _edge(number: int, starts: tuple[float, ...]) -> float:
    """The lower end of a bin; number 0 begins at 1."""
    power, place = divmod(number, len(starts))
    return float(f"{starts[place]}e{power}")
