"""The lists in which a paper can be chosen: papers in work, and attempts that failed.

Guarantee: pure; a list of the same status in the same order is the same. Limit: the papers that shards report, the ones
held longest, and the last failures.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.ipc.shard_report import FailedAttempt, PaperInWork
from rpa_shard.observe.top.head import BAD, WARN
from rpa_shard.observe.top.sections import Section
from rpa_shard.observe.top.table import Cell, Column, table
from rpa_shard.observe.top.text import Line, restyled

CHOSEN_STYLE = "reverse"


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


def papers(found: Sequence[PaperInWork], held: int, order: Order, chosen: Item | None, width: int) -> Section:
    """The papers in work; `held` is how many there are altogether."""
    given = (
        Column("paper", elastic=True), Column("stage"), Column("for", rank=1, right=True),
        Column("in work", right=True), Column("attempt", rank=2, right=True), Column("phase", rank=3),
    )  # fmt: skip
    rows = [
        [
            Cell(paper.paper_id), Cell(paper.stage), Cell(seconds(paper.stage_seconds)), Cell(seconds(paper.seconds)),
            Cell(str(paper.attempt), WARN if paper.attempt > 1 else ""), Cell(paper.phase),
        ]
        for paper in found
    ]  # fmt: skip
    at = _place([Item(paper.paper_id) for paper in found], chosen)
    made = table(given, rows, width)
    note = f"{held:,} by {order}" if len(found) >= held else f"the first {len(found):,} of {held:,} by {order}"
    return _section("Papers in work", note, made.titles, made.lines, at)


def failures(found: Sequence[FailedAttempt], chosen: Item | None, width: int) -> Section:
    """The last failures, the newest first."""
    given = (
        Column("failed"), Column("paper", elastic=True), Column("reason"), Column("then", rank=1),
        Column("why", rank=2, elastic=True),
    )  # fmt: skip
    rows = [
        [
            Cell(time.strftime("%H:%M:%S", time.localtime(each.at))), Cell(each.paper_id),
            Cell(each.reason.replace("_", " "), BAD if each.final else WARN),
            Cell("for good" if each.final else f"attempt {each.attempt + 1} later"), Cell(each.detail),
        ]
        for each in found
    ]  # fmt: skip
    at = _place([Item(each.paper_id, each.at) for each in found], chosen)
    made = table(given, rows, width)
    return _section("Failures", f"the last {len(found):,}" if found else "", made.titles, made.lines, at)


def seconds(duration: float) -> str:
    """A duration of a paper."""
    if duration < 100:
        return f"{duration:.1f} s"
    return f"{duration / 60:.1f} min" if duration < 6000 else f"{duration / 3600:.1f} h"


def _place(items: Sequence[Item], chosen: Item | None) -> int | None:
    return items.index(chosen) if chosen in items else None


def _section(title: str, note: str, titles: Line, lines: list[Line], at: int | None) -> Section:
    body = [restyled(each, CHOSEN_STYLE) if number == at else each for number, each in enumerate(lines)]
    return Section(title=title, note=note, head=[titles] if lines else (), body=body, chosen=at)
