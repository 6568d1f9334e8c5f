"""An account in words: what every view of a run says first.

Guarantee: pure; one line, the same everywhere; the most important part comes first, for narrow terminals. Limit: times
of day are those of this machine's time zone.
"""

from __future__ import annotations

import time
from dataclasses import replace

from rpa_shard.ipc.account import Account, Cause, Limit, Wait

DAY_SECONDS = 86_400
# A wait that ends sooner is told to the second.
SOON_SECONDS = 120
WHY_CHARACTERS = 60

LIMITS = {
    Limit.STARTING: "starting",
    Limit.NETWORK: "the network limits the pace",
    Limit.RATE: "a host's allowed rate limits the pace",
    Limit.ENGINE: "parsing limits the pace",
    Limit.MODEL: "what the models allow limits the pace",
    Limit.WAITING: "everything waits",
    Limit.NOTHING_LEFT: "nothing is left to do",
    Limit.STOPPING: "stopping",
    Limit.STOPPED: "nothing runs",
}


def in_one_line(account: Account, now: float) -> Account:
    """The account with its text; `now` is in Unix seconds."""
    return replace(account, text=" · ".join(_parts(account, now)))


def in_columns(account: Account, now: float, columns: int) -> str:
    """The account in so many columns: its text, or else what is most important of it."""
    waits = [wait for wait in account.waits if holds_up(wait) and wait.papers]
    percent, until = _percent(account), ""
    if waits and waits[0].until is not None:
        again = ", next" if waits[0].cause is Cause.BACK_OFF else " until"
        until = f"{again} {time_of_day(waits[0].until, now)}"
    ended, papers = account.progress
    counts = f"{percent} · {ended:,}/{papers:,}"
    left = f" · {duration(account.left_seconds)} left" if account.to_do and account.left_seconds is not None else ""
    shorter = [counts + left, counts, percent]
    if waits:
        shorter = [
            f"{percent} · {account.waiting:,} waiting: {_reasons(account, now)}",
            f"{percent} · {account.waiting:,} waiting: {waits[0].subject.replace('_', ' ')}{until}",
            f"{percent} · {account.waiting:,} waiting{until}",
            *shorter,
        ]
    return next((text for text in (account.text, *shorter) if len(text) <= columns), percent)


def with_commas(text: str) -> str:
    """The text of an account for terminals and logs: one for ASCII only would show the middle dot as an escape."""
    return text.replace(" · ", ", ")


def holds_up(wait: Wait) -> bool:
    """Whether its papers wait for more than their turn: those that a host refuses have failed or go elsewhere."""
    return wait.cause not in (Cause.RATE, Cause.REFUSAL, Cause.MODEL_RATE)


def _percent(account: Account) -> str:
    ended, papers = account.progress
    return f"{100 * ended // papers if papers else 100} %"


def _parts(account: Account, now: float) -> list[str]:
    if account.limited_by is Limit.STARTING:
        return ["starting"]
    parts = [_percent(account)]
    if account.limit is not None:
        parts.append(f"{account.limit.ended:,} of this run's {account.limit.papers:,} papers")
    parts.append(f"{account.done:,} done")
    if account.failed:
        parts.append(f"{account.failed:,} failed")
    if account.waiting:
        parts.append(f"{account.waiting:,} waiting: {_reasons(account, now)}")
    if account.in_work:
        parts.append(f"{account.in_work:,} in work")
    if account.queued:
        parts.append(f"{account.queued:,} queued")
    parts += [refusal(wait) for wait in account.waits if _is_told_apart(wait)]
    if account.limited_by is Limit.STOPPING:
        return [*parts, "stopping"]
    return parts + _pace(account)


def _is_told_apart(wait: Wait) -> bool:
    """Whether it is a refusal that holds up no paper, so that it is not among what papers wait for."""
    return wait.cause is Cause.REFUSAL or (wait.cause is Cause.MODEL_REFUSAL and not wait.papers)


def _pace(account: Account) -> list[str]:
    parts = []
    if account.to_do and account.pace and account.limited_by is not Limit.WAITING:
        cause = {Limit.RATE: Cause.RATE, Limit.MODEL: Cause.MODEL_RATE}.get(account.limited_by)
        at = next((wait.subject for wait in account.waits if wait.cause is cause), None)
        at_rate = f" (the rate of {at})" if at else ""
        parts.append(f"{rate(account.pace)}{at_rate}")
    if account.to_do and account.left_seconds is not None:
        parts.append(f"{duration(account.left_seconds)} left")
    return parts


def _reasons(account: Account, now: float) -> str:
    """The first thing that papers wait for, and how many more there are."""
    waits = [wait for wait in account.waits if wait.papers and holds_up(wait)]
    more = f" and {len(waits) - 1} more" if len(waits) > 1 else ""
    return wait_in_words(waits[0], now) + more


def wait_in_words(wait: Wait, now: float) -> str:
    """What is waited for, and until when."""
    until = f" until {time_of_day(wait.until, now)}" if wait.until is not None else ""
    match wait.cause:
        case Cause.HOST:
            # What the host said in detail is for the list of waits.
            first = shortened(wait.why.partition(":")[0], WHY_CHARACTERS)
            return f"{wait.subject} {first}{until or ': one request is to show whether it is over'}"
        case Cause.BACK_OFF:
            return f"{wait.subject.replace('_', ' ')}, next attempt{until.replace('until', 'at')}"
        case Cause.RESTART:
            return f"{wait.subject} died and starts again{until.replace('until', 'at')}"
        case Cause.DISK | Cause.GOVERNOR:
            return wait.why
        case Cause.NODE:
            return wait.why if wait.until is None else f"{wait.subject} {wait.why}{until.replace('until', 'by')}"
        case Cause.REFUSAL | Cause.MODEL_REFUSAL:
            return refusal(wait)
        case Cause.RATE | Cause.MODEL_RATE:
            return f"their turn at {wait.subject}: {wait.why}"
        case Cause.MODEL:
            first = shortened(wait.why.partition(":")[0], WHY_CHARACTERS)
            return f"{wait.subject} {first}{until or ': one call is to show whether it is over'}"
        case Cause.BUDGET:
            return f"{wait.why}{until}"


def refusal(wait: Wait) -> str:
    """A host or a model that refuses us, in words."""
    return f"{wait.subject} refuses us"


def shortened(text: str, characters: int) -> str:
    """The text, or as much of it as has room: a host's own words may be a page."""
    return text if len(text) <= characters else f"{text[: characters - 3].rstrip()}..."


def time_of_day(at: float, now: float) -> str:
    """A moment near now, in Unix seconds, for a person."""
    local = time.localtime(at)
    if abs(at - now) > DAY_SECONDS / 2:
        return time.strftime("%d %b %H:%M", local)
    return time.strftime("%H:%M:%S" if abs(at - now) < SOON_SECONDS else "%H:%M", local)


def rate(per_second: float) -> str:
    """A pace with a suitable unit."""
    if per_second >= 1:
        return f"{per_second:.0f} papers/s" if per_second >= 10 else f"{per_second:.1f} papers/s"
    if per_second * 60 >= 1:
        return f"{per_second * 60:.1f} papers/min"
    return f"{per_second * 3600:.1f} papers/h"


def duration(seconds: float) -> str:
    """A time in a suitable unit."""
    for unit, length in (("days", DAY_SECONDS), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}" if seconds < 10 * length else f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
