"""What the prep phase writes of a paper, and what it finds of it.

Guarantee: a text and a record that agree mean that the paper is finished, whatever the store still says. Limit: how
files are named and written is in `rpa_shard.phases.files`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rpa_shard.phases.files import PaperFiles, sync_names, write_durably
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import fingerprint_of_file


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
