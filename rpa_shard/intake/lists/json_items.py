"""The items of JSON lines, of a JSON array, and of an array inside an object: strings, or the fields of objects.

Guarantee: a damaged line of JSON lines costs only itself; memory use does not grow with the list; numbers keep the
digits that they are written with. Limit: one value is at most 4 MiB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.lists.fields import ID_NAMES, LINK_NAMES, NAMES, plain_name
from rpa_shard.intake.lists.formats import HEAD_BYTES, WRAPPED

MAX_VALUE_CHARACTERS = 32 << 20
MAX_TEXT_CHARACTERS = 2000
_DEPTH = 4
_ARRAY = re.compile(r"\s*\[")
_BETWEEN = re.compile(r"[\s,]*")

Item = tuple[str, str | dict[str, str] | None]


def json_lines(lines: Iterable[str], column: str | None) -> Iterator[Item]:
    """The items of each line; None where it is no JSON."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError):
            value = None
        yield from ((f"line {number}", item) for item in _items(value, column))


def json_values(pieces: Iterable[str], column: str | None) -> Iterator[Item]:
    """The items of an array's values, or of several values after one another. Raises IntakeError."""
    values = _Values(iter(pieces))
    for number, value in enumerate(values, 1):
        yield from ((f"value {number}", item) for item in _items(value, column))


class _Values:
    """The values of a JSON text, one by one as they are complete."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._complete = False

    def __iter__(self) -> Iterator[Any]:
        self._read_to(HEAD_BYTES)
        begins = WRAPPED.match(self._text) or _ARRAY.match(self._text)
        position: int | None = begins.end() if begins else 0
        number = 0
        while position is not None:
            match = _BETWEEN.match(self._text, position)
            position = match.end() if match else position
            if self._text.startswith("]", position):
                position = self._next_array(position + 1)
                continue
            if self._complete and position == len(self._text) and not begins:
                return
            try:
                value, end = _DECODER.raw_decode(self._text, position)
            except (ValueError, RecursionError):
                value, end = None, len(self._text)
            if end == len(self._text) and not self._complete:  # a number, too, may go on
                self._text = self._text[position:]
                position = 0
                if len(self._text) < MAX_VALUE_CHARACTERS:
                    self._read_to(max(HEAD_BYTES, 2 * len(self._text)))
                    continue
            if value is None and end == len(self._text):
                raise IntakeError(f"damaged JSON, or cut short, after {number} values")
            number += 1
            position = end
            yield value

    def _next_array(self, position: int) -> int | None:
        """The place in the next array, of several after one another, as where each line is one."""
        self._text = self._text[position:]
        self._read_to(HEAD_BYTES)
        begins = _ARRAY.match(self._text)
        return begins.end() if begins else None

    def _read_to(self, characters: int) -> None:
        read = [self._text]
        have = len(self._text)
        while have < characters and not self._complete:
            piece = next(self._pieces, None)
            if piece is None:
                self._complete = True
            else:
                read.append(piece)
                have += len(piece)
        self._text = "".join(read)


def _items(value: Any, column: str | None) -> Iterator[str | dict[str, str] | None]:
    """The items of a value: mostly one; those of a list inside where the value itself has nothing that can name one."""
    wanted = None if column is None else plain_name(column)
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and (row := _text_of(value, 1)):
        yield row
    elif not isinstance(value, dict):
        yield None
    else:
        fields = _fields(value, wanted)
        inner = [] if any(name in fields for name in (ID_NAMES if wanted is None else (wanted,))) else _inner(value, 3)
        found = [each for each in (_fields(each, wanted) for each in inner) if each]
        for each in found or [fields]:
            yield each if wanted is None else each.get(wanted, "")


def _inner(value: dict[str, Any], depth: int) -> list[dict[str, Any]]:
    """The objects in the lists of an object and of those inside it."""
    found = [each for inner in value.values() if isinstance(inner, list) for each in inner if isinstance(each, dict)]
    if depth:
        for inner in value.values():
            found += _inner(inner, depth - 1) if isinstance(inner, dict) else []
    return found


def _fields(value: dict[str, Any], wanted: str | None) -> dict[str, str]:
    fields: dict[str, str] = {}
    _collect(value, wanted, fields, _DEPTH)
    return fields


def _collect(value: dict[str, Any], wanted: str | None, fields: dict[str, str], depth: int, outer: str = "") -> None:
    """Adds the fields of an object, and of those inside it; one is wanted by its name or by its path."""
    for key, inner in value.items():
        name = plain_name(key)
        if wanted is not None and wanted == outer + name:
            name = wanted
        if (name in NAMES if wanted is None else name == wanted) and (text := _text_of(inner, depth)):
            fields.setdefault(name, text)
        if isinstance(inner, dict) and depth:
            _collect(inner, wanted, fields, depth - 1, outer + plain_name(key))


def _text_of(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value[:MAX_TEXT_CHARACTERS]
    if isinstance(value, list) and depth:
        return " ".join(filter(None, (_text_of(each, depth - 1) for each in value[:20])))[:MAX_TEXT_CHARACTERS]
    if isinstance(value, dict) and depth:
        for name in ("value", "id", "identifier", "url", "href", "URL"):
            if isinstance(value.get(name), str):
                return str(value[name])[:MAX_TEXT_CHARACTERS]
        links = (each for key, each in value.items() if isinstance(each, str) and plain_name(key) in LINK_NAMES)
        return " ".join(links)[:MAX_TEXT_CHARACTERS]
    return ""


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
