"""Papers in a list: a line for a person, or an object for a program.

Guarantee: a line begins with the id, has no tab and no control character, and fits the width that is given; lines come
while papers are read. Limit: an id that is longer than those of the first papers moves the rest of its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from rpa_shard.model.phase import CLAIMED_STATUSES, PREP
from rpa_shard.observe.top.text import cut_text, printable
from rpa_shard.store.rows import PaperRow

# So many papers decide how wide the columns are.
PAPERS_LOOKED_AT = 200
MAX_ID_COLUMNS = 40

Titles = Callable[[str], str | None]


def lines(rows: Iterable[PaperRow], title_of: Titles, columns: int | None = None) -> Iterator[str]:
    """A line for each paper: id, status, reason or attempts, when it changed, title. No wider than `columns`."""
    rest = iter(rows)
    first = [_cells(row, title_of) for row in islice(rest, PAPERS_LOOKED_AT)]
    widths = [
        max((len(cell) for cell in cells if len(cell) <= MAX_ID_COLUMNS), default=0)
        for cells in zip(*first, strict=True)
    ]
    for cells in chain(first, (_cells(row, title_of) for row in rest)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False))
        whole = printable(f"{line}  {cells[-1]}".rstrip())
        yield whole if columns is None else cut_text(whole, columns)


def _cells(row: PaperRow, title_of: Titles) -> tuple[str, str, str, str, str]:
    why = row.failure or (f"attempts={row.attempts}" if row.attempts else "-")
    title = " ".join((title_of(row.paper_id) or "").split())
    return row.paper_id, row.status, why, f"{datetime.fromtimestamp(row.changed_at, UTC):%Y-%m-%dT%H:%M:%SZ}", title


def as_json(row: PaperRow, title: str | None) -> Mapping[str, Any]:
    """What `list --json` says of a paper. Moments are Unix seconds."""
    return {
        "id": row.paper_id,
        "status": row.status,
        "attempts": row.attempts,
        "failure": row.failure,
        "failed_phase": row.failed_phase,
        "detail": row.detail,
        "flags": list(row.results.get(PREP.name, {}).get("flags", ())),
        "priority": row.priority,
        "suspect": row.suspect,
        "added_at": row.added_at,
        "changed_at": row.changed_at,
        "next_attempt_at": row.next_attempt_at if row.status in CLAIMED_STATUSES else None,
        "title": title,
    }
