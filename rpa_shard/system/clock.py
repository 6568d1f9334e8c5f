"""The time of day for leases and waits, which never runs backwards while a process lives; and time between processes.

Guarantee: Unix seconds that a step of the system's clock cannot set back; within a process, time goes by at least as
fast as the monotonic clock; how long ago another process noted a moment does not depend on steps since, as long as the
machine has not been booted. Limit: a step forward is believed: waits end early then, and leases are told from their
holder's memory, not from the clock.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from msgspec import Meta


class SteadyClock:
    """Call it for the time."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return max(time.time(), time.monotonic() + self._offset)


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time that another process can tell the distance to."""

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
