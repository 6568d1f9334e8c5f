"""arXiv ids in text whose lines were joined, and in URLs.

Guarantee: pure; the ids are canonical, without version and without subject class (`hep-th/9901001`). Limit: a
well-formed id does not prove that the paper exists.

Source: arXiv's "Understanding the arXiv identifier"; what people type in lists is `rpa_shard.model.arxiv_id`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rpa_shard.model.arxiv_id import OLD_ARCHIVES, InvalidIdError, parse
from rpa_shard.model.id_forms.grammar import ARCHIVE_WITHOUT_HYPHEN

_LONGEST_FIRST = sorted(OLD_ARCHIVES, key=lambda each: (-len(each), each))
_ARCHIVES = "|".join(each.replace("-", "-?") for each in _LONGEST_FIRST)
# Unlike "math" and "physics" these are never words of a text.
HYPHENATED_ARCHIVES = "|".join(each for each in _LONGEST_FIRST if "-" in each)
_CLASS = r"(?:\.[A-Za-z]{2,8}(?:-[A-Za-z]{2,8})?)?"
_VERSION = r"(?:v[1-9]\d?)?"
NEW_ID = r"(?:0[7-9]|[1-9]\d)(?:0[1-9]|1[0-2])\.\d{4,5}"
OLD_ID = rf"(?:{_ARCHIVES}){_CLASS}/\d{{7}}(?!\d)"
_NEW = re.compile(rf"(?<!\d)({NEW_ID}){_VERSION}(?!\d)", re.IGNORECASE)
# After this an id may be followed by anything; without it, it must not be part of another number.
_BEFORE_NEW = re.compile(
    rf"(?:arXiv(?:\.org)?\s?[:./-]?\s?(?:\[?[a-z]{{2,8}}(?:-[a-z]{{2,4}})?{_CLASS}\]?[/\s]\s?|\[)?|abs/|pdf/|"
    rf"(?<![A-Za-z-])(?:{_ARCHIVES}){_CLASS}/)$",
    re.IGNORECASE,
)
_PART_BEFORE, _PART_AFTER = re.compile(r"[\w.=/-]$"), re.compile(r"/|\.\d")
_OLD = re.compile(rf"(?<!\d)(\d{{7}}){_VERSION}(?!\d)", re.IGNORECASE)
_BEFORE_OLD = re.compile(
    rf"(?<![A-Za-z-])(?:({_ARCHIVES}){_CLASS}\s?/\s?|"
    rf"({HYPHENATED_ARCHIVES}|(?:math|physics|cs|nlin)(?=\.[a-z]{{2}})){_CLASS}\s?[.:]?\s?)$",
    re.IGNORECASE,
)
_ARXIV_BEFORE = re.compile(r"arXiv\s?[:.]?\s?$", re.IGNORECASE)
_ARCHIVE_AFTER = re.compile(rf"\s?\[({_ARCHIVES}){_CLASS}\]", re.IGNORECASE)
MAX_LABEL_CHARACTERS = 36
_NEW_IN_URL = re.compile(rf"[/=:,.]({NEW_ID}){_VERSION}(?!\d)", re.IGNORECASE)
# The name of a paper of arXiv in the Astrophysics Data System: 2020arXiv200101234S
_BIBCODE = re.compile(r"/\d{4}arXiv(\d{4})\.?(\d{4,5})[A-Z]", re.IGNORECASE)
# Cheap tests that spare most texts the expensive ones.
_MAY_BE_NEW = re.compile(r"\.\d{4}")
_MAY_BE_OLD = re.compile(r"\d\d{6}")  # a search for \d{7} takes twice as long
# What these addresses show is a paper of arXiv.
PAPER_URL = re.compile(
    r"(?:https?://)?(?:[a-z0-9-]+\.)*(?:arxiv\.org|ar5iv\.org|alphaxiv\.org|(?:xxx|arxiv)\.lanl\.gov|"
    r"xxx\.(?:itp\.ac\.cn|sissa\.it|soton\.ac\.uk|uni-augsburg\.de)|"
    r"huggingface\.co/papers|semanticscholar\.org/arxiv|scirate\.com/arxiv)[/:]",
    re.IGNORECASE,
)


def may_have_ids(text: str) -> bool:
    """A cheap test."""
    return _MAY_BE_NEW.search(text) is not None or _MAY_BE_OLD.search(text) is not None


def ids_in(text: str) -> Iterator[tuple[int, str]]:
    """The ids that the text names, and where."""
    first = _MAY_BE_NEW.search(text)
    if first is not None:
        for match in _NEW.finditer(text, max(0, first.start() - 4)):
            before = text[max(0, match.start() - MAX_LABEL_CHARACTERS) : match.start()]
            is_part = _PART_BEFORE.search(before) or _PART_AFTER.match(text, match.end())
            if not is_part or _BEFORE_NEW.search(before):
                yield from _valid(match.start(), match[1])
    if _MAY_BE_OLD.search(text) is not None:
        for match in _OLD.finditer(text):
            archive = _archive_of(text, match)
            if archive is not None:
                yield from _valid(
                    match.start(), f"{ARCHIVE_WITHOUT_HYPHEN[archive.lower().replace('-', '')]}/{match[1]}"
                )


def _archive_of(text: str, number: re.Match[str]) -> str | None:
    """The archive of a number of seven digits: before it, or behind it in brackets."""
    before = text[max(0, number.start() - MAX_LABEL_CHARACTERS) : number.start()]
    label = _BEFORE_OLD.search(before)
    if label is None and _ARXIV_BEFORE.search(before):
        label = _ARCHIVE_AFTER.match(text, number.end())
    return next(filter(None, label.groups())) if label is not None else None


def ids_in_url(url: str) -> list[str]:
    """The ids in a URL: anywhere in that of a page of a paper, in others where it says that it is one of arXiv's."""
    if PAPER_URL.match(url) is None:
        bibcodes = (each for match in _BIBCODE.finditer(url) for each in _valid(0, f"{match[1]}.{match[2]}"))
        return [each for _, each in (*bibcodes, *ids_in(url))] if "arxiv" in url.lower() else []
    new = [each for match in _NEW_IN_URL.finditer(url) for _, each in _valid(0, match[1])]
    return new or [each for _, each in ids_in(url)]


def _valid(at: int, name: str) -> Iterator[tuple[int, str]]:
    try:
        paper = parse(name)
    except InvalidIdError:
        return
    if paper.kind == "arxiv":
        yield at, paper.without_version
