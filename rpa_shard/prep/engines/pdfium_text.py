"""The text of one page through PDFium's own functions: every line, and where it stands.

Guarantee: the lines of `text` are those of PDFium's text, a line that ends in a hyphen too (PDFium writes U+FFFE
there), and each position in `text` is found from PDFium's index of a character. Limit: positions inside a line are
exact only where making the line valid changed nothing before them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from ctypes import PyDLL, byref, c_double, c_ushort, create_string_buffer
from typing import Any

import pypdfium2.raw as c
from pypdfium2_raw.bindings import _libs

from rpa_shard.prep.engines.limits import LINES_WITH_PLACES, PAGE_CHARACTERS, Budget
from rpa_shard.reading.document import Metadata, Place
from rpa_shard.reading.metadata import metadata_of
from rpa_shard.reading.raw import valid_line

_LINE_END = re.compile("\r\n|[\r\n\ufffe]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_METADATA_BYTES = 4096
_UNUSUAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\uffff]")


def _without_handing_over(function: Any) -> Any:
    """A function of PDFium's that is over before another thread could begin, as one that keeps the interpreter.

    ctypes gives it away at each call, and three calls a line mean a fight for it with the loop at each.
    """
    library = PyDLL(_libs["pdfium"]._name)
    kept = library[function.__name__]
    kept.argtypes, kept.restype = function.argtypes, function.restype
    return kept


_char_origin = _without_handing_over(c.FPDFText_GetCharOrigin)
_loose_char_box = _without_handing_over(c.FPDFText_GetLooseCharBox)


class TextPage:
    """One open text page. PDFium counts in UTF-16 units, `text` in code points."""

    def __init__(self, handle: Any, budget: Budget) -> None:
        self._handle = handle
        self._count = max(c.FPDFText_CountChars(handle), 0)
        raw = budget.cut(_raw_text(handle, self._count))
        self._spans, lines = _split(raw)
        self._same_index = self._count == len(raw) + _units_above(raw)
        self._offsets: list[int] = []
        offset = 0
        for line in lines:
            self._offsets.append(offset)
            offset += len(line) + 1
        self._lengths = [len(line) for line in lines]
        self.text = "\n".join(lines)

    def places(self) -> tuple[Place | None, ...]:
        """The place of each line; None for empty ones, and past the cap."""
        x, y, box = c_double(), c_double(), c.FS_RECTF()
        x_at, y_at, box_at = byref(x), byref(y), byref(box)
        handle, index = self._handle, self._character_index
        found: list[Place | None] = [None] * len(self._spans)
        for number, (start, end) in enumerate(self._spans[:LINES_WITH_PLACES]):
            if end <= start:
                continue
            first = index(start)
            if not _char_origin(handle, first, x_at, y_at):
                continue
            _loose_char_box(handle, first, box_at)
            size = box.top - box.bottom
            _loose_char_box(handle, index(end - 1), box_at)
            size = max(size, box.top - box.bottom)  # a line may begin or end with an index
            found[number] = Place(round(x.value, 1), round(y.value, 1), round(box.right, 1), round(size, 1))
        return tuple(found)

    def offset_at(self, x: float, y: float) -> int | None:
        """The offset in `text` of the character at or near a point of the page."""
        found = c.FPDFText_GetCharIndexAtPos(self._handle, x, y, 4.0, 4.0)
        if found < 0:
            return None
        unit: int = found if self._same_index else c.FPDFText_GetTextIndexFromCharIndex(self._handle, found)
        line = bisect_right(self._spans, (unit, 1 << 60)) - 1
        if line < 0:
            return None
        return self._offsets[line] + min(unit - self._spans[line][0], self._lengths[line])

    def _character_index(self, unit: int) -> int:
        if self._same_index:
            return unit
        return max(int(c.FPDFText_GetCharIndexFromTextIndex(self._handle, unit)), 0)


def _raw_text(handle: Any, count: int) -> str:
    count = min(count, PAGE_CHARACTERS)
    buffer = (c_ushort * (count + 1))()
    written = c.FPDFText_GetText(handle, 0, count, buffer)  # with a NUL at the end
    return bytes(memoryview(buffer)[: max(written - 1, 0)]).decode("utf-16-le", "surrogatepass")


def _units_above(text: str) -> int:
    """How many more UTF-16 units than code points a text has."""
    return 0 if text.isascii() else len(_ASTRAL.findall(text))


def _split(raw: str) -> tuple[list[tuple[int, int]], list[str]]:
    """Each line's span in UTF-16 units, and the line as valid text."""
    spans: list[tuple[int, int]] = []
    lines: list[str] = []
    start, units = 0, 0
    astral = _units_above(raw) > 0
    valid = valid_line if _UNUSUAL.search(raw) else str
    for end in (*_LINE_END.finditer(raw), None):
        piece = raw[start : end.start() if end else len(raw)]
        length = len(piece) + (_units_above(piece) if astral else 0)
        spans.append((units, units + length))
        hyphen = "-" if end is not None and end[0] == "\ufffe" else ""
        lines.append(valid(piece) + hyphen)
        if end is not None:
            start = end.end()
            units += length + len(end[0])
    return spans, lines


def document_metadata(document: Any) -> Metadata:
    """Title, producer and creation date, where the document names them."""
    return metadata_of(*(_metadata_text(document, name) for name in (b"Title", b"Producer", b"CreationDate")))


def _metadata_text(document: Any, name: bytes) -> str:
    size = c.FPDF_GetMetaText(document, name, None, 0)
    if not 2 < size <= _METADATA_BYTES:
        return ""
    buffer = create_string_buffer(size)
    c.FPDF_GetMetaText(document, name, buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
