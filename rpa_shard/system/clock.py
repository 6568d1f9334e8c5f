"""The time of day for leases and waits, which never runs backwards while a process lives; time between processes; and
time that passes while the machine sleeps.

Guarantee: Unix seconds that never go back when the system's clock is set back; within a process, time passes at least
as fast as on the monotonic clock; the age of a moment that another process noted does not depend on later steps of the
clock, until the machine is rebooted. Limit: a step forward is believed, so waits may end early; the holder of a lease
relies on its own memory, not on the clock.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

from msgspec import Meta


class SteadyClock:
    """A callable that returns the time."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return max(time.time(), time.monotonic() + self._offset)


def boot_clock() -> float:
    """Seconds since the machine was booted, also those in which it slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time whose age another process can compute."""

    unix_seconds: Annotated[float, Meta(description="By the time of day, in Unix seconds.")]
    monotonic_seconds: Annotated[float, Meta(description="By the machine's monotonic clock.")]
    boot: Annotated[str, Meta(description="The machine's boot id, for which that clock holds; empty if unknown.")]

    @classmethod
    def now(cls) -> Moment:
        return cls(time.time(), time.monotonic(), _boot())

    def seconds_since(self) -> float:
        """How long ago it was, at least 0: by the monotonic clock, or after a boot by the time of day."""
        if self.boot and self.boot == _boot():
            return max(0.0, time.monotonic() - self.monotonic_seconds)
        return max(0.0, time.time() - self.unix_seconds)


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def as_utc(unix_seconds: float | None) -> str | None:
    """A time of day as ISO 8601 in UTC with whole seconds, such as `2026-11-27T01:14:11Z`; None stays None."""
    if unix_seconds is None:
        return None
    return f"{datetime.fromtimestamp(int(unix_seconds), UTC):%Y-%m-%dT%H:%M:%S}Z"


def from_utc(text: object) -> float | None:
    """The Unix seconds of a text made by `as_utc`; None for all else."""
    if isinstance(text, str):
        with suppress(ValueError):
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    return None
