"""The lists in which a paper can be chosen: papers in work, and attempts that failed.

Guarantee: pure; a list of the same status in the same order is the same. Limit: the papers that shards report, the ones
held longest, and the last failures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.ipc.shard_report import FailedAttempt, PaperInWork
from rpa_shard.observe.top.head import BAD, WARN
from rpa_shard.observe.top.sections import Section
from rpa_shard.observe.top.table import Cell, Column, Table, table
from rpa_shard.observe.top.text import restyled

CHOSEN_STYLE = "reverse"
# An arXiv id is shown complete as long as anything else can give way.
ID_COLUMNS = 16


class Order(StrEnum):
    """By what papers in work are sorted."""

    TIME = "time"
    STAGE = "stage"
    ID = "id"


class Item(NamedTuple):
    """Something that can be chosen and opened: a paper in work, or (with its time) an attempt that failed."""

    paper_id: str
    failed_at: float | None = None


def papers_in_work(run: RunStatus, order: Order) -> list[PaperInWork]:
    """The papers that shards report, of all shards."""
    found = [paper for shard in run.shards for paper in shard.report.in_work]
    match order:
        case Order.TIME:
            return sorted(found, key=lambda paper: (-paper.seconds, paper.paper_id))
        case Order.STAGE:
            return sorted(found, key=lambda paper: (paper.stage, -paper.stage_seconds, paper.paper_id))
        case Order.ID:
            return sorted(found, key=lambda paper: paper.paper_id)


def failures_newest_first(run: RunStatus) -> list[FailedAttempt]:
    """The last attempts that failed."""
    return sorted(run.failures, key=lambda failed: (-failed.at, failed.paper_id))


def papers(
    found: Sequence[PaperInWork], held: int, order: Order, chosen: Item | None, width: int, rows: int
) -> Section:
    """At most `rows` of the papers in work; `held` is how many there are altogether."""
    given = (
        Column("paper", elastic=True, least=ID_COLUMNS), Column("stage"), Column("for", rank=1, right=True),
        Column("in work", right=True), Column("attempt", rank=2, right=True), Column("phase", rank=3),
    )  # fmt: skip
    note = f"{held:,} by {order}" if found else ""
    if len(found) < held:
        note = f"the first {len(found):,} of {held:,} by {order}"
    places = _Places.of([Item(paper.paper_id) for paper in found], chosen, rows)
    cells = [
        [
            Cell(paper.paper_id), Cell(paper.stage), Cell(seconds(paper.stage_seconds)), Cell(seconds(paper.seconds)),
            Cell(str(paper.attempt), WARN if paper.attempt > 1 else ""), Cell(paper.phase),
        ]
        for paper in found[places.first : places.end]
    ]  # fmt: skip
    return _section("Papers in work", note, table(given, cells, width), places)


def failures(found: Sequence[FailedAttempt], chosen: Item | None, width: int, rows: int) -> Section:
    """At most `rows` of the last failures, the newest first."""
    given = (
        Column("failed"), Column("paper", elastic=True, least=ID_COLUMNS), Column("reason"), Column("then", rank=1),
        Column("why", rank=2, elastic=True),
    )  # fmt: skip
    places = _Places.of([Item(each.paper_id, each.at) for each in found], chosen, rows)
    cells = [
        [
            Cell(time.strftime("%H:%M:%S", time.localtime(each.at))), Cell(each.paper_id),
            Cell(each.reason.replace("_", " "), BAD if each.final else WARN),
            Cell("for good" if each.final else f"attempt {each.attempt + 1} later"), Cell(each.detail),
        ]
        for each in found[places.first : places.end]
    ]  # fmt: skip
    note = f"the last {len(found):,}" if found else ""
    return _section("Failures", note, table(given, cells, width), places)


def seconds(duration: float) -> str:
    """A duration of a paper."""
    if duration < 100:
        return f"{duration:.1f} s"
    return f"{duration / 60:.1f} min" if duration < 6000 else f"{duration / 3600:.1f} h"


@dataclass(frozen=True, slots=True)
class _Places:
    """Which items of a list may be seen, the chosen one among them."""

    first: int
    end: int
    total: int
    chosen: int | None

    @classmethod
    def of(cls, items: Sequence[Item], chosen: Item | None, rows: int) -> _Places:
        at = items.index(chosen) if chosen in items else None
        first = 0 if at is None else max(0, min(at - rows // 2, len(items) - rows))
        return cls(first, first + rows, len(items), None if at is None else at - first)


def _section(title: str, note: str, made: Table, places: _Places) -> Section:
    body = [restyled(each, CHOSEN_STYLE) if at == places.chosen else each for at, each in enumerate(made.lines)]
    return Section(
        title=title, note=note, head=[made.titles] if body else (), body=body,
        chosen=places.chosen, before=places.first, total=places.total,
    )  # fmt: skip
