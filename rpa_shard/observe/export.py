"""One record for every paper, in one file: JSON lines or Parquet.

Guarantee: every paper that the store knows is in it exactly once, failures and papers still waiting too, all with the
same keys; memory stays flat; the file appears whole or not at all. Limit: a paper that a run finishes meanwhile may
stand in it as it was when its row was read.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import zstandard

from rpa_shard.arxiv_id import parse
from rpa_shard.paper import Status
from rpa_shard.prep.artifacts import files_of
from rpa_shard.store.catalogue import open_catalogue
from rpa_shard.store.ledger import Ledger, PaperRow

Format = Literal["jsonl", "parquet"]

STANDARD_OUTPUT = Path("-")
DAMAGED = "damaged"
PARQUET_GROUP_PAPERS = 500
GZIP_LEVEL, ZSTD_LEVEL = 6, 3
_EMPTY: Mapping[str, Any] = {
    "schema": None,
    "id": None,
    "status": None,
    "failure": None,
    "pages": None,
    "characters": None,
    "references": [],
    "flags": [],
    "failed_pages": [],
    "engine": None,
    "source": None,
    "pdf_sha256": None,
    "pdf_bytes": None,
    "text_sha256": None,
    "text_bytes": None,
    "timings_ms": None,
    "metadata": None,
}


class ExportError(Exception):
    """The export cannot be written; the message is one line."""


@dataclass(slots=True)
class Exported:
    """What was written. `damaged` papers lack their text or record, and carry the flag of that name."""

    papers: int = 0
    size_bytes: int = 0
    damaged: int = 0


def export(ledger: Ledger, out: Path, *, format: Format | None = None, with_text: bool = True) -> Exported:
    """Writes every paper's record to `out` ("-" is standard output). Raises ExportError.

    `.gz` and `.zst` at the end of the name compress; `.parquet` there stands for the format.
    """
    done = Exported()
    records = _records(ledger, with_text, done)
    if format == "parquet" or (format is None and out.suffix == ".parquet"):
        _write_parquet(records, out, with_text)
    else:
        with _opened(out) as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
    if out != STANDARD_OUTPUT:
        done.size_bytes = out.stat().st_size
    return done


def _records(ledger: Ledger, with_text: bool, done: Exported) -> Iterator[dict[str, Any]]:
    with open_catalogue(ledger.folder) as catalogue:
        for row in ledger.papers():
            done.papers += 1
            record = read_record(ledger, row, with_text=with_text)
            done.damaged += DAMAGED in record["flags"]
            if catalogue is not None:
                record["metadata"] = catalogue.metadata(row.paper_id)
            yield record


def read_record(ledger: Ledger, row: PaperRow, *, with_text: bool) -> dict[str, Any]:
    """A paper's record as it is exported, from its row and, where it is prepped, its files."""
    known: dict[str, Any] = {"id": row.paper_id, "status": row.status.value, "attempts": row.attempts, "failure": None}
    if row.failure is not None:
        known["failure"] = {"reason": row.failure, "detail": row.detail}
    result = row.results.get("prep")
    nothing = {**_EMPTY, "attempts": row.attempts, **({"text": None} if with_text else {})}
    if result is None or row.status in (Status.PENDING, Status.PREPPING, Status.FAILED):
        return {**nothing, **known}
    files = files_of(ledger.folder.papers, parse(row.paper_id))
    known["attempts"] = result["attempts"]
    try:
        found = {**nothing, **json.loads(files.record.read_bytes())}
        if with_text:
            text = files.text.read_bytes()
            if sha256(text).hexdigest() != result["text_sha256"]:
                return {**nothing, **known, "flags": [DAMAGED]}
            found["text"] = text.decode()
    except (OSError, ValueError):
        return {**nothing, **known, "flags": [DAMAGED]}
    return {**found, **known}


@contextmanager
def _opened(out: Path) -> Iterator[IO[bytes]]:
    """The stream to write to, compressed by the name's ending; `out` appears when the block ends well."""
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with _written_whole(out) as temporary:
        file = temporary.open("wb")
        compressed: Any = file
        if out.suffix == ".gz":
            compressed = gzip.GzipFile(out.stem, "wb", GZIP_LEVEL, file)
        elif out.suffix == ".zst":
            compressed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(file, closefd=False)
        try:
            yield compressed
            if compressed is not file:
                compressed.close()
            file.flush()
            os.fsync(file.fileno())
        finally:
            file.close()


@contextmanager
def _written_whole(out: Path) -> Iterator[Path]:
    """A temporary name beside `out`, renamed at the end. Raises ExportError."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write_parquet(records: Iterator[dict[str, Any]], out: Path, with_text: bool) -> None:
    if out == STANDARD_OUTPUT or out.suffix in {".gz", ".zst"}:
        raise ExportError("Parquet goes to a file, and compresses by itself: give --out papers.parquet")
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ExportError("Parquet needs pyarrow: .venv/bin/pip install pyarrow") from None
    schema = _parquet_schema(pyarrow, with_text)
    with _written_whole(out) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while batch := list(islice(records, PARQUET_GROUP_PAPERS)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))


def _parquet_schema(pyarrow: Any, with_text: bool) -> Any:
    text, number = pyarrow.string(), pyarrow.int64()
    reference = pyarrow.struct([("ordinal", number), ("raw", text)])
    fields = {
        "schema": number,
        "id": text,
        "status": text,
        "failure": pyarrow.struct([("reason", text), ("detail", text)]),
        "attempts": number,
        "pages": number,
        "characters": number,
        "references": pyarrow.list_(reference),
        "flags": pyarrow.list_(text),
        "failed_pages": pyarrow.list_(number),
        "engine": pyarrow.struct([("name", text), ("version", text)]),
        "source": text,
        "pdf_sha256": text,
        "pdf_bytes": number,
        "text_sha256": text,
        "text_bytes": number,
        "timings_ms": pyarrow.struct([("download", pyarrow.float64()), ("extract", pyarrow.float64())]),
        "metadata": pyarrow.struct(
            [
                ("title", text),
                ("authors", text),
                ("abstract", text),
                ("categories", pyarrow.list_(text)),
                ("doi", text),
            ]
        ),
    }
    return pyarrow.schema(fields | ({"text": text} if with_text else {}))
