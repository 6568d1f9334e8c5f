"""Reads any list: what its items are, and where.

Guarantee: one pass, in memory that does not grow with the list; any bytes give items or an IntakeError. Limit: says
what an item is, not yet whether it names a paper.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.lists.bibliographies import bibtex_entries, ris_entries
from rpa_shard.intake.lists.decoding import MAX_LINE_CHARACTERS, encoding_of, lines_of, text_of
from rpa_shard.intake.lists.fields import ID_NAMES, plain_name
from rpa_shard.intake.lists.formats import HEAD_BYTES, format_of
from rpa_shard.intake.lists.json_items import MAX_VALUE_CHARACTERS, json_lines, json_values
from rpa_shard.intake.lists.tables import columns_by_row, columns_of, is_paper, rows_of
from rpa_shard.intake.lists.unpacking import head_of, opened

# A text to look for papers in, the fields of a record, or nothing that can be read.
Item = str | dict[str, str] | None
# The number of a line, or words.
Where = int | str
LONG_LINE_CHARACTERS = 1000
_SEPARATOR_LINE = re.compile(r'"?sep=.?"?')
_SEPARATORS = (re.compile(r"\s*[,;|]\s*"), re.compile(r"[\s,;|]+"))


def items_of(file: str, column: str | None) -> Iterator[tuple[Where, Item]]:
    """The items of a list, each with its location; for `column` the values of that field. Raises IntakeError."""
    with opened(file) as blocks:
        head, blocks = head_of(blocks, HEAD_BYTES)
        kind = format_of(head)
        longest = MAX_VALUE_CHARACTERS if kind == "json lines" else MAX_LINE_CHARACTERS
        pieces = text_of(blocks, encoding_of(head), longest)
        if kind == "json":
            yield from json_values(pieces, column)
        elif kind == "json lines":
            yield from json_lines(lines_of(pieces), column)
        elif kind in ("bibtex", "ris"):
            wanted = column and plain_name(column)
            entries = (bibtex_entries if kind == "bibtex" else ris_entries)(lines_of(pieces), wanted)
            yield from ((where, fields.get(wanted, "") if wanted else fields) for where, fields in entries)
        else:
            yield from _of_lines(lines_of(pieces), column)


def pdfs_in(folder: Path) -> Iterator[Path]:
    """The PDFs in a folder and in those below it, in order. Raises IntakeError."""

    def fail(error: OSError) -> None:
        raise IntakeError(error.strerror or str(error))

    for parent, folders, names in os.walk(folder.absolute(), onerror=fail):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if name[-4:].lower() == ".pdf" and path.is_file():
                yield path


def _of_lines(lines: Iterator[str], column: str | None) -> Iterator[tuple[Where, Item]]:
    numbered: Iterator[tuple[int, str]] = enumerate(lines, 1)
    first, second = _next(numbered), _next(numbered)
    if first and second and _SEPARATOR_LINE.fullmatch(first[1]):  # as Excel writes it
        first, second = second, _next(numbered)
    if first is None:
        return
    numbered = chain([second] if second else [], numbered)
    columns = columns_of(first[1], column) or (second and columns_by_row(first[1], second[1])) or None
    if columns is not None:
        rows = rows_of(numbered if columns.has_header else chain([first], numbered), columns)
        yield from ((number, columns.fields(cells)) for number, cells in rows)
        return
    yield from _plain_lines(numbered if plain_name(first[1]) in ID_NAMES else chain([first], numbered))


def _next(numbered: Iterator[tuple[int, str]]) -> tuple[int, str] | None:
    return next(((number, line) for number, line in numbered if line and _counts(line)), None)


def _plain_lines(numbered: Iterable[tuple[int, str]]) -> Iterator[tuple[Where, Item]]:
    for number, line in numbered:
        if not line:
            continue
        if len(line) > LONG_LINE_CHARACTERS:
            yield from ((number, each) for each in _of_long_line(line))
        elif line[:1].isdigit() or _counts(line):
            yield number, line


def _of_long_line(line: str) -> list[str]:
    """The items of a line that is a list itself; else the line."""
    for separator in _SEPARATORS:
        items = separator.split(line.strip(" ,;|[]"))
        if len(items) > 2 and all(map(is_paper, items[:3])):
            return items
    return [line]


def _counts(line: str) -> bool:
    """Whether a line is neither blank, nor a comment, nor a rule."""
    text = line.strip()
    return bool(text) and text[0] != "#" and any(each.isalnum() for each in text)
