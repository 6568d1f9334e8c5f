"""Finds the arXiv papers that a piece of text names: ids with what people and programs write around them.

Guarantee: pure, and linear in the text; a text that is the URL or path of something else gives nothing. Limit: a bare
id counts at the beginning of a text only; further on it needs `arXiv:`, a URL or a DOI.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from urllib.parse import unquote

from rpa_shard.model.id_forms.grammar import FILE_ENDING, ID, InvalidIdError, Parts, new_id, parts_of
from rpa_shard.model.id_forms.urls import ids_of_url, respelled

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u02d7\ufe58\ufe63"
_REPLACED = {
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u2039\u203a"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u300c\u300d\u300e\u300f"), '"'),
    **dict.fromkeys(map(ord, "\u3010\u3014"), "["),
    **dict.fromkeys(map(ord, "\u3011\u3015"), "]"),
    **dict.fromkeys(map(ord, "\u2044\u2215\u29f8"), "/"),
    **dict.fromkeys(map(ord, "\u2236\ua789"), ":"),
    0x3001: ",",
    0x3002: ".",
    0x034F: None,
    **dict.fromkeys(range(0xFE00, 0xFE10)),
}
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0020-\U000e007f]"
)
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_BULLETS = "-*+>=\u2022\u00b7\u2023\u25aa\u25cf\u25cb\u25e6\u25a0\u2713\u2714"
_BULLET = re.compile(
    rf"(?:(?:[{re.escape(_BULLETS)}]+|\[[ xX]?\]|\[\d{{1,4}}\]:?|\(\d{{1,4}}\)|\d{{1,4}}[.)])\s+)+", re.ASCII
)
_AROUND = " \"'`<>()[]{}*_~,;:.!?|\\$"
_MARK = (
    r"(?:(?:(?:https?:/{0,2})?(?:(?:dx\.|www\.)?doi\.org/{1,2})?(?:doi\s?[:=]?\s?)?10\.48550/arxiv[.:]"
    r"|(?:(?:oai|info|urn)\s?:\s?)?arxiv(?:\.org)?(?:\s(?:e-?prints?|preprints?|papers?|ids?|identifier|number|no\.?))?"
    r"|e-?print|corr)[\W_]{0,6})"
)
_VERB = r"(?:/?(?:abs|pdf|html|format|ps|src|e-print)/{1,2})?"
_END = rf"{FILE_ENDING}(?=$|[^0-9a-z_.:-]|[.:](?![0-9a-z])|-(?![0-9]))"
_LEADING = re.compile(rf"{_MARK}{{0,3}}{_VERB}/?{ID}{_END}", re.IGNORECASE | re.ASCII)
_MARKED = re.compile(rf"(?<![0-9a-z]){_MARK}{{1,3}}{_VERB}{ID}{_END}", re.IGNORECASE | re.ASCII)
_URL = re.compile(
    r"(?:https?:/{0,2}|ftp://|(?<![/.\w-]))(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::\d{1,5})?/[^\s<>\"'{}|\\^`]+", re.IGNORECASE
)
# Between ids in a row; a bracket counts if it is closed at once, as a stamp's subject class is: `[cs.LG]`.
_BETWEEN = re.compile(
    r"(?:\s?[\[(](?:cs|math|[a-z]+-[a-z]+|[a-z]+(?:-[a-z]+)?\.[a-z]{2,8}(?:-[a-z]{2,8})?)(?:[\])]|$))?"
    r"[\s,;|/&\"'`()\[\]{}]*(?:and\s+)?",
    re.IGNORECASE,
)
# Up to the next URL that is glued to it.
_WORD = re.compile(r"\S+?(?=[,;|]+(?:https?:|$)|\s|$)", re.IGNORECASE)
# A spreadsheet drops the zero at the beginning, and only that has one reading.
_WITHOUT_ZERO = re.compile(r"(?:arxiv:\s?)?([7-9](?:0[1-9]|1[0-2]))\.(\d{4})(?:v(\d+))?(?=$|[\s,;|])", re.I | re.ASCII)
_OTHER_DOI = re.compile(r"(?:doi\s?:\s?)?10\.\d{4,9}(?:\.\d+)*/\S+", re.IGNORECASE)
_WRONG_DIGITS = re.compile(r"(\d{4})\.(\d+)(?:v(\d+))?", re.ASCII)
_QUOTED_URL = re.compile(r"https?%3a", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|file):", re.IGNORECASE)


def plain(text: str) -> str:
    """The text in the characters of a keyboard, without what cannot be seen, and with single spaces."""
    if "&" in text and ";" in text:
        text = unescape(text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_REPLACED)
        text = _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), visible(text))
    return " ".join(text.split())


def visible(text: str) -> str:
    """The text without zero-width and other invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def without_bullet(text: str) -> str:
    """The text of an item of a list."""
    match = _BULLET.match(text)
    return text[match.end() :] if match else text


def ids_in(text: str) -> list[Parts]:
    """The papers that a `plain` text names; none if it is something else. Raises InvalidIdError."""
    if _is_path(text):
        return []
    text = without_bullet(text).lstrip(_BULLETS).strip(_AROUND)
    if _QUOTED_URL.match(text):
        text = unquote(text)
    if leading := _leading(text):
        return leading
    if _is_path(text) or (_SCHEME.match(text) and (" " not in text or _is_one_url_of_pdf(text))):
        return []
    if " " not in text:
        if short := _WITHOUT_ZERO.match(text):
            return [new_id(f"0{short[1]}", short[2], short[3])]
        _explain(text)
    return list(dict.fromkeys(marked_ids(text)))


def marked_ids(text: str) -> Iterator[Parts]:
    """The ids that are in a URL or a DOI, or have `arXiv:` before them, anywhere in a `plain` text."""
    text = respelled(text)
    if "/" in text:
        for match in _URL.finditer(text):
            ids = _ids_of_some_url(match[0])
            yield from ids
            if ids or "://" in match[0]:  # what is inside the URL of something else does not count
                text = text.replace(match[0], " ; ")
    lower = text.lower()
    if "rxiv" in lower or "print" in lower or "corr" in lower:
        for match in _MARKED.finditer(text):
            yield from _valid(match)


def bare_ids(text: str) -> Iterator[Parts]:
    """The ids without any mark that stand by themselves in a `plain` text."""
    for word in re.split(r"[\s,;:=|()\[\]{}<>\"']+", text):
        match = _LEADING.match(word.strip(_AROUND))
        if match and match.end() == len(word.strip(_AROUND)):
            yield from _valid(match)


def _leading(text: str) -> list[Parts]:
    """The id or URL at the beginning, with all others if nothing but ids follows. Raises InvalidIdError."""
    found: list[Parts] = []
    first = position = 0
    while position < len(text):
        try:
            ids, end = _ids_at(text, position)
        except InvalidIdError:
            if not found:
                raise
            ids = []
        if not ids:
            return found[:first]
        if not found:
            first = len(ids)
        found += ids
        position = _BETWEEN.match(text, end).end()  # type: ignore[union-attr]  # it matches nothing, too
    return list(dict.fromkeys(found))


def _ids_at(text: str, position: int) -> tuple[list[Parts], int]:
    """The ids of the word at a position, and where it ends."""
    match = _LEADING.match(text, position)
    if match and (parts := parts_of(match)):
        return [parts], match.end()
    word = _WORD.match(text, position)
    if word is None or "/" not in word[0]:
        return [], position
    return ids_of_url(_tidy(word[0])) or [], word.end()


def _valid(match: re.Match[str]) -> Iterator[Parts]:
    try:
        parts = parts_of(match)
    except InvalidIdError:
        return
    if parts:
        yield parts


def _ids_of_some_url(url: str) -> list[Parts]:
    try:
        return ids_of_url(_tidy(url)) or []
    except InvalidIdError:
        return []


def _is_path(text: str) -> bool:
    """Whether a text is the path of a PDF; a name that is an id and nothing else is none."""
    if text[-4:].lower() != ".pdf" or "://" in text:
        return False
    return text[0] in "./~" or (_LEADING.fullmatch(text) is None and ids_of_url(text) is None)


def _is_one_url_of_pdf(text: str) -> bool:
    return text[-4:].lower() == ".pdf" and text.count("://") == 1


def _tidy(url: str) -> str:
    return url.rstrip(_AROUND)


def _explain(text: str) -> None:
    """Raises InvalidIdError for what nearly is an id, or names a paper elsewhere."""
    if wrong := _WRONG_DIGITS.fullmatch(text):
        new_id(*wrong.groups())
    if _OTHER_DOI.fullmatch(text):
        raise InvalidIdError("not arXiv's DOI: give the URL of the paper's PDF")
