"""Limits that an endpoint enforces: how many requests and tokens a sliding window may have, and calls at a time.

Guarantee: pure; in no window do the calls that were admitted exceed a limit. Limit: a call counts with all that it may
take until it has ended, and then with what it took, from the moment at which it arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each in a window, or (`in_flight`) at a time. None: no limit."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    in_flight: int | None = None
    window_seconds: float = WINDOW_SECONDS


@dataclass(slots=True, eq=False)
class Admitted:
    """A call that was admitted: what it takes, or may take, and how often it is counted: once, or no more."""

    at: float
    input_tokens: int
    output_tokens: int
    counted: int = 1


@dataclass(frozen=True, slots=True)
class Over:
    """The limit that a call would exceed, and after how many seconds it would not."""

    limit: str
    retry_after_seconds: float


def parse_limits(text: str) -> Limits:
    """Limits written as `requests=60 input_tokens=100000 output_tokens=20000 in_flight=8`. Raises ValueError."""
    limits = Limits()
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in ("requests", "input_tokens", "output_tokens", "in_flight") or not value.isdecimal():
            raise ValueError(f"{word!r} is no limit: write requests=N, input_tokens=N, output_tokens=N or in_flight=N")
        if int(value) < 1:
            raise ValueError(f"{word!r} allows nothing: a limit is at least 1")
        limits = replace(limits, **{name: int(value)})
    return limits


class Windows:
    """The calls of the last window. Times are seconds of one clock, and never go back."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._calls: deque[Admitted] = deque()
        self._sums = dict.fromkeys(_MEASURES, 0)

    def over(self, now: float, input_tokens: int, output_tokens: int) -> Over | None:
        """The limit that a call exceeds which arrives now and may take so much; None: it may be admitted."""
        while self._calls and now - self._calls[0].at >= self._limits.window_seconds:
            self.forget(self._calls.popleft())
        wanted = Admitted(now, input_tokens, output_tokens)
        for name in _MEASURES:
            most = getattr(self._limits, name)
            if most is not None and self._sums[name] + _of(wanted, name) > most:
                return Over(name, self._wait(name, most - _of(wanted, name), now))
        return None

    def admit(self, now: float, input_tokens: int, output_tokens: int) -> Admitted:
        """Counts a call; it may be corrected by `settle`."""
        admitted = Admitted(now, input_tokens, output_tokens)
        self._calls.append(admitted)
        self._add(admitted, 1)
        return admitted

    def settle(self, call: Admitted, input_tokens: int, output_tokens: int) -> None:
        """A call has ended, and took so much."""
        self._add(call, -1)
        call.input_tokens, call.output_tokens = input_tokens, output_tokens
        self._add(call, 1)

    def forget(self, call: Admitted) -> None:
        """A call counts no more."""
        self._add(call, -1)
        call.counted = 0

    def _add(self, call: Admitted, times: int) -> None:
        for name in _MEASURES:
            self._sums[name] += times * _of(call, name)

    def _wait(self, name: str, room: int, now: float) -> float:
        """After how many seconds no more than `room` is left of what counts now."""
        left = self._sums[name]
        for each in self._calls:
            left -= _of(each, name)
            if left <= room:
                return each.at + self._limits.window_seconds - now
        return self._limits.window_seconds


_MEASURES = ("requests", "input_tokens", "output_tokens")


def _of(call: Admitted, name: str) -> int:
    return call.counted * (1 if name == "requests" else int(getattr(call, name)))
