"""The time of day for leases and waits, which never runs backwards while a process lives.

Guarantee: Unix seconds that a step of the system's clock cannot set back; within a process, time goes by at least as
fast as the monotonic clock. Limit: a step forward is believed: waits end early then, and leases are told from their
holder's memory, not from the clock.
"""

from __future__ import annotations

import time


class SteadyClock:
    """Call it for the time."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return max(time.time(), time.monotonic() + self._offset)
