"""Identifiers: what people write, the canonical id that it stands for, and where that paper's files belong.

Guarantee: everything accepted has exactly one canonical form, parsing a canonical form returns it unchanged, and file
names made from it stay inside their folder whatever the text was. Limit: grammar only; only the source knows whether
the paper exists.

Sources: arXiv's identifier scheme ("Understanding the arXiv identifier"): `YYMM.NNNN` from 0704, five digits
from 1501, before that `archive/YYMMNNN` whose subject class is not part of the canonical form.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit, urlunsplit

MAX_ID_BYTES = 1000

OLD_ARCHIVES = frozenset(
    """
    acc-phys adap-org alg-geom ao-sci astro-ph atom-ph bayes-an chao-dyn chem-ph cmp-lg comp-gas cond-mat cs
    dg-ga funct-an gr-qc hep-ex hep-lat hep-ph hep-th math math-ph mtrl-th nlin nucl-ex nucl-th patt-sol physics
    plasm-ph q-alg q-bio quant-ph solv-int supr-con
    """.split()
)
_NEW = re.compile(r"(?P<yymm>\d{4})\.(?P<number>\d{4,5})(?:v(?P<version>\d+))?", re.ASCII)
_OLD = re.compile(
    r"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z]{2,8}(?:-[a-z]{2,8})?)?/(?P<yymm>\d{4})(?P<number>\d{3})(?:v(?P<version>\d+))?",
    re.ASCII | re.IGNORECASE,
)
_PREFIX = re.compile(r"(?:arxiv\s*:\s*|(?:https?://(?:dx\.)?doi\.org/)?10\.48550/arxiv\.)", re.IGNORECASE)
_ARXIV_URL = re.compile(
    r"(?:https?://)?(?:[a-z-]+\.)*arxiv\.org/(?:abs|pdf|html|format|ps)/(?P<id>[^?#]+?)(?:\.pdf)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class InvalidIdError(ValueError):
    """The text does not name a paper; the message says why, in a few words."""


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
    """The paper that `text` names; relative paths of PDFs count from `base_folder` (the working folder).

    Raises InvalidIdError with the reason.
    """
    text = text.strip()
    if new := _NEW.fullmatch(text):  # nearly all ids, and nothing else looks like them
        return _new(new)
    if not text:
        raise InvalidIdError("empty")
    if len(text.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise InvalidIdError(f"longer than {MAX_ID_BYTES} bytes")
    if not (text.isprintable() or _names_a_file(text)):
        raise InvalidIdError("has control characters")
    try:
        paper = _parse_any(text, base_folder)
    except UnicodeEncodeError:
        raise InvalidIdError("has bytes that are no text here") from None
    if len(paper.canonical.encode()) > MAX_ID_BYTES:
        raise InvalidIdError(f"longer than {MAX_ID_BYTES} bytes")
    return paper


def _names_a_file(text: str) -> bool:
    """Whether it is a path, which may have any bytes but the null byte; its canonical form has none that do harm."""
    return text.lower().endswith(".pdf") and "://" not in text and "\0" not in text


def _parse_any(text: str, base_folder: Path | None) -> PaperId:
    if prefix := _PREFIX.match(text):
        return _parse_arxiv(text[prefix.end() :].removesuffix(".pdf"))
    if url := _ARXIV_URL.fullmatch(text):
        return _parse_arxiv(unquote(url["id"]))
    if text.lower().startswith(("http://", "https://")):
        return _parse_url(text)
    if text.lower().startswith("file://"):
        return _file(_path_of(text), base_folder)
    if "://" in text:
        raise InvalidIdError(f"unknown kind of URL: {text.split('://', 1)[0]}://")
    if _names_a_file(text):
        try:
            return _file(Path(text).expanduser(), base_folder)
        except RuntimeError:  # of expanduser
            raise InvalidIdError("no such user") from None
    return _parse_arxiv(text)


def _parse_arxiv(text: str) -> PaperId:
    if new := _NEW.fullmatch(text):
        return _new(new)
    if old := _OLD.fullmatch(text):
        archive, yymm, number, version = old["archive"].lower(), old["yymm"], old["number"], old["version"]
        _check_old(archive, yymm, number)
        return PaperId(f"{archive}/{yymm}{number}{_version(version)}", "arxiv", archive, yymm, number, version or "")
    raise InvalidIdError("neither an arXiv id nor the URL or path of a PDF")


def _new(match: re.Match[str]) -> PaperId:
    yymm, number, version = match.groups()
    _check_new(yymm, number)
    return PaperId(f"{yymm}.{number}{_version(version)}", "arxiv", "", yymm, number, version or "")


def _version(version: str | None) -> str:
    """The version at the end of an id."""
    if version is None:
        return ""
    if version.startswith("0") or len(version) > 3:
        raise InvalidIdError(f"no such version: v{version}")
    return f"v{version}"


def _check_month(yymm: str) -> None:
    if not 1 <= int(yymm[2:]) <= 12:
        raise InvalidIdError(f"no such month: {yymm[2:]}")


def _check_new(yymm: str, number: str) -> None:
    _check_month(yymm)
    if int(yymm) < 704:
        raise InvalidIdError("ids of this form begin in 0704 (April 2007)")
    digits = 4 if int(yymm) < 1501 else 5
    if len(number) != digits:
        raise InvalidIdError(f"ids of {yymm} have {digits} digits after the point")
    if int(number) == 0:
        raise InvalidIdError("numbers begin at 1")


def _check_old(archive: str, yymm: str, number: str) -> None:
    if archive not in OLD_ARCHIVES:
        raise InvalidIdError(f"unknown archive: {archive}")
    _check_month(yymm)
    if not (int(yymm) >= 9107 or int(yymm) <= 703):
        raise InvalidIdError("ids of this form run from 9107 to 0703")
    if int(number) == 0:
        raise InvalidIdError("numbers begin at 1")


def _parse_url(text: str) -> PaperId:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidIdError(f"not a URL: {error}") from None
    if not parts.hostname:
        raise InvalidIdError("a URL without a host")
    if parts.username or parts.password:
        raise InvalidIdError("a URL with a password in it: it would end up in records")
    scheme, host = parts.scheme.lower(), parts.hostname.lower()
    if ":" in host:
        host = f"[{host}]"
    if port and port != {"http": 80, "https": 443}[scheme]:
        host = f"{host}:{port}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~-._[]")
    return PaperId(urlunsplit((scheme, host, path, query, "")), "url")


def _file(path: Path, base_folder: Path | None) -> PaperId:
    try:
        absolute = (base_folder / path if base_folder is not None else path).absolute()
    except FileNotFoundError:
        raise InvalidIdError("the working folder does not exist any more: give the path from /") from None
    normal = Path("/", *_without_dots(absolute.parts[1:]))
    return PaperId(normal.as_uri(), "file")


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
    return _path_of(paper.canonical)


def _path_of(url: str) -> Path:
    """The path in a `file:` URL, whatever bytes it consists of."""
    return Path(os.fsdecode(unquote_to_bytes(os.fsencode(urlsplit(url).path))))


def without_version(paper_id: str) -> str:
    """A canonical id without its version; other kinds of ids, which have none, are returned unchanged."""
    return parse(paper_id).without_version
