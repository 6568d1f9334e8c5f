"""A file of metrics for the node exporter's textfile collector.

Guarantee: replaced complete, so the collector never reads half of it; a file that cannot be written is told once in the
log and disturbs no run. Limit: as old as the run; after a run that was killed it stays as it was, which its time shows.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rpa_shard.ipc.run_status import RunState, RunStatus
from rpa_shard.observe.metrics.exposition import text_format
from rpa_shard.observe.metrics.families import counts_of, families
from rpa_shard.system.files import replace_file

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0


def write_textfile(path: Path, text: str) -> None:
    """Replaces a file that others read. Raises OSError."""
    replace_file(path, text.encode(), durable=False)


def free_bytes(folders: Iterable[Path]) -> int | None:
    """The least free space of the file systems of some folders; None if none can be looked at."""
    found = []
    for folder in folders:
        with suppress(OSError):
            found.append(shutil.disk_usage(folder).free)
    return min(found, default=None)


class MetricsFile:
    """Keeps a file of a run's metrics: call it with every status of the run, also the last.

    `disks` are folders on the run's disks (`DataFolder.disks`), whose free space is told too.
    """

    def __init__(self, path: Path, disks: Sequence[Path] = ()) -> None:
        self._path = path
        self._disks = disks
        self._next = 0.0
        self._failed = False

    def __call__(self, status: RunStatus) -> None:
        now, live = time.monotonic(), status.state is not RunState.ENDED
        if live and now < self._next:
            return
        self._next = now + INTERVAL_SECONDS
        text = text_format(families(status, counts_of(status), live=live, free_bytes=free_bytes(self._disks)))
        try:
            write_textfile(self._path, text)
        except OSError as error:
            if not self._failed:
                log.warning("%s cannot be written, so nobody sees these metrics: %s", self._path, error.strerror)
            self._failed = True
        else:
            self._failed = False
