"""How long PDFium will take to put a page's pieces of text in order, in a call that nothing can interrupt.

Guarantee: exact for pieces that a page shows itself, in PDFium's own terms: as long as pieces are at about one height,
it takes them for one line and passes, for each, those of the line that are to the right of it. Limit: pieces in forms
that the page draws are not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from ctypes import addressof, byref, c_float, c_void_p
from typing import Any

import pypdfium2.raw as c

from rpa_shard.extract.engines.pdfium.calls import keeping_the_gil

# Pages with fewer objects are never slow.
FEW_OBJECTS = 5_000
# How far apart two pieces of one line may be in height, in letter heights.
_SAME_LINE = 0.5

_object = keeping_the_gil(c.FPDFPage_GetObject, c_void_p)
_type = keeping_the_gil(c.FPDFPageObj_GetType)
_matrix = keeping_the_gil(c.FPDFPageObj_GetMatrix)
_font_size = keeping_the_gil(c.FPDFTextObj_GetFontSize)


def passed_pieces(page: Any, most: int) -> int:
    """How many pieces of text PDFium will pass; counting ends once there are more than `most`."""
    if c.FPDFPage_CountObjects(page) < FEW_OBJECTS:
        return 0
    passed = 0
    line: list[float] = []
    height = 0.0
    for x, y, size in _pieces(page):
        if abs(y - height) > _SAME_LINE * size:
            line = []
        height = y
        at = bisect_right(line, x)
        passed += len(line) - at
        line.insert(at, x)
        if passed > most:
            break
    return passed


def _pieces(page: Any) -> Iterator[tuple[float, float, float]]:
    """Where each piece of text begins, and the height of its letters."""
    matrix, size = c.FS_MATRIX(), c_float()
    matrix_at, size_at = byref(matrix), byref(size)
    page_at = c_void_p(addressof(page.contents))
    for index in range(c.FPDFPage_CountObjects(page)):
        piece = c_void_p(_object(page_at, index))
        if _type(piece) == c.FPDF_PAGEOBJ_TEXT and _matrix(piece, matrix_at):
            _font_size(piece, size_at)
            scale = max(abs(matrix.a), abs(matrix.b), abs(matrix.c), abs(matrix.d))
            yield matrix.e, matrix.f, size.value * scale
