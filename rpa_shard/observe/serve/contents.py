"""One paper: its row, history and files; its record, text by page, and references.

Guarantee: a file is named by the paper's row, never by what was asked; texts come in pieces of bounded size. Limit:
what the files hold is shown as it is: it is what the author of the PDF wrote.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rpa_shard.observe.serve.papers import MAX_SECONDS, WrongQuestionError
from rpa_shard.phases.at_hand import kept_at_hand
from rpa_shard.phases.finished import PaperFiles
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger

HISTORY_SHOWN, SECTIONS_SHOWN = 200, 200
MAX_REFERENCES, USUAL_REFERENCES = 500, 100
# Of a page of text; and of a piece of a text whose pages are not known.
MAX_PAGE_CHARACTERS, PIECE_CHARACTERS = 200_000, 20_000
SUMMARY = (
    "pages characters document stamp abstract references_method references_expected flags quality failed_pages "
    "limits_hit engine source fetched_at extracted_at rpa_shard_version "
    "pdf_bytes text_bytes timings_ms"
).split()


class NoSuchPaperError(Exception):
    """The paper was never added, or has no such file; the message is one line."""


def paper(folder: DataFolder, paper_id: str) -> dict[str, Any]:
    """All that is known of a paper, without its text and references. Raises NoSuchPaperError, StoreError."""
    engine = engine_of(folder)
    with open_ledger(folder, seconds=MAX_SECONDS) as ledger, engine.open_catalogue(seconds=MAX_SECONDS) as catalogue:
        row = ledger.paper(paper_id)
        if row is None:
            raise NoSuchPaperError(f"{paper_id} was never added")
        history = ledger.history(paper_id)
        metadata = catalogue.metadata(paper_id) if catalogue is not None else None
    files = kept_at_hand(folder, row, ("text", "record"))
    return {
        "row": asdict(row),
        "metadata": metadata,
        "history": [asdict(line) for line in history[-HISTORY_SHOWN:]],
        "history_lines": len(history),
        "files": [_file(folder, path) for path in (files.pdf, files.text, files.record)],
        "record": _summary(files.record),
    }


def file(folder: DataFolder, paper_id: str, what: str) -> Path:
    """The file of a paper that `PaperFiles` calls `what`. Raises NoSuchPaperError, StoreError."""
    path: Path = getattr(files(folder, paper_id, what), what)
    if not path.is_file():
        raise NoSuchPaperError(f"{paper_id} has no {what}")
    return path


def files(folder: DataFolder, paper_id: str, *kinds: str) -> PaperFiles:
    """Where the files of these kinds lie. Raises NoSuchPaperError, StoreError."""
    with open_ledger(folder, seconds=MAX_SECONDS) as ledger:
        row = ledger.paper(paper_id)
    if row is None:
        raise NoSuchPaperError(f"{paper_id} was never added")
    return kept_at_hand(folder, row, kinds)


def page_of_text(folder: DataFolder, paper_id: str, number: int) -> dict[str, Any]:
    """The text of page `number`, from 1. Raises NoSuchPaperError, StoreError, WrongQuestionError."""
    found = files(folder, paper_id, "text", "record")
    try:
        text = found.text.read_text("utf-8", errors="replace")
    except OSError:
        raise NoSuchPaperError(f"{paper_id} has no text") from None
    pages = _pages(_record(found.record), len(text))
    if not 1 <= number <= max(1, len(pages)):
        raise WrongQuestionError(f"it has {len(pages)} pages")
    begin, end = pages[number - 1] if pages else (0, 0)
    shown = text[begin : min(end, begin + MAX_PAGE_CHARACTERS)]
    return {"page": number, "pages": len(pages), "text": shown, "cut": end - begin > len(shown)}


def references(folder: DataFolder, paper_id: str, after: int, limit: int) -> dict[str, Any]:
    """Some references, from the one after number `after` on. Raises NoSuchPaperError, StoreError."""
    record = _record(files(folder, paper_id, "record").record)
    if record is None:
        raise NoSuchPaperError(f"{paper_id} has no record")
    every = record.get("references") or []
    return {"references": every[after : after + limit], "total": len(every), "after": after}


def _pages(record: dict[str, Any] | None, characters: int) -> list[tuple[int, int]]:
    """Where pages begin and end; pieces where the record does not say."""
    try:
        found = [(int(begin), int(end)) for begin, end in (record or {})["page_offsets"]]
        if found and all(0 <= begin <= end <= characters for begin, end in found):
            return found
    except (KeyError, TypeError, ValueError):
        pass
    return [(at, min(at + PIECE_CHARACTERS, characters)) for at in range(0, characters, PIECE_CHARACTERS)]


def _summary(path: Path) -> dict[str, Any] | None:
    record = _record(path)
    if record is None:
        return None
    return {
        **{name: record.get(name) for name in SUMMARY},
        "sections": (record.get("sections") or [])[:SECTIONS_SHOWN],
        "references": len(record.get("references") or []),
    }


def _record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _file(folder: DataFolder, path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
    except OSError:
        size = None
    return {"path": str(path.relative_to(folder.root)), "bytes": size}
