"""arXiv's stamp in the margin of page 1: which paper and version this file is.

Guarantee: pure; found only if a complete line, or the beginning or end of the page's text, is a stamp. Limit: some
papers have none (see arXiv's "Why does my paper not have a stamp?").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rpa_shard.model.arxiv_id import InvalidIdError, PaperId, parse

_STAMP = re.compile(
    r"arXiv:[ ]?(?P<id>\d{4}\.\d{4,5}|[a-z-]{2,9}(?:\.[A-Za-z-]{2,8})?/\d{7})v(?P<version>\d{1,3})"
    r"(?:[ ]{1,4}\[(?P<category>[a-zA-Z.-]{2,20})\])?[ ]{1,4}(?P<date>\d{1,2} [A-Z][a-z]{2} \d{4})"
)
# Only this much of page 1 is searched.
SEARCHED_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """The contents of a stamp: canonical id without version, version, primary category (None in old ones), date."""

    id: str
    version: int
    category: str | None
    date: str


@dataclass(frozen=True, slots=True)
class Stamped:
    """A stamp, and where it is in the page's text."""

    stamp: Stamp
    start: int
    end: int


def find_stamp(first_page: str) -> Stamped | None:
    """The stamp in the text of page 1."""
    text = first_page[:SEARCHED_CHARACTERS].rstrip()
    for match in _STAMP.finditer(text):
        at_start = match.start() == 0 or text[match.start() - 1] == "\n"
        at_end = match.end() == len(text) or text[match.end()] == "\n"
        if not (at_start and at_end) and match.start() != 0 and match.end() != len(text):
            continue
        try:
            paper = parse(match["id"])
        except InvalidIdError:
            continue
        stamp = Stamp(paper.canonical, int(match["version"]), match["category"], match["date"])
        return Stamped(stamp, match.start(), match.end())
    return None


def names_another(stamp: Stamp | None, asked: PaperId) -> bool:
    """Whether the stamp is that of another paper, or of another version if the id has one."""
    if stamp is None or asked.kind != "arxiv":
        return False
    return asked.without_version != stamp.id or bool(asked.version and int(asked.version) != stamp.version)
