"""The JSON record that lies beside a paper's text; `docs/record.md` describes every field.

Guarantee: has exactly the fields of the JSON Schema `record.schema.json`, which is shipped beside this file and
carries the same version. Limit: what only an export knows (attempts, metadata, the text itself) is added there.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from rpa_shard import __version__
from rpa_shard.extract.result import Extraction, plain
from rpa_shard.model.phase import Status
from rpa_shard.system.clock import as_utc
from rpa_shard.system.files import Fingerprint

RECORD_SCHEMA = 4
_SCHEMA_FILE = Path(__file__).with_name("record.schema.json")


@cache
def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a record."""
    schema: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text())
    return schema


def make_record(
    paper_id: str,
    extraction: Extraction,
    *,
    pdf: Fingerprint,
    text: Fingerprint,
    source: str | None,
    download_seconds: float,
    extract_seconds: float,
    fetched_at: float | None = None,
    extracted_at: float | None = None,
) -> dict[str, Any]:
    """The record of a prepped paper. When the PDF was fetched and read is given in Unix seconds, None if unknown."""
    return {
        "schema": RECORD_SCHEMA,
        "id": paper_id,
        "status": Status.PREPPED,
        "failure": None,
        "pages": extraction.pages,
        "characters": extraction.characters,
        "page_offsets": extraction.page_offsets,
        "document": {**plain(extraction.metadata), "page_sizes": plain(extraction.page_sizes)},
        "stamp": plain(extraction.stamp),
        "abstract": extraction.abstract,
        "sections": plain(extraction.sections),
        "references": plain(extraction.references),
        "references_method": extraction.references_method,
        "references_expected": extraction.references_expected,
        "citations": plain(extraction.citations),
        "quality": plain(extraction.quality),
        "flags": extraction.flags,
        "failed_pages": extraction.failed_pages,
        "limits_hit": extraction.limits_hit,
        "layout": plain(extraction.layout),
        "added_text": plain(extraction.added_text),
        "engine": {"name": extraction.engine, "version": extraction.engine_version},
        "source": source,
        "fetched_at": as_utc(fetched_at),
        "extracted_at": as_utc(extracted_at),
        "rpa_shard_version": __version__,
        "pdf_sha256": pdf.sha256,
        "pdf_bytes": pdf.size_bytes,
        "text_sha256": text.sha256,
        "text_bytes": text.size_bytes,
        "timings_ms": {
            "download": round(download_seconds * 1000, 1),
            "extract": round(extract_seconds * 1000, 1),
        },
    }
