"""Links and the places of bibliography entries, through PDFium's own functions.

Guarantee: bounded: at most `LINKS` links and `DESTINATIONS` names of a document are read. Limit: links to other targets
inside the document are left out.
"""

from __future__ import annotations

from ctypes import byref, c_float, c_int, c_long, c_ulong, c_void_p, create_string_buffer
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pypdfium2.raw as c

from rpa_shard.extract.engines.limits import (
    DESTINATIONS,
    ENTRY_PREFIX,
    NAME_CHARACTERS,
    URI_CHARACTERS,
    Budget,
    entry_key,
)
from rpa_shard.extract.engines.pdfium.calls import (
    action_destination,
    action_kind,
    action_uri,
    link_action,
    link_box,
    link_destination,
    named_destination,
    next_link,
    page_of_destination,
    point_of_destination,
    pointer_to,
)
from rpa_shard.extract.engines.pdfium.text import TextPage
from rpa_shard.extract.engines.time_slice import check
from rpa_shard.reading.document import Destination, Link
from rpa_shard.reading.raw import valid_line

_GO_TO, _URI = c.PDFACTION_GOTO, c.PDFACTION_URI
# As PDFium writes it; most names of a paper are of other things, and need not be decoded.
_PREFIX = ENTRY_PREFIX.encode("utf-16-le")
_URI_BYTES = c_ulong(URI_CHARACTERS)


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
    document_at = pointer_to(document)
    name, size = create_string_buffer(2 * NAME_CHARACTERS), c_long()
    size_at = byref(size)
    found: list[Destination] = []
    keys: dict[int, str] = {}
    for index in range(count):
        size.value = len(name)
        address = named_destination(document_at, index, name, size_at)
        if not address or size.value <= 2:
            continue
        encoded = name.raw[: size.value - 2]
        key = entry_key(encoded.decode("utf-16-le", "replace")) if encoded.startswith(_PREFIX) else None
        if key is None:
            continue
        key = valid_line(key)
        destination = _place(document_at, c_void_p(address), key)
        if destination is not None:
            keys[address] = key
            found.append(destination)
    return EntryPlaces(tuple(found), keys, count)


def _place(document: Any, place: c_void_p, key: str) -> Destination | None:
    page = page_of_destination(document, place)
    if page < 0:
        return None
    has_x, has_y, has_zoom, x, y, zoom = c_int(), c_int(), c_int(), c_float(), c_float(), c_float()
    point_of_destination(place, byref(has_x), byref(has_y), byref(has_zoom), byref(x), byref(y), byref(zoom))
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
    document_at, page_at = pointer_to(document), pointer_to(page)
    position, link, box = c_int(0), c_void_p(), c.FS_RECTF()
    position_at, link_at, box_at = byref(position), byref(link), byref(box)
    found: list[_Target] = []
    while next_link(page_at, position_at, link_at):
        if budget.links == 0:
            budget.hit("links")
            break
        budget.links -= 1
        action = c_void_p(link_action(link))
        kind = action_kind(action) if action else _GO_TO
        uri = _uri(document_at, action) if kind == _URI else None
        key = None
        if kind == _GO_TO and entries.keys and budget.may_look_up(entries.names):
            place = action_destination(document_at, action) if action else link_destination(document_at, link)
            key = entries.keys.get(place)
        if uri is None and key is None:
            continue
        points = None
        if link_box(link, box_at):
            height = (box.bottom + box.top) / 2
            points = (box.left + 2, height), ((box.left + box.right) / 2, height)
        found.append(_Target(uri, key, points))
    return found


def _uri(document: Any, action: c_void_p) -> str | None:
    buffer = create_string_buffer(URI_CHARACTERS)
    size = action_uri(document, action, buffer, _URI_BYTES)
    if not 1 < size <= URI_CHARACTERS:
        return None
    return valid_line(buffer.raw[: size - 1].decode("utf-8", "replace"))
