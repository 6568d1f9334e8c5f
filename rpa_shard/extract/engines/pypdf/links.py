"""Links and the places of bibliography entries, by pypdf's own means.

Guarantee: bounded like PDFium's. Limit: links to other targets inside the document are left out; links to an entry are
recognised only if they name it, as hyperref's do.
"""

from __future__ import annotations

from typing import Any

from pypdf import PageObject, PdfReader

from rpa_shard.extract.engines.limits import DESTINATIONS, LINKS, NAME_CHARACTERS, URI_CHARACTERS, Budget, entry_key
from rpa_shard.extract.engines.pypdf.text import Pieces
from rpa_shard.extract.engines.time_slice import check
from rpa_shard.reading.document import Destination, Link
from rpa_shard.reading.raw import valid_line


def entry_places(reader: PdfReader, budget: Budget) -> tuple[Destination, ...]:
    """All named destinations that hyperref made for bibliography entries."""
    found: list[Destination] = []
    for number, (name, place) in enumerate(reader.named_destinations.items()):
        if number >= DESTINATIONS:
            budget.hit("destinations")
            break
        key = entry_key(name) if len(name) <= NAME_CHARACTERS else None
        page = reader.get_destination_page_number(place) if key is not None else None
        if key is None or page is None or page < 0:
            continue
        found.append(Destination(valid_line(key), page + 1, _number(place.left), _number(place.top)))
    return tuple(found)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def page_links(page: PageObject, pieces: Pieces, keys: set[str], budget: Budget) -> tuple[Link, ...]:
    """The page's links to URIs and to bibliography entries, in the order of its annotations."""
    targets: list[tuple[tuple[float, float], str | None, str | None]] = []
    annotations = page.get("/Annots")
    for reference in (annotations.get_object() if annotations is not None else None) or []:
        check()
        if budget.links == 0:
            budget.hit("links")
            break
        budget.links -= 1
        annotation = reference.get_object()
        if annotation.get("/Subtype") != "/Link":
            continue
        uri, key = _target(annotation)
        key = key if key in keys else None
        if uri is None and key is None:
            continue
        left, bottom, right, top = (float(edge) for edge in annotation["/Rect"])
        targets.append(((min(left, right) + 2, (bottom + top) / 2), uri, key))
    points = dict.fromkeys(point for point, _, _ in targets)
    pieces.expect(len(points), budget)
    offsets = {point: pieces.offset_at(*point) for point in points}
    return tuple(Link(offsets[point], uri, key) for point, uri, key in targets[:LINKS])


def _target(annotation: Any) -> tuple[str | None, str | None]:
    action = annotation.get("/A")
    action = action.get_object() if action is not None else {}
    uri = action.get("/URI")
    if action.get("/S") == "/URI" and uri is not None:
        text = uri.decode("utf-8", "replace") if isinstance(uri, bytes) else str(uri)
        return (valid_line(text) if len(text) < URI_CHARACTERS else None), None
    name = annotation.get("/Dest") or action.get("/D")
    if isinstance(name, (str, bytes)):
        text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        key = entry_key(text)
        return None, valid_line(key) if key else None
    return None, None
