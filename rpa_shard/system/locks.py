"""Locks between processes, by `flock` on a file.

Guarantee: held until the block ends, and by every process that inherits the descriptor until the last of them has
closed it. A shared lock needs no more than to read the file. Limit: one machine; such locks do not work on network file
systems, and where the file is missing and may not be made, a shared lock protects from nobody.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rpa_shard.model.errors import StoreError


@contextmanager
def lock_now(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Whether the lock was free; holds it if so. Raises StoreError if the file cannot be opened."""
    with _opened(path, shared=shared) as descriptor:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Waits for the lock, and holds it. Raises StoreError if the file cannot be opened."""
    with _opened(path, shared=shared) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path, *, shared: bool) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        read_only = _to_read(path) if shared and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else None
        if read_only is None:
            raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
        descriptor = read_only
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _to_read(path: Path) -> int | None:
    for each in (path, path.parent):  # the folder: its lock is nobody else's
        with suppress(OSError):
            return os.open(each, os.O_RDONLY | os.O_CLOEXEC)
    return None
