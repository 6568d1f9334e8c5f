"""The run's status file: what the supervisor tells everybody else, once a second.

Guarantee: replaced whole, so a reader never sees half of it; it says who wrote it (process and start time) and when.
Limit: a file, so as old as its last write; whether the processes in it still live is for the reader to check.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

log = logging.getLogger(__name__)

FORMAT = 1


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Replaces the status file; a full disk leaves the last one. Not fsynced: without power the run is over anyway."""
    replace_soon(path, json.dumps({"format": FORMAT, **status}))


def replace_soon(path: Path, text: str) -> bool:
    """Replaces a file whole, without waiting for the disk; False, and a line in the log, if that cannot be."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error.strerror)
        return False
    return True


def read_status(path: Path) -> dict[str, Any] | None:
    """The last status, or None where there is none that can be read."""
    try:
        status: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return status if status.get("format") == FORMAT else None


def born(pid: int) -> float:
    """When a process started, in seconds since the machine did: no step of the clock changes it. Raises psutil.Error.

    Of Unix seconds, which psutil works out from the clock as it is now, a step would make another process.
    """
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def is_alive(pid: int, created_at: float) -> bool:
    """Whether a process lives and is the one that was meant, by when it was `born`: ids are used again."""
    try:
        return abs(born(pid) - created_at) < 2.0 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
