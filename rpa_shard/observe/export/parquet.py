"""Exports as Parquet, by pyarrow, which is imported only here.

Guarantee: the columns are those of `docs/record.md`, whatever the rows hold. Limit: writes only to a file, which
pyarrow compresses itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, complete
from rpa_shard.observe.export.records import Texts

ROWS_PER_GROUP = 500


def write_parquet(rows: Iterator[dict[str, Any]], out: Path, texts: Texts | None) -> None:
    """Writes records with `texts`, or rows of references if it is None. Raises ExportError."""
    if out == STANDARD_OUTPUT or out.suffix in {".gz", ".zst"}:
        raise ExportError("Parquet goes to a file, and compresses by itself: give --out papers.parquet")
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise ExportError("Parquet needs pyarrow: .venv/bin/pip install pyarrow") from None
    schema = _references_schema(pyarrow) if texts is None else _records_schema(pyarrow, texts)
    with complete(out) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rows, ROWS_PER_GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))


def _reference_fields(pyarrow: Any) -> list[tuple[str, Any]]:
    text, number = pyarrow.string(), pyarrow.int64()
    texts = pyarrow.list_(text)
    return [
        ("arxiv_ids", texts),
        ("dois", texts),
        ("urls", texts),
        ("year", number),
        ("title", text),
        ("authors", texts),
        ("key", text),
    ]


def _references_schema(pyarrow: Any) -> Any:
    text = pyarrow.string()
    own = [("citing_id", text), ("ordinal", pyarrow.int64()), ("arxiv_id", text), ("doi", text), ("raw", text)]
    return pyarrow.schema(own + _reference_fields(pyarrow))


def _records_schema(pyarrow: Any, texts: Texts) -> Any:
    text, number, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    struct, list_ = pyarrow.struct, pyarrow.list_
    spans = list_(list_(number))
    reference = [
        ("ordinal", number),
        ("marker", text),
        ("raw", text),
        ("page", number),
        ("start", number),
        ("end", number),
    ]
    section = [("title", text), ("number", text), ("page", number), ("start", number), ("end", number)]
    shares = "characters_a_page scanned_share damaged_share letters_share mean_word_length stop_word_share".split()
    size = struct([("width", real), ("height", real), ("pages", number)])
    document = [("title", text), ("producer", text), ("created_at", text), ("page_sizes", list_(size))]
    fields = {
        "schema": number,
        "id": text,
        "status": text,
        "failure": struct([("reason", text), ("detail", text)]),
        "attempts": number,
        "pages": number,
        "characters": number,
        "page_offsets": spans,
        "document": struct(document),
        "stamp": struct([("id", text), ("version", number), ("category", text), ("date", text)]),
        "abstract": text,
        "sections": list_(struct(section)),
        "references": list_(struct(reference + _reference_fields(pyarrow))),
        "references_method": text,
        "references_expected": number,
        "citations": list_(struct([("page", number), ("offset", number), ("reference", number)])),
        "quality": struct(
            [
                *((name, real) for name in shares),
                ("failed_pages", number),
                ("garbled_share", real),
                ("garbled_pages", list_(number)),
                ("text_missing_pages", list_(number)),
            ]
        ),
        "flags": list_(text),
        "failed_pages": list_(number),
        "limits_hit": list_(text),
        "layout": struct([("furniture", spans), ("paragraphs", list_(number)), ("order", spans)]),
        "added_text": list_(struct([("kind", text), ("page", number), ("start", number), ("end", number)])),
        "engine": struct([("name", text), ("version", text)]),
        "source": text,
        "fetched_at": text,
        "extracted_at": text,
        "rpa_shard_version": text,
        "pdf_sha256": text,
        "pdf_bytes": number,
        "text_sha256": text,
        "text_bytes": number,
        "timings_ms": struct([("download", real), ("extract", real)]),
        "metadata": struct(
            [("title", text), ("authors", text), ("abstract", text), ("categories", list_(text)), ("doi", text)]
        ),
    }
    if texts.raw:
        fields["text"] = text
    if texts.clean:
        fields |= {"clean_text": text, "clean_page_offsets": spans}
    return pyarrow.schema(fields)
