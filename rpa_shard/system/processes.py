"""Identifying processes, even after their ids have been reused.

Guarantee: a process is identified by its id and its start time, which does not change when the clock is set. Limit: one
machine between two boots.
"""

from __future__ import annotations

import psutil

# Two looks at one process differ by rounding only.
_SAME_SECONDS = 2.0


def born(pid: int) -> float:
    """When a process started, in seconds since the machine booted. Raises psutil.Error.

    Not in Unix seconds, which psutil computes from the current clock: setting the clock would change them.
    """
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def is_alive(pid: int, born_at: float) -> bool:
    """Whether the process is alive and is the one that was `born` at that time."""
    try:
        return abs(born(pid) - born_at) < _SAME_SECONDS and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
