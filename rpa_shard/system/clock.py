"""The time of day for leases and waits, which never runs backwards while a process lives; and time between processes.

Guarantee: Unix seconds that a step of the system's clock cannot set back; within a process, time goes by at least as
fast as the monotonic clock; how long ago another process noted a moment does not depend on steps since, as long as the
machine has not been booted. Limit: a step forward is believed: waits end early then, and leases are told from their
holder's memory, not from the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any


class SteadyClock:
    """Call it for the time."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return max(time.time(), time.monotonic() + self._offset)


def moment() -> dict[str, Any]:
    """Now, to be kept in a file for `seconds_since` in another process."""
    return {"unix_seconds": time.time(), "monotonic_seconds": time.monotonic(), "boot": _boot()}


def seconds_since(noted: Mapping[str, Any]) -> float:
    """How long ago a `moment` was, at least 0: by the monotonic clock, or after a boot by the time of day.

    Raises KeyError and TypeError for what is no moment.
    """
    if noted["boot"] and noted["boot"] == _boot():
        return max(0.0, time.monotonic() - float(noted["monotonic_seconds"]))
    return max(0.0, time.time() - float(noted["unix_seconds"]))


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
