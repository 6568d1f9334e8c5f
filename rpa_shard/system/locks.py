"""Locks between processes, by `flock` on a file.

Guarantee: held until the block ends, and by every process that inherits the descriptor until the last of them has
closed it. Limit: one machine; such locks do not work on network file systems.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rpa_shard.model.errors import StoreError


@contextmanager
def lock_now(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Whether the lock was free; holds it if so. Raises StoreError if the file cannot be opened."""
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Waits for the lock, and holds it. Raises StoreError if the file cannot be opened."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
