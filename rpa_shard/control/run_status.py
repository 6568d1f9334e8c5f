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


def is_alive(pid: int, created_at: float) -> bool:
    """Whether a process lives and is the one that was meant: ids are used again."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created_at) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
