"""What leaves the data folder: records, reports, references, the works that they cite, entries for reference managers.

Guarantee: the file, or the set of files, appears complete or not at all; memory stays flat; each paper that is given is
read once. Limit: a paper that a run finishes meanwhile may be exported as it was when its row was read.

`order` says what makes sense and `destination` where it may be written. `records` and `reports` read; `references`,
`works` and `papers` make rows and entries; `entries`, `tables` and `parquet` format them, `files` writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

from rpa_shard.observe.export.destination import check_destination, is_stream
from rpa_shard.observe.export.entries import Entry, bibtex, csl_json, entry_of_reference
from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, file_of_set, file_set, opened, remove_abandoned
from rpa_shard.observe.export.order import FORMATS, WHATS, Format, Order, What, order
from rpa_shard.observe.export.papers import entry_of_paper
from rpa_shard.observe.export.parquet import ParquetFormat
from rpa_shard.observe.export.records import DAMAGED, RAW, Texts, records
from rpa_shard.observe.export.references import reference_rows
from rpa_shard.observe.export.reports import report_rows
from rpa_shard.observe.export.scratch import each_once
from rpa_shard.observe.export.tables import csv_lines
from rpa_shard.observe.export.works import entry_of_work, works
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.rows import PaperRow

Row = dict[str, Any]
Write = Callable[[Iterator[Row], IO[bytes]], None]

# What turns a row into an entry for reference managers.
_ENTRY_OF: dict[What, Callable[[Row], Entry]] = {
    "references": entry_of_reference,
    "bibliography": entry_of_work,
    "papers": entry_of_paper,
}


@dataclass(slots=True)
class Exported:
    """What was written: so many rows (or entries) of so many papers, in so many files with their size, if they are
    files. `damaged` papers lack their text or record, and carry the flag of that name."""

    papers: int = 0
    rows: int = 0
    files: int = 1
    size_bytes: int | None = None
    damaged: int = 0


def export(folder: DataFolder, papers: Iterable[PaperRow], wanted: Order) -> Exported:
    """Writes what is wanted of the papers. Raises ExportError."""
    write = _writer(wanted)
    done = Exported()
    rows = _rows(_made(folder, papers, wanted, done), done)
    if wanted.out == STANDARD_OUTPUT or is_stream(wanted.out):
        with opened(wanted.out) as file:
            write(rows, file)
        return done
    remove_abandoned(wanted.out)
    if wanted.shard_size is None:
        with opened(wanted.out) as file:
            write(rows, file)
        done.size_bytes = wanted.out.stat().st_size
        return done
    with file_set(wanted.out) as files:
        for part in _parts(rows, wanted.shard_size):
            with files.next_file() as file:
                write(part, file)
        done.files = len(files.written)
        done.size_bytes = sum(each.stat().st_size for each in files.written)
    return done


def _made(folder: DataFolder, papers: Iterable[PaperRow], wanted: Order, done: Exported) -> Iterator[Row]:
    if wanted.what == "reports":

        def note_damage() -> None:
            done.papers += 1
            done.damaged += 1

        for row in report_rows(folder, papers, note_damage, text=wanted.texts.raw):
            done.papers += 1
            yield row
        return
    found = _counted(records(folder, papers, wanted.texts), done)
    if wanted.what == "references":
        yield from reference_rows(found)
    elif wanted.what == "bibliography":
        with engine_of(folder).open_catalogue() as catalogue:
            yield from works(reference_rows(found), catalogue)
    else:
        yield from found


def _writer(wanted: Order) -> Write:
    """What writes one file of the format."""
    if wanted.format == "parquet":
        return ParquetFormat(wanted).write

    def write(rows: Iterator[Row], file: IO[bytes]) -> None:
        for piece in _pieces(rows, wanted):
            file.write(piece.encode(errors="backslashreplace"))

    return write


def _pieces(rows: Iterator[Row], wanted: Order) -> Iterable[str]:
    if wanted.format == "csv":
        return csv_lines(rows, wanted)
    if wanted.format == "jsonl":
        return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    entries = map(_ENTRY_OF[wanted.what], rows)
    return csl_json(entries) if wanted.format == "csl-json" else bibtex(entries)


def _parts(rows: Iterator[Row], size: int) -> Iterator[Iterator[Row]]:
    """The rows in parts, at least one; each must be read to its end before the next is asked for."""
    yield islice(rows, size)
    for first in rows:
        yield chain((first,), islice(rows, size - 1))


def _counted(found: Iterator[Row], done: Exported) -> Iterator[Row]:
    for record in found:
        done.papers += 1
        done.damaged += DAMAGED in record["flags"]
        yield record


def _rows(found: Iterator[Row], done: Exported) -> Iterator[Row]:
    for row in found:
        done.rows += 1
        yield row


__all__ = [
    "FORMATS", "RAW", "WHATS", "ExportError", "Exported", "Format", "Order", "Texts", "What",
    "check_destination", "each_once", "export", "file_of_set", "is_stream", "order",
]  # fmt: skip
