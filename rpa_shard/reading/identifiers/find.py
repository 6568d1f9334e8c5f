"""arXiv ids, DOIs and URLs in text whose lines were joined, and in link targets.

Guarantee: pure; results conform to the published grammars (see `dois` and `arxiv_names`); each once, in order of
appearance, those of links first. What is glued to a name is told apart where a sign or a word shows it; a URL broken by
a blank is closed up where the rest can be nothing else. Limit: a well-formed name does not prove that it exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote

from rpa_shard.reading.identifiers.arxiv_names import PAPER_URL, ids_in, ids_in_url, may_have_ids
from rpa_shard.reading.identifiers.dois import DATACITE_PREFIX, GLUED_WORD, dois_in, tidied, trimmed

_IN_URL = r"[^\s\0<>\"“”|\\^{}\[\]]"
_URL = re.compile(rf"(?:https?|ftp)://{_IN_URL}+|\bwww\.{_IN_URL}{{3,}}", re.IGNORECASE)
# Where something else begins although nothing separates it from a URL; a URL may well contain another one.
_GLUED = re.compile(rf"(?<=[A-Za-z0-9.,;)])(?i:arXiv\s?:|https?://|doi\s?:)|(?<=[.,;/)\d]){GLUED_WORD}")
_ARXIV_HOST = re.compile(r"(?:https?://)?(?:[a-z0-9-]+\.)*arxiv\.org/", re.IGNORECASE)
# Cheap tests that spare most texts the expensive ones.
_HINTS = ("10.", "10 .", "://", "rXiv", "rxiv", "RXIV", "www.", "abs/", ": //")
# A blank inside a URL is closed up before the rest of a path or a page's name, but not before a whole word: there an
# underscore is missing, which some fonts draw as a rule, and after the host a tilde.
_PAGE = r"\.(?:s?html?|php|aspx?|jsp|pdf|cgi)\b"
_SPACED_URL = re.compile(
    r"((?:https?|ftp)://[^\s<>\"“”/]+/[^\s<>\"“”]+) (?!w/|and/or|https?:|www\.|doi|arxiv|[\d/]+(?![\w/]))"
    rf"(?=[\w~%-]{{1,3}}(?:/(?=[\s.,;)]|$)|{_PAGE})|(?<=[/_=-] )[\w~%.-]*(?:/[\w~%./-]*(?:/|{_PAGE})|{_PAGE}))",
    re.IGNORECASE,
)
_SPACED_SCHEME = re.compile(r"\b(https?|ftp) ?: ?/ ?/ ?(?=\w)", re.IGNORECASE)
_SPACES_IN_SCHEME = (" :", ": /", ":/ ", ":// ")
# Hyphens and digits of other alphabets as plain ones; what has no width is dropped.
_PLAIN = (
    dict.fromkeys(map(ord, "\u2010\u2011\u2212"), "-")
    | dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))
    | {0xFF10 + digit: str(digit) for digit in range(10)}
)
_NOT_PLAIN = re.compile(f"[{''.join(map(chr, _PLAIN))}]")


class Identifiers(NamedTuple):
    """What one reference names."""

    arxiv_ids: tuple[str, ...] = ()
    dois: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


NOTHING = Identifiers()


class _Found:
    """The names found so far; the keys of dictionaries, because each counts once."""

    def __init__(self) -> None:
        self.arxiv_ids: dict[str, None] = {}
        self.dois: dict[str, None] = {}
        self.urls: dict[str, None] = {}


def find_identifiers(text: str, uris: tuple[str, ...] = ()) -> Identifiers:
    """The union of what the text names and what the links in it lead to."""
    found = _Found()
    for uri in uris:
        _from_uri(unquote(uri.strip()), found)
    if _may_name(text):
        _from_text(_plain(text), found)
    if not (found.arxiv_ids or found.dois or found.urls):
        return NOTHING
    _drop_beginnings(found.dois)
    _drop_beginnings(found.urls)
    return Identifiers(tuple(found.arxiv_ids), tuple(found.dois), tuple(found.urls))


def _from_uri(uri: str, found: _Found) -> None:
    dois = [each.doi for each in dois_in(tidied(uri))]
    ids = [name for doi in dois for name in _datacite(doi)] if dois else ids_in_url(uri)
    found.dois.update(dict.fromkeys(dois))
    found.arxiv_ids.update(dict.fromkeys(ids))
    if not dois and not (ids and PAPER_URL.match(uri)) and _URL.match(uri):
        found.urls[trimmed(uri)] = None


def _from_text(text: str, found: _Found) -> None:
    ids: list[tuple[int, str]] = []
    dois = list(dois_in(text))
    for start, _, doi in dois:
        found.dois[doi] = None
        ids += [(start, name) for name in _datacite(doi)]
    text = _masked(text, [(start, end) for start, end, _ in dois])
    if "://" in text or "www." in text.lower():
        text = _take_urls(text, found, ids)
    ids += ids_in(text)
    found.arxiv_ids.update(dict.fromkeys(name for _, name in sorted(ids, key=lambda each: each[0])))


def _take_urls(text: str, found: _Found, ids: list[tuple[int, str]]) -> str:
    """Takes the URLs, and the ids in them; the rest of the text."""
    at = 0
    taken: list[tuple[int, int]] = []
    while (match := _URL.search(text, at)) is not None:
        start, at = match.span()
        glued = _GLUED.search(text, start + 8, at + 8)
        if glued is not None and glued.start() < at:
            at = glued.start()
        url = trimmed(text[start:at])
        if text[at : at + 1] == "\0" or "doi.org/" in url:
            continue  # the beginning of a DOI's URL
        names = ids_in_url(unquote(url))
        ids += [(start, name) for name in names]
        if not _ARXIV_HOST.match(url):
            if not (names and PAPER_URL.match(url)):
                found.urls[url] = None
            taken.append((start, at))
    return _masked(text, taken)


def _datacite(doi: str) -> list[str]:
    return (
        [name for _, name in ids_in("arXiv:" + doi[len(DATACITE_PREFIX) :])] if doi.startswith(DATACITE_PREFIX) else []
    )


def _may_name(text: str) -> bool:
    """A cheap test that spares most texts the expensive ones."""
    return any(map(text.__contains__, _HINTS)) or may_have_ids(text)


def _plain(text: str) -> str:
    """The text with its names written as they should be."""
    if not text.isascii() and _NOT_PLAIN.search(text):
        text = text.translate(_PLAIN)
    if "://" in text or ": //" in text or ":/ /" in text:
        if any(map(text.__contains__, _SPACES_IN_SCHEME)):
            text = _SPACED_SCHEME.sub(r"\1://", text)
        text = _SPACED_URL.sub(r"\1", text)
    return tidied(text)


def _masked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with spans of it, in order, made unreadable."""
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (text[at:start], "\0" * (end - start))
        at = end
    return "".join(parts) + text[at:] if spans else text


def _drop_beginnings(found: dict[str, None]) -> None:
    """Drops names that are the beginning of another one: a line's end cut them off."""
    # In order, a name that another one begins with is next to one that it begins, too.
    for each, following in pairwise(sorted(found)):
        if following.startswith(each):
            del found[each]
