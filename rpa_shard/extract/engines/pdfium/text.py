"""The text of one page through PDFium's own functions: every line, and its place.

Guarantee: the lines of `text` are those of PDFium's text, including those that end in a hyphen (where PDFium writes
U+FFFE), and each offset in `text` follows from PDFium's index of a character. Limit: offsets inside a line are exact
only if making the line valid changed nothing before them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from ctypes import byref, c_double, c_int, c_ulong, c_ushort, create_string_buffer
from functools import cached_property
from itertools import accumulate, repeat
from typing import Any

import pypdfium2.raw as c

from rpa_shard.extract.engines.letters import FIRST_SAMPLE, MIN_ODD_SHARE, SECOND_SAMPLE, is_much, is_odd
from rpa_shard.extract.engines.limits import PAGE_CHARACTERS, PAGE_LINES_WITH_PLACES, Budget
from rpa_shard.extract.engines.pdfium.calls import (
    angle_of,
    char_origin,
    character_at,
    count_characters,
    font_info,
    is_unmapped,
    loose_char_box,
    pointer_to,
    unicode_of,
)
from rpa_shard.extract.engines.pdfium.pieces import MAX_CHARACTERS, TextLines, find_pieces, wide_lines
from rpa_shard.extract.engines.pdfium.places import TOLERANCE_POINTS, CharacterPlaces
from rpa_shard.reading.document import DocumentMetadata, Piece, Place, Unmapped
from rpa_shard.reading.metadata import plausible_metadata
from rpa_shard.reading.raw import valid_line

# Adding and subtracting it rounds a number to an integer, a half to the even one. With it tenths of PDFium's 32-bit
# numbers come out as from `round`, in a tenth of the time.
ROUNDER = 1.5 * 2**52
_LINE_END, _HYPHEN = "\r\n", "\ufffe"
_MARKS = frozenset(f"{_HYPHEN}\r\n")
_HALF_END = re.compile("\r(?!\n)|(?<!\r)\n")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
_METADATA_BYTES, _FONT_NAME_BYTES = 4096, 256
# Radians, clockwise: between a quarter turn and a half turn, with some room.
_TURNED = 1.0, 4.0
# For more points than this an index of the characters costs less than passing them for each.
MAX_POINTS = 1_000
# So many letters of a page tell in which fonts they are, where many have no character.
FONTS_SAMPLE = 32
_UNUSUAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff\uffff]")

# A matrix of PDF: the point (x, y) becomes (a x + c y + e, b x + d y + f).
Turn = tuple[float, float, float, float, float, float]


class TextPage:
    """One open text page. PDFium counts in UTF-16 units, `text` in code points.

    `turned` is the matrix by which the page was turned to be read: its lines have no places.
    """

    def __init__(self, handle: Any, budget: Budget, turned: Turn | None = None) -> None:
        self._handle = handle
        self._at = pointer_to(handle)
        self._turned = turned
        self._budget = budget
        self._by_place: CharacterPlaces | None = None
        self._unmapped: list[int] = []
        count = max(count_characters(self._at), 0)
        raw, units = _raw_text(handle, count)
        self._count = min(count, PAGE_CHARACTERS)
        self._same_index = count == units
        self._spans, self._lines = split_lines(budget.cut(raw), has_astral=units > len(raw))
        self.text = "\n".join(self._lines)

    @cached_property
    def _offsets(self) -> list[int]:
        """Where in `text` each line begins."""
        return [0, *accumulate(len(line) + 1 for line in self._lines)]

    def places(self) -> tuple[Place | None, ...]:
        """The place of each line; None for empty ones, and past the cap."""
        if self._turned is not None:
            return ()
        x, y, box = c_double(), c_double(), c.FS_RECTF()
        x_at, y_at, box_at = byref(x), byref(y), byref(box)
        handle, new = self._at, tuple.__new__
        same, rounder = self._same_index, ROUNDER
        found: list[Place | None] = [None] * len(self._spans)
        for number, (start, end) in enumerate(self._spans[:PAGE_LINES_WITH_PLACES]):
            if end <= start:
                continue
            first, last = start, end - 1
            if not same:
                first, last = max(character_at(handle, first), 0), max(character_at(handle, last), 0)
            if not char_origin(handle, first, x_at, y_at):
                continue
            loose_char_box(handle, first, box_at)
            size = box.top - box.bottom
            loose_char_box(handle, last, box_at)
            last_size = box.top - box.bottom
            if last_size > size:  # a line may begin or end with an index
                size = last_size
            found[number] = new(
                Place,
                (
                    (x.value * 10 + rounder - rounder) / 10,
                    (y.value * 10 + rounder - rounder) / 10,
                    (box.right * 10 + rounder - rounder) / 10,
                    (size * 10 + rounder - rounder) / 10,
                ),
            )
        return tuple(found)

    def pieces(self, places: Sequence[Place | None], page_width: float) -> tuple[Piece, ...]:
        """The pieces of lines that PDFium joined from several, if the page has such lines."""
        wide = wide_lines(places, page_width)
        if not wide or len(self.text) > MAX_CHARACTERS:
            return ()
        lines = TextLines(self._handle, self._spans, self._lines, lambda: self._offsets, self._same_index)
        return find_pieces(lines, places, page_width, wide)

    def is_turned(self) -> bool:
        """Whether letters in the page's middle lie on their right side or stand on their heads: two out of three."""
        first, second = self._is_turned_at(2), self._is_turned_at(3)
        return first if first == second else self._is_turned_at(4)

    def _is_turned_at(self, sevenths: int) -> bool:
        return bool(_TURNED[0] < angle_of(self._at, self._count * sevenths // 7) < _TURNED[1])

    def is_missing_letters(self) -> bool:
        """Whether much of the page is set in a font that does not tell which characters its letters are.

        PDFium returns the font's own numbers for them. In many fonts these are those of ASCII, which is well; where
        they are not, odd characters are among them.
        """
        count, at = self._count, self._at
        sample = range(0, count, count // FIRST_SAMPLE + 1)
        if list(map(is_unmapped, repeat(at), sample)).count(1) < 2:
            return False
        letters = range(0, count, count // SECOND_SAMPLE + 1)
        unmapped = [number for number in letters if is_unmapped(at, number) == 1]
        if not is_much(len(unmapped), len(letters)):
            return False
        self._unmapped = unmapped
        odd = sum(is_odd(unicode_of(at, number)) for number in unmapped)
        return odd >= MIN_ODD_SHARE * len(unmapped)

    def unmapped(self) -> Unmapped | None:
        """The letters that `is_missing_letters` found without a character, if they are many."""
        if not self._unmapped:
            return None
        at, name = self._at, create_string_buffer(_FONT_NAME_BYTES)
        length, flags = c_ulong(_FONT_NAME_BYTES), byref(c_int())
        fonts = set()
        for number in self._unmapped[:: len(self._unmapped) // FONTS_SAMPLE + 1]:
            font_info(at, number, name, length, flags)
            fonts.add(name.value)
        letters = range(0, self._count, self._count // FONTS_SAMPLE + 1)
        mapped = [number for number in letters if is_unmapped(at, number) != 1]
        blank = sum(chr(unicode_of(at, number)).isspace() for number in mapped)
        return Unmapped(1 - (len(mapped) - blank) / max(len(letters) - blank, 1), tuple(sorted(fonts)))

    def expect(self, points: int) -> None:
        """Prepares for `offset_at` being asked for that many points."""
        if points > MAX_POINTS:
            self._by_place = CharacterPlaces(self._handle, self._count)

    def offset_at(self, x: float, y: float) -> int | None:
        """The offset in `text` of the character at or near a point of the page."""
        if not self.text:
            return None
        if self._turned is not None:
            a, b, along, down, right, up = self._turned
            x, y = a * x + along * y + right, b * x + down * y + up
        if self._by_place is not None:
            found = self._by_place.index_at(x, y, self._budget)
        else:
            # Most points are on a character, and PDFium passes over the others in half the time without a tolerance.
            found = c.FPDFText_GetCharIndexAtPos(self._handle, x, y, 0.0, 0.0)
            if found < 0:
                found = c.FPDFText_GetCharIndexAtPos(self._handle, x, y, TOLERANCE_POINTS, TOLERANCE_POINTS)
        if found < 0:
            return None
        unit: int = found if self._same_index else c.FPDFText_GetTextIndexFromCharIndex(self._handle, found)
        line = bisect_right(self._spans, (unit, 1 << 60)) - 1
        if line < 0:
            return None
        return self._offsets[line] + min(unit - self._spans[line][0], len(self._lines[line]))

    def close(self) -> None:
        """Closes PDFium's text page: nothing else may be called any more."""
        c.FPDFText_ClosePage(self._handle)


def _raw_text(handle: Any, count: int) -> tuple[str, int]:
    """The page's text, and its length in UTF-16 units."""
    count = min(count, PAGE_CHARACTERS)
    # An array of ctypes would be a new type for each length, which takes longer than the text.
    buffer = bytearray(2 * (count + 1))
    units = max(c.FPDFText_GetText(handle, 0, count, byref(c_ushort.from_buffer(buffer))) - 1, 0)  # a NUL is the last
    return buffer[: 2 * units].decode("utf-16-le", "surrogatepass"), units


def split_lines(raw: str, *, has_astral: bool) -> tuple[list[tuple[int, int]], list[str]]:
    """Each line's span in UTF-16 units, and the line as valid text."""
    spans, lines = _split_at_whole_ends(raw)
    text = "\n".join(lines)
    if has_astral or "\r" in text or text.count("\n") >= len(lines):
        spans, lines = _split_at_any_ends(raw)
    return spans, lines if _UNUSUAL.search(text) is None else list(map(valid_line, lines))


def _split_at_whole_ends(raw: str) -> tuple[list[tuple[int, int]], list[str]]:
    """The lines, if a unit is a character and none is half a line end, as it nearly always is."""
    spans: list[tuple[int, int]] = []
    lines: list[str] = []
    at = 0
    for part in raw.split(_HYPHEN):
        found = part.split(_LINE_END)
        for line in found:
            end = at + len(line)
            spans.append((at, end))
            at = end + len(_LINE_END)
        at -= len(_LINE_END) - len(_HYPHEN)
        found[-1] += "-"
        lines += found
    lines[-1] = lines[-1][:-1]
    return spans, lines


def _split_at_any_ends(raw: str) -> tuple[list[tuple[int, int]], list[str]]:
    spans: list[tuple[int, int]] = []
    lines: list[str] = []
    at = 0
    # A hyphen's mark or half a line end ends a line, too: each gets a complete line end after it to be split at.
    for line in _HALF_END.sub(rf"\g<0>{_LINE_END}", raw.replace(_HYPHEN, _HYPHEN + _LINE_END)).split(_LINE_END):
        mark = line[-1:]
        has_mark = mark in _MARKS
        if has_mark:
            line = line[:-1]
        units = len(line) + len(_ASTRAL.findall(line))
        spans.append((at, at + units))
        at += units + (1 if has_mark else len(_LINE_END))
        lines.append(line + "-" if mark == _HYPHEN else line)
    return spans, lines


def document_metadata(document: Any) -> DocumentMetadata:
    """Title, producer and creation date, if the document names them."""
    return plausible_metadata(*(_metadata_text(document, name) for name in (b"Title", b"Producer", b"CreationDate")))


def _metadata_text(document: Any, name: bytes) -> str:
    size = c.FPDF_GetMetaText(document, name, None, 0)
    if not 2 < size <= _METADATA_BYTES:
        return ""
    buffer = create_string_buffer(size)
    c.FPDF_GetMetaText(document, name, buffer, size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
