"""Whether the disks have room for more papers.

Guarantee: one answer for the complete run, and one log line when it changes; a pause ends only once there is clearly
more space than when it began, so the run does not switch back and forth. Limit: checked once a second; if the disk
fills faster than that, the shards handle the full disk themselves.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

CLEARLY_MORE = 1.1


class DiskWatch:
    """Watches the disks that hold the folders."""

    def __init__(self, folders: Sequence[Path], min_free_bytes: int) -> None:
        self._folders = folders
        self._min_free_bytes = min_free_bytes
        # The folder whose disk is short of room, and why the run pauses; None while it does not.
        self.short_of_room: tuple[str, str] | None = None

    @property
    def paused(self) -> bool:
        """Whether the disks are short of room."""
        return self.short_of_room is not None

    def look(self) -> bool:
        """Checks now; True if `paused` has changed."""
        free, folder = min((_free_bytes(each), each) for each in self._folders)
        short = free < self._min_free_bytes * (CLEARLY_MORE if self.paused else 1.0)
        changed = short != self.paused
        required = self._min_free_bytes / 1e6
        why = f"{free / 1e6:.1f} MB free for {folder}, RPA_V2_MIN_FREE_BYTES requires {required:.1f}"
        self.short_of_room = (str(folder), why) if short else None
        if changed and short:
            log.error("paused: %s: free some space and it resumes", why)
        elif changed:
            log.warning("enough space again: resuming")
        return changed


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # whoever writes there meets the error, and says so
        return sys.maxsize
