"""Reads the records of an SQLite file that SQLite refuses, page by page.

Guarantee: the records of an undamaged page are found whatever happened to the others; the newest committed image of a
page counts, even if it is still in the write-ahead log; pages known to be free are left out. Limit: supports what our
files use (UTF-8, no auto-vacuum, no encryption), and changes nothing; whether a record makes sense is checked
elsewhere.

The format is that of https://www.sqlite.org/fileformat2.html: chapters 1.2 to 1.6, 2.1 and 4.1 to 4.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rpa_shard.store.repairs import Losses
from rpa_shard.store.sqlite.companions import log_of

Value = int | float | str | bytes | None

MAGIC = b"SQLite format 3\x00"
USUAL_PAGE_BYTES = 4096
_FILE_HEADER_BYTES = 100
_INDEX_INTERIOR, _INDEX_LEAF, _TABLE_LEAF = 0x02, 0x0A, 0x0D
_POINTERS_AT = {_INDEX_INTERIOR: 12, _INDEX_LEAF: 8, _TABLE_LEAF: 8}
_TABLE_INTERIOR = 0x05
_LOG_HEADER = struct.Struct(">8I")
_FRAME_HEADER = struct.Struct(">6I")
_LOG_MAGIC = 0x377F0682
# Far larger than any record of ours; a larger size is a sign of damage.
MAX_RECORD_BYTES = 2**24
# Of a file that was cut short; 64 GB.
MAX_PAGES = 2**24


class _DamageError(Exception):
    """These bytes are damaged."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its values, and the number of its row where it comes from a table (None from an index)."""

    values: tuple[Value, ...]
    row_number: int | None


def records_of(path: Path, losses: Losses) -> Iterator[Record]:
    """Every record of the file at `path` and its log; counts in `losses` what cannot be read. Raises OSError."""
    if not path.exists():
        return
    log_path = log_of(path)
    with path.open("rb") as file:
        if not log_path.exists():
            yield from _records(_Pages(file, None), losses)
            return
        with log_path.open("rb") as log:
            yield from _records(_Pages(file, log), losses)


def _records(pages: _Pages, losses: Losses) -> Iterator[Record]:
    free = pages.free()
    losses.of_pages = pages.count
    without_cells: set[int] = set()
    for number in range(1, pages.count + 1):
        if number in free:
            continue
        try:
            page = pages.read(number)
            cells = list(_cells(page, number))
        except _DamageError:
            without_cells.add(number)
            continue
        for kind, at in cells:
            try:
                yield _record(pages, page, kind, at)
            except (_DamageError, IndexError, struct.error, UnicodeDecodeError):
                losses.records += 1
    # The first page holds the schema, which we know.
    losses.pages = len(without_cells - pages.overflow - {1})


class _Pages:
    """The pages of a file, each in its newest committed image."""

    def __init__(self, file: BinaryIO, log: BinaryIO | None) -> None:
        self._file, self._log = file, log
        header = file.read(_FILE_HEADER_BYTES)
        self._in_log: dict[int, int] = {}
        self.page_bytes = _page_bytes(header)
        count_by_log = 0
        if log is not None:
            self.page_bytes, self._in_log, count_by_log = _committed(log, self.page_bytes)
        size = file.seek(0, 2)
        # A file that was cut short still says how many pages it had.
        self.count = max(-(-size // self.page_bytes), count_by_log, _page_count(header))
        # Pages that others point to as the rest of a long record: they hold no cells.
        self.overflow: set[int] = set()

    def read(self, number: int) -> bytes:
        """Page `number`, from 1. Raises _DamageError for a missing one."""
        if number in self._in_log and self._log is not None:
            self._log.seek(self._in_log[number])
            page = self._log.read(self.page_bytes)
        else:
            self._file.seek((number - 1) * self.page_bytes)
            page = self._file.read(self.page_bytes)
        if number < 1 or len(page) < self.page_bytes:
            raise _DamageError
        return page

    def free(self) -> set[int]:
        """Pages that the file lists as free; empty if the list is unreadable."""
        found: set[int] = set()
        try:
            header = self.read(1)
            trunk = int.from_bytes(header[32:36]) if header.startswith(MAGIC) else 0
            while trunk and trunk not in found:
                page = self.read(trunk)
                found.add(trunk)
                trunk, leaves = struct.unpack_from(">2I", page)
                found.update(struct.unpack_from(f">{min(leaves, self.page_bytes // 4 - 2)}I", page, 8))
        except _DamageError:
            pass
        return found


def _page_bytes(header: bytes) -> int:
    if not header.startswith(MAGIC):
        return USUAL_PAGE_BYTES
    size = int.from_bytes(header[16:18])
    return 65536 if size == 1 else size if size in {2**power for power in range(9, 16)} else USUAL_PAGE_BYTES


def _page_count(header: bytes) -> int:
    """How many pages the file had when its header was written; 0 if that cannot be read or is beyond all bounds."""
    count = int.from_bytes(header[28:32]) if header.startswith(MAGIC) and header[24:28] == header[92:96] else 0
    return count if count <= MAX_PAGES else 0


def _committed(log: BinaryIO, page_bytes: int) -> tuple[int, dict[int, int], int]:
    """Page size, the place of the newest committed image of each page in a write-ahead log, and the number of pages."""
    header = log.read(_LOG_HEADER.size)
    if len(header) < _LOG_HEADER.size:
        return page_bytes, {}, 0
    magic, _, log_page_bytes, _, *salt, _, _ = _LOG_HEADER.unpack(header)
    words = ">" if magic & 1 else "<"
    check = _checksum(words, header[:24], (0, 0))
    if magic & ~1 != _LOG_MAGIC or header[24:32] != struct.pack(">2I", *check):
        return page_bytes, {}, 0
    committed: dict[int, int] = {}
    waiting: dict[int, int] = {}
    count = 0
    while len(frame := log.read(_FRAME_HEADER.size + log_page_bytes)) == _FRAME_HEADER.size + log_page_bytes:
        number, pages_after_commit, *rest = _FRAME_HEADER.unpack_from(frame)
        check = _checksum(words, frame[:8] + frame[_FRAME_HEADER.size :], check)
        if rest[:2] != salt or rest[2:] != list(check):
            break
        waiting[number] = log.tell() - log_page_bytes
        if pages_after_commit:
            committed |= waiting
            waiting.clear()
            count = pages_after_commit
    return log_page_bytes, committed, count


def _checksum(words: str, content: bytes, start: tuple[int, int]) -> tuple[int, int]:
    first, second = start
    numbers = struct.unpack(f"{words}{len(content) // 4}I", content)
    for even, odd in zip(numbers[::2], numbers[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _cells(page: bytes, number: int) -> Iterator[tuple[int, int]]:
    """The kind of a page and the place of each of its cells. Raises _DamageError for a page without cells."""
    start = _FILE_HEADER_BYTES if number == 1 else 0
    kind = page[start]
    if kind == _TABLE_INTERIOR:
        return
    if kind not in _POINTERS_AT:
        raise _DamageError
    cells = int.from_bytes(page[start + 3 : start + 5])
    pointers = start + _POINTERS_AT[kind]
    if pointers + 2 * cells > len(page):
        raise _DamageError
    yield from ((kind, place) for (place,) in struct.iter_unpack(">H", page[pointers : pointers + 2 * cells]))


def _record(pages: _Pages, page: bytes, kind: int, at: int) -> Record:
    if kind == _INDEX_INTERIOR:
        at += 4
    size, at = _varint(page, at)
    row_number = None
    if kind == _TABLE_LEAF:
        row_number, at = _varint(page, at)
    if size > MAX_RECORD_BYTES:
        raise _DamageError
    return Record(_values(_payload(pages, page, at, size, kind)), row_number)


def _payload(pages: _Pages, page: bytes, at: int, size: int, kind: int) -> bytes:
    """The bytes of a record, from its page and from the pages that hold the rest of a long one."""
    usable = pages.page_bytes
    least = (usable - 12) * 32 // 255 - 23
    most = usable - 35 if kind == _TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if size <= most:
        if at + size > len(page):
            raise _DamageError
        return page[at : at + size]
    here = least + (size - least) % (usable - 4)
    here = least if here > most else here
    payload = bytearray(page[at : at + here])
    following = int.from_bytes(page[at + here : at + here + 4])
    while len(payload) < size:
        pages.overflow.add(following)
        rest = pages.read(following)
        payload += rest[4 : 4 + size - len(payload)]
        following = int.from_bytes(rest[:4])
    return bytes(payload)


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = content[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | content[at], at + 1


def _values(payload: bytes) -> tuple[Value, ...]:
    header_end, at = _varint(payload, 0)
    kinds = []
    while at < header_end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values = []
    at = header_end
    for kind in kinds:
        size, decode = _serial(kind)
        content = payload[at : at + size]
        at += size
        if len(content) < size:
            raise _DamageError
        values.append(decode(content))
    return tuple(values)


_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


def _serial(kind: int) -> tuple[int, Callable[[bytes], Value]]:
    """Size and meaning of a value of one serial type."""
    if kind >= 12:
        return (kind - 12) // 2, bytes.decode if kind % 2 else bytes
    if kind >= len(_SIZES):
        raise _DamageError
    if kind == 0:
        return 0, lambda _: None
    if kind == 7:
        return 8, lambda content: float(struct.unpack(">d", content)[0])
    if kind >= 8:
        return 0, lambda _: kind - 8
    return _SIZES[kind], lambda content: int.from_bytes(content, signed=True)
