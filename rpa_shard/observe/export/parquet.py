"""Exports as Parquet, by pyarrow, which is imported only here.

Guarantee: the columns are those of `docs/record.md`, whatever the rows hold, so the files of a set have one schema.
Limit: writes only to files, which pyarrow compresses itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import IO, Any

from rpa_shard.observe.export.files import ExportError
from rpa_shard.observe.export.order import Order
from rpa_shard.observe.export.records import Texts
from rpa_shard.observe.export.report_columns import reports_schema

# The rows of references are small; records, and works that many papers cite, are large.
ROWS_PER_GROUP = {"records": 500, "references": 20_000, "bibliography": 500, "reports": 500}
MOMENTS = ("fetched_at", "extracted_at", "analyzed_at", "reported_at")


class ParquetFormat:
    """How the rows of an order are written. Raises ExportError without pyarrow."""

    def __init__(self, order: Order) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ModuleNotFoundError:
            how = "pip install 'rpa-shard[parquet]', or in a clone ./scripts/setup.sh"
            raise ExportError(f"Parquet needs pyarrow: {how}") from None
        self._pyarrow, self._parquet = pyarrow, parquet
        self._rows_per_group = ROWS_PER_GROUP[order.what]
        self._schema = _schema(pyarrow, order)

    def write(self, rows: Iterator[dict[str, Any]], file: IO[bytes]) -> None:
        """Writes one file."""
        with self._parquet.ParquetWriter(file, self._schema, compression="zstd") as writer:
            while batch := [_with_moments(_with_contents(row)) for row in islice(rows, self._rows_per_group)]:
                writer.write_table(self._pyarrow.Table.from_pylist(batch, self._schema))


def _with_moments(row: dict[str, Any]) -> dict[str, Any]:
    moments = {name: datetime.fromisoformat(row[name]) for name in MOMENTS if row.get(name) is not None}
    return {**row, **moments} if moments else row


def _with_contents(row: dict[str, Any]) -> dict[str, Any]:
    """A report's row with what its sections say as JSON: each prompt has a schema of its own."""
    if not any("content" in each for each in row.get("sections", ())):
        return row
    sections = [{**each, "content": json.dumps(each["content"], ensure_ascii=False)} for each in row["sections"]]
    return {**row, "sections": sections}


def _schema(pyarrow: Any, order: Order) -> Any:
    if order.what == "records":
        return _records_schema(pyarrow, order.texts)
    if order.what == "reports":
        return reports_schema(pyarrow, order.texts)
    return _references_schema(pyarrow) if order.what == "references" else _works_schema(pyarrow)


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
    number = pyarrow.int64()
    own = [
        ("citing_id", text),
        ("citing_version", number),
        ("paper_id", text),
        ("ordinal", number),
        ("marker", text),
        ("page", number),
        ("start", number),
        ("end", number),
        ("arxiv_id", text),
        ("doi", text),
        ("raw", text),
    ]
    return pyarrow.schema(own + _reference_fields(pyarrow))


def _works_schema(pyarrow: Any) -> Any:
    text, number = pyarrow.string(), pyarrow.int64()
    return pyarrow.schema(
        [
            ("key", text),
            ("arxiv_id", text),
            ("doi", text),
            ("title", text),
            ("authors", pyarrow.list_(text)),
            ("year", number),
            ("url", text),
            ("raw", text),
            ("reference_count", number),
            ("cited_by_count", number),
            ("cited_by", pyarrow.list_(text)),
        ]
    )


def _records_schema(pyarrow: Any, texts: Texts) -> Any:
    text, number, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    struct, list_ = pyarrow.struct, pyarrow.list_
    moment = pyarrow.timestamp("ms", "UTC")
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
        "fetched_at": moment,
        "extracted_at": moment,
        "rpa_shard_version": text,
        "pdf_sha256": text,
        "pdf_bytes": number,
        "text_sha256": text,
        "text_bytes": number,
        "timings_ms": struct([("download", real), ("extract", real)]),
        "arxiv_id": text,
        "arxiv_version": number,
        "metadata": struct(
            [("title", text), ("authors", text), ("abstract", text), ("categories", list_(text)), ("doi", text)]
        ),
    }
    if texts.raw:
        fields["text"] = text
    if texts.clean:
        fields |= {"clean_text": text, "clean_page_offsets": spans}
    return pyarrow.schema(fields)
