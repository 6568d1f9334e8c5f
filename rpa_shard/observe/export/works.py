"""The bibliography: the works that papers cite, one entry for each, with who cites it.

Guarantee: in order of their names, the same for the same papers in any order; memory stays flat, as mentions wait in a
temporary database on disk. Limit: works are told apart by their arXiv id, else DOI, else title and year, else the text
of the entry; the list of those who cite one work is in memory.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from typing import Any

from rpa_shard.observe.export.entries import Entry, safe_key
from rpa_shard.observe.export.identity import submission_year
from rpa_shard.observe.export.names import names_in
from rpa_shard.observe.export.plain_text import from_tex
from rpa_shard.observe.export.scratch import scratch, scratch_query
from rpa_shard.store.catalogue import Catalogue

# Shorter titles, such as "Errata" or "Private communication", are those of many works.
MIN_TITLE_WORDS, MIN_TITLE_CHARACTERS = 3, 15
ARXIV_DOI = "10.48550/arxiv."
FIELDS = ("title", "authors", "year", "doi", "url", "raw")
_NOT_IN_WORDS = re.compile(r"[\W_]+")


@dataclass(slots=True)
class Mention:
    """One work as one reference names it: its names, the strongest first, and what is known of it."""

    names: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


def mentions(row: Mapping[str, Any]) -> Iterator[Mention]:
    """The works that a row of `references.reference_rows` names.

    An entry with several arXiv ids or, without any, several DOIs is about several works, of which nothing else is
    known for certain.
    """
    arxiv_ids = row["arxiv_ids"]
    dois = [each for each in row["dois"] if not (arxiv_ids and each.startswith(ARXIV_DOI))]
    several = [f"arXiv:{each}" for each in arxiv_ids] or [f"doi:{each}" for each in dois]
    if len(several) > 1:
        for name in several:
            yield Mention([name], {"raw": row["raw"]})
        return
    doi = dois[0] if len(dois) == 1 else None
    names = [*several, *([f"doi:{doi}"] if doi and arxiv_ids else []), *_title_name(row["title"], row["year"])]
    fields = {"title": row["title"], "authors": row["authors"], "year": row["year"], "doi": doi}
    url = row["urls"][0] if row["urls"] else None
    yield Mention(names or [_text_name(row["raw"])], {**fields, "url": url, "raw": row["raw"]})


def _title_name(title: str | None, year: int | None) -> list[str]:
    words = _words(title or "")
    if year is None or len(words) < MIN_TITLE_CHARACTERS or words.count(" ") + 1 < MIN_TITLE_WORDS:
        return []
    return [f"title:{year}:{words}"]


def _text_name(raw: str) -> str:
    return f"text:{_words(raw) or raw}"


def _words(text: str) -> str:
    """The letters and digits of a text, without accents and differences of case."""
    if not text.isascii():
        text = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return _NOT_IN_WORDS.sub(" ", text.casefold()).strip()


def works(rows: Iterable[Mapping[str, Any]], catalogue: Catalogue | None) -> Iterator[dict[str, Any]]:
    """The works that the rows of references name; what the metadata snapshot says of one counts. Raises ExportError."""
    with scratch() as database:
        _gather(database, rows)
        for name, group in groupby(database.execute(scratch_query("mentions")), key=lambda row: str(row[0])):
            yield _work(name, ((citing, fields) for _, citing, fields in group), catalogue)


def _gather(database: sqlite3.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    add_mention, add_link = scratch_query("add_mention"), scratch_query("add_link")
    for row in rows:
        for each in mentions(row):
            known = [each.fields.get(name) for name in FIELDS]
            rank = sum(not value for value in known)
            fields = json.dumps(known, ensure_ascii=False)
            database.execute(add_mention, (each.names[0], rank, row["citing_id"], row["ordinal"], fields))
            links = ((weaker, stronger) for at, stronger in enumerate(each.names) for weaker in each.names[at + 1 :])
            database.executemany(add_link, links)
    database.execute(scratch_query("resolve_dois"))
    database.execute(scratch_query("resolve_titles"))


def _work(name: str, group: Iterable[tuple[str, str]], catalogue: Catalogue | None) -> dict[str, Any]:
    """One work, of which each field is that of the most complete mention that has it."""
    found: dict[str, Any] = dict.fromkeys(FIELDS)
    cited_by: set[str] = set()
    references = 0
    for citing, fields in group:
        references += 1
        cited_by.add(citing)
        if not all(found.values()):
            for key, value in zip(FIELDS, json.loads(fields), strict=True):
                found[key] = found[key] or value
    kind, _, rest = name.partition(":")
    arxiv_id = rest if kind == "arXiv" else None
    metadata = catalogue.metadata(arxiv_id) if catalogue is not None and arxiv_id is not None else None
    if metadata is not None:
        found |= {"title": from_tex(metadata["title"]), "authors": list(names_in(metadata["authors"]))}
        found["doi"] = metadata["doi"] or found["doi"]
    return {
        "key": key_of(name),
        "arxiv_id": arxiv_id,
        "doi": rest if kind == "doi" else found["doi"],
        "title": found["title"],
        "authors": found["authors"] or [],
        "year": found["year"] or (submission_year(arxiv_id) if arxiv_id else None),
        "url": found["url"],
        "raw": found["raw"],
        "reference_count": references,
        "cited_by_count": len(cited_by),
        "cited_by": sorted(cited_by),
    }


def key_of(name: str) -> str:
    """The key of a work: its arXiv id or DOI, else something short and readable."""
    kind, _, rest = name.partition(":")
    if kind in {"arXiv", "doi"}:
        return safe_key(name)
    begin = "-".join(rest.replace(":", " ").split()[:6])
    readable = re.sub(r"[^a-z0-9-]+", "", begin)[:60].strip("-")
    return f"{kind}:{readable or 'work'}-{blake2b(name.encode(errors='replace'), digest_size=5).hexdigest()}"


def entry_of_work(work: Mapping[str, Any]) -> Entry:
    """The entry of a work."""
    return Entry(
        work["key"],
        title=work["title"],
        authors=tuple(work["authors"]),
        year=work["year"],
        doi=work["doi"],
        arxiv_id=work["arxiv_id"],
        url=work["url"],
        note=work["raw"],
        is_tex=work["arxiv_id"] is not None,
    )
