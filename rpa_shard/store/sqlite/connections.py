"""The connections of a ledger to its shard files.

Guarantee: each file is opened once, as long as the process may open that many files; where it may not, the connection
that was used longest ago is closed first. Limit: a cursor must not be read any more once many other shards were used.
"""

from __future__ import annotations

import resource
import sqlite3
import time

from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.shard_file import FullDiskError, limit_time, open_shard_file

# A database, its log, the log's index; and what else a command has open.
DESCRIPTORS_EACH = 3
DESCRIPTORS_BESIDES = 40


class Connections:
    """Connections by shard number; what they read after `seconds` from now ends in TooSlowError."""

    def __init__(self, files: SQLiteFiles, seconds: float | None = None) -> None:
        self._files = files
        self._ends_at = None if seconds is None else time.monotonic() + seconds
        self._open: dict[int, sqlite3.Connection] = {}
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = (
            None if limit == resource.RLIM_INFINITY else max(2, (limit - DESCRIPTORS_BESIDES) // DESCRIPTORS_EACH)
        )

    def __getitem__(self, shard: int) -> sqlite3.Connection:
        """The connection to a shard's file. Raises StoreError."""
        connection = self._open.pop(shard, None)
        if connection is None:
            if self._most is not None and len(self._open) >= self._most:
                self._open.pop(next(iter(self._open))).close()
            path = self._files.shard_file(shard)
            try:
                connection = open_shard_file(path)
            except FullDiskError:
                connection = open_shard_file(path, only_to_read=True)
            limit_time(connection, None if self._ends_at is None else self._ends_at - time.monotonic())
        self._open[shard] = connection  # the last one of all, in order of use
        return connection

    def close(self) -> None:
        """Closes all of them."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
