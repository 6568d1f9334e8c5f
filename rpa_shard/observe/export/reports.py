"""Reports as they are exported: one row for every paper that has one.

Guarantee: what is exported has the hashes that were recorded, or counts as damaged; `arxiv_id` joins with that of
records and references. Limit: a paper that a run finishes meanwhile may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import ANALYZE, WRAP
from rpa_shard.observe.export.identity import arxiv_identity
from rpa_shard.phases.at_hand import at_hand, each_at_hand
from rpa_shard.phases.finished import PaperFiles, results_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.rows import PaperRow
from rpa_shard.system.program import program


def report_rows(
    folder: DataFolder, papers: Iterable[PaperRow], note_damage: Callable[[], None], *, text: bool
) -> Iterator[dict[str, Any]]:
    """The reports of those papers that have one, with their Markdown if `text`."""
    kinds = ("record", "report_record", *(("report",) if text else ()))
    with_report = (row for row in papers if results_of(row).get(WRAP) is not None)
    for row, files in each_at_hand(folder, with_report, kinds):
        result = results_of(row)[WRAP] or {}
        try:
            found = {**_identity(files, row), **_record(files.report_record, result["report_record_sha256"])}
            if text:
                found["report"] = _checked(files.report, result["report_sha256"]).decode()
        except StoreError:
            note_damage()
            continue
        yield found


def analysis_record(folder: DataFolder, row: PaperRow) -> dict[str, Any] | None:
    """The record of a paper's analysis, or None if it has none. Raises StoreError if it is missing or damaged."""
    result = results_of(row).get(ANALYZE)
    if result is None:
        return None
    with at_hand(folder, row, ("analysis",)) as files:
        return _record(files.analysis, result["analysis_sha256"])


def report_record(folder: DataFolder, row: PaperRow) -> dict[str, Any] | None:
    """The record of a paper's report, likewise."""
    result = results_of(row).get(WRAP)
    if result is None:
        return None
    with at_hand(folder, row, ("report_record",)) as files:
        return _record(files.report_record, result["report_record_sha256"])


def report_text(folder: DataFolder, row: PaperRow) -> str | None:
    """A paper's report as Markdown, likewise."""
    result = results_of(row).get(WRAP)
    if result is None:
        return None
    with at_hand(folder, row, ("report",)) as files:
        return _checked(files.report, result["report_sha256"]).decode()


def _identity(files: PaperFiles, row: PaperRow) -> Mapping[str, Any]:
    """Under which arXiv id others know the paper."""
    stamp = None
    with suppress(OSError, ValueError, KeyError):
        stamp = json.loads(files.record.read_bytes())["stamp"]
    identity = arxiv_identity(row.paper_id, stamp)
    return {"id": row.paper_id, "arxiv_id": identity.arxiv_id, "arxiv_version": identity.version}


def _record(path: Path, digest: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(_checked(path, digest))
    return record


def _checked(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}: see `{program()} verify`") from None
    if sha256(content).hexdigest() != digest:
        raise StoreError(f"{path} is not as recorded: see `{program()} verify`")
    return content
