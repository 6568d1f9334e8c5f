"""What has happened, out of the histories of all papers.

Guarantee: so many lines at a time that no statement takes long. Limit: all lines are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg.rows import DictRow

from rpa_shard.store.postgres.ledger.session import Session
from rpa_shard.store.rows import Event

HISTORY_LINES = 50_000


def times_of_events(session: Session) -> tuple[float, float] | None:
    """See `rpa_shard.store.protocol.Ledger.times_of_events`."""
    spans = [row for row in _read_histories(session, "times_of_events") if row["first"] is not None]
    return (min(row["first"] for row in spans), max(row["last"] for row in spans)) if spans else None


def count_events(session: Session, begins: float, ends: float, parts: int) -> Mapping[Event, int]:
    """See `rpa_shard.store.protocol.Ledger.count_events`."""
    found: Counter[Event] = Counter()
    # A moment has no parts: all that happens in it is in the first.
    part_seconds = (ends - begins) / parts or 1.0
    stretch = {"begins": begins, "ends": ends, "part_seconds": part_seconds, "parts": parts}
    for row in _read_histories(session, "count_events", **stretch):
        found[Event(row["part"], row["event"], row["phase"], row["attempt"], row["failure"])] += row["events"]
    return found


def _read_histories(session: Session, name: str, **parameters: Any) -> Iterator[DictRow]:
    """The rows of a query for all lines of history."""
    (ends,) = session.read("ends_of_history")
    if ends["last"] is None:
        return
    for after in range(ends["first"] - 1, ends["last"], HISTORY_LINES):
        last = min(after + HISTORY_LINES, ends["last"])
        yield from session.read(name, after=after, last=last, **parameters)
