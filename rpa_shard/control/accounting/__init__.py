"""The account of a run, from what the supervisor knows.

Guarantee: pure; every paper counts once: it is done, failed, in work, queued or waiting. What holds up most papers
comes first. Limit: what a paper waits for is partly a guess (`waits`, `models`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rpa_shard.control.accounting.known import Known, Places
from rpa_shard.control.accounting.waits import allowed_paces, back_offs, waits_of
from rpa_shard.control.sentences import holds_up, in_one_line
from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import ShardReport
from rpa_shard.model.phase import Status, outstanding


def account_of(known: Known) -> Account:
    """The account of a run, or of a folder at rest."""
    by_status: Counter[str] = Counter()
    for report in known.shards.values():
        by_status.update(report.by_status)
    open_papers = outstanding(by_status, known.phases)
    failed = by_status[Status.FAILED]
    done = by_status.total() - open_papers - failed
    living = [report for number, report in known.shards.items() if number not in known.restarts]
    places = Places.of(living)
    working = min(places.working, open_papers)
    waits = waits_of(known, living, places, open_papers - working)
    waiting = min(sum(wait.papers for wait in waits if holds_up(wait)), open_papers - working)
    to_do = open_papers if known.limit is None else known.limit.of(open_papers)
    limited_by = _limit(known, living, places, to_do, waiting, waits)
    account = Account(
        total=by_status.total(),
        done=done,
        failed=failed,
        in_work=working,
        queued=open_papers - working - waiting,
        waiting=waiting,
        waits=waits,
        limited_by=limited_by,
        pace=known.pace,
        left_seconds=_left_seconds(known, to_do, limited_by, waits, living),
        limit=known.limit,
    )
    return in_one_line(account, known.now)


def _limit(
    known: Known, living: Sequence[ShardReport], places: Places, to_do: int, waiting: int, waits: Sequence[Wait]
) -> Limit:
    if known.state is RunState.ENDED:
        return Limit.STOPPED if to_do else Limit.NOTHING_LEFT
    if known.state in (RunState.STOPPING, RunState.RESIZING, RunState.CRASH_LOOP):
        return Limit.STOPPING if to_do else Limit.NOTHING_LEFT
    if not is_counted(known):
        return Limit.STARTING
    if not to_do:
        return Limit.NOTHING_LEFT
    if waits and waits[0].cause is Cause.DISK:
        return Limit.WAITING
    if _engine_is_full(living):
        return Limit.ENGINE
    if places.models_hold_most and any(wait.cause is Cause.MODEL_RATE for wait in waits):
        return Limit.MODEL
    if any(wait.cause is Cause.RATE for wait in waits):
        return Limit.RATE
    if waiting and not places.working:
        return Limit.WAITING
    return Limit.NETWORK


def is_counted(known: Known) -> bool:
    """Whether every shard has counted its papers."""
    counted = sum(report.outstanding is not None for report in known.shards.values())
    return counted >= known.shard_count


def _engine_is_full(living: Sequence[ShardReport]) -> bool:
    """Whether most shards have no thread left to parse with."""
    full = 0
    for report in living:
        parsing = report.gauges.get("parsing")
        full += parsing is not None and parsing.in_use >= parsing.limit
    return 2 * full > len(living)


def _left_seconds(
    known: Known, to_do: int, limited_by: Limit, waits: Sequence[Wait], living: Sequence[ShardReport]
) -> float | None:
    """How long the papers take at the pace there was, and what must be waited for besides."""
    if limited_by is Limit.NOTHING_LEFT:
        return 0.0
    if limited_by in (Limit.STARTING, Limit.STOPPING, Limit.STOPPED) or any(wait.cause is Cause.DISK for wait in waits):
        return None
    pace = min([known.pace or float("inf"), *allowed_paces(known, waits)])
    if pace == float("inf"):
        return None
    begins = 0.0
    if limited_by is Limit.WAITING:
        ends = [wait.until for wait in waits if wait.until is not None and holds_up(wait)]
        if not ends:
            return None
        begins = max(0.0, min(ends) - known.now)
    if known.limit is not None:
        return begins + to_do / pace  # what waits for another attempt has had its turn
    last = max((each.last_at for each in back_offs(living).values()), default=known.now)
    return max(begins + to_do / pace, last - known.now)
