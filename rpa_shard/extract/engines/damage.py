"""What shows that a file breaks the format.

Guarantee: a sound file costs three short reads. Limit: only the file's frame is looked
at: header, cross-reference table and end marker; a wrong length of a stream, which engines correct without a word, is
not noticed.
"""

from __future__ import annotations

import re
from os import SEEK_END
from pathlib import Path

_HEADER = b"%PDF-"
_END_MARKER = b"%%EOF"
_PADDING = b"\0 \t\r\n"
_TAIL_BYTES = 2048
_START = re.compile(rb"startxref\s+(\d{1,12})")
_TABLE = re.compile(rb"\s*(?:xref\s+(?:0+\s+(\d+)|\d+)\s|\d+\s+\d+\s+obj)")
_SIZE = re.compile(rb"/Size\s+(\d+)")


def is_damaged(path: Path) -> bool:
    """Whether the file's frame breaks the format."""
    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            return True
        size = file.seek(0, SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().rstrip(_PADDING)
        starts = _START.findall(tail)
        if _END_MARKER not in tail or not starts:
            return True
        file.seek(int(starts[-1]))
        table = _TABLE.match(file.read(64))
    announced = _SIZE.findall(tail)
    if table is None:
        return True
    return table[1] is not None and bool(announced) and int(table[1]) > int(announced[-1])
