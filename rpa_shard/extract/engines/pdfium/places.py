"""The characters of one page by place, for pages with more links than it pays to pass all characters for.

Guarantee: finds what `FPDFText_GetCharIndexAtPos` finds: the first character whose box holds the point, or the nearest
one within the tolerance. Limit: characters crowded at one place are passed one by one, as many as the document's budget
allows.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from ctypes import byref, c_double, c_float
from heapq import merge
from math import inf
from typing import Any

from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.engines.pdfium.calls import char_box, pointer_to
from rpa_shard.extract.engines.time_slice import check

# How far from a character a point may be and still be at it: as wide and as high as this, with the character inside.
TOLERANCE_POINTS = 4.0
_HALF = TOLERANCE_POINTS / 2
_CELL_POINTS = 8.0
# A character on more cells than this is passed for every point.
_MAX_CELLS = 64
_CHECK_EVERY = 4096
# Farther than anything on a page.
_FAR = 100_000.0


class CharacterPlaces:
    """The first `count` characters of an open text page by place."""

    def __init__(self, handle: Any, count: int) -> None:
        self._edges = tuple(array("f") for _ in range(4))
        self._cells: defaultdict[tuple[int, int], array[int]] = defaultdict(lambda: array("I"))
        self._large = array("I")
        edges = [c_double() for _ in range(4)]
        pointers = [byref(edge) for edge in edges]
        pointer = pointer_to(handle)
        left, right, bottom, top = edges
        for index in range(count):
            if index % _CHECK_EVERY == 0:
                check()
            if not char_box(pointer, index, *pointers):
                left.value = right.value = bottom.value = top.value = 0.0
            self._enter(index, left.value, right.value, bottom.value, top.value)

    def _enter(self, index: int, left: float, right: float, bottom: float, top: float) -> None:
        """Enters a character into each cell where a point may find it."""
        for kept, edge in zip(self._edges, (left, right, bottom, top), strict=True):
            kept.append(edge)
        # Not a usual one if it is turned over, beyond any page, or not a number.
        if not (-_FAR < left <= right < _FAR and -_FAR < bottom <= top < _FAR):
            self._large.append(index)
            return
        first_column, last_column = int((left - _HALF) // _CELL_POINTS), int((right + _HALF) // _CELL_POINTS)
        first_row, last_row = int((bottom - _HALF) // _CELL_POINTS), int((top + _HALF) // _CELL_POINTS)
        if (last_column - first_column + 1) * (last_row - first_row + 1) > _MAX_CELLS:
            self._large.append(index)
            return
        for column in range(first_column, last_column + 1):
            for row in range(first_row, last_row + 1):
                self._cells[column, row].append(index)

    def index_at(self, x: float, y: float, budget: Budget) -> int:
        """The index of the character at or near a point, or -1."""
        x, y = c_float(x).value, c_float(y).value
        lefts, rights, bottoms, tops = self._edges
        nearest, distance = -1, inf
        for index in self._candidates(x, y):
            if not budget.may_look():
                return -1
            left, right, bottom, top = lefts[index], rights[index], bottoms[index], tops[index]
            if left <= x <= right and bottom <= y <= top:
                return index
            if (
                min(left, right) - _HALF <= x <= max(left, right) + _HALF
                and min(bottom, top) - _HALF <= y <= max(bottom, top) + _HALF
            ):
                away = min(abs(x - left), abs(x - right)) + min(abs(y - bottom), abs(y - top))
                if away < distance:
                    nearest, distance = index, away
        return nearest

    def _candidates(self, x: float, y: float) -> Iterator[int]:
        usual: Sequence[int] = ()
        if -_FAR < x < _FAR and -_FAR < y < _FAR:
            usual = self._cells.get((int(x // _CELL_POINTS), int(y // _CELL_POINTS)), ())
        return merge(usual, self._large) if self._large else iter(usual)
