"""Opening our SQLite files, a shard's or the catalogue, in the same way everywhere.

Guarantee: a file that is not ours, has a newer format, has an older one and is not yet upgraded, or is damaged, is
refused with one clear line and left unchanged; a new file is made complete or not at all; where we may not write, the
file can be read. Limit: damage deep inside a file is noticed only when it is read; where we may not write, a run that
somebody else starts while we read may make us see damage that is none.

Nothing but SQLite may open such a file: when a process closes any descriptor of a file, POSIX drops all locks that
the process holds on it, SQLite's too, and another process may then take away the log that this one still writes to.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.errors import StoreError, TooSlowError
from rpa_shard.store.sqlite.companions import companions_of, log_of
from rpa_shard.store.sqlite.queries import catalogue_schema, schema
from rpa_shard.system.files import real_path
from rpa_shard.system.program import program

SHARD_FORMAT, CATALOGUE_FORMAT = 3, 3
# How long a statement waits for another process's short write, such as an `add` during a run.
BUSY_SECONDS = 60.0
# Steps of SQLite's machine between two looks at the clock, where time is limited: well below a millisecond.
STEPS_BETWEEN_LOOKS = 10_000
# Messages of SQLite, or of its binding, for damaged values.
_NONSENSE = ("malformed JSON", "Could not decode")


class OlderFormatError(StoreError):
    """The file has an older format and must be upgraded first (`rpa_shard.store.sqlite.upgrade`)."""


class FullDiskError(StoreError):
    """The disk has no room for what SQLite needs beside the file."""


class DamagedFileError(StoreError):
    """The file is damaged; the message names the command that repairs it."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """What identifies a kind of file of ours, and how a new one is made."""

    application_id: int
    format: int
    schema: Callable[[], tuple[str, ...]]


SHARD_FILE = FileKind(0x52504153, SHARD_FORMAT, schema)
CATALOGUE_FILE = FileKind(0x52504143, CATALOGUE_FORMAT, catalogue_schema)


def open_shard_file(
    path: Path, *, create: bool = False, older: bool = False, only_to_read: bool = False
) -> sqlite3.Connection:
    """A shard file; with `older` also one of an older format. Raises StoreError."""
    return open_file(path, SHARD_FILE, create=create, older=older, only_to_read=only_to_read)


def open_file(
    path: Path,
    kind: FileKind,
    *,
    create: bool = False,
    older: bool = False,
    any_thread: bool = False,
    only_to_read: bool = False,
) -> sqlite3.Connection:
    """A connection in autocommit mode with named rows. Raises StoreError (FullDiskError)."""
    if rebuilt(path).exists():
        raise StoreError(f"the repair of {path} was cut short: `{program()} repair` finishes it")
    if only_to_read:
        uri = _uri_to_read(path, log_of(path))
    else:
        only_to_read = may_only_be_read(path)
        uri = f"{path.absolute().as_uri()}?mode=rwc" if create and not only_to_read else uri_of(path)
    try:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
        connection.row_factory = sqlite3.Row
        try:
            _check_format(connection, path, kind, create=create, older=older)
            if not only_to_read:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        if not path.exists() and not create:
            raise _missing(path) from None
        raise damaged(path, error) from None
    return connection


@contextmanager
def transaction_on(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """One immediate transaction on the file at `path`; SQLite's errors are raised as StoreError."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise damaged(path, error) from None


def limit_time(connection: sqlite3.Connection, seconds: float | None) -> None:
    """Ends what is read after `seconds` from now, with TooSlowError."""
    if seconds is not None:
        ends_at = time.monotonic() + seconds
        connection.set_progress_handler(lambda: int(time.monotonic() > ends_at), STEPS_BETWEEN_LOOKS)


def damaged(path: Path, error: sqlite3.Error) -> StoreError:
    """The error for a file that SQLite cannot work with."""
    if _code(error) == sqlite3.SQLITE_INTERRUPT:
        return TooSlowError(f"reading {path.name} takes too long: ask for less")
    if is_locked(error):
        return StoreError(f"{path} has been locked by another program for {BUSY_SECONDS:.0f} s: close it and run again")
    if _code(error) == sqlite3.SQLITE_NOTADB:
        return DamagedFileError(f"{path} is not an SQLite file: it was overwritten or is not ours; {_repair()}")
    if is_full(error):
        return FullDiskError(f"{path} cannot be used: {error}: its disk seems to be full")
    if _code(error) == sqlite3.SQLITE_READONLY and not may_only_be_read(path):
        return FullDiskError(f"{path} cannot be written: its disk was full when it was opened")
    if _code(error) == sqlite3.SQLITE_CANTOPEN and may_only_be_read(path) and log_of(path).exists():
        return StoreError(
            f"{path} has a log, {log_of(path)}, that is read only where it may be written: copy both there"
        )
    if _code(error) == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path} may only be read here: `status`, `show`, `verify`, `plan` and `export` work")
    if _code(error) == sqlite3.SQLITE_CORRUPT or any(word in str(error) for word in _NONSENSE):
        return damaged_because(path, str(error))
    return StoreError(f"{path} cannot be used: {error}")


def damaged_because(path: Path, why: str) -> StoreError:
    """The error for a file whose damage is known."""
    return DamagedFileError(f"{path} is damaged ({' '.join(why.split())}): {_repair()}")


def newer_format(path: Path, version: int, ours: int) -> StoreError:
    """The error for a file that a newer version of this program has written."""
    return StoreError(f"{path} has format {version}, newer than ours ({ours}): update rpa_shard")


def nonsense(path: Path, paper_id: str, error: ValueError) -> StoreError:
    """The error for a row that can be read but is damaged."""
    return damaged_because(path, f"the row of {paper_id}: {error}")


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program holds the file: waiting helps."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk is full: the write can be repeated once there is space."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for errors that are not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def rebuilt(path: Path) -> Path:
    """Where a repair writes the new file that will replace the one at `path`."""
    return path.with_name(path.name + ".rebuilt")


def _missing(path: Path) -> StoreError:
    return DamagedFileError(f"{path} is missing: put it back from a copy; without one, {_repair()}")


def may_only_be_read(path: Path) -> bool:
    """Whether the file exists, but we may not write it, or not in its folder, where SQLite keeps its log."""
    return path.exists() and not (os.access(path, os.W_OK) and os.access(real_path(path).parent, os.W_OK))


def uri_of(path: Path) -> str:
    """How SQLite opens an existing file: to read and write, or only to read where we may not write."""
    return _uri_to_read(path, *companions_of(path)) if may_only_be_read(path) else f"{path.absolute().as_uri()}?mode=rw"


def _uri_to_read(path: Path, *needed: Path) -> str:
    """As `uri_of`, only to read; with those companions that hold something."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    if any(each.exists() and each.stat().st_size for each in needed):
        return uri
    # SQLite would make an index beside the file; without a log it needs none if it may take the file to stay as it is.
    return f"{uri}&immutable=1"


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, whatever the file is. Raises sqlite3.Error.

    A connection that may write copies the log into the file when it closes, and the file may be damaged.
    """
    uri = uri_of(path) if may_only_be_read(path) else f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def _check_format(connection: sqlite3.Connection, path: Path, kind: FileKind, *, create: bool, older: bool) -> None:
    application, version = identity_of(connection)
    if (application, version) == (0, 0) and not _has_tables(connection):
        if not create:
            raise _missing(path)
        # Two programs may arrive here at once; the second finds the work done.
        connection.execute("BEGIN IMMEDIATE")
        if identity_of(connection) == (0, 0):
            for statement in kind.schema():
                connection.execute(statement)
        connection.execute("COMMIT")
        application, version = identity_of(connection)
    if application != kind.application_id:
        raise StoreError(f"{path} is an SQLite file of another program; nothing was changed")
    if version > kind.format:
        raise newer_format(path, version, kind.format)
    if version < kind.format and not older:
        raise OlderFormatError(f"{path} has format {version}, older than ours ({kind.format}): `status` upgrades it")


def identity_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Application id and version of the format."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None


def _repair() -> str:
    return f"`{program()} repair` keeps what is there and rebuilds it"
