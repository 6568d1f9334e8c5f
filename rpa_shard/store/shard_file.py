"""Opening one shard's SQLite file, the same way for everybody.

Guarantee: a file that is not ours, is newer than we know or is damaged is refused with one clear line and left
as it is; a new file is made whole or not at all. Limit: damage deep inside a file shows only when it is read.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from rpa_shard.store.folder import StoreError
from rpa_shard.store.queries import schema

APPLICATION_ID = 0x52504153
FORMAT = 1
# How long a statement waits for another process's short write, such as an `add` during a run.
BUSY_SECONDS = 60.0
_SQLITE_HEADER = b"SQLite format 3\0"


def open_shard_file(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode with named rows. Raises StoreError."""
    empty = _check_header(path)
    if empty and not create:
        raise StoreError(f"{path} is missing: put it back from a copy, or move the data folder away and add again")
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            _check_format(connection, path, create=create)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise damaged(path, error) from None
    return connection


def damaged(path: Path, error: sqlite3.Error) -> StoreError:
    """The one line for a file that SQLite cannot work with."""
    if "locked" in str(error):
        return StoreError(f"{path} has been locked by another program for {BUSY_SECONDS:.0f} s: close it and run again")
    return StoreError(f"{path} cannot be used: {error}")


def _check_header(path: Path) -> bool:
    """Whether there is no database yet; raises StoreError for a file of another kind."""
    try:
        with path.open("rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    if header and header != _SQLITE_HEADER:
        raise StoreError(f"{path} is not an SQLite file: it was overwritten or is not ours; nothing was changed")
    return not header


def _check_format(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    application, version = _identity(connection)
    if create and (application, version) == (0, 0):
        # Two programs may meet here; the second finds the work done.
        connection.execute("BEGIN IMMEDIATE")
        if _identity(connection) == (0, 0) and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            for statement in schema():
                connection.execute(statement)
        connection.execute("COMMIT")
        application, version = _identity(connection)
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite file of another program; nothing was changed")
    if version > FORMAT:
        raise StoreError(f"{path} has format {version}, newer than ours ({FORMAT}): update rpa_shard")


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version
