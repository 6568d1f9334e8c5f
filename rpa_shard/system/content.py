"""Where the bytes of a file are, and how to read them.

Guarantee: a file up to `READ_AT_ONCE_BYTES` is read with one call, so that whoever seeks in it makes no system calls; a
larger one is read piece by piece, so that memory stays bounded. Limit: nothing is mapped, since a mapped file that
another program cuts short kills the process that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

READ_AT_ONCE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class InMemory:
    """Bytes in memory; `name` is for messages."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file, such as a member of an archive."""

    path: Path
    offset_bytes: int
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.name


# A path is a whole file.
Content = Path | Stretch | InMemory
# All bytes, or a file to read them from.
Readable = bytes | BinaryIO


@contextmanager
def opened(content: Content) -> Iterator[Readable]:
    """The bytes of `content`, or an open file if there are many. Raises OSError."""
    if isinstance(content, InMemory):
        yield content.data
        return
    path = content if isinstance(content, Path) else content.path
    with path.open("rb") as file:
        if isinstance(content, Stretch):
            part = cast(BinaryIO, BufferedReader(_Part(file, content.offset_bytes, content.size_bytes)))
            yield part.read() if content.size_bytes <= READ_AT_ONCE_BYTES else part
        elif file.seek(0, SEEK_END) > READ_AT_ONCE_BYTES:
            file.seek(0)
            yield file
        else:
            file.seek(0)
            yield file.read()


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
    """Whether the file is not there any more."""
    if isinstance(content, InMemory):
        return False
    return not (content if isinstance(content, Path) else content.path).exists()


class _Part(RawIOBase):
    """A part of an open file, as a file."""

    def __init__(self, file: BinaryIO, offset_bytes: int, size_bytes: int) -> None:
        self._file = file
        self._offset_bytes = offset_bytes
        self._size_bytes = size_bytes
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        start = {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._size_bytes}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readall(self) -> bytes:
        left = max(0, self._size_bytes - self._place)
        self._file.seek(self._offset_bytes + self._place)
        found = self._file.read(left)
        self._place += len(found)
        return found

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: max(0, self._size_bytes - self._place)]
        self._file.seek(self._offset_bytes + self._place)
        count = cast(RawIOBase, self._file).readinto(view) or 0
        self._place += count
        return count
