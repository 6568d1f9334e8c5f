"""What shows that a file breaks the format.

Guarantee: a sound file costs three short reads. Limit: only the file's frame is looked at: header, end marker, and the
beginning of the cross-reference table; a wrong length of a stream, which engines correct without a word, is not
noticed.
"""

from __future__ import annotations

import re
import zlib
from os import SEEK_END
from typing import BinaryIO

_HEADER = b"%PDF-"
_END_MARKER = b"%%EOF"
_PADDING = b"\0 \t\r\n"
# The end marker should be within the last KB of what is no padding.
_END_BYTES, _TABLE_BYTES = 1024, 1024
_START = re.compile(rb"startxref\s+(\d{1,12})")
_TABLE = re.compile(rb"\s*(?:xref\s+(?:0+\s+(\d+)|\d+)\s|\d+\s+\d+\s+obj)")
_PACKED_TABLE = re.compile(rb"/Flate(?:Decode)?\b.*?>>\s*stream\r?\n", re.DOTALL)
_SIZE = re.compile(rb"/Size\s+(\d+)")


def is_damaged(file: BinaryIO) -> bool:
    """Whether the frame of a file, which is at its beginning, breaks the format."""
    if file.read(len(_HEADER)) != _HEADER:
        return True
    end = _end(file)
    starts = _START.findall(end)
    if _END_MARKER not in end or not starts:
        return True
    file.seek(int(starts[-1]))
    return not _is_table(file.read(_TABLE_BYTES), end)


def _end(file: BinaryIO) -> bytes:
    """The last KB of a file, or a little more, padding apart."""
    size = file.seek(0, SEEK_END)
    length = 2 * _END_BYTES
    while True:
        file.seek(max(0, size - length))
        end = file.read().rstrip(_PADDING)
        if len(end) >= _END_BYTES or length >= size:
            return end[-2 * _END_BYTES :]
        length *= 8


def _is_table(table: bytes, end: bytes) -> bool:
    found = _TABLE.match(table)
    if found is None:
        return False
    if b"xref" in found[0]:
        announced = _SIZE.findall(end)
        return found[1] is None or not announced or int(found[1]) <= int(announced[-1])
    packed = _PACKED_TABLE.search(table)
    try:
        zlib.decompressobj().decompress(table[packed.end() :] if packed else b"", 1)
    except zlib.error:
        return False
    return True
