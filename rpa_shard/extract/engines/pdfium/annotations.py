"""Form fields, comments and signatures, through PDFium's own functions.

What a field or a comment says is what is drawn for it, because that is what a reader sees; its value if nothing is
drawn.

Guarantee: at most `ANNOTATIONS` of a document are read, in linear time; what is hidden is left out. Limit: the content
of all pages must have been read before `page_items`, since it changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ctypes import POINTER, c_float, c_ushort, cast, create_string_buffer
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.added_text import HIDDEN_FLAGS, PASSWORD_FLAG, Item, Kind, shown
from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.engines.pdfium.drawings import Drawn, drawn_texts, has_text

_VALUE_BYTES = 2_000_000
_TAG = re.compile("<[^<>]*>")
_WITHOUT_TEXT = frozenset({c.FPDF_ANNOT_LINK, c.FPDF_ANNOT_POPUP})


class Annotation(NamedTuple):
    """An annotation that may have text: its number on the page, its rectangle and what it holds."""

    number: int
    kind: Kind
    rectangle: tuple[float, float, float, float]
    value: str
    # Whether its drawing has text.
    is_drawn: bool
    is_button: bool
    # The value may be kept with an ancestor of the field.
    may_inherit: bool


def page_annotations(page: Any, budget: Budget) -> list[Annotation]:
    """The annotations of an open page that may have text, links apart."""
    return list(_annotations(page, budget))


def page_items(
    document: Any, index: int, annotations: Sequence[Annotation], inherited: Callable[[int, int], str]
) -> tuple[Item, ...]:
    """The text of a page's form fields and other annotations.

    `inherited` tells a field's value from the numbers of page and annotation, where PDFium does not.
    """
    wanted = [Drawn(each.number, each.rectangle) for each in annotations if each.is_drawn]
    drawn = _drawn(document, index, wanted) if wanted else {}
    found: list[Item] = []
    for each in annotations:
        text = shown(drawn.get(each.number, ""), each.value, is_button=each.is_button)
        if not text and each.may_inherit:
            text = inherited(index, each.number)
        if text:
            found.append(Item(each.kind, *each.rectangle, text))
    return tuple(found)


def _drawn(document: Any, index: int, wanted: Sequence[Drawn]) -> Mapping[int, str]:
    page = c.FPDF_LoadPage(document, index)
    if not page:
        return {}
    try:
        return drawn_texts(document, page, index, wanted)
    finally:
        c.FPDF_ClosePage(page)


def _annotations(page: Any, budget: Budget) -> Iterator[Annotation]:
    for number in range(c.FPDFPage_GetAnnotCount(page)):
        if budget.annotations == 0:
            budget.hit("annotations")
            return
        budget.annotations -= 1
        annotation = c.FPDFPage_GetAnnot(page, number)
        if not annotation:
            continue
        try:
            subtype = c.FPDFAnnot_GetSubtype(annotation)
            found = None if subtype in _WITHOUT_TEXT else _read(annotation, number, subtype)
            if found is not None:
                yield found
        finally:
            c.FPDFPage_CloseAnnot(annotation)


def _read(annotation: Any, number: int, subtype: int) -> Annotation | None:
    box = c.FS_RECTF()
    if c.FPDFAnnot_GetFlags(annotation) & HIDDEN_FLAGS or not c.FPDFAnnot_GetRect(annotation, box):
        return None
    rectangle = min(box.left, box.right), min(box.bottom, box.top), max(box.left, box.right), max(box.bottom, box.top)
    is_drawn = bool(c.FPDFAnnot_HasKey(annotation, b"AP")) and has_text(annotation)
    if subtype != c.FPDF_ANNOT_WIDGET:
        value = ""
        if subtype == c.FPDF_ANNOT_FREETEXT:
            value = _string(annotation, b"Contents") or _TAG.sub("", _string(annotation, b"RC"))
        return Annotation(number, "annotation", rectangle, value, is_drawn, False, False)
    field = _string(annotation, b"FT")
    if field in ("Tx", "") and _number(annotation, b"Ff") & PASSWORD_FLAG:
        return None
    is_button = field == "Btn" or c.FPDFAnnot_GetValueType(annotation, b"V") == c.FPDF_OBJECT_NAME
    value = "" if is_button else _string(annotation, b"V")
    kind: Kind = "signature" if field == "Sig" else "form_field"
    may_inherit = not value and field in ("Tx", "Ch", "") and bool(c.FPDFAnnot_HasKey(annotation, b"Parent"))
    return Annotation(number, kind, rectangle, value, is_drawn, is_button, may_inherit)


def _string(annotation: Any, key: bytes) -> str:
    size = c.FPDFAnnot_GetStringValue(annotation, key, None, 0)
    if not 2 < size <= _VALUE_BYTES:
        return ""
    buffer = create_string_buffer(size)
    c.FPDFAnnot_GetStringValue(annotation, key, cast(buffer, POINTER(c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")


def _number(annotation: Any, key: bytes) -> int:
    value = c_float()
    return int(value.value) if c.FPDFAnnot_GetNumberValue(annotation, key, value) else 0
