"""What a person is told at once: that a wait begins, and that it has ended.

Guarantee: pure; each wait is told once when it begins and once when it ends. Limit: papers that wait for another
attempt are told only when nothing else is left to do, and not again before a paper has been finished; a wait that
begins and ends within a second may not be seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from rpa_shard.control.past import began_or_ended
from rpa_shard.control.sentences import shortened, time_of_day, wait_in_words
from rpa_shard.ipc.account import Account, Cause, Limit, Wait

# The log has the complete answer of a host.
WHY_CHARACTERS = 80
TOLD = frozenset(
    {
        Cause.HOST,
        Cause.REFUSAL,
        Cause.DISK,
        Cause.RESTART,
        Cause.MODEL,
        Cause.MODEL_REFUSAL,
        Cause.BUDGET,
        Cause.GOVERNOR,
    }
)


class Announcer:
    """Follows the accounts of one run."""

    def __init__(self) -> None:
        self._before = Account()
        # How many papers were finished when it was last told that everything waits.
        self._told_at: int | None = None

    def changes(self, account: Account, now: float) -> Iterator[str]:
        """A line for each change since the last account; `now` is in Unix seconds."""
        before, self._before = self._before, account
        began, ended = began_or_ended(*([w for w in each.waits if w.cause in TOLD] for each in (before, account)))
        yield from (_begins(wait, now) for wait in began)
        yield from (_has_ended(wait) for wait in ended)
        finished = account.done + account.failed
        stalls = account.limited_by is Limit.WAITING and account.waits[0].cause is Cause.BACK_OFF
        if stalls and finished != self._told_at:
            self._told_at = finished
            yield f"nothing to do but wait: {account.waiting:,} papers: {wait_in_words(account.waits[0], now)}"


def _begins(wait: Wait, now: float) -> str:
    until = f", until {time_of_day(wait.until, now)}" if wait.until is not None else ""
    papers = f": {wait.papers:,} papers wait{until}" if wait.papers else until
    match wait.cause:
        case Cause.REFUSAL:
            return f"{wait.subject} refuses us: {wait.why}; once you know why: hosts --reopen {wait.subject}"
        case Cause.DISK:
            return f"paused: {wait.why}: free some space and it resumes"
        case Cause.RESTART:
            return wait_in_words(wait, now)
        case Cause.MODEL_REFUSAL:
            return f"{wait.subject} refuses us: {wait.why}; once that is settled, start a run again"
        case Cause.BUDGET:
            return f"paused: {wait.why}{papers}"
        case Cause.GOVERNOR:
            return f"nothing is sent to governed hosts: {wait.why}{papers}"
        case Cause.MODEL:
            return f"{wait.subject} is left alone: {shortened(wait.why, WHY_CHARACTERS)}{papers}"
        case _:
            return f"{wait.subject} {shortened(wait.why, WHY_CHARACTERS)}{papers}"


def _has_ended(wait: Wait) -> str:
    match wait.cause:
        case Cause.DISK:
            return "enough space again: resuming"
        case Cause.RESTART:
            return f"{wait.subject} works again"
        case Cause.BUDGET:
            return "a new day and its budget: models are asked again"
        case Cause.GOVERNOR:
            return "a node governs again: governed hosts are asked again"
        case _:
            return f"{wait.subject} is asked again"
