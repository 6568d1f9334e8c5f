"""The bytes of a list, unpacked: plain, gzip, zstd, bzip2 or xz.

Guarantee: recognised by content, in constant memory; everything before a damaged place is given out before the error;
what expands beyond reason ends early. Limit: an archive of several files is no list.
"""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Protocol, cast

import zstandard

from rpa_shard.intake.errors import IntakeError

BLOCK_BYTES = 1 << 18
MAX_LAYERS = 3
# The ids of all of arXiv, sorted, are 32 MB and compress up to 60 times.
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 16 << 20
_XZ_MEMORY_BYTES = 256 << 20
# A block of zstd is up to 128 KiB from as little as 4 bytes: this many bytes of input give at most 8 MiB.
_ZSTD_STEP_BYTES = 256


class _CutShortError(Exception):
    """The end of the input is not the end of what is packed in it."""


class _Unpacker(Protocol):
    """What the modules of the standard library have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(31)
        self._pending = b""
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self._pending or self._full)

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        unpacked = self._zlib.decompress(self._pending + data, max_length)
        self._pending = self._zlib.unconsumed_tail
        self._full = len(unpacked) == max_length
        return unpacked


class _Zstd:
    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor().decompressobj()
        self._pending = b""

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + self._pending

    @property
    def needs_input(self) -> bool:
        return not self._pending

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        data = self._pending + data
        self._pending = data[_ZSTD_STEP_BYTES:]
        return self._zstd.decompress(data[:_ZSTD_STEP_BYTES])


# Frames of zstd, and those that its tools put between them.
_ZSTD_MAGIC = (b"\x28\xb5\x2f\xfd", *(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
_UNPACKERS: tuple[tuple[tuple[bytes, ...], str, Callable[[], _Unpacker]], ...] = (
    ((b"\x1f\x8b",), "gzip", _Gzip),
    (_ZSTD_MAGIC, "zstd", _Zstd),
    ((b"BZh",), "bzip2", bz2.BZ2Decompressor),
    ((b"\xfd7zXZ\x00",), "xz", lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES)),
)
_DAMAGED = (zlib.error, zstandard.ZstdError, lzma.LZMAError, EOFError, OSError, ValueError)


@contextmanager
def opened(file: str) -> Iterator[Iterator[bytes]]:
    """The blocks of a file, or of standard input for `-`, unpacked. Raises IntakeError."""
    try:
        with _stream(file) as stream:
            yield _unpacked(_blocks(stream.read1))
    except OSError as error:
        raise IntakeError(error.strerror or str(error)) from None


def _stream(file: str) -> AbstractContextManager[BufferedReader]:
    if file != "-":
        try:
            return Path(file).open("rb")
        except ValueError:
            raise IntakeError("no file has such a name") from None
    if sys.stdin is None or sys.stdin.closed:
        raise IntakeError("standard input is closed")
    return nullcontext(cast(BufferedReader, sys.stdin.buffer))


def head_of(blocks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The beginning, and all blocks with it again; after an error in the beginning, what came before it."""
    taken: list[bytes] = []
    have = 0
    while have < size:
        try:
            block = next(blocks)
        except StopIteration:
            return b"".join(taken), iter(taken)
        except IntakeError as error:
            return b"".join(taken), _then_raise(taken, error)
        taken.append(block)
        have += len(block)
    return b"".join(taken), chain(taken, blocks)


def _then_raise(blocks: Iterable[bytes], error: IntakeError) -> Iterator[bytes]:
    yield from blocks
    raise error


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while block := read(BLOCK_BYTES):
        yield block


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for _ in range(MAX_LAYERS):
        head, blocks = head_of(blocks, 16)
        found = next((each for each in _UNPACKERS if head.startswith(each[0])), None)
        if found is None:
            return blocks
        magic, name, unpacker = found
        blocks = _unpack(blocks, name, magic, unpacker)
    return blocks


def _unpack(
    blocks: Iterator[bytes], name: str, magic: tuple[bytes, ...], unpacker: Callable[[], _Unpacker]
) -> Iterator[bytes]:
    taken = given = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for block in blocks:
            taken += len(block)
            yield block

    try:
        for piece in _pieces(counted(), magic, unpacker):
            given += len(piece)
            if given > RATIO_COUNTS_FROM_BYTES and given > MAX_RATIO * taken:
                raise IntakeError(f"{name} that expands more than {MAX_RATIO} times is no list of papers")
            yield from (piece[start : start + BLOCK_BYTES] for start in range(0, len(piece), BLOCK_BYTES))
    except _DAMAGED as error:
        raise IntakeError(f"damaged {name}: {error}") from None
    except _CutShortError:
        raise IntakeError(f"{name} that is cut short: get it again") from None


def _pieces(blocks: Iterator[bytes], magic: tuple[bytes, ...], unpacker: Callable[[], _Unpacker]) -> Iterator[bytes]:
    current = unpacker()
    for data in blocks:
        while True:
            if current.eof:  # several files in one, as `cat a.gz b.gz` makes them
                data = (current.unused_data + data).lstrip(b"\0")
                if not data:
                    break
                if not data.startswith(tuple(each[: len(data)] for each in magic)):
                    raise ValueError("something else follows its end")
                current = unpacker()
            yield current.decompress(data, BLOCK_BYTES)
            data = b""
            if current.needs_input and not current.eof:
                break
    if not current.eof:
        raise _CutShortError
