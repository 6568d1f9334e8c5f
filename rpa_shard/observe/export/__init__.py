"""What leaves the data folder: records, references, and bibliographies for reference managers.

Guarantee: the file appears complete or not at all; memory stays flat; every paper that the store knows is read once.
Limit: a paper that a run finishes meanwhile may be exported as it was when its row was read.

`records` reads, `references` and `bibliography` make rows of references, `parquet` and `files` write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rpa_shard.observe.export.bibliography import bibtex_entries, csl_json
from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, opened
from rpa_shard.observe.export.parquet import write_parquet
from rpa_shard.observe.export.records import DAMAGED, RAW, Texts, records
from rpa_shard.observe.export.references import reference_rows
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger

Format = Literal["jsonl", "parquet", "csl-json", "bibtex"]
What = Literal["records", "references"]
FORMATS: tuple[Format, ...] = ("jsonl", "parquet", "csl-json", "bibtex")
_BY_ENDING: dict[str, Format] = {".parquet": "parquet", ".bib": "bibtex"}


@dataclass(slots=True)
class Exported:
    """What was written, with its size if that is a file. `damaged` papers lack their text or record, and carry the flag
    of that name."""

    papers: int = 0
    rows: int = 0
    size_bytes: int | None = None
    damaged: int = 0


def export(
    folder: DataFolder,
    ledger: Ledger,
    out: Path,
    *,
    format: Format | None = None,
    what: What | None = None,
    texts: Texts = RAW,
) -> Exported:
    """Writes to `out` ("-" is standard output). Raises ExportError.

    `.gz` and `.zst` at the end of the name compress; `.parquet` and `.bib` select the format. Bibliographies are made
    of references, whatever `what` says.
    """
    format = format or _BY_ENDING.get(out.suffix, "jsonl")
    references = what == "references" or format in {"csl-json", "bibtex"}
    done = Exported()
    found = _counted(records(folder, ledger, Texts(False) if references else texts), done)
    rows = _rows(reference_rows(found) if references else found, done)
    if format == "parquet":
        write_parquet(rows, out, None if references else texts)
    else:
        with opened(out) as file:
            for piece in _pieces(rows, format):
                file.write(piece.encode(errors="backslashreplace"))
    if out != STANDARD_OUTPUT and out.is_file():
        done.size_bytes = out.stat().st_size
    return done


def _counted(found: Iterator[dict[str, Any]], done: Exported) -> Iterator[dict[str, Any]]:
    for record in found:
        done.papers += 1
        done.damaged += DAMAGED in record["flags"]
        yield record


def _rows(found: Iterator[dict[str, Any]], done: Exported) -> Iterator[dict[str, Any]]:
    for row in found:
        done.rows += 1
        yield row


def _pieces(rows: Iterator[dict[str, Any]], format: Format) -> Iterable[str]:
    if format == "csl-json":
        return csl_json(rows)
    if format == "bibtex":
        return bibtex_entries(rows)
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


__all__ = ["FORMATS", "ExportError", "Exported", "Format", "Texts", "What", "export"]
