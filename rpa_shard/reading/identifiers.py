"""arXiv ids, DOIs and URLs in text whose lines were joined, and in link targets.

Guarantee: pure; results conform to the published grammars: arXiv ids without version and without subject class
(`hep-th/9901001`), DOIs in lower case; each once, in order of appearance. Limit: a well-formed name does not prove that
the paper exists.

Sources: arXiv's "Understanding the arXiv identifier"; Crossref's recommended expression for DOIs
(`10.\\d{4,9}/[-._;()/:A-Z0-9]+`, 99.3 % of theirs), and for old Wiley ones the SICI form with `<` and `>`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote

from rpa_shard.model.arxiv_id import OLD_ARCHIVES, InvalidIdError, parse

MAX_DOI_CHARACTERS = 200
_SICI = r"\(SICI\)[-._;()/:A-Za-z0-9<>]+"
_DOI = re.compile(rf"(?<![\d.])10\.\d{{4,9}}(?:\.\d+)*/(?:{_SICI}|[-._;()/:A-Za-z0-9]+)")
_DOI_AFTER = re.compile(r"(?:/(?:abstract|full|pdf|epdf|meta|summary|fulltext|issuetoc))+$|\.pdf$", re.IGNORECASE)
_URL = re.compile(r"(?:https?|ftp)://[^\s<>\"“”|\\^{}\[\]]+|\bwww\.[^\s<>\"“”|\\^{}\[\]]{3,}", re.IGNORECASE)
_NEW_ID = r"(?<!\d)((?:0[7-9]|[1-9]\d)(?:0[1-9]|1[0-2])\.\d{4,5})(?:v[1-9]\d?)?"
# After `arXiv:`, `abs/` or `pdf/` whatever follows; bare only where it cannot be part of another number.
_NEW = re.compile(
    rf"(?:arXiv\s?[:.]?\s?|abs/|pdf/){_NEW_ID}(?!\d)|(?<![\d.=/_-])\b{_NEW_ID}(?![\d/]|\.\d)", re.IGNORECASE
)
_ARCHIVE = "|".join(sorted((re.escape(each).replace(r"\-", "-?") for each in OLD_ARCHIVES), key=len, reverse=True))
_OLD = re.compile(
    rf"(?<![A-Za-z-])({_ARCHIVE})(?:\.[A-Za-z]{{2,8}}(?:-[A-Za-z]{{2,8}})?)?\s?/\s?(\d{{7}})(?:v[1-9]\d?)?(?!\d)",
    re.IGNORECASE,
)
_SQUEEZED = {each.replace("-", ""): each for each in OLD_ARCHIVES}
_DATACITE = "10.48550/arxiv."
_ARXIV_HOST = re.compile(r"(?:https?://)?(?:[a-z-]+\.)*arxiv\.org/", re.IGNORECASE)
# Cheap tests that spare most texts the expensive ones.
_HINTS = ("10.", "10 .", "://", "rXiv", "rxiv", "RXIV", "www.", "abs/")
_NEW_HINT = re.compile(r"\d{4}\.\d{4}")
_OLD_HINT = re.compile(r"/\s?\d{7}")
_SPACED_DOI = re.compile(
    r"(?<![\d.])10 ?\. ?\d{4,9} ?/ ?[-_;()/:A-Za-z0-9]+(?:\.[-_;()/:A-Za-z0-9]+| [./_:-] [-_;()/:A-Za-z0-9]+){0,12}"
)


class Identifiers(NamedTuple):
    """What one reference names."""

    arxiv_ids: tuple[str, ...] = ()
    dois: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


NOTHING = Identifiers()


def find_identifiers(text: str, uris: tuple[str, ...] = ()) -> Identifiers:
    """The union of what the text names and what the links in it lead to."""
    arxiv_ids: dict[str, None] = {}
    dois: dict[str, None] = {}
    urls: dict[str, None] = {}
    for uri in uris:
        _from_uri(uri, arxiv_ids, dois, urls)
    if _may_name(text):
        _from_text(
            _despaced(text) if "10 ." in text or "10. " in text or " / " in text else text, arxiv_ids, dois, urls
        )
    if not (arxiv_ids or dois or urls):
        return NOTHING
    _drop_beginnings(dois)
    _drop_beginnings(urls)
    return Identifiers(tuple(arxiv_ids), tuple(dois), tuple(urls))


def _from_uri(uri: str, arxiv_ids: dict[str, None], dois: dict[str, None], urls: dict[str, None]) -> None:
    uri = unquote(uri.strip())
    before = len(arxiv_ids) + len(dois)
    found = _take_dois(uri, arxiv_ids, dois)
    if not found and _ARXIV_HOST.match(uri):
        _take_arxiv_ids(uri, arxiv_ids)
    if len(arxiv_ids) + len(dois) == before and not found and _URL.match(uri):
        urls[_trim(uri)] = None


def _from_text(text: str, arxiv_ids: dict[str, None], dois: dict[str, None], urls: dict[str, None]) -> None:
    rest = _masked(_DOI, text) if _take_dois(text, arxiv_ids, dois) else text
    for match in _URL.finditer(rest):
        url = _trim(match[0])
        if not _ARXIV_HOST.match(url) and "\0" not in url and "doi.org/" not in url:
            urls[url] = None
            rest = rest[: match.start()] + "\0" * len(match[0]) + rest[match.end() :]
    _take_arxiv_ids(rest, arxiv_ids)


def _may_name(text: str) -> bool:
    """A cheap test that spares most texts the expensive ones."""
    if any(each in text for each in _HINTS):
        return True
    return _NEW_HINT.search(text) is not None or _OLD_HINT.search(text) is not None


def _despaced(text: str) -> str:
    """The text with DOIs that have spaces for line breaks (`10 . 1145 / 3292500 . 3330701`) closed up."""
    return _SPACED_DOI.sub(lambda match: match[0].replace(" ", ""), text)


def _masked(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda match: "\0" * len(match[0]), text)


def _take_dois(text: str, arxiv_ids: dict[str, None], dois: dict[str, None]) -> bool:
    found = False
    for match in _DOI.finditer(text):
        doi = clean_doi(match[0])
        if doi is None:
            continue
        found = True
        if doi.startswith(_DATACITE):
            _take_arxiv_ids(doi[len(_DATACITE) :], arxiv_ids)
        dois[doi] = None
    return found


def clean_doi(candidate: str) -> str | None:
    """A DOI in lower case, without the punctuation and path around it, or None."""
    doi = _trim(candidate)
    doi = _trim(_DOI_AFTER.sub("", doi)).lower()
    suffix = doi.partition("/")[2]
    return doi if suffix and len(doi) <= MAX_DOI_CHARACTERS and any(each.isalnum() for each in suffix) else None


def _trim(text: str) -> str:
    """The name without what the sentence around it added at its end."""
    end = len(text)
    opened, closed = text.count("("), text.count(")")
    is_url = "://" in text
    while end:
        last = text[end - 1]
        if last == ")":
            if opened >= closed:
                break
            closed -= 1
        elif last == "(":
            opened -= 1
        elif last in "-/":
            if is_url and "://" in text[:end]:
                break
        elif last not in ".,;:'’”\"!?*]}":
            break
        end -= 1
    return text[:end]


def _take_arxiv_ids(text: str, arxiv_ids: dict[str, None]) -> None:
    if _NEW_HINT.search(text) is not None:
        for match in _NEW.finditer(text):
            _take_valid(match[1] or match[2], arxiv_ids)
    if _OLD_HINT.search(text) is None:
        return
    for match in _OLD.finditer(text):
        archive = _SQUEEZED.get(match[1].lower().replace("-", ""))
        _take_valid(f"{archive}/{match[2]}", arxiv_ids)


def _take_valid(text: str, arxiv_ids: dict[str, None]) -> None:
    try:
        paper = parse(text)
    except InvalidIdError:
        return
    if paper.kind == "arxiv":
        arxiv_ids[paper.canonical] = None


def _drop_beginnings(found: dict[str, None]) -> None:
    """Drops names that are the beginning of another one: a line's end cut them off."""
    # In order, a name that another one begins with is next to one that it begins, too.
    for each, following in pairwise(sorted(found)):
        if following.startswith(each):
            del found[each]
