"""The files that SQLite keeps beside a database in write-ahead-log mode.

Guarantee: code that copies, moves or removes a database handles them together with it: SQLite would apply an old log to
a new file. Limit: names only; the caller checks whether the files exist.
"""

from __future__ import annotations

from pathlib import Path

from rpa_shard.system.files import real_path


def log_of(path: Path) -> Path:
    """The write-ahead log of the database at `path`, which SQLite keeps beside the file itself, not beside a link."""
    file = real_path(path)
    return file.with_name(file.name + "-wal")


def companions_of(path: Path) -> tuple[Path, Path]:
    """The log and its index."""
    file = real_path(path)
    return log_of(file), file.with_name(file.name + "-shm")


def with_companions(path: Path) -> tuple[Path, ...]:
    """The database itself and its companions."""
    return (path, *companions_of(path))


def remove_with_companions(path: Path) -> None:
    """Removes the database and its companions, as far as they exist."""
    for each in with_companions(path):
        each.unlink(missing_ok=True)
