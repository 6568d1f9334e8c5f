"""Text that lies on a page without being part of its content: form fields, comments, signatures.

Guarantee: pure; every item becomes whole lines of its own, after the line that it follows on the page, and is named in
`added`; places and links keep pointing at what they pointed at; the time is n log n. Limit: a blank in the middle of a
sentence is filled after the line that contains it, not inside it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Literal, NamedTuple
from unicodedata import normalize

from rpa_shard.extract.engines.limits import Budget
from rpa_shard.reading.document import AddedText, Link, Page, Piece, Place
from rpa_shard.reading.raw import valid_text

# How many lines above an item are looked at to find the one that it follows.
_NEAREST_LINES = 60
# A point to the side counts as so much of a point in height.
_ASIDE = 0.15
_LARGEST_LETTERS = 12.0
_SENTENCE_LINES = 12
_SENTENCE_ENDS = (".", ":", "?", "!", ".”", '."')


# Of an annotation: invisible on the screen. Of a text field: what is typed is not shown.
HIDDEN_FLAGS = 2 | 32
PASSWORD_FLAG = 1 << 13

Kind = Literal["annotation", "form_field", "signature"]


class Item(NamedTuple):
    """One piece of such text, and its rectangle on the page in points."""

    kind: Kind
    left: float
    bottom: float
    right: float
    top: float
    text: str


def shown(drawn: str, value: str, *, is_button: bool = False) -> str:
    """What a reader sees of an annotation: what is drawn; its value if the drawing lacks, cuts, spaces or turns it.

    Without letters a drawing is no text: an icon, or the mark in a box.
    """
    drawn_letters, value_letters = "".join(drawn.split()), "".join(value.split())
    if value_letters and drawn_letters in value_letters:
        return value.strip()
    if not value.isascii() and not Counter(normalize("NFKC", drawn_letters)) - Counter(normalize("NFKC", value)):
        return value.strip()  # letters that run to the left, or join
    letters = sum(map(str.isalnum, drawn_letters))
    return drawn.strip() if letters > (1 if is_button else 0) else value.strip()


class _Piece(NamedTuple):
    """An item at its place in the text: the line that it follows (-1: none), its own lines."""

    after: int
    item: Item
    lines: tuple[str, ...]


def with_items(page: Page, items: Iterable[Item], budget: Budget) -> Page:
    """The page with the text of all items in it."""
    ordered = sorted(items, key=lambda item: (-round(item.top), item.left))
    if not ordered:
        return page
    rows = _Rows(page)
    pieces: list[_Piece] = []
    for item in ordered:
        text = budget.cut(valid_text(item.text).strip())
        if text.strip():
            lines = tuple(line.strip() for line in text.split("\n") if line.strip())
            pieces.append(_Piece(rows.line_before(item), item, lines))
    return _merged(page, sorted(pieces, key=lambda piece: piece.after)) if pieces else page


class _Rows:
    """The lines of a page by height."""

    def __init__(self, page: Page) -> None:
        self._texts, self._places = page.text.split("\n"), page.places
        found = [(place.baseline, number, place) for number, place in enumerate(page.places) if place is not None]
        self._rows = sorted(found)
        self._heights = [row[0] for row in self._rows]

    def line_before(self, item: Item) -> int:
        """The number of the line that an item follows: in its own row to the left, or above; nearest first.

        A comment waits for the end of the sentence.
        """
        if not self._rows:
            return len(self._texts) - 1
        middle = (item.bottom + item.top) / 2
        first = bisect_left(self._heights, item.bottom - 0.2 * (item.top - item.bottom))
        best, best_distance = -1, inf
        for baseline, number, place in self._rows[first : first + _NEAREST_LINES]:
            in_row = baseline <= middle + 0.5 * place.size
            if in_row and place.left > item.left:
                continue
            aside = max(0.0, item.left - place.right, place.left - item.right)
            distance = _ASIDE * aside + (0.0 if in_row else max(baseline - item.top, 0.0) + place.size / 2)
            if distance < best_distance or (distance == best_distance and number > best):
                best, best_distance = number, distance
        return self._end_of_sentence(best) if item.kind == "annotation" and best >= 0 else best

    def _end_of_sentence(self, number: int) -> int:
        for line in range(number, min(number + _SENTENCE_LINES, len(self._places) - 1)):
            this, following = self._places[line], self._places[line + 1]
            if this is None or following is None or self._texts[line].rstrip().endswith(_SENTENCE_ENDS):
                return line
            if not 0 < this.baseline - following.baseline < 2 * max(this.size, following.size):
                return line
        return number


def _merged(page: Page, pieces: Sequence[_Piece]) -> Page:
    """The page's lines and the pieces, which are in order, as one text."""
    texts = page.text.split("\n") if page.text else []
    has_places = len(page.places) == len(texts) or not texts
    lines: list[str] = []
    places: list[Place | None] = []
    added: list[AddedText] = []
    # Where each line that follows a piece begins, before and after: for the offsets of the links.
    moved: list[tuple[int, int]] = []
    at = before = taken = 0
    for piece in pieces:
        for number in range(taken, min(piece.after + 1, len(texts))):
            lines.append(texts[number])
            places.append(page.places[number] if has_places else None)
            at += len(texts[number]) + 1
            before += len(texts[number]) + 1
        taken = max(taken, min(piece.after + 1, len(texts)))
        start = at
        lines.extend(piece.lines)
        places.extend(_places(piece))
        at += sum(len(line) + 1 for line in piece.lines)
        added.append(AddedText(piece.item.kind, start, at - 1))
        moved.append((before, at - before))
    lines.extend(texts[taken:])
    places.extend(page.places[taken : len(texts)] if has_places else ())
    return replace(
        page,
        text="\n".join(lines),
        places=tuple(places) if has_places else (),
        links=tuple(_moved(page.links, moved)),
        pieces=tuple(_moved_pieces(page.pieces, moved)),
        added=tuple(added),
    )


def _places(piece: _Piece) -> Iterable[Place]:
    item, count = piece.item, len(piece.lines)
    height = (item.top - item.bottom) / count
    size = round(min(height, _LARGEST_LETTERS), 1)
    for number in range(count):
        middle = item.top - (number + 0.5) * height
        yield Place(round(item.left, 1), round(middle - 0.3 * size, 1), round(item.right, 1), size)


def _moved(links: Sequence[Link], moved: Sequence[tuple[int, int]]) -> Iterator[Link]:
    starts = [start for start, _ in moved]
    for link in links:
        yield link if link.offset is None else link._replace(offset=link.offset + _shift(link.offset, starts, moved))


def _moved_pieces(pieces: Sequence[Piece], moved: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    starts = [start for start, _ in moved]
    for piece in pieces:
        shift = _shift(piece.start, starts, moved)
        yield piece._replace(start=piece.start + shift, end=piece.end + shift)


def _shift(offset: int, starts: Sequence[int], moved: Sequence[tuple[int, int]]) -> int:
    """By how much the text that was put before an offset moves it."""
    before = bisect_left(starts, offset + 1)
    return moved[before - 1][1] if before else 0
