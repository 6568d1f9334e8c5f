"""The fields of one entry: its marker, its year and, if recognised with confidence, its title and authors.

Guarantee: pure; linear; a title or authors are given only if the entry's form leaves little doubt: a quoted title, or a
list of authors in a known form with a sentence after it. Limit: no journal, volume or pages.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rpa_shard.reading.references.by_marker import MARKER
from rpa_shard.reading.references.names import UPPER

MAX_TITLE_CHARACTERS = 400
MAX_AUTHORS_CHARACTERS = 1500
_LABEL = re.compile(r"[ \t]*\[([^\W\d_][^\[\]]{0,120})\][.:]?[ \t]*")
_YEAR_IN_BRACKETS = re.compile(r"\((?:[A-Z][a-z]{2,8}\.? )?((?:1[6-9]|20)\d\d)[a-z]?\)")
# What must not precede a year is checked after the search: a look-behind would make it slow.
_YEAR = re.compile(r"[12]\d\d\d(?=[a-z]?(?![\da-z–-]|\.\d|:\d))")
_NOT_BEFORE_YEARS = frozenset("0123456789.:/–-")
_QUOTED = re.compile(r"[“\"]([^“”\"]{8,400})[”\"]")
_INITIALS = rf"(?:[{UPPER}][a-z]?\.[ -]?){{1,4}}"
_SURNAME = (
    r"(?:(?:van|von|de|del|della|den|der|di|da|dos|du|le|la|ten|ter|Van|Von|De|Le|La|Mc|Mac|O’|d’)[ ]?){0,2}"
    rf"[{UPPER}][^\W\d_]*(?:[-’'´¨ˇ`][^\W\d_]+)*"
)
_GIVEN_FIRST = (
    rf"(?:{_INITIALS}\s?{_SURNAME}(?: {_SURNAME})?|"
    rf"[{UPPER}][^\W\d_]+(?:-[{UPPER}][^\W\d_]+)?(?: [{UPPER}]\.?)?(?: {_SURNAME}){{1,2}})"
)
_SURNAME_FIRST = rf"(?>{_SURNAME}(?: {_SURNAME})?), {_INITIALS}"
_SEPARATOR = r"(?:, and |, & | and | & |, |; )"
_AND_OTHERS = r"(?:,? et al\.?|,? and others)?"
# Without backtracking into a name before the last: it may match in two ways, and sixty names would in two to the sixty.
_LIST_GIVEN = re.compile(
    rf"((?:(?>{_GIVEN_FIRST}){_SEPARATOR}){{0,60}}{_GIVEN_FIRST}){_AND_OTHERS}(?=[.,:] |, [“\"]| \()"
)
_LIST_SURNAME = re.compile(rf"({_SURNAME_FIRST}(?:{_SEPARATOR}{_SURNAME_FIRST}){{0,60}}){_AND_OTHERS}\.?(?= |,|$)")
_SPLIT_GIVEN = re.compile(r", and |, & | and | & |, |; ")
_SPLIT_SURNAME = re.compile(r"(?<=\.),? (?:and |& )|(?<=\.)[,;] |, and |, & ")
_SENTENCE = re.compile(
    r"(?:\.|:)?\s*(?:\(?(?:1[6-9]|20)\d\d[a-z]?\)?[.,:]?\s*)?([^\s(\d“\"][^.?!]{10,300}?(?:[?!]|\.(?=\s|$)))"
)


class Fields(NamedTuple):
    """The fields of an entry; None and empty if not recognised."""

    marker: str | None
    body: str
    year: int | None
    title: str | None
    authors: tuple[str, ...]


def fields_of(entry: str, numbered: bool, latest_year: int = 2100) -> Fields:
    """Splits an entry on one line into its fields; `numbered`: the entries of its list begin with markers."""
    marker, body = _marker(entry) if numbered else (None, entry)
    year = _year(body, latest_year)
    authors, after = _authors(body)
    return Fields(marker, body, year, _title(body, authors, after), authors)


def _marker(entry: str) -> tuple[str | None, str]:
    match = MARKER.match(entry) or _LABEL.match(entry)
    if match is None:
        return None, entry
    return match[0].strip(), entry[match.end() :]


def _year(body: str, latest: int) -> int | None:
    found = _YEAR_IN_BRACKETS.findall(body)
    if not found:
        found = [
            match[0]
            for match in _YEAR.finditer(body)
            if 1600 <= int(match[0]) < 2100 and body[match.start() - 1 : match.start()] not in _NOT_BEFORE_YEARS
        ]
    years = [int(each) for each in found if int(each) <= latest]
    return years[-1] if years else None


def _authors(body: str) -> tuple[tuple[str, ...], int]:
    head = body[:MAX_AUTHORS_CHARACTERS]
    match = _LIST_SURNAME.match(head)
    if match is not None:
        return tuple(_names(_SPLIT_SURNAME.split(match[1]))), match.end()
    match = _LIST_GIVEN.match(head)
    if match is not None:
        return tuple(_names(_SPLIT_GIVEN.split(match[1]))), match.end()
    return (), 0


def _names(parts: list[str]) -> list[str]:
    return [name for each in parts if (name := each.strip(" ,;"))]


def _title(body: str, authors: tuple[str, ...], after: int) -> str | None:
    quoted = _QUOTED.search(body, 0, 2 * MAX_TITLE_CHARACTERS + after) if "“" in body or '"' in body else None
    if quoted is not None:
        return quoted[1].strip().rstrip(",.;") or None
    if not authors:
        return None
    sentence = _SENTENCE.match(body, after, after + MAX_TITLE_CHARACTERS)
    if sentence is None:
        return None
    title = sentence[1].strip().rstrip(".")
    return title if len(title.split()) >= 3 and title[0].isupper() else None
