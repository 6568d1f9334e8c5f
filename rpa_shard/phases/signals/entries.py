"""What the index is told of a paper: from its record, and from the catalogue if that knows the paper.

Guarantee: reads, and never writes; a record that is missing or damaged is passed over. Limit: only arXiv ids count as
citations, since other references name no paper of the corpus with certainty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.model.phase import PREP, is_completed
from rpa_shard.phases.files import PaperFiles
from rpa_shard.phases.signals.index import IndexedPaper
from rpa_shard.reading.title import one_line, own_title
from rpa_shard.store.catalogue import Catalogue
from rpa_shard.store.rows import PaperRow

# Longer texts are cut: an abstract has a few thousand characters.
MAX_TITLE, MAX_ABSTRACT = 500, 4000
# A paper that says no title has it among its first lines.
HEAD_BYTES = 4096


class _Document(msgspec.Struct):
    title: str | None = None


class _Stamp(msgspec.Struct):
    category: str | None = None


class _Reference(msgspec.Struct):
    arxiv_ids: tuple[str, ...] = ()


class _Record(msgspec.Struct):
    """The fields of a record that are of use here."""

    document: _Document | None = None
    stamp: _Stamp | None = None
    abstract: str | None = None
    references: tuple[_Reference, ...] = ()


_RECORD = msgspec.json.Decoder(_Record)


def record_sha256(row: PaperRow) -> str | None:
    """What stands for the paper's record; None if it has none, or has been sent back."""
    if not is_completed(PREP, row.status, row.failed_phase):
        return None
    sha256 = row.results.get(PREP.name, {}).get("record_sha256")
    return sha256 if isinstance(sha256, str) else None


def entry_of(files: PaperFiles, row: PaperRow, sha256: str, catalogue: Catalogue | None) -> IndexedPaper | None:
    """What is indexed of a paper; None if its record cannot be read. Raises StoreError (of the catalogue)."""
    try:
        record = _RECORD.decode(files.record.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    known: Mapping[str, Any] = (catalogue.metadata(row.paper_id) if catalogue is not None else None) or {}
    own = (record.stamp.category or "" if record.stamp else "").split()
    return IndexedPaper(
        paper_id=without_version(row.paper_id),
        row_id=row.paper_id,
        record_sha256=sha256,
        title=one_line(known.get("title"))[:MAX_TITLE] or _own_title(files, record),
        abstract=one_line(known.get("abstract") or record.abstract)[:MAX_ABSTRACT],
        categories=" ".join(known.get("categories") or own),
        cited=tuple(dict.fromkeys(each for reference in record.references for each in reference.arxiv_ids)),
    )


def _own_title(files: PaperFiles, record: _Record) -> str:
    said = record.document.title if record.document else None
    title = own_title(said, "")
    if title:
        return title
    try:
        with files.text.open("rb") as text:
            return own_title(None, text.read(HEAD_BYTES).decode(errors="ignore"))
    except OSError:
        return ""
