"""How many cores this process may really use.

Guarantee: never more than the scheduler allows: CPU affinity and the quotas of all control groups above the process
count (versions 1 and 2). Limit: a quota of less than one core counts as one.
"""

from __future__ import annotations

import os
from pathlib import Path


def usable_cores(proc: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores by affinity and by control-group quota, at least 1."""
    by_affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for quota in _quotas(proc, groups) if quota is not None]
    return max(1, min([by_affinity, *(int(quota) for quota in quotas)]))


def _quotas(proc: Path, groups: Path) -> list[float | None]:
    try:
        lines = (proc / "cgroup").read_text().splitlines()
    except OSError:
        return []
    quotas: list[float | None] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            quotas += [_quota_v2(folder) for folder in _up_to(groups, group)]
        elif "cpu" in controllers.split(","):
            quotas += [_quota_v1(folder) for folder in _up_to(groups / controllers, group)]
    return quotas


def _up_to(root: Path, group: str) -> list[Path]:
    """The group's folder and all above it: a quota in any of them applies."""
    folder = root / group.lstrip("/")
    return [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no such file at the root; "max" for no limit
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None
