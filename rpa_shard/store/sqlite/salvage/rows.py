"""Finds rows and history among the records of a damaged shard file.

Guarantee: pure; a row counts only if every value in it is one that we could have written, in the current format or in
an older one, and of several images of one row the one that changed last counts. If a row is gone, the indexes and the
history may still name the paper: what they say is kept apart, because it is less. Limit: a row whose damage makes
another valid row is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rpa_shard.model.arxiv_id import InvalidIdError, from_canonical
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ACTIVE_STATUSES, INITIAL_STATUS, PHASES, PREP, Status
from rpa_shard.store.sqlite.salvage.pages import Record, Value

COLUMNS = (
    "id", "worker", "priority", "status", "attempts", "next_attempt_at", "lease_id", "lease_expires_at", "suspect",
    "failure", "failed_phase", "detail", "results", "added_at", "changed_at", "outdated_before",
)  # fmt: skip
HISTORY_COLUMNS = ("number", "paper_id", "at", "event", "phase", "attempt", "failure", "detail")
# Records of older formats are recognised by their width; missing values are those that the upgrade would set.
_COLUMNS_2 = tuple(name for name in COLUMNS if name != "outdated_before")
_COLUMNS_1 = tuple(name for name in _COLUMNS_2 if name not in ("worker", "failed_phase"))
_HISTORY_COLUMNS_1 = tuple(name for name in HISTORY_COLUMNS if name != "phase")
_STATUSES = frozenset(each.value for each in Status)
_HELD = frozenset(each.value for each in ACTIVE_STATUSES)
_FAILURES = frozenset(each.value for each in Failure)
_PHASES = frozenset(phase.name for phase in PHASES)

Row = Mapping[str, Any]


@dataclass(slots=True)
class Salvage:
    """What could be read: rows by id, the history by number, and what indexes hold about papers by id."""

    rows: dict[str, Row] = field(default_factory=dict)
    history: dict[int, Row] = field(default_factory=dict)
    indexed: dict[str, tuple[str, int]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def without_rows(self) -> Iterator[Row]:
        """Rows made up for papers that only an index or the history still names."""
        last = {line["paper_id"]: line for _, line in sorted(self.history.items())}
        for paper_id in dict.fromkeys((*self.indexed, *last)):
            if paper_id not in self.rows:
                yield self._made_up(paper_id, last.get(paper_id))

    def _made_up(self, paper_id: str, last: Row | None) -> Row:
        status, priority = self.indexed.get(paper_id, (None, 0))
        event = last["event"] if last else None
        reason = self.failures.get(paper_id) or (last["failure"] if last and event == "failed" else None)
        if status not in (None, "failed") or reason is None:
            return {**blank_row(paper_id), "priority": priority, "suspect": int(event == "suspected")}
        suspect = reason in (Failure.POISON, Failure.EXTRACT_TIMEOUT)
        detail = last["detail"] if last else None
        phase = last["phase"] if last and last["phase"] in _PHASES else PHASES[0].name
        failed = {"status": Status.FAILED, "failure": reason, "failed_phase": phase, "detail": detail}
        return {**blank_row(paper_id), "priority": priority, **failed, "suspect": int(suspect)}


def blank_row(paper_id: str) -> Row:
    """A waiting paper without a history. The caller sets its worker and its times."""
    return {**dict.fromkeys(COLUMNS), "id": paper_id, "priority": 0, "status": INITIAL_STATUS, "attempts": 0} | {
        "suspect": 0,
        "results": "{}",
    }


def salvage(records: Iterable[Record]) -> Salvage:
    """Sorts records by what they are."""
    found = Salvage()
    for record in records:
        _take(found, record)
    return found


def _take(found: Salvage, record: Record) -> None:
    values = record.values
    if record.row_number is not None:
        line = _line_of((record.row_number, *values[1:]))
        if line is not None and _is_history(line):
            found.history[record.row_number] = line
    elif (row := _row_of(values)) is not None:
        paper_id = str(row["id"])
        if _is_row(row) and _is_newer(row, found.rows.get(paper_id)):
            found.rows[paper_id] = row
    elif len(values) == 4 and values[0] in _STATUSES and isinstance(values[1], int) and _is_id(values[3]):
        found.indexed[str(values[3])] = (str(values[0]), values[1])
    elif len(values) in (2, 3) and values[0] in _FAILURES and values[1:-1] in ((), ("failed",)) and _is_id(values[-1]):
        # Before format 3 the index had only papers that failed for good.
        found.failures[str(values[-1])] = str(values[0])


def _row_of(values: tuple[Value, ...]) -> Row | None:
    """The row that a record may be, by its width."""
    if len(values) == len(COLUMNS):
        return dict(zip(COLUMNS, values, strict=True))
    if len(values) == len(_COLUMNS_2):
        return {**dict(zip(_COLUMNS_2, values, strict=True)), "outdated_before": None}
    if len(values) == len(_COLUMNS_1):
        row = {**dict(zip(_COLUMNS_1, values, strict=True)), "worker": 0, "outdated_before": None}
        return {**row, "failed_phase": PREP.name if row["status"] == Status.FAILED else None}
    return None


def _line_of(values: tuple[Value, ...]) -> Row | None:
    """The line of history that a record may be, by its width."""
    if len(values) == len(HISTORY_COLUMNS):
        return dict(zip(HISTORY_COLUMNS, values, strict=True))
    if len(values) == len(_HISTORY_COLUMNS_1):
        line = dict(zip(_HISTORY_COLUMNS_1, values, strict=True))
        return {**line, "phase": PREP.name if line["event"] != "repaired" else None}
    return None


def _is_newer(row: Row, other: Row | None) -> bool:
    return other is None or bool(row["changed_at"] >= other["changed_at"])


def _is_id(value: Value) -> bool:
    try:
        return isinstance(value, str) and from_canonical(value).canonical == value
    except InvalidIdError:
        return False


def _is_row(row: Row) -> bool:
    held = row["status"] in _HELD
    return (
        _is_id(row["id"])
        and row["status"] in _STATUSES
        and all(isinstance(row[name], int) for name in ("worker", "priority", "attempts", "suspect"))
        and row["attempts"] >= 0
        and row["suspect"] in (0, 1)
        and all(isinstance(row[name], int | float) for name in ("next_attempt_at", "added_at", "changed_at"))
        and (isinstance(row["lease_id"], str) if held else row["lease_id"] is None)
        and (isinstance(row["lease_expires_at"], int | float) if held else row["lease_expires_at"] is None)
        and (row["failure"] in _FAILURES or (row["failure"] is None and row["status"] != Status.FAILED))
        and (row["failed_phase"] in _PHASES if row["status"] == Status.FAILED else row["failed_phase"] is None)
        and isinstance(row["detail"], str | None)
        and isinstance(row["outdated_before"], int | float | None)
        and _is_results(row["results"])
    )


def _is_results(value: Value) -> bool:
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _is_history(line: Row) -> bool:
    return (
        _is_id(line["paper_id"])
        and isinstance(line["at"], int | float)
        and isinstance(line["event"], str)
        and isinstance(line["phase"], str | None)
        and isinstance(line["attempt"], int)
        and isinstance(line["failure"], str | None)
        and isinstance(line["detail"], str | None)
    )
