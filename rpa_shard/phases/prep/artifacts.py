"""A paper's files: where they are, how they are written, how to check that they are complete.

Guarantee: each file appears complete or not at all, and is on disk before the call returns; a text and a record that
agree mean that the paper is finished, whatever the store still says. Limit: files are named by the paper alone, so two
runs must not share a folder (the run lock prevents it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import fingerprint_of_file, replacing, sync_folder, temporary_of

# From a paper's folder up to the data folder: `papers/url/0f`.
LEVELS_OF_FOLDERS = 3

ENDINGS = {"pdf": ".pdf", "text": ".txt", "record": ".json"}


@dataclass(frozen=True, slots=True)
class PaperFiles:
    """The three files of one paper, side by side."""

    pdf: Path
    text: Path
    record: Path

    @property
    def refused_pdf(self) -> Path:
        """Where a PDF is put that no engine can read, or that is another paper's."""
        return self.pdf.with_suffix(".bad.pdf")


def files_of(papers: Path, paper: PaperId) -> PaperFiles:
    """Where the files of `paper` lie below the folder `papers`, whether or not they exist."""
    stem = stem_of(str(papers), paper)
    return PaperFiles(*(Path(stem + ENDINGS[name]) for name in ("pdf", "text", "record")))


def stem_of(papers: str, paper: PaperId) -> str:
    """The common stem of the paths of the files of `paper`; as text, since callers may need millions of them."""
    return f"{papers}/{paper.folder}/{paper.file_stem}"


_named: set[Path] = set()


def sync_names(folder: Path) -> None:
    """Makes the names of a paper's files durable, and once per process those of the folders above them.

    The folders may have been made by a process that died before their names were on disk.
    """
    sync_folder(folder)
    if folder not in _named:
        for each in list(folder.parents)[:LEVELS_OF_FOLDERS]:
            sync_folder(each)
        _named.add(folder)


def write_durably(content: bytes, writer: str, final: Path) -> None:
    """Writes `final` complete or not at all. The caller syncs its folder."""
    with replacing(final, temporary=temporary_of(writer, final)) as file:
        reach("write_artifact")
        file.write(content)
        file.flush()
        reach("sync_artifact")


def write_artifacts(files: PaperFiles, writer: str, text: bytes, record: Mapping[str, Any]) -> bytes:
    """Writes text and record, in this order, durably; returns the record's bytes. `writer` names who writes."""
    content = json.dumps(record, ensure_ascii=False).encode() + b"\n"
    write_durably(text, writer, files.text)
    write_durably(content, writer, files.record)
    reach("sync_folder")
    sync_names(files.record.parent)
    return content


def read_record(files: PaperFiles) -> Mapping[str, Any]:
    """The paper's record, whatever it says; empty if none can be read."""
    try:
        record = json.loads(files.record.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def read_finished(files: PaperFiles, paper_id: str) -> tuple[dict[str, Any], bytes] | None:
    """The record of an earlier attempt and its bytes, if record and text are complete and belong together."""
    try:
        content = files.record.read_bytes()
        record: dict[str, Any] = json.loads(content)
        text = fingerprint_of_file(files.text)
        belongs = (record["id"], record["text_sha256"]) == (paper_id, text.sha256)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (record, content) if belongs else None
