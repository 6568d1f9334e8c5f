"""Entries for reference managers: CSL-JSON and BibTeX.

Guarantee: valid files whatever the entries contain, with a key for each that is the same in every export. Limit: only
fields that were recognised with confidence; the type is an article for an entry with a DOI, else unspecific.

Sources: the CSL-JSON schema of the Citation Style Language 1.0.2; BibTeX as `btxdoc` has it, in UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rpa_shard.observe.export.names import bibtex_names, csl_names
from rpa_shard.observe.export.plain_text import on_one_line

# What keys of BibTeX, biber and pandoc may have inside.
_UNSAFE_KEY = re.compile(r"[^A-Za-z0-9.:/_-]+")
_SPECIAL = re.compile(r"[\\{}%&#$_~^]")
_ESCAPES = {
    "\\": r"{\textbackslash}",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    "~": r"{\textasciitilde}",
    "^": r"{\textasciicircum}",
}
# BibTeX counts braces, also those behind a backslash, so those without a partner are written by name.
_UNPAIRED = {"{": r"{\textbraceleft}", "}": r"{\textbraceright}"}
# Mathematics, which is TeX already: arXiv's titles have it.
_MATHEMATICS = re.compile(r"(\$[^$]+\$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One work. `arxiv_id` may have a version; `primary_class` is arXiv's main category; `is_tex` where the title is
    TeX, as arXiv's metadata is."""

    key: str
    title: str | None = None
    authors: tuple[str, ...] = ()
    year: int | None = None
    doi: str | None = None
    arxiv_id: str | None = None
    primary_class: str | None = None
    url: str | None = None
    note: str | None = None
    is_tex: bool = False


def safe_key(text: str) -> str:
    """A key that every program takes; texts that differ have keys that differ, in upper or lower case."""
    safe = _UNSAFE_KEY.sub("-", text).strip("-:/.")[:80]
    return safe if safe == text else f"{safe}-{blake2b(text.encode(errors='replace'), digest_size=4).hexdigest()}"


def entry_of_reference(row: Mapping[str, Any]) -> Entry:
    """The entry of a row of `references.reference_rows`: one work as one paper cites it."""
    citing = row["paper_id"]
    of_paper = safe_key(citing) if ":" in citing else citing.replace("/", "-")
    return Entry(
        f"{of_paper}:{row['ordinal']}",
        title=row["title"],
        authors=tuple(row["authors"]),
        year=row["year"],
        doi=row["doi"],
        arxiv_id=row["arxiv_id"],
        url=row["urls"][0] if row["urls"] else None,
        note=row["raw"],
    )


def csl_json(entries: Iterable[Entry]) -> Iterator[str]:
    """The pieces of one CSL-JSON list."""
    between = "[\n"
    for entry in entries:
        yield between + json.dumps(_csl_item(entry), ensure_ascii=False)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def _csl_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {"id": entry.key, "type": "article-journal" if entry.doi else "document"}
    if entry.note:
        item["note"] = entry.note
    if entry.title:
        item["title"] = on_one_line(entry.title)
    if entry.authors:
        item["author"] = csl_names(entry.authors)
    if entry.year:
        item["issued"] = {"date-parts": [[entry.year]]}
    if entry.doi:
        item["DOI"] = entry.doi
    if entry.arxiv_id:
        item |= {"archive": "arXiv", "number": f"arXiv:{entry.arxiv_id}", "URL": _abstract_page(entry.arxiv_id)}
    elif entry.url:
        item["URL"] = entry.url
    return item


def bibtex(entries: Iterable[Entry]) -> Iterator[str]:
    """The entries of one BibTeX file."""
    for entry in entries:
        url = entry.url or (_abstract_page(entry.arxiv_id) if entry.arxiv_id and not entry.note else None)
        fields = {
            "author": bibtex_names(entry.authors, escaped),
            "title": (_tex if entry.is_tex else escaped)(on_one_line(entry.title or "")),
            "year": str(entry.year or ""),
            "doi": _verbatim(entry.doi or ""),
            "eprint": entry.arxiv_id,
            "archiveprefix": "arXiv" if entry.arxiv_id else None,
            "primaryclass": entry.primary_class,
            "url": _verbatim(url or ""),
            "note": escaped(on_one_line(entry.note or "")),
        }
        lines = [f"  {name} = {{{value}}},\n" for name, value in fields.items() if value]
        yield f"@{'article' if entry.doi else 'misc'}{{{entry.key},\n{''.join(lines)}}}\n\n"


def escaped(text: str) -> str:
    """A line of text as TeX and BibTeX read it, whatever it holds."""
    escapes = _ESCAPES if _is_paired(text) else _ESCAPES | _UNPAIRED
    return _SPECIAL.sub(lambda match: escapes[match[0]], text)


def _tex(text: str) -> str:
    """A line of TeX with its mathematics as it is; the rest escaped."""
    parts = _MATHEMATICS.split(text)
    return "".join(
        part if number % 2 and _is_paired(part) and "%" not in part else escaped(part)
        for number, part in enumerate(parts)
    )


def _is_paired(text: str) -> bool:
    depth = 0
    for each in text:
        depth += (each == "{") - (each == "}")
        if depth < 0:
            return False
    return depth == 0


def _verbatim(value: str) -> str:
    """The value unchanged, except characters that would end the field."""
    return on_one_line(value).replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")


def _abstract_page(arxiv_id: str) -> str:
    return f"https://arxiv.org/abs/{arxiv_id}"
