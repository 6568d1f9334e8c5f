"""Tables that fit: columns are as wide as their widest cell, and the least important ones give way.

Guarantee: pure; every line is at most as wide as asked for; titles and cells stay aligned. Limit: one column, the
elastic one, is cut to what is left; where not even the first column fits, it is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rpa_shard.observe.top.text import Line, Span, columns, cut, cut_text, joined, printable

GAP = 2
# A text that would be narrower says nothing.
MIN_TEXT = 8
HEADING_STYLE = "dim"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. Of those that do not fit, the one with the highest `rank` goes first; rank 0 always stays.

    An elastic one is cut before any goes, but not below `least`.
    """

    title: str
    rank: int = 0
    right: bool = False
    elastic: bool = False
    least: int = MIN_TEXT


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell and its style."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The lines of a table: the titles, and a line for each row."""

    titles: Line
    lines: list[Line]


def table(given: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    """The table at most this wide."""
    clean = [[Cell(printable(cell.text), cell.style) for cell in row] for row in rows]
    widths = [
        max([columns(column.title), *(columns(row[place].text) for row in clean)]) for place, column in enumerate(given)
    ]
    shown = _that_fit(given, widths, width)
    widths = _elastic_cut(given, widths, shown, width)
    titles = [Cell(column.title, HEADING_STYLE) for column in given]
    return Table(_line(given, titles, shown, widths, width), [_line(given, row, shown, widths, width) for row in clean])


def _that_fit(given: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    shown = list(range(len(given)))
    while _needed(given, widths, shown) > width:
        least = max(shown, key=lambda place: given[place].rank)
        if given[least].rank == 0:
            break
        shown.remove(least)
    return shown


def _needed(given: Sequence[Column], widths: Sequence[int], shown: Sequence[int]) -> int:
    needed = (min(widths[place], given[place].least) if given[place].elastic else widths[place] for place in shown)
    return sum(needed) + GAP * (len(shown) - 1)


def _elastic_cut(given: Sequence[Column], widths: Sequence[int], shown: Sequence[int], width: int) -> list[int]:
    """The widths, once elastic columns have given way: the last one first, and none below the least if that helps."""
    cut_widths = list(widths)
    over = sum(widths[place] for place in shown) + GAP * (len(shown) - 1) - width
    elastic = [place for place in reversed(shown) if given[place].elastic]
    for by_force in (False, True):
        for place in elastic:
            least = 1 if by_force else given[place].least
            given_up = max(0, min(over, cut_widths[place] - least))
            cut_widths[place] -= given_up
            over -= given_up
    return cut_widths


def _line(
    given: Sequence[Column], cells: Sequence[Cell], shown: Sequence[int], widths: Sequence[int], width: int
) -> Line:
    spans: list[Span] = []
    for place in shown:
        if spans:
            spans.append(Span(" " * GAP))
        text = cut_text(cells[place].text, widths[place])
        room = " " * (widths[place] - columns(text))
        spans.append(Span(room + text if given[place].right else text + room, cells[place].style))
    return cut(joined(spans), width)
