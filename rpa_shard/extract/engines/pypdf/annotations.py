"""Form fields, comments and signatures, by pypdf's own means.

Guarantee: as PDFium's: at most `ANNOTATIONS` of a document are read; an annotation that cannot be read is lost alone.
Limit: a drawing's text has no places, so a row of letters that are set one by one may come out spaced.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from pypdf import PageObject

from rpa_shard.extract.engines.added_text import HIDDEN_FLAGS, PASSWORD_FLAG, Item, Kind, shown
from rpa_shard.extract.engines.limits import Budget

# How far up a field's ancestors are asked.
_ANCESTORS = 32
_TAG = re.compile("<[^<>]*>")


def page_items(page: PageObject, budget: Budget) -> tuple[Item, ...]:
    """The text of the page's form fields and other annotations, links apart."""
    found: list[Item] = []
    annotations = page.get("/Annots")
    for reference in (annotations.get_object() if annotations is not None else None) or []:
        with suppress(Exception):  # pypdf raises whatever its parsing runs into
            annotation = reference.get_object()
            subtype = annotation.get("/Subtype")
            if subtype in ("/Link", "/Popup"):
                continue
            if budget.annotations == 0:
                budget.hit("annotations")
                break
            budget.annotations -= 1
            if int(annotation.get("/F", 0)) & HIDDEN_FLAGS:
                continue
            item = _item(page, annotation, subtype)
            if item is not None:
                found.append(item)
    return tuple(found)


def _item(page: PageObject, annotation: Any, subtype: str) -> Item | None:
    is_field = subtype == "/Widget"
    kind: Kind = "annotation"
    value, is_button = "", False
    if is_field:
        field = _inherited(annotation, "/FT")
        if int(_inherited(annotation, "/Ff") or 0) & PASSWORD_FLAG and field == "/Tx":
            return None
        kind = "signature" if field == "/Sig" else "form_field"
        is_button = field == "/Btn"
        value = field_value(annotation)
    elif subtype == "/FreeText":
        value = _text(annotation.get("/Contents")) or _TAG.sub("", _text(annotation.get("/RC")))
    text = shown(_drawn(page, annotation), value, is_button=is_button)
    left, bottom, right, top = (float(edge) for edge in annotation["/Rect"])
    if not text:
        return None
    return Item(kind, min(left, right), min(bottom, top), max(left, right), max(bottom, top), text)


def field_value(annotation: Any) -> str:
    """What a text or choice field holds, by the labels of its choices; empty for other fields."""
    if _inherited(annotation, "/FT") not in ("/Tx", "/Ch"):
        return ""
    value = _inherited(annotation, "/V")
    if not isinstance(value, list):
        value = [value]
    labels = {}
    for option in _inherited(annotation, "/Opt") or ():
        option = option.get_object()
        if isinstance(option, list) and len(option) == 2:
            labels[_text(option[0])] = _text(option[1])
    texts = [_text(each) for each in value]
    return "\n".join(labels.get(text, text) for text in texts if text)


def _inherited(annotation: Any, name: str) -> Any:
    """The entry of a field or of its nearest ancestor that has it."""
    for _ in range(_ANCESTORS):
        if annotation is None:
            return None
        value = annotation.get(name)
        if value is not None:
            return value.get_object()
        parent = annotation.get("/Parent")
        annotation = parent.get_object() if parent is not None else None
    return None


def _text(value: Any) -> str:
    value = value.get_object() if value is not None else None
    if hasattr(value, "get_data"):
        value = value.get_data()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) and not value.startswith("/") else ""


def _drawn(page: PageObject, annotation: Any) -> str:
    """The text in what is drawn for an annotation."""
    try:
        normal: Any = annotation["/AP"]["/N"]
        if not hasattr(normal, "get_data"):
            normal = normal[annotation.get("/AS", "/Off")]
        return page.extract_xform_text(normal)
    except Exception:  # pypdf raises whatever its parsing runs into
        return ""
