"""What must hold of the calls to models: the invariants I9 and I10.

Guarantee: pure, apart from reading the papers' answers; everything is concluded from the endpoint's own log and from
what was kept. Limit: an answer that was handed to a socket counts as paid for, also if the process that was to read it
had been killed: such ones are counted, and only they may have been asked for again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from rpa_shard.chaos.invariants import Violation
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.phases.files import files_of
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.testing.llm_mirror.answers.faults import OF_NO_USE
from rpa_shard.testing.llm_mirror.limits import Limits
from rpa_shard.testing.llm_mirror.log import LoggedCall

MEANING_OF_CALLS = {
    "I9": "no answer is paid for twice",
    "I10": "no limit of an endpoint is exceeded",
}
_SHOWN_KEY = 12


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that was kept: the id of its request, and when (Unix seconds)."""

    request_id: str
    kept_at: float


@dataclass(slots=True)
class PaidAgain:
    """What was paid for twice: against the promise, or because a process was killed before it could keep an answer."""

    violations: list[Violation] = field(default_factory=list)
    unkept: int = 0


def kept_answers(folder: DataFolder, ids: Iterable[str]) -> Iterator[Kept]:
    """All answers that are kept about these papers."""
    for paper_id in ids:
        for kept in KeptAnswers(files_of(folder.papers, from_canonical(paper_id)).answers).all():
            yield Kept(kept.answer.request_id, kept.kept_at)


def paid_again(calls: Sequence[LoggedCall], kept: Iterable[Kept]) -> PaidAgain:
    """I9: once an answer of use was kept, its question is not asked; one that was not kept, only by another process."""
    kept_at = {each.request_id: each.kept_at for each in kept}
    found = PaidAgain()
    by_key: defaultdict[str, list[LoggedCall]] = defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    for asked in by_key.values():
        _check_question(asked, kept_at, found)
    return found


def _check_question(asked: Sequence[LoggedCall], kept_at: Mapping[str, float], found: PaidAgain) -> None:
    """I9 for the calls that asked one question, the earliest first."""
    for number, first in enumerate(asked):
        if first.answered is None or first.fault in OF_NO_USE:
            continue
        later = asked[number + 1 :]
        at = kept_at.get(first.id)
        if at is not None:
            again = [each for each in later if each.at - each.late > at]
            found.violations += [_asked_again(each, "after its answer had been kept") for each in again]
        paid = [each for each in later if each.answered is not None]
        same = [each for each in paid if at is None and each.process == first.process]
        found.violations += [_asked_again(each, "by the process that had its answer") for each in same]
        if at is not None:
            at_once = [each for each in paid if each.at - each.late <= at]
            found.violations += [_asked_again(each, "while its answer was under way") for each in at_once]
        elif paid and not same:
            found.unkept += 1


def _asked_again(call: LoggedCall, when: str) -> Violation:
    return Violation("I9", f"the question {call.key[:_SHOWN_KEY]} was asked again {when}: {call.id[_SHOWN_KEY:]}")


def limits_exceeded(calls: Sequence[LoggedCall], limits: Limits) -> list[Violation]:
    """I10: in no window did more arrive than the limits allow, and never was more under way; `calls` in order."""
    beyond = [Violation("I10", f"{each.id}: {each.fault}") for each in calls if each.is_beyond]
    counted = [each for each in calls if each.status != HTTPStatus.TOO_MANY_REQUESTS]
    for name in ("requests", "input_tokens", "output_tokens"):
        most = getattr(limits, name)
        if most is not None:
            beyond += _windows_beyond(counted, name, most, limits.window_seconds)
    return beyond


def _windows_beyond(calls: Sequence[LoggedCall], name: str, most: int, seconds: float) -> Iterator[Violation]:
    """The windows that begin with a call and have more than `most` of what is called `name`."""
    amounts = [1 if name == "requests" else int(getattr(each, name)) for each in calls]
    total = end = 0  # of the calls from the first of the window to before `end`
    for begin, first in enumerate(calls):
        arrived = first.at - first.late
        while end < len(calls) and (end == begin or calls[end].at - arrived < seconds):
            total += amounts[end]
            end += 1
        while end > begin + 1 and calls[end - 1].at - arrived >= seconds:  # the one before was less late
            end -= 1
            total -= amounts[end]
        if total > most:
            yield Violation("I10", f"{total} {name} within {seconds:g} s, more than {most}")
        total -= amounts[begin]
