"""How long PDFium will take to put a page's pieces of text in order, in a call that nothing can interrupt.

Guarantee: exact for pieces that a page shows itself, in PDFium's own terms: as long as pieces are at about one height,
it takes them for one line and passes, for each, those of the line that are to the right of it. Limit: pieces in forms
that the page draws are not counted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from ctypes import byref, c_float, c_void_p
from typing import Any

import pypdfium2.raw as c

from rpa_shard.extract.engines.pdfium.calls import (
    count_objects,
    object_font_size,
    object_kind,
    object_matrix,
    page_object,
    pointer_to,
)

# Pages with fewer objects are never slow.
FEW_OBJECTS = 5_000
# How far apart two pieces of one line may be in height, in letter heights.
_SAME_LINE = 0.5


def passed_pieces(page: Any, most: int) -> int:
    """How many pieces of text PDFium will pass; counting ends once there are more than `most`."""
    page_at = pointer_to(page)
    if count_objects(page_at) < FEW_OBJECTS:
        return 0
    passed = 0
    line: list[float] = []
    height = 0.0
    for x, y, size in _pieces(page_at):
        if abs(y - height) > _SAME_LINE * size:
            line = []
        height = y
        at = bisect_right(line, x)
        passed += len(line) - at
        line.insert(at, x)
        if passed > most:
            break
    return passed


def _pieces(page_at: Any) -> Iterator[tuple[float, float, float]]:
    """Where each piece of text begins, and the height of its letters."""
    matrix, size = c.FS_MATRIX(), c_float()
    matrix_at, size_at = byref(matrix), byref(size)
    for index in range(count_objects(page_at)):
        piece = c_void_p(page_object(page_at, index))
        if object_kind(piece) == c.FPDF_PAGEOBJ_TEXT and object_matrix(piece, matrix_at):
            object_font_size(piece, size_at)
            scale = max(abs(matrix.a), abs(matrix.b), abs(matrix.c), abs(matrix.d))
            yield matrix.e, matrix.f, size.value * scale
