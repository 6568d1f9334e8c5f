"""One paper, for a person: its state, its history, its files, how its text begins, its references.

Guarantee: shows what is in the store and the files now, and names each missing file. Limit: a summary; the complete
text and record are at the paths that it shows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from textwrap import shorten

from rpa_shard.model.phase import CLAIMED_STATUSES
from rpa_shard.observe.show_analysis import analysis_lines, answer_lines
from rpa_shard.phases.at_hand import EVERY_KIND, at_hand, words_for
from rpa_shard.phases.finished import PaperFiles, record_result
from rpa_shard.reading.clean import clean_of_record
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import PaperRow
from rpa_shard.system.program import program

TEXT_LINES = 12
TEXT_WIDTH = 100
REFERENCES_SHOWN = 200


class NotShownError(Exception):
    """There is nothing to show: the paper was never added, or has no text; the message is one line."""


def show(folder: DataFolder, ledger: Ledger, paper_id: str) -> list[str]:
    """The lines about one paper, given by its canonical id. Raises NotShownError."""
    row = ledger.paper(paper_id)
    if row is None:
        raise NotShownError(f"{paper_id} was never added: {program()} add {paper_id}")
    with at_hand(folder, row, EVERY_KIND) as files:
        return [words_for(folder, row, files, line) for line in _lines(folder, ledger, row, files)]


def _lines(folder: DataFolder, ledger: Ledger, row: PaperRow, files: PaperFiles) -> list[str]:
    paper_id = row.paper_id
    return [
        *_state(row),
        *analysis_lines(row, files),
        *_metadata(folder, paper_id),
        "history",
        *(
            f"  {_when(line.at)}  {line.event}"
            + (f", attempt {line.attempt}" if line.attempt else "")
            + (f": {line.failure}" if line.failure else "")
            + (f" ({line.detail})" if line.detail else "")
            for line in ledger.history(paper_id)
        ),
        "files",
        *(f"  {_size(path)}  {path}" for path in _all_files(files)),
        *answer_lines(row, files),
        *_text(files.text),
        *_references(files.record),
    ]


def show_clean(folder: DataFolder, ledger: Ledger, paper_id: str) -> list[str]:
    """The lines of a paper's clean text. Raises NotShownError."""
    row = ledger.paper(paper_id)
    if row is None:
        raise NotShownError(f"{paper_id} was never added: {program()} add {paper_id}")
    try:
        with at_hand(folder, row, ("record", "text")) as files:
            record = json.loads(files.record.read_bytes())
            return clean_of_record(files.text.read_text("utf-8"), record).text.rstrip("\n").split("\n")
    except (OSError, ValueError, KeyError):
        raise NotShownError(f"{paper_id} is {row.status}: it has no text and record that can be read") from None


def _state(row: PaperRow) -> Iterator[str]:
    yield f"paper     {row.paper_id}"
    yield f"status    {row.status} since {_when(row.changed_at)}, added {_when(row.added_at)}, in shard {row.shard}"
    if row.failure:
        where = f" in {row.failed_phase}" if row.failed_phase else ""
        yield f"failure   {row.failure}{where}: {row.detail}"
    if row.attempts or _is_tried_again(row):
        yield f"attempts  {row.attempts}{_next_attempt(row)}"
    if row.suspect:
        yield "suspect   its process died while parsing it: it runs alone"
    result = record_result(row)
    if result:
        flags = f", flags: {', '.join(result['flags'])}" if result["flags"] else ""
        counted = ", ".join(f"{result[each]} {each}" for each in ("pages", "characters", "references"))
        yield f"result    {counted}{flags}"


def _is_tried_again(row: PaperRow) -> bool:
    """Whether an attempt failed and another one follows. A phase that has not begun yet is no further attempt."""
    return row.status in CLAIMED_STATUSES and (row.attempts > 0 or row.failure is not None)


def _next_attempt(row: PaperRow) -> str:
    if not _is_tried_again(row):
        return ""
    if row.next_attempt_at > time.time():
        return f", the next not before {_when(row.next_attempt_at)}"
    return ", the next as soon as a worker is free"


def _metadata(folder: DataFolder, paper_id: str) -> Iterator[str]:
    with engine_of(folder).open_catalogue() as catalogue:
        found = catalogue.metadata(paper_id) if catalogue is not None else None
    if found is not None:
        yield f"title     {found['title']}"
        yield f"authors   {shorten(found['authors'], TEXT_WIDTH, placeholder=' …')}"
        yield f"subjects  {' '.join(found['categories'])}"
        if found["doi"]:
            yield f"doi       {found['doi']}"


def _all_files(files: PaperFiles) -> Iterator[Path]:
    yield from (files.pdf, files.text, files.record)
    others = (files.refused_pdf, files.answers, files.analysis, files.report, files.report_record)
    yield from (path for path in others if path.exists())


def _size(path: Path) -> str:
    try:
        return f"{path.stat().st_size:>12,} bytes"
    except OSError:
        return f"{'none':>12}      "


def _text(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    yield "text"
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in islice((line.rstrip() for line in file if line.strip()), TEXT_LINES):
                yield f"  {line[:TEXT_WIDTH]}"
    except OSError as error:
        yield f"  {error.strerror}"
    yield "  …"


def _references(path: Path) -> Iterator[str]:
    try:
        record = json.loads(path.read_bytes())
        references = record["references"]
    except (OSError, ValueError, KeyError):
        return
    method = record.get("references_method")
    yield f"references ({len(references)}{f', by {method}' if method else ''})"
    for each in references[:REFERENCES_SHOWN]:
        yield f"  {each['ordinal']:>4}  {shorten(each['raw'], TEXT_WIDTH, placeholder=' …')}"
    if len(references) > REFERENCES_SHOWN:
        yield f"        and {len(references) - REFERENCES_SHOWN} more in {path}"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
