"""Identifiers: what people write, the canonical id that it stands for, and where that paper's files belong.

Guarantee: everything accepted has exactly one canonical form, parsing a canonical form returns it unchanged, and file
names made from it stay inside their folder whatever the text was. Limit: grammar only; only the source knows whether
the paper exists.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from rpa_shard.model.id_forms.grammar import (
    OLD_ARCHIVES,
    InvalidIdError,
    Parts,
    check_new,
    new_id,
    old_id,
    shown,
    version_of,
)
from rpa_shard.model.id_forms.other_urls import AROUND, canonical_url, without_tail
from rpa_shard.model.id_forms.text import ids_in, plain, visible, without_bullet
from rpa_shard.model.id_forms.urls import ids_of_url

__all__ = [
    "MAX_ID_BYTES",
    "OLD_ARCHIVES",
    "InvalidIdError",
    "PaperId",
    "file_at",
    "from_canonical",
    "local_path",
    "papers_in",
    "parse",
    "without_version",
]  # fmt: skip

MAX_ID_BYTES = 1000
NEITHER = "neither an arXiv id nor the URL or path of a PDF"

_NEW = re.compile(r"(\d{4})\.(\d{4,5})(?:v(\d+))?", re.ASCII)
_PLAIN = re.compile(r"(\d{4})\.(\d{4,5})", re.ASCII)
_OLD = re.compile(r"([a-z]+(?:-[a-z]+)?)/(\d{4})(\d{3})(?:v(\d+))?", re.ASCII)
# The forms of which there are lists of millions.
_COMMON = re.compile(
    r"(?:arXiv:|https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf)/)?"
    r"(?:(\d{4})\.(\d{4,5})|([a-z]+(?:-[a-z]+)?)/(\d{4})(\d{3}))(?:v(\d+))?(?:\.pdf)?",
    re.ASCII,
)
# Nothing in it for `plain` to change.
_SIMPLE = re.compile(r"[!-%'-~]+", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,15}://", re.IGNORECASE | re.ASCII)
_SOME_URL = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
# The path of a PDF, and what a list may have after it.
_PDF_PATH = re.compile(r"(.+?\.pdf)[\"'`>)\]]*(?:\s*[,;\t#|].*)?", re.IGNORECASE | re.DOTALL)
# A byte of a file name that is not UTF-8, as Python reads it.
_BYTES = dict.fromkeys(range(0xDC80, 0xDD00), "?")


@dataclass(frozen=True, slots=True)
class PaperId:
    """One paper: an arXiv id, the URL of a PDF, or a PDF on this machine.

    For arXiv ids `archive` ("" for new ids), `yymm`, `number` and `version` ("" for the latest) are the parts;
    for the others they are empty.
    """

    canonical: str
    kind: Literal["arxiv", "url", "file"]
    archive: str = ""
    yymm: str = ""
    number: str = ""
    version: str = ""

    @property
    def file_stem(self) -> str:
        """The name of the paper's files, without ending: `2401.00001v2`, `hep-th_9901001`, `bigtable-0f3a…`."""
        if self.kind == "arxiv":
            return self.canonical.replace("/", "_")
        name = unquote(urlsplit(self.canonical).path).rsplit("/", 1)[-1].removesuffix(".pdf")
        readable = _UNSAFE.sub("-", name).strip(".-")[:60]
        return f"{readable or 'paper'}-{self._digest}"

    @property
    def without_version(self) -> str:
        """The canonical id of the paper without a version."""
        return self.canonical.removesuffix(f"v{self.version}") if self.version else self.canonical

    @property
    def folder(self) -> str:
        """The fan-out folder of the paper's files: its month, or for URLs and files two digits of a hash."""
        return self.yymm if self.kind == "arxiv" else f"{self.kind}/{self._digest[:2]}"

    @property
    def _digest(self) -> str:
        return blake2b(self.canonical.encode(), digest_size=8).hexdigest()


def parse(text: str, base_folder: Path | None = None) -> PaperId:
    """The one paper that `text` names, in any form that people write; relative paths of PDFs count from `base_folder`
    (the working folder).

    Raises InvalidIdError with the reason.
    """
    text = text.strip()
    if new := _NEW.fullmatch(text):  # nearly all ids, and nothing else looks like them
        return _new(new)
    found = papers_in(text, base_folder)
    if len(found) > 1:
        raise InvalidIdError(f"names {len(found)} papers: give one")
    return found[0]


def papers_in(text: str, base_folder: Path | None = None) -> list[PaperId]:
    """The papers that `text` names, at least one: several ids in a row, or in one URL. Raises InvalidIdError."""
    text = text.strip()
    if new := _NEW.fullmatch(text):
        return [_new(new)]
    if common := _COMMON.fullmatch(text):
        return [_common(common)]
    if not text:
        raise InvalidIdError("empty")
    if len(text.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise InvalidIdError(f"longer than {MAX_ID_BYTES} bytes")
    is_simple = _SIMPLE.fullmatch(text) is not None
    readable = text if is_simple else plain(text)
    if not (readable.isprintable() or readable.translate(_BYTES).isprintable()):
        raise InvalidIdError("has control characters")
    if not readable:
        raise InvalidIdError("empty")
    if _HTTP.match(text) and "://" not in text[8:] and len(text.split(None, 1)) == 1:
        return _of_url(text, readable)
    if found := ids_in(readable):
        return [_arxiv(parts) for parts in found]
    return _others(text, base_folder)


def is_plain_id(text: str) -> bool:
    """Whether a text is the canonical form of an id since 2007 without a version: what most lists are made of."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return False
    month = int(match[1])
    return month >= 704 and 1 <= month % 100 <= 12 and len(text) == (9 if month < 1501 else 10) and int(match[2]) > 0


def from_canonical(canonical: str) -> PaperId:
    """The paper of a canonical id, such as that of a row. What `parse` once gave is understood for ever, even where
    the same text would be read differently today.

    Raises InvalidIdError.
    """
    if new := _NEW.fullmatch(canonical):
        return _new(new)
    if old := _OLD.fullmatch(canonical):
        return _arxiv(old_id(*old.groups()))
    if canonical.startswith("file:///"):
        return file_at(local_path(PaperId(canonical, "file")))
    if _HTTP.match(canonical) and canonical.isprintable():
        return PaperId(canonical_url(canonical), "url")
    raise InvalidIdError(NEITHER)


def _new(match: re.Match[str]) -> PaperId:
    yymm, number, version = match.groups()
    check_new(yymm, number)
    if version is None:
        return PaperId(f"{yymm}.{number}", "arxiv", "", yymm, number)
    return PaperId(f"{yymm}.{number}v{version_of(version)}", "arxiv", "", yymm, number, version)


def _common(match: re.Match[str]) -> PaperId:
    yymm, number, archive, old_yymm, old_number, version = match.groups()
    if archive is None:
        return _arxiv(new_id(yymm, number, version))
    return _arxiv(old_id(archive, old_yymm, old_number, version))


def _arxiv(parts: Parts) -> PaperId:
    return PaperId(parts.canonical, "arxiv", *parts)


def _others(text: str, base_folder: Path | None) -> list[PaperId]:
    """The URL or path of a PDF, with what a list may have around it. Raises InvalidIdError."""
    if text[:7].lower() == "file://":
        return [_file(_path_in(text.rstrip("\"'<>,;)")), base_folder)]
    item = without_bullet(text).strip(AROUND).lstrip("<([")
    if _HTTP.match(item):
        is_one = item[-4:].lower() == ".pdf" and item.count("://") == 1
        url = item if is_one else item.split(None, 1)[0]
        return _of_url(url, plain(url))
    if (found := _SOME_URL.search(text)) and ".pdf" in found[0].lower():
        return _of_url(found[0], plain(found[0]))
    if "://" in text:
        scheme = _SCHEME.search(text)
        raise InvalidIdError(f"unknown kind of URL: {scheme[0]}" if scheme and not found else NEITHER)
    if path := _PDF_PATH.fullmatch(item):
        return [_file(_expanded(Path(path[1])), base_folder)]
    raise InvalidIdError(NEITHER)


def _of_url(text: str, readable: str) -> list[PaperId]:
    """The papers of a URL without what stands after it."""
    if (ids := ids_of_url(without_tail(readable))) is not None:
        return [_arxiv(parts) for parts in ids]
    url = canonical_url(without_tail(visible(text)))
    while (tidy := without_tail(url)) != url:
        url = canonical_url(tidy)
    if url != text and (ids := ids_of_url(plain(url))) is not None:
        return [_arxiv(parts) for parts in ids]
    return [_short_enough(PaperId(url, "url"))]


def file_at(path: Path) -> PaperId:
    """The paper of a PDF on this machine, by its absolute path."""
    return PaperId(Path("/", *_without_dots(path.parts[1:])).as_uri(), "file")


def _file(path: Path, base_folder: Path | None) -> PaperId:
    if "\0" in str(path):
        raise InvalidIdError("has control characters")
    try:
        absolute = (base_folder / path if base_folder is not None else path).absolute()
    except FileNotFoundError:
        raise InvalidIdError("the working folder does not exist any more: give the path from /") from None
    return _short_enough(file_at(absolute))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise InvalidIdError("no such home folder") from None


def _short_enough(paper: PaperId) -> PaperId:
    if len(paper.canonical.encode()) > MAX_ID_BYTES:
        raise InvalidIdError(f"longer than {MAX_ID_BYTES} bytes")
    return paper


def _without_dots(parts: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        else:
            kept.append(part)
    return kept


def local_path(paper: PaperId) -> Path:
    """The file that a `file` id names."""
    return _path_in(paper.canonical)


def _path_in(url: str) -> Path:
    try:
        path = urlsplit(url).path
    except ValueError as error:
        raise InvalidIdError(f"not a URL: {shown(str(error))}") from None
    # A file's name need not be UTF-8.
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(path))))


def without_version(paper_id: str) -> str:
    """A canonical id without its version; other kinds of ids, which have none, are returned unchanged."""
    return from_canonical(paper_id).without_version
