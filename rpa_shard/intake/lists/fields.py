"""The paper that a record names by its fields: an entry of a bibliography, a row of a table, a JSON object.

Guarantee: pure; an arXiv id in any of the fields comes before a URL of a PDF, and a page of a publisher is never taken
for a PDF. Limit: knows the names below only, in any case and with any punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from rpa_shard.model.arxiv_id import InvalidIdError, PaperId, papers_in
from rpa_shard.model.id_forms.text import marked_ids, plain

# Fields that hold an id, or something else; the first that has one counts.
_IDS = """
arxivid arxivids arxiv arxivpaperid paperarxivid arxivnumber arxivno arxiveprint arxiveprints
arxividentifier eprint eprintid paperid paper id identifier identifiers externalids externalid
""".split()
_URLS = """
arxivurl absurl urlabs paperurlabs abstracturl pdfurl urlpdf paperurlpdf pdf pdflink
openaccesspdf landingpageurl url urls link links href uri paperurl paperlink source
sourceurl locations adsurl file filepath path filename
""".split()
_DOIS = ["doi", "dois", "arxivdoi", "doiurl"]
# Fields of which only a part may be an id, such as "arXiv preprint arXiv:…".
_TEXTS = """
journal journaltitle howpublished note notes volume number publisher booktitle publicationtitle annote comment extra
archiveid archivelocation eid pages
""".split()
LINK_NAMES = frozenset((*_DOIS, *_URLS))
ID_NAMES = (*_IDS, *_DOIS, *_URLS)
NAMES = frozenset((*ID_NAMES, *_TEXTS, "archiveprefix", "eprinttype", "primaryclass", "eprintclass"))
NO_PAPER = "no arXiv id and no PDF in it"
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_SEVEN_DIGITS = re.compile(r"\d{7}(?:v\d+)?", re.ASCII)


def plain_name(name: str) -> str:
    """The name of a field in lower case, without punctuation."""
    return _NOT_NAME.sub("", name.lower())


def papers_of_fields(fields: Mapping[str, str]) -> list[PaperId]:
    """The papers of a record, whose field names are `plain_name`s. Raises InvalidIdError."""
    problem: InvalidIdError | None = None
    for name in _IDS:
        try:
            found = _arxiv_ids(_in_its_archive(name, fields))
        except InvalidIdError as error:
            problem = problem or error
            continue
        if found:
            return found
    for name in (*_DOIS, *_URLS, *_TEXTS):
        value = fields.get(name, "")
        # As dblp writes it: CoRR, volume abs/2401.00001.
        if found := _marked(f"CoRR {value}" if name == "volume" else value):
            return found[:1] if name in _TEXTS else found
    for name in (*_DOIS, *_URLS):
        if found := _bare_ids(fields.get(name, "")):
            return found
    for name in (*_URLS, "id"):
        if (value := fields.get(name, "")) and (pdf := _pdf(value)):
            return [pdf]
    raise InvalidIdError(NO_PAPER if problem is None or "neither" in str(problem) else str(problem))


def _in_its_archive(name: str, fields: Mapping[str, str]) -> str:
    value = fields.get(name, "").strip()
    if name != "eprint":
        return value
    archive = fields.get("archiveprefix") or fields.get("eprinttype") or "arxiv"
    if "arxiv" not in archive.lower():
        return ""
    if _SEVEN_DIGITS.fullmatch(value):  # 0309136 with the class math.GT
        return f"{fields.get('primaryclass') or fields.get('eprintclass') or ''}/{value}"
    return value


def _arxiv_ids(value: str) -> list[PaperId]:
    if not value:
        return []
    return [each for each in papers_in(value) if each.kind == "arxiv"]


def _bare_ids(value: str) -> list[PaperId]:
    """The ids of a value that is nothing else, such as the name of a file."""
    try:
        return _arxiv_ids(value)
    except InvalidIdError:
        return []


def _marked(value: str) -> list[PaperId]:
    if not value:
        return []
    return list({parts: papers_in(parts.canonical)[0] for parts in marked_ids(plain(value[:5000]))}.values())


def _pdf(value: str) -> PaperId | None:
    """The PDF that a value leads to, if it is one by its name."""
    try:
        found = papers_in(value)[0]
    except InvalidIdError:
        return None
    if found.kind == "file":
        return found
    path = urlsplit(found.canonical).path.lower()
    return found if path.endswith(".pdf") or "/pdf" in path else None
