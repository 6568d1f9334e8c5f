"""The text in the drawings of a page's annotations, through PDFium's own functions.

PDFium finds text in a page's content only. `FPDFPage_Flatten` appends the drawings to it, as one form with a form for
each of them: then every letter tells which drawing it belongs to.

Guarantee: linear in the drawings and their letters. Limit: the page's content in memory is another one afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ctypes import byref, c_float, c_void_p
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.limits import PAGE_CHARACTERS
from rpa_shard.extract.engines.pdfium.calls import (
    make_active,
    object_of_character,
    page_object,
    pointer_to,
    unicode_of,
)
from rpa_shard.extract.engines.pdfium.shapes import form_text_objects, give_shape

# How many annotations are passed over to find the one that a drawing belongs to: some cannot be drawn.
_AHEAD = 50
_TOLERANCE = 2.0


class Drawn(NamedTuple):
    """An annotation that has a drawing: its number on the page, and its rectangle: left, bottom, right, top."""

    number: int
    rectangle: tuple[float, float, float, float]


def drawn_texts(document: Any, page: Any, index: int, wanted: Sequence[Drawn]) -> Mapping[int, str]:
    """The text in the drawing of each of these annotations, which are in order, by their numbers."""
    _show_only(page, {each.number for each in wanted})
    if c.FPDFPage_Flatten(page, c.FLAT_NORMALDISPLAY) != c.FLATTEN_SUCCESS:
        return {}
    flat = c.FPDF_LoadPage(document, index)
    if not flat:
        return {}
    try:
        last = c.FPDFPage_CountObjects(flat) - 1
        appended = c.FPDFPage_GetObject(flat, last)
        if last < 0 or c.FPDFPageObj_GetType(appended) != c.FPDF_PAGEOBJ_FORM:
            return {}
        flat_at = pointer_to(flat)
        for number in range(last):
            make_active(c_void_p(page_object(flat_at, number)), 0)
        drawings = [c.FPDFFormObj_GetObject(appended, number) for number in range(c.FPDFFormObj_CountObjects(appended))]
        texts = _texts(flat, drawings)
        return {number: texts[at] for at, number in _matched(drawings, wanted) if at in texts}
    finally:
        c.FPDF_ClosePage(flat)


def _show_only(page: Any, numbers: set[int]) -> None:
    for number in range(c.FPDFPage_GetAnnotCount(page)):
        annotation = c.FPDFPage_GetAnnot(page, number)
        if annotation:
            flags = c.FPDF_ANNOT_FLAG_PRINT if number in numbers else c.FPDF_ANNOT_FLAG_HIDDEN
            c.FPDFAnnot_SetFlags(annotation, flags)
            c.FPDFPage_CloseAnnot(annotation)


def _texts(page: Any, drawings: Sequence[Any]) -> dict[int, str]:
    """The text of each drawing that has any."""
    owners: dict[int, int] = {}
    for at, drawing in enumerate(drawings):
        if c.FPDFPageObj_GetType(drawing) == c.FPDF_PAGEOBJ_FORM:
            for text in form_text_objects(drawing):
                give_shape(text)
                owners[text.value or 0] = at
    if not owners:
        return {}
    handle = c.FPDFText_LoadPage(page)
    if not handle:
        return {}
    try:
        return _by_owner(handle, owners)
    finally:
        c.FPDFText_ClosePage(handle)


def _by_owner(handle: Any, owners: Mapping[int, int]) -> dict[int, str]:
    """The letters of each drawing: a line break where another drawing's letters stand between them."""
    found: dict[int, list[str]] = {}
    before: int | None = None
    between: list[str] = []
    text_at = pointer_to(handle)
    for number in range(min(c.FPDFText_CountChars(handle), PAGE_CHARACTERS)):
        letter = chr(unicode_of(text_at, number) or 0xFFFD)
        owner = owners.get(object_of_character(text_at, number))
        if owner is None:
            between.append(letter)
            continue
        letters = found.setdefault(owner, [])
        if owner == before:
            letters += between
        elif letters:
            letters.append("\n")
        letters.append(letter)
        before, between = owner, []
    return {
        owner: "".join(letters).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for owner, letters in found.items()
    }


def _matched(drawings: Sequence[Any], wanted: Sequence[Drawn]) -> Iterator[tuple[int, int]]:
    """Pairs of the number of a drawing and of its annotation. Both are in order; some annotations have no drawing."""
    if len(drawings) == len(wanted):
        yield from ((at, each.number) for at, each in enumerate(wanted))
        return
    edges = [c_float() for _ in range(4)]
    first = 0
    for at, drawing in enumerate(drawings):
        c.FPDFPageObj_GetBounds(drawing, *map(byref, edges))
        x, y = (edges[0].value + edges[2].value) / 2, (edges[1].value + edges[3].value) / 2
        for number in range(first, min(first + _AHEAD, len(wanted))):
            left, bottom, right, top = wanted[number].rectangle
            if left - _TOLERANCE <= x <= right + _TOLERANCE and bottom - _TOLERANCE <= y <= top + _TOLERANCE:
                yield at, wanted[number].number
                first = number + 1
                break
