"""The kernel's count of processes that it killed for lack of memory.

Guarantee: a count that only grows; a process that died of SIGKILL while the count did not grow was not, as far as is
visible from here, killed for lack of memory. Limit: Linux; it counts every process of the control group and of the
machine, so a growing count does not say whose process was killed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def oom_kills(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many processes the kernel has killed for lack of memory, in our control group or on the machine."""
    return _count(_own_group(proc, groups) / "memory.events") + _count(proc / "vmstat")


def _own_group(proc: Path, groups: Path) -> Path:
    with suppress(OSError, ValueError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            number, _, path = line.split(":", 2)
            if number == "0":
                return groups / path.lstrip("/")
    return groups


def _count(file: Path) -> int:
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
