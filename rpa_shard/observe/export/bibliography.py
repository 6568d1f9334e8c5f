"""References for reference managers: CSL-JSON and BibTeX.

Guarantee: valid files whatever the references contain; the complete entry is always included, as a note. Limit: only
fields that were recognised with confidence; the type is `article` for an entry with a DOI, else unspecific.

Sources: the CSL-JSON schema of the Citation Style Language 1.0.2; BibTeX as `btxdoc` has it, in UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_UNSAFE_KEY = re.compile(r"[^A-Za-z0-9.:_-]+")
_SPECIAL = re.compile(r"[\\{}%&#$_~^]")
_ESCAPES = {
    "\\": r"\textbackslash ",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    "~": r"\textasciitilde ",
    "^": r"\textasciicircum ",
}


def csl_json(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The pieces of one CSL-JSON list."""
    between = "[\n"
    for row in rows:
        yield between + json.dumps(_csl_item(row), ensure_ascii=False)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def _csl_item(row: Mapping[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": _key(row),
        "type": "article-journal" if row["doi"] else "document",
        "note": row["raw"],
    }
    if row["title"]:
        item["title"] = row["title"]
    if row["authors"]:
        item["author"] = [_csl_name(name) for name in row["authors"]]
    if row["year"]:
        item["issued"] = {"date-parts": [[row["year"]]]}
    if row["doi"]:
        item["DOI"] = row["doi"]
    if row["arxiv_id"]:
        item |= {
            "archive": "arXiv",
            "number": f"arXiv:{row['arxiv_id']}",
            "URL": f"https://arxiv.org/abs/{row['arxiv_id']}",
        }
    elif row["urls"]:
        item["URL"] = row["urls"][0]
    return item


def _csl_name(name: str) -> dict[str, str]:
    family, comma, given = name.partition(", ")
    return {"family": family, "given": given} if comma else {"literal": name}


def bibtex_entries(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The entries of one BibTeX file."""
    for row in rows:
        fields = {
            "author": " and ".join(row["authors"]),
            "title": row["title"],
            "year": row["year"],
            "doi": row["doi"],
            "eprint": row["arxiv_id"],
            "archiveprefix": "arXiv" if row["arxiv_id"] else None,
            "url": row["urls"][0] if row["urls"] else None,
            "note": row["raw"],
        }
        verbatim = {"doi", "eprint", "url"}
        lines = [
            f"  {name} = {{{_verbatim(value) if name in verbatim else _escaped(value)}}},\n"
            for name, value in fields.items()
            if value
        ]
        yield f"@{'article' if row['doi'] else 'misc'}{{{_key(row)},\n{''.join(lines)}}}\n\n"


def _key(row: Mapping[str, Any]) -> str:
    return f"{_UNSAFE_KEY.sub('-', row['citing_id']).strip('-')}:{row['ordinal']}"


def _escaped(value: object) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], str(value))


def _verbatim(value: object) -> str:
    """The value unchanged, except characters that would end the field."""
    return str(value).replace("{", "%7B").replace("}", "%7D").replace("\\", "%5C")
