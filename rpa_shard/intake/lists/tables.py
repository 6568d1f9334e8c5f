"""The rows of CSV, TSV and Markdown tables, with the fields that can name a paper.

Guarantee: a quotation mark that is never closed costs one row, not the rest of the list; memory use does not grow with
the table. Limit: the first line has the names of the columns, unless a column is chosen by its number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.lists.fields import ID_NAMES, LINK_NAMES, NAMES, plain_name
from rpa_shard.model.arxiv_id import InvalidIdError, papers_in
from rpa_shard.model.id_forms.grammar import shown

DELIMITERS = "\t,;|"
MAX_NAMES_SHOWN = 200
_RULE = re.compile(r"[\s|:+=-]*")


@dataclass(frozen=True, slots=True)
class Columns:
    """How a table is cut, and which of its columns have which field; `chosen` is the one that a person asked for."""

    delimiter: str
    names: dict[int, str]
    chosen: int | None = None
    has_header: bool = True

    def fields(self, cells: list[str]) -> str | dict[str, str]:
        """The fields of a row, or the value in the chosen column."""
        if self.chosen is not None:
            return cells[self.chosen] if self.chosen < len(cells) else ""
        found: dict[str, str] = {}
        for place, name in self.names.items():
            if place < len(cells) and (cell := cells[place]):
                found[name] = f"{found[name]} ; {cell}" if name in found else cell
        return found


def columns_of(first_line: str, column: str | None) -> Columns | None:
    """The columns of a table that begins with this line; None if it is no table. Raises IntakeError for a column that
    it does not have."""
    cut = {delimiter: cells_of(first_line, delimiter) for delimiter in DELIMITERS}
    if column is not None:
        return _chosen(cut, column)
    for delimiter, cells in sorted(cut.items(), key=lambda item: -len(item[1])):
        names = [_name_of(cell) for cell in cells]
        if any(name in ID_NAMES for name in names) and not any(map(is_paper, cells)):
            return Columns(delimiter, {place: name for place, name in enumerate(names) if name in NAMES})
    return None


def _name_of(cell: str) -> str:
    """The name of a column; of a path such as `best_oa_location.pdf_url`, its end."""
    name, end = plain_name(cell), plain_name(cell.rpartition(".")[2])
    return end if name not in NAMES and end in LINK_NAMES else name


def columns_by_row(first_line: str, second_line: str) -> Columns | None:
    """The columns of a table whose first line has other names, by the first of its rows; None if it is no table."""
    if any(each.isdigit() for each in first_line):
        return None  # may be a row itself, and wrong
    for delimiter in DELIMITERS:
        names, cells = cells_of(first_line, delimiter), cells_of(second_line, delimiter)
        papers = [place for place, cell in enumerate(cells) if is_paper(cell)]
        if len(names) == len(cells) > 1 and papers:
            return Columns(delimiter, {}, papers[0])
    return None


def rows_of(lines: Iterable[tuple[int, str]], columns: Columns) -> Iterator[tuple[int, list[str]]]:
    """The rows of numbered lines: the number of the first line of each, and its cells."""
    if columns.delimiter == "|":
        yield from ((number, cells_of(line, "|")) for number, line in lines if not _RULE.fullmatch(line))
        return
    taken: list[tuple[int, str]] = []

    def recorded() -> Iterator[str]:
        for number, line in lines:
            taken.append((number, line))
            yield line + "\n"

    reader = csv.reader(recorded(), delimiter=columns.delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = []
        if len(taken) > 1 and (not cells or _has_more(taken[1:], columns)):
            yield from ((number, _plainly(line, columns.delimiter)) for number, line in taken)
        elif any(cell.strip() for cell in cells):
            yield taken[0][0], cells
        taken.clear()


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line."""
    if delimiter == "|":
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return _plainly(line, delimiter)


def _plainly(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def _chosen(cut: dict[str, list[str]], column: str) -> Columns:
    wanted = plain_name(column)
    for delimiter, cells in sorted(cut.items(), key=lambda item: -len(item[1])):
        for same in (lambda cell: cell.strip() == column, lambda cell: plain_name(cell) == wanted != ""):
            place = next((place for place, cell in enumerate(cells) if same(cell)), None)
            if place is not None:
                return Columns(delimiter, {}, place)
    delimiter, cells = max(cut.items(), key=lambda item: len(item[1]))
    if column.isascii() and column.isdigit() and 1 <= int(column[:9]) <= len(cells):
        return Columns(delimiter, {}, int(column) - 1, has_header=not any(map(is_paper, cells)))
    names = ", ".join(cells)
    raise IntakeError(f"no column {shown(column, 40)}: its first line has {shown(names, MAX_NAMES_SHOWN)}")


def _has_more(lines: list[tuple[int, str]], columns: Columns) -> bool:
    """Whether lines that a quotation mark glued to the one before are rows of their own."""
    places = [columns.chosen] if columns.chosen is not None else list(columns.names)
    for _, line in lines:
        is_open = line.count('"') % 2 == 1
        cells = _plainly(line.partition('"')[0] if is_open else line, columns.delimiter)
        if any(place is not None and place < len(cells) and is_paper(cells[place]) for place in places):
            return True
    return False


def is_paper(cell: str) -> bool:
    """Whether a cell names papers."""
    try:
        return bool(papers_in(cell))
    except InvalidIdError:
        return False
