"""Text that PDFium would leave out or mix up because of the shape of its letters: makes it readable before it is read.

PDFium passes over text whose letters have no width or height, which is what it measures for a font that is neither
embedded nor replaced, and takes equal lines of it for one line printed twice. Columns of vertical writing come out from
the left to the right, and so do lines of letters that lie on their right side or stand on their heads.

Guarantee: an outline of half a point gives every such piece of text a shape; such a page is turned until its columns,
from the right to the left, are lines, or its letters upright. One look at each object of the page. Limit: only for
pages whose text shows a reason, see `_is_suspect`; the page must not be drawn afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ctypes import byref, c_float, c_long, c_void_p, cast
from enum import Enum
from typing import Any

import pypdfium2.raw as c

from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.engines.pdfium.calls import (
    form_object,
    object_bounds,
    object_kind,
    object_matrix,
    page_object,
    pointer_to,
)
from rpa_shard.extract.engines.pdfium.text import TextPage, Turn

# The first UTF-8 bytes of scripts whose fonts PDFium cannot replace by one of its own (U+0540 to U+1FFF, U+3000 to
# U+D7FF), and all other bytes: a search for them costs a hundredth of a search for the letters.
_OTHER_SCRIPTS = frozenset((*range(0xD5, 0xE2), *range(0xE3, 0xEE)))
_USUAL_BYTES = bytes(sorted(set(range(256)) - _OTHER_SCRIPTS))
_EAST_ASIAN = re.compile("[\u2e80-\ud7ff\uf900-\ufaff]")
# With less text than this all may be lost.
FEW_CHARACTERS = 200
PAGE_OBJECTS = 300_000
FORM_DEPTH = 12
_OUTLINE = 0.5
_SMALLEST = 0.01
_TALL = 2.0
_AS_IT_IS = c.FS_MATRIX(1, 0, 0, 1, 0, 0)


def open_text(page: Any, budget: Budget) -> TextPage | None:
    """The page's text with all its letters; None if PDFium cannot read it. The caller closes it."""
    handle = c.FPDFText_LoadPage(page)
    if not handle:
        return None
    text = TextPage(handle, budget)
    if not _is_suspect(text, page):
        return text
    shapeless, direction = give_shapes(page)
    if shapeless:
        text = _better(text, page, budget)
    if (
        direction in (Direction.ON_RIGHT_SIDE, Direction.ON_HEAD)
        or (direction is Direction.ON_LEFT_SIDE and shapeless)
        or (direction is Direction.DOWN and _EAST_ASIAN.search(text.text))
    ):
        turn = _turn(direction, c.FPDF_GetPageWidthF(page), c.FPDF_GetPageHeightF(page))
        for number in range(min(c.FPDFPage_CountObjects(page), PAGE_OBJECTS)):
            found = c.FPDFPage_GetObject(page, number)
            if c.FPDFPageObj_GetType(found) in (c.FPDF_PAGEOBJ_TEXT, c.FPDF_PAGEOBJ_FORM):
                c.FPDFPageObj_TransformF(found, turn)
        text = _better(text, page, budget, (turn.a, turn.b, turn.c, turn.d, turn.e, turn.f))
    return text


def _better(text: TextPage, page: Any, budget: Budget, turned: Turn | None = None) -> TextPage:
    """The page read again, or `text` if that brings nothing but blanks; the other one is closed."""
    left = budget.characters
    budget.characters += len(text.text)
    again = TextPage(c.FPDFText_LoadPage(page), budget, turned)
    if turned is not None or "".join(again.text.split()) != "".join(text.text.split()):
        text.close()
        return again
    again.close()
    budget.characters = left
    return text


def _is_suspect(text: TextPage, page: Any) -> bool:
    """Whether to look at the page's objects: letters of another script or turned ones, or hardly any."""
    if len(text.text) < FEW_CHARACTERS:
        return bool(c.FPDFPage_CountObjects(page) > 0)
    if not text.text.isascii() and text.text.encode().translate(None, _USUAL_BYTES):
        return True
    return text.is_turned()


def text_objects(page: Any) -> Iterator[c_void_p]:
    """All text objects of a page, those in forms included, in order; at most `PAGE_OBJECTS` objects are looked at."""
    page_at = pointer_to(page)
    return _texts_among([(lambda number: page_object(page_at, number), 0, c.FPDFPage_CountObjects(page))])


def form_text_objects(form: Any) -> Iterator[c_void_p]:
    """As `text_objects`, of a form."""
    return _texts_among([_level(cast(form, c_void_p))])


def _level(form: c_void_p) -> tuple[Callable[[int], Any], int, int]:
    return lambda number: form_object(form, c_long(number)), 0, c.FPDFFormObj_CountObjects(as_object(form))


def _texts_among(levels: list[tuple[Callable[[int], Any], int, int]]) -> Iterator[c_void_p]:
    """`levels` are a way to get an object by its number, the next number, and how many there are, outermost first."""
    left = PAGE_OBJECTS
    while levels and left:
        object_at, number, count = levels.pop()
        while number < count and left:
            left -= 1
            found = c_void_p(object_at(number))
            number += 1
            kind = object_kind(found)
            if kind == c.FPDF_PAGEOBJ_TEXT:
                yield found
            elif kind == c.FPDF_PAGEOBJ_FORM and len(levels) < FORM_DEPTH:
                levels.append((object_at, number, count))
                object_at, number, count = _level(found)


def as_object(address: c_void_p) -> Any:
    return cast(address, c.FPDF_PAGEOBJECT)


class _Bounds:
    """The bounds of page objects, into numbers that are allocated once."""

    def __init__(self) -> None:
        self._edges = [c_float() for _ in range(4)]
        self._at = [byref(edge) for edge in self._edges]

    def size(self, text: c_void_p) -> tuple[float, float]:
        object_bounds(text, *self._at)
        left, bottom, right, top = (edge.value for edge in self._edges)
        return right - left, top - bottom


_BOUNDS = _Bounds()


def give_shape(text: c_void_p) -> tuple[float, float, bool]:
    """Gives a text object a shape if it has none. Returns its width and height, and whether it had none."""
    width, height = _BOUNDS.size(text)
    if width >= _SMALLEST and height >= _SMALLEST:
        return width, height, False
    outlined = as_object(text)
    c.FPDFTextObj_SetTextRenderMode(outlined, c.FPDF_TEXTRENDERMODE_STROKE)
    c.FPDFPageObj_SetStrokeWidth(outlined, _OUTLINE)
    c.FPDFPageObj_TransformF(outlined, _AS_IT_IS)  # so that its bounds are computed again
    return width, height, True


class Direction(Enum):
    """How most of a page's text runs, as the page is shown: where to, for upright letters, or how its letters lie."""

    RIGHT = 0
    ON_LEFT_SIDE = 1
    ON_HEAD = 2
    ON_RIGHT_SIDE = 3
    DOWN = 4


def give_shapes(page: Any) -> tuple[bool, Direction]:
    """Gives text without a shape one. Returns whether there was any, and how most of the text runs."""
    matrix = c.FS_MATRIX()
    matrix_at = byref(matrix)
    rotation = c.FPDFPage_GetRotation(page)
    any_shapeless = False
    extents = dict.fromkeys(Direction, 0.0)
    for each in text_objects(page):
        width, height, shapeless = give_shape(each)
        any_shapeless = any_shapeless or shapeless
        if not object_matrix(each, matrix_at):
            continue
        is_upright = abs(matrix.a) >= abs(matrix.b)
        quarters = (0 if matrix.a >= 0 else 2) if is_upright else (1 if matrix.b >= 0 else 3)
        along, across = (width, height) if is_upright else (height, width)
        direction = Direction((quarters - rotation) % 4)
        if direction is Direction.RIGHT and across > _TALL * along:
            direction = Direction.DOWN
        extents[direction] += max(width, height)
    return any_shapeless, max(Direction, key=lambda direction: extents[direction])


def _turn(direction: Direction, width: float, height: float) -> Any:
    """What turns a page until such text runs to the right."""
    if direction is Direction.ON_HEAD:
        return c.FS_MATRIX(-1, 0, 0, -1, width, height)
    if direction is Direction.ON_LEFT_SIDE:
        return c.FS_MATRIX(0, -1, 1, 0, 0, width)
    return c.FS_MATRIX(0, 1, -1, 0, height, 0)
