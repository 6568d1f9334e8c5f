"""Where the bytes of a file are, and how to read them.

Guarantee: a file up to `READ_AT_ONCE_BYTES` is read with one call, so that whoever seeks in it makes no system calls; a
larger one is read piece by piece, so that memory stays bounded. Limit: nothing is mapped, since a mapped file that
another program cuts short kills the process that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO

READ_AT_ONCE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class InMemory:
    """The bytes of a file that need not exist; `name` is for messages."""

    name: str
    data: bytes = field(repr=False)


Content = Path | InMemory
# All bytes, or an open file with them.
Readable = bytes | BinaryIO


@contextmanager
def opened(content: Content) -> Iterator[Readable]:
    """The bytes of `content`, or an open file if there are many. Raises OSError."""
    if isinstance(content, InMemory):
        yield content.data
        return
    with content.open("rb") as file:
        is_large = file.seek(0, SEEK_END) > READ_AT_ONCE_BYTES
        file.seek(0)
        yield file if is_large else file.read()


def as_file(readable: Readable) -> BinaryIO:
    """A file with these bytes, at its beginning."""
    if isinstance(readable, bytes):
        return BytesIO(readable)  # shares the bytes
    readable.seek(0)
    return readable


def all_bytes(readable: Readable) -> bytes:
    """All bytes, in memory."""
    return readable if isinstance(readable, bytes) else as_file(readable).read()


def is_gone(content: Content) -> bool:
    """Whether there is no such file any more."""
    return isinstance(content, Path) and not content.exists()
