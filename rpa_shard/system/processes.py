"""Telling processes apart, also after their ids have been used again.

Guarantee: a process is known by its id and by when it was born, which no step of the clock changes. Limit: one machine
between two boots.
"""

from __future__ import annotations

import psutil

# Two looks at one process differ by rounding only.
_SAME_SECONDS = 2.0


def born(pid: int) -> float:
    """When a process started, in seconds since the machine booted. Raises psutil.Error.

    In Unix seconds, which psutil computes from the clock as it is now, a step of the clock would make another process.
    """
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def is_alive(pid: int, born_at: float) -> bool:
    """Whether a process lives and is the one that was `born` at that time."""
    try:
        return abs(born(pid) - born_at) < _SAME_SECONDS and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
