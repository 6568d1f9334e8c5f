"""Records as they are exported: one for every chosen paper, all with the same keys.

Guarantee: failed and waiting papers have a record too, and `arxiv_id` joins with that of references. Limit: a paper
that a run finishes meanwhile may be exported as it was when its row was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from rpa_shard.observe.export.identity import arxiv_identity
from rpa_shard.phases.at_hand import at_hand, each_at_hand
from rpa_shard.phases.finished import PaperFiles, json_schema, record_result
from rpa_shard.reading.clean import clean_of_record
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.rows import PaperRow

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Texts:
    """Which texts an exported record holds."""

    raw: bool = True
    clean: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        return (*(("text",) if self.raw else ()), *(("clean_text", "clean_page_offsets") if self.clean else ()))


RAW = Texts()


def records(folder: DataFolder, papers: Iterable[PaperRow], texts: Texts) -> Iterator[dict[str, Any]]:
    """The records of the papers."""
    with engine_of(folder).open_catalogue() as catalogue:
        for row, files in each_at_hand(folder, papers, _kinds(texts)):
            record = _identified(row, _read_record(files, row, texts))
            if catalogue is not None:
                record["metadata"] = catalogue.metadata(row.paper_id)
            yield record


def read_record(folder: DataFolder, row: PaperRow, texts: Texts) -> dict[str, Any]:
    """A paper's record as it is exported, from its row and, where it is prepped, its files."""
    with at_hand(folder, row, _kinds(texts)) as files:
        return _identified(row, _read_record(files, row, texts))


def _kinds(texts: Texts) -> tuple[str, ...]:
    return ("record", "text") if texts.fields else ("record",)


def _identified(row: PaperRow, record: dict[str, Any]) -> dict[str, Any]:
    identity = arxiv_identity(row.paper_id, record["stamp"])
    return {**record, "arxiv_id": identity.arxiv_id, "arxiv_version": identity.version}


def _read_record(files: PaperFiles, row: PaperRow, texts: Texts) -> dict[str, Any]:
    known: dict[str, Any] = {"id": row.paper_id, "status": row.status.value, "attempts": row.attempts, "failure": None}
    if row.failure is not None:
        known["failure"] = {"reason": row.failure, "detail": row.detail}
    result = record_result(row)
    nothing = {**_empty(), "attempts": row.attempts, **dict.fromkeys(texts.fields)}
    if result is None:
        return {**nothing, **known}
    known["attempts"] = result["attempts"]
    with suppress(OSError, ValueError, KeyError):
        found = {**nothing, **json.loads(files.record.read_bytes())}
        if texts.fields:
            text = files.text.read_bytes()
            if sha256(text).hexdigest() != result["text_sha256"]:
                return {**nothing, **known, "flags": [DAMAGED]}
            _add_texts(found, text.decode(), texts)
        return {**found, **known}
    return {**nothing, **known, "flags": [DAMAGED]}


def _add_texts(record: dict[str, Any], text: str, texts: Texts) -> None:
    if texts.raw:
        record["text"] = text
    if texts.clean:
        clean = clean_of_record(text, record)
        record["clean_text"] = clean.text
        record["clean_page_offsets"] = [list(each) for each in clean.page_offsets]


def _empty() -> Mapping[str, Any]:
    """A record of which nothing is known: lists empty, all else null."""
    properties = json_schema()["properties"]
    return {
        name: [] if "array" in property.get("type", "") else None
        for name, property in properties.items()
        if name not in {"text", "clean_text", "clean_page_offsets"}
    }
