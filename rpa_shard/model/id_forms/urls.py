"""The arXiv papers that a URL names: arXiv's own pages, its mirrors, and sites that show its papers.

Guarantee: pure; a page at arXiv that is no paper (a listing, a search, an author) is refused, so that it is never taken
for a PDF. Limit: knows the sites of `sites` only.

Sources: the routes of arXiv's own web server (arxiv-browse), its API user manual, its OAI interface.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from rpa_shard.model.id_forms.grammar import FILE_ENDING, ID, InvalidIdError, Parts, old_id, parts_of, shown
from rpa_shard.model.id_forms.sites import READERS, shows_arxiv

MAX_IDS_IN_URL = 2000
_URL = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]{1,9}):)?/{0,3}(?:[^/@\s?#]{0,99}@)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)\.?(?::\d{0,5})?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:#(?P<fragment>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_END = rf"{FILE_ENDING}(?![0-9a-z])"
_PREFIX = r"(?:(?:oai:)?arxiv(?:\.org)?[:./ ]\s?|doi:|10\.48550/arxiv\.)*"
_AT_START = re.compile(rf"{_PREFIX}{ID}{_END}", re.IGNORECASE | re.ASCII)
_DOI = re.compile(rf"(?<![0-9])10\.48550/arxiv\.{ID}{_END}", re.IGNORECASE | re.ASCII)
_SLASHES = re.compile("/{2,}")
_WORD = re.compile(r"[^/\s]+")
_VERBS = frozenset(
    """
    abs pdf html format ps src e-print eprint dvi bibtex tb trackback cits refs audio papers overview
    """.split()
)
_FTP = re.compile(r"(?:ftp|ps_cache)/(?P<archive>[a-z-]+)/[a-z]+/\d{4}/(?P<file>[^/]+)", re.IGNORECASE)
_OLD_NUMBER = re.compile(r"(\d{4})(\d{3})(?:v(\d+))?", re.IGNORECASE | re.ASCII)
# As the Astrophysics Data System (2024arXiv240100001A) and dblp (corr/abs-2401-00001) write ids.
_BIBCODE = re.compile(r"(?:^|/)\d{4}arxiv(\d{4})\.?(\d{4,5})[a-z.](?![0-9a-z])", re.IGNORECASE | re.ASCII)
_DBLP = re.compile(r"corr/abs-(\d{4})-(\d{4,5})(?![0-9a-z])", re.IGNORECASE | re.ASCII)


class _Url(NamedTuple):
    host: str
    path: str
    query: str
    fragment: str


def ids_of_url(text: str) -> list[Parts] | None:
    """The ids that a URL names, with or without its scheme; None if its host has nothing to do with arXiv.

    Raises InvalidIdError for arXiv's pages that are no papers.
    """
    url = _split(text)
    if url is None:
        return None
    if shows_arxiv(url.host):
        found = list(_of_arxiv(url))
        if found or not url.host.startswith("xxx."):
            return found or _refuse(url)
        return None
    begins = READERS.get(url.host.removeprefix("www."))
    if begins is not None and (url.path.lower() + "/").startswith(begins):
        found = list(_of_reader(url))
        return found or (None if url.path.lower().endswith(".pdf") else _refuse(url))
    return _redirected(url)


def respelled(text: str) -> str:
    """The text with ids as other databases write them in arXiv's own form."""
    return _DBLP.sub(r"arXiv:\1.\2", _BIBCODE.sub(r"/arXiv:\1.\2", text))


def _split(text: str) -> _Url | None:
    match = _URL.fullmatch(text)
    if match is None or (match["scheme"] or "http").lower() == "file":
        return None
    host, path, query, fragment = match.group("host", "path", "query", "fragment")
    return _Url(host.lower(), _SLASHES.sub("/", _decoded(path or "")), _decoded(query or ""), _decoded(fragment or ""))


def _decoded(text: str) -> str:
    """The text without percent-encoding, which may have been applied twice."""
    return unquote(unquote(text)) if "%" in text else text


def _refuse(url: _Url) -> list[Parts]:
    raise InvalidIdError(f"a page at {url.host[:60]}, not a paper")


def _of_arxiv(url: _Url) -> Iterator[Parts]:
    path = url.path.strip("/")
    verb, _, rest = path.partition("/")
    verb = verb.lower()
    if verb == "api" or rest.startswith(("http:", "https:")):
        yield from _of_api(url) if verb == "api" else ids_of_url(rest) or ()
    elif verb in ("oai2", "oai"):
        yield from _at_start(_parameters(url.query).get("identifier", ""))
    elif ftp := _FTP.fullmatch(path):
        number = _OLD_NUMBER.match(ftp["file"])
        yield from [old_id(ftp["archive"], *number.groups())] if number else _at_start(ftp["file"])
    elif verb in _VERBS:
        found = list(_at_start(rest))
        yield from found or _of_old_query(rest, url.query)
    else:
        yield from _at_start(path)


def _at_start(text: str) -> Iterator[Parts]:
    match = _AT_START.match(text.strip())
    if match and (parts := parts_of(match)):
        yield parts


def _of_api(url: _Url) -> Iterator[Parts]:
    listed = [each for each in re.split(r"[,\s+]+", _parameters(url.query).get("id_list", "")) if each]
    if len(listed) > MAX_IDS_IN_URL:
        raise InvalidIdError(f"more than {MAX_IDS_IN_URL} ids in one URL")
    for each in listed:
        found = list(_at_start(each))
        if not found:
            raise InvalidIdError(f"not an id in id_list: {shown(each, 40)}")
        yield from found


def _of_old_query(rest: str, query: str) -> Iterator[Parts]:
    """`abs?id=…`, `abs?hep-th/9901001`, `abs?archive=hep-th&papernum=9901001`, `abs/hep-th?9901001`."""
    given = _parameters(query)
    archive = given.get("archive", rest.strip("/"))
    number = given.get("papernum", query)
    written = given.get("id") or (f"{archive}/{number}" if archive else number)
    yield from _at_start(written)


def _of_reader(url: _Url) -> Iterator[Parts]:
    for text in (url.path, *_parameters(url.query).values(), url.fragment):
        text = respelled(text.replace("+", " "))
        for word in _WORD.finditer(text):
            match = _AT_START.match(text, word.start())
            if match and (parts := parts_of(match)):
                yield parts
                return


def _redirected(url: _Url) -> list[Parts] | None:
    """The ids of an arXiv URL or DOI inside a URL elsewhere, as link trackers, web archives and indexes have them."""
    _, _, wrapped = url.path.partition("/http")
    for value in (wrapped and f"http{wrapped}", *_parameters(url.query).values()):
        inner = _split(value) if value.startswith(("http:", "https:")) and "rxiv" in value.lower() else None
        if inner is not None and shows_arxiv(inner.host):
            return list(_of_arxiv(inner)) or _refuse(inner)
    doi = _DOI.search(f"{url.path} {url.query}") if not url.path.lower().endswith(".pdf") else None
    parts = parts_of(doi) if doi else None
    return [parts] if parts else None


def _parameters(query: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in query.split("&"))
    return {name.lower(): value.strip() for name, _, value in pairs}
