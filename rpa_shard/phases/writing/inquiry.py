"""Questions about one paper in one attempt: kept answers are used, others are asked for, all at a time.

Guarantee: an answer is on disk before it is checked, or anything depends on it; a question is asked only if no kept
answer to it is of use. When the paper is wanted back, questions that wait for their turn are given up at once; those
under way, which are being paid for, are waited for, as long as a drain allows, and are not asked of another model.
Limit: a call that is given up may be charged for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

from rpa_shard.config.llm import ModelAt
from rpa_shard.llm.question import Answer, Question
from rpa_shard.model.failure import PaperError, PhasePausedError
from rpa_shard.phases.runner import Attempt
from rpa_shard.phases.writing.answers import KeptAnswer, KeptAnswers
from rpa_shard.system.activity import ASKING, CALL, IDLE, Activity, current
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import run_to_its_end

# Of the time of a drain so much is left for writing what has come.
DRAIN_SHARE = 0.8


class Asks(Protocol):
    """What gets a question answered: `rpa_shard.llm.asking.Asker`, or whatever stands for it."""

    @property
    def models(self) -> Sequence[ModelAt]: ...

    @property
    def context_tokens(self) -> int: ...

    async def ask(self, question: Question) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question, and what checks its answer: it gives what the answer says, or raises PaperError."""

    question: Question
    check: Callable[[Answer], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer says, and the answer; whether it had been kept before."""

    content: dict[str, Any]
    kept: KeptAnswer
    was_kept: bool


class Inquiry:
    """The questions of one attempt at a paper."""

    def __init__(
        self, asker: Asks, disk: Executor, cpu: Executor, answers: KeptAnswers, attempt: Attempt, drain_seconds: float
    ) -> None:
        self._asker = asker
        self._disk = disk
        self._cpu = cpu
        self._answers = answers
        self._attempt = attempt
        self._patience = drain_seconds * DRAIN_SHARE
        self._keeping = asyncio.Lock()
        self._models = {each.model for each in asker.models}

    async def ask(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """The answers, in the order of the questions. Raises PaperError, PhasePausedError.

        After a failure no more questions are begun, and the answers to those under way are kept.
        """
        taken = await run_to_its_end(self._cpu, self._all_of_kept, wanted)
        calls = {number: _Call(self, each) for number, each in enumerate(wanted) if taken[number] is None}
        if calls:
            await self._together(list(calls.values()))
        return [each if each is not None else calls[number].taken for number, each in enumerate(taken)]

    def _all_of_kept(self, wanted: Sequence[Wanted]) -> list[Taken | None]:
        return [self._of_kept(each) for each in wanted]

    def _of_kept(self, wanted: Wanted) -> Taken | None:
        """What the newest kept answer of use says."""
        for kept in reversed(self._answers.given(wanted.question.key, self._models)):
            try:
                return Taken(wanted.check(kept.answer), kept, was_kept=True)
            except PaperError:
                continue
        return None

    async def _together(self, calls: Sequence[_Call]) -> None:
        """Runs all calls to their ends. Raises what the first of them raised."""
        attempt, tasks = self._attempt, [each.start() for each in calls]
        timers: list[asyncio.TimerHandle] = []

        def give_up(*, unless_under_way: bool = False) -> None:
            for each in calls:
                each.give_up(unless_under_way=unless_under_way)

        def give_up_in_time() -> None:
            give_up(unless_under_way=True)
            timers.append(asyncio.get_running_loop().call_later(self._patience, give_up))

        attempt.must_finish()
        attempt.when_wanted_back(give_up_in_time)
        try:
            _, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if waiting:
                give_up(unless_under_way=True)
                await asyncio.wait(waiting)
        except asyncio.CancelledError:  # the shard breaks
            give_up()
            await asyncio.wait(tasks)
            raise
        finally:
            attempt.when_wanted_back(None)
            for each in timers:
                each.cancel()
        _raise_first(tasks)
        attempt.may_be_interrupted()

    async def answer(self, question: Question) -> Answer:
        """Asks."""
        return await self._asker.ask(question)

    async def take(self, wanted: Wanted, answer: Answer) -> Taken:
        """Keeps an answer, and then checks it; those about one paper one after the other. Raises PaperError."""
        async with self._keeping:
            kept = await run_to_its_end(self._disk, self._keep, wanted.question, answer)
        content = await run_to_its_end(self._cpu, wanted.check, answer)
        return Taken(content, kept, was_kept=False)

    def _keep(self, question: Question, answer: Answer) -> KeptAnswer:
        kept = self._answers.keep(question, answer)
        reach("after_answer")
        return kept


class _Call:
    """One question that is asked."""

    def __init__(self, inquiry: Inquiry, wanted: Wanted) -> None:
        self._inquiry = inquiry
        self._wanted = wanted
        self._activity: _StageOfCall | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_come = False
        self._taken: Taken | None = None

    def start(self) -> asyncio.Task[None]:
        parent = current()
        # Taken before another call of the attempt changes it.
        stage = parent.stage if parent is not None else IDLE
        self._task = asyncio.get_running_loop().create_task(self._run(parent, stage))
        return self._task

    @property
    def taken(self) -> Taken:
        assert self._taken is not None
        return self._taken

    def give_up(self, *, unless_under_way: bool = False) -> None:
        """Cancels it, unless its answer has come, which is being kept; one that is left under way is the last."""
        if self._task is None or self._has_come:
            return
        if unless_under_way and self._activity is not None and self._activity.stage == ASKING:
            self._activity.is_last = True
        else:
            self._task.cancel()

    async def _run(self, parent: Activity | None, stage: str) -> None:
        self._activity = _StageOfCall(parent, stage)
        answer = await self._inquiry.answer(self._wanted.question)
        self._has_come = True
        self._taken = await self._inquiry.take(self._wanted, answer)


class _StageOfCall(Activity):
    """The stage of one call, which is a stage of the attempt too.

    If it `is_last`, no other model is asked after it: whoever waits for the turn of another call is cancelled.
    """

    def __init__(self, parent: Activity | None, stage: str) -> None:
        super().__init__()
        self._parent = parent
        self.stage = stage
        self.is_last = False

    def begin(self, stage: str) -> str:
        if self.is_last and stage == CALL:
            raise asyncio.CancelledError
        if self._parent is not None:
            self._parent.begin(stage)
        return super().begin(stage)


def _raise_first(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Raises what is worst of what tasks raised: defects, then failures, then pauses, then that one was given up."""
    raised = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if raised:
        raise min(raised, key=lambda error: isinstance(error, PaperError) + 2 * isinstance(error, PhasePausedError))
    if any(task.cancelled() for task in tasks):
        raise asyncio.CancelledError
