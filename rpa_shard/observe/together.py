"""One account, and one pace, of several nodes that work on the same papers.

Guarantee: pure; each paper counts once: what nodes publish of the whole collection is not added up, what each of them
does is. Limit: what is waited for is as the node tells it that was heard of last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rpa_shard.control.sentences import holds_up, in_one_line
from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.ipc.run_status import Rates, RunState, RunStatus
from rpa_shard.model.phase import Phase, Status, outstanding
from rpa_shard.store.rows import Counts


def sum_of_rates(rates: Sequence[Rates]) -> Rates:
    """The rates of several runs together; that of the complete run is of runs that began at different times."""
    seconds = max((len(each.recent) for each in rates), default=0)
    padded = [(*(0.0,) * (seconds - len(each.recent)), *each.recent) for each in rates]
    return Rates(
        last_10_seconds=sum(each.last_10_seconds for each in rates),
        last_60_seconds=sum(each.last_60_seconds for each in rates),
        whole_run=sum(each.whole_run for each in rates),
        spread=max((each.spread for each in rates), default=0.0),
        recent=tuple(sum(second) for second in zip(*padded, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class LostPapers:
    """Papers that a lost node held `seconds_ago`; others have them back after `back_seconds`."""

    node: str
    papers: int
    seconds_ago: float
    back_seconds: float


def account_together(newest_first: Sequence[RunStatus], lost: Sequence[LostPapers], now: float) -> Account | None:
    """What the node that was heard of last knows of the collection, with the work of all of them.

    None if none of them has counted the papers. What a node waits for that others have is told of `lost` nodes only.
    """
    counted = [status for status in newest_first if status.account.limited_by is not Limit.STARTING]
    working = [status for status in counted if status.state is not RunState.ENDED] or counted
    if not working:
        return None
    known = working[0].account
    in_work = min(known.open, sum(status.account.in_work for status in newest_first))
    waits = (*_lost_waits(lost, now), *(wait for wait in known.waits if wait.cause is not Cause.NODE))
    others = sum(wait.papers for wait in known.waits if wait.cause is Cause.NODE)
    waiting = min(known.waiting - others + sum(each.papers for each in lost), known.open - in_work)
    limited_by = Limit.NETWORK if others and in_work and known.limited_by is Limit.WAITING else known.limited_by
    pace = sum(status.account.pace for status in working)
    account = replace(
        known,
        in_work=in_work,
        waiting=waiting,
        waits=waits,
        queued=known.open - in_work - waiting,
        limited_by=limited_by,
        pace=pace,
        left_seconds=_left_seconds(replace(known, waits=waits, limited_by=limited_by), pace, others, now),
        limit=None,
    )
    return in_one_line(account, now)


def _lost_waits(lost: Sequence[LostPapers], now: float) -> list[Wait]:
    return [
        Wait(
            cause=Cause.NODE, subject=f"node {each.node}", papers=each.papers, since=now - each.seconds_ago,
            until=now + each.back_seconds, why="was lost; they are back",
        )
        for each in lost
    ]  # fmt: skip


def as_counted(account: Account, counts: Counts, phases: Sequence[Phase], now: float) -> Account:
    """The account, if papers have been counted since it was made."""
    left = outstanding(counts.by_status, phases)
    failed, total = counts.by_status.get(Status.FAILED, 0), sum(counts.by_status.values())
    in_work = min(account.in_work, left)
    waiting = min(account.waiting, left - in_work)
    queued = left - in_work - waiting
    seconds = account.left_seconds
    if seconds is not None and account.pace and account.limited_by is not Limit.WAITING:
        took = account.open / account.pace
        seconds = left / account.pace if seconds <= took else seconds
    counted = replace(
        account, total=total, done=total - left - failed, failed=failed,
        in_work=in_work, waiting=waiting, queued=queued, left_seconds=seconds,
    )  # fmt: skip
    return in_one_line(counted, now)


def _left_seconds(known: Account, pace: float, others: int, now: float) -> float | None:
    """As one node would tell it, but at the pace of all, and not before the papers of lost nodes are back."""
    if not pace or (known.left_seconds is None and not others) or (known.limited_by is Limit.WAITING and not others):
        return known.left_seconds
    ends = [wait.until - now for wait in known.waits if wait.until is not None and holds_up(wait)]
    return max(known.open / pace, *ends, 0.0)
