"""Links and the places of bibliography entries, through PDFium's own functions.

Guarantee: bounded: at most `LINKS` links and `DESTINATIONS` names of a document are read. Limit: links to other targets
inside the document are left out.
"""

from __future__ import annotations

from ctypes import addressof, byref, c_float, c_int, c_long, create_string_buffer
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.limits import DESTINATIONS, NAME_CHARACTERS, URI_CHARACTERS, Budget, entry_key
from rpa_shard.extract.engines.pdfium.text import TextPage
from rpa_shard.extract.engines.time_slice import check
from rpa_shard.reading.document import Destination, Link
from rpa_shard.reading.raw import valid_line

_GO_TO, _URI = c.PDFACTION_GOTO, c.PDFACTION_URI


@dataclass(frozen=True, slots=True)
class EntryPlaces:
    """The destinations of bibliography entries, and their keys by the address of PDFium's object, which links share."""

    destinations: tuple[Destination, ...] = ()
    keys: dict[int, str] = field(default_factory=dict)
    # How many names there are, those of other destinations included.
    names: int = 0


def entry_places(document: Any, budget: Budget) -> EntryPlaces:
    """All named destinations that hyperref made for bibliography entries."""
    count = c.FPDF_CountNamedDests(document)
    if count > DESTINATIONS:
        budget.hit("destinations")
        count = DESTINATIONS
    name, size = create_string_buffer(2 * NAME_CHARACTERS), c_long()
    found: list[Destination] = []
    keys: dict[int, str] = {}
    for index in range(count):
        size.value = len(name)
        place = c.FPDF_GetNamedDest(document, index, name, byref(size))
        if not place or size.value <= 2:
            continue
        key = entry_key(name.raw[: size.value - 2].decode("utf-16-le", "replace"))
        if key is None:
            continue
        key = valid_line(key)
        destination = _place(document, place, key)
        if destination is not None:
            keys[addressof(place.contents)] = key
            found.append(destination)
    return EntryPlaces(tuple(found), keys, count)


def _place(document: Any, place: Any, key: str) -> Destination | None:
    page = c.FPDFDest_GetDestPageIndex(document, place)
    if page < 0:
        return None
    has_x, has_y, has_zoom, x, y, zoom = c_int(), c_int(), c_int(), c_float(), c_float(), c_float()
    c.FPDFDest_GetLocationInPage(place, has_x, has_y, has_zoom, x, y, zoom)
    return Destination(key, page + 1, x.value if has_x.value else None, y.value if has_y.value else None)


_Points = tuple[tuple[float, float], tuple[float, float]]


class _Target(NamedTuple):
    """Where a link leads: a URI or the key of an entry; and two points of its rectangle, if it has one.

    The first point is near the left edge, where it may be between two words; the other one is in the middle.
    """

    uri: str | None
    key: str | None
    points: _Points | None


def page_links(document: Any, page: Any, text: TextPage, entries: EntryPlaces, budget: Budget) -> tuple[Link, ...]:
    """The page's links to URIs and to bibliography entries, in the order of its annotations."""
    targets = _targets(document, page, entries, budget)
    if not targets:
        return ()
    text.expect(2 * len({each.points for each in targets if each.points is not None}))
    offsets: dict[_Points | None, int | None] = {None: None}
    for each in targets:
        if each.points is not None and each.points not in offsets:
            check()
            begin, middle = each.points
            offset = text.offset_at(*begin)
            offsets[each.points] = text.offset_at(*middle) if offset is None else offset
    return tuple(Link(offsets[each.points], each.uri, each.key) for each in targets)


def _targets(document: Any, page: Any, entries: EntryPlaces, budget: Budget) -> list[_Target]:
    position, link, box = c_int(0), c.FPDF_LINK(), c.FS_RECTF()
    position_at, link_at, box_at = byref(position), byref(link), byref(box)
    found: list[_Target] = []
    while c.FPDFLink_Enumerate(page, position_at, link_at):
        if budget.links == 0:
            budget.hit("links")
            break
        budget.links -= 1
        action = c.FPDFLink_GetAction(link)
        kind = c.FPDFAction_GetType(action) if action else _GO_TO
        uri = _uri(document, action) if kind == _URI else None
        key = None
        if kind == _GO_TO and entries.keys and budget.may_look_up(entries.names):
            key = _key(document, link, action, entries)
        if uri is None and key is None:
            continue
        points = None
        if c.FPDFLink_GetAnnotRect(link, box_at):
            height = (box.bottom + box.top) / 2
            points = (box.left + 2, height), ((box.left + box.right) / 2, height)
        found.append(_Target(uri, key, points))
    return found


def _uri(document: Any, action: Any) -> str | None:
    buffer = create_string_buffer(URI_CHARACTERS)
    size = c.FPDFAction_GetURIPath(document, action, buffer, URI_CHARACTERS)
    if not 1 < size <= URI_CHARACTERS:
        return None
    return valid_line(buffer.raw[: size - 1].decode("utf-8", "replace"))


def _key(document: Any, link: Any, action: Any, entries: EntryPlaces) -> str | None:
    place = c.FPDFAction_GetDest(document, action) if action else c.FPDFLink_GetDest(document, link)
    return entries.keys.get(addressof(place.contents)) if place else None
