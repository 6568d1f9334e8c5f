"""A shard's side of the governor of models."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallForgotten,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Standing
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.llm.errors import ModelClosedError, ModelLimitedError, ModelRefusedError
from rpa_shard.llm.question import Usage
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity
from rpa_shard.system.activity import ASKING, CALL, Activity

ERRORS: list[Exception] = [
    PaperError(Failure.LLM_FAILED, "HTTP 500"),
    PaperError(Failure.LLM_REJECTED, "HTTP 400"),
    ModelLimitedError("HTTP 429", 1.0),
    ModelRefusedError("HTTP 402"),
]
FIRST, SECOND = "small at 127.0.0.1:8000", "large at 127.0.0.1:8001"


def model(closed_seconds: float | None = None, blocked: str | None = None) -> ModelStatus:
    return ModelStatus(limits="", in_flight_limit=1, closed_seconds=closed_seconds, blocked=blocked, why="HTTP 429")


def states(*models: ModelStatus, budget: BudgetStatus | None = None) -> ModelStates:
    return ModelStates(dict(zip((FIRST, SECOND), models, strict=False)), budget or BudgetStatus())


class Bench:
    def __init__(self, *models: ModelStatus) -> None:
        self.said: list[CallMessage] = []
        self.now = 0.0
        self.leases = LeaseValidity(300.0, lambda: self.now)
        self.permits = CallPermits(self.said.append, self.leases)
        self.permits.handle(states(*(models or (model(), model()))))
        self.inside = 0

    async def use(self, error: Exception | None = None, usage: Usage | None = None, *, begins: bool = False) -> None:
        async with self.permits.permit(FIRST, 100, 20) as permit:
            self.inside += 1
            if begins:
                permit.begun()
                permit.begun()
            if usage is not None:
                permit.took(usage)
            if error is not None:
                raise error

    async def start(self, error: Exception | None = None, usage: Usage | None = None) -> asyncio.Task[None]:
        task = asyncio.create_task(self.use(error, usage))
        await asyncio.sleep(0)
        return task

    def grant(self, *numbers: int) -> None:
        self.permits.handle(CallsGranted(FIRST, numbers))


async def test_one_call_for_one_permit() -> None:
    bench = Bench()
    first, second = await bench.start(), await bench.start(usage=Usage(90, 5))
    assert bench.said == [CallWanted(FIRST, 1, 100, 20), CallWanted(FIRST, 2, 100, 20)]
    assert bench.inside == 0
    bench.grant(2)
    await second
    bench.grant(1)
    await first
    assert bench.said[2:] == [CallEnded(FIRST, 2, "answered", 90, 5), CallEnded(FIRST, 1, "answered", 100, 20)]


async def test_calls_that_are_granted_together_begin_one_after_the_other() -> None:
    bench = Bench()
    tasks = [await bench.start() for _ in range(10)]
    seen: list[int] = []

    def look() -> None:
        seen.append(bench.inside)
        if bench.inside < 10:
            asyncio.get_running_loop().call_soon(look)

    bench.grant(*range(1, 6))
    bench.grant(*range(6, 11))
    look()
    await asyncio.gather(*tasks)
    assert max(after - before for before, after in pairwise(seen)) == 1


async def test_no_call_while_a_lease_may_have_run_out() -> None:
    bench = Bench()
    first, given_up = await bench.start(), await bench.start()
    bench.now += 400
    bench.grant(1, 2)
    await bench.leases.doubted.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert bench.said[2:] == [CallEnded(FIRST, 2, "unsent", 0, 0)]
    assert bench.inside == 0
    bench.leases.renewed(bench.leases.renewal_begins())
    await first
    assert bench.said[3:] == [CallEnded(FIRST, 1, "answered", 100, 20)]


async def test_a_call_that_was_not_sent_has_cost_nothing() -> None:
    bench = Bench()
    task = await bench.start(LeaseInDoubtError())
    bench.grant(1)
    with pytest.raises(LeaseInDoubtError):
        await task
    assert bench.said[1:] == [CallEnded(FIRST, 1, "unsent", 0, 0)]


async def test_that_an_answer_has_begun_is_said_once() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.use(begins=True))
    await asyncio.sleep(0)
    bench.grant(1)
    await task
    assert bench.said[1:] == [CallBegun(FIRST, 1), CallEnded(FIRST, 1, "answered", 100, 20)]


@pytest.mark.parametrize(
    ("failure", "ending"),
    [
        (Failure.LLM_UNREACHABLE, "failed"),
        (Failure.LLM_FAILED, "failed"),
        (Failure.LLM_REJECTED, "answered"),
        (Failure.LLM_OVERLONG, "answered"),
    ],
)
async def test_how_a_call_ended(failure: Failure, ending: str) -> None:
    bench = Bench()
    task = await bench.start(PaperError(failure, "so it was"))
    bench.grant(1)
    with pytest.raises(PaperError):
        await task
    assert isinstance(ended := bench.said[-1], CallEnded)
    assert (ended.ending, ended.input_tokens, ended.output_tokens, ended.detail) == (ending, 0, 0, "so it was")


async def test_what_a_failed_call_took_is_reported() -> None:
    bench = Bench()
    task = await bench.start(PaperError(Failure.LLM_FAILED, "cut"), Usage(100, 3, estimated=True))
    bench.grant(1)
    with pytest.raises(PaperError):
        await task
    assert bench.said[-1] == CallEnded(FIRST, 1, "failed", 100, 3, "cut")


async def test_a_call_that_is_given_up_while_it_waits() -> None:
    bench = Bench()
    task = await bench.start()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.said[1:] == [CallForgotten(FIRST, 1)]
    bench.grant(1)  # it crossed what we said
    assert bench.said[2:] == [CallEnded(FIRST, 1, "unsent", 0, 0)]


async def test_a_call_that_is_given_up_between_its_permit_and_its_use() -> None:
    bench = Bench()
    task = await bench.start()
    bench.grant(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.inside == 0
    assert bench.said[1:] == [CallEnded(FIRST, 1, "unsent", 0, 0)]


async def test_a_limit_is_reported_and_another_model_is_preferred() -> None:
    bench = Bench()
    task = await bench.start(ModelLimitedError("HTTP 429", 7.0))
    bench.grant(1)
    with pytest.raises(ModelLimitedError):
        await task
    assert bench.said[-1] == ModelLimited(FIRST, 1, 7.0, "HTTP 429")
    assert not bench.permits.may_ask(FIRST)
    assert bench.permits.may_ask(SECOND)
    bench.permits.handle(states(model(), model()))
    assert bench.permits.may_ask(FIRST)


async def test_a_refusal_turns_away_all_that_wait() -> None:
    bench = Bench(model())
    refused, other = await bench.start(ModelRefusedError("HTTP 402")), await bench.start()
    bench.grant(1)
    with pytest.raises(ModelRefusedError):
        await refused
    with pytest.raises(PhasePausedError, match="HTTP 402"):
        await other
    with pytest.raises(PhasePausedError, match="HTTP 402"):
        await bench.use()
    assert bench.said[2:] == [ModelRefused(FIRST, 1, "HTTP 402"), CallForgotten(FIRST, 2)]
    assert bench.permits.standing.is_stopped


async def test_a_refusal_outlives_the_states_that_crossed_it_until_it_is_confirmed() -> None:
    bench = Bench(model())
    refused = await bench.start(ModelRefusedError("HTTP 401"))
    bench.grant(1)
    with pytest.raises(ModelRefusedError):
        await refused
    bench.permits.handle(states(model()))
    assert bench.permits.standing.is_stopped
    assert bench.permits.wait_seconds(FIRST) is None
    bench.permits.handle(states(model(blocked="HTTP 401")))
    bench.permits.handle(states(model()))
    assert bench.permits.standing.may_ask


async def test_calls_that_wait_are_turned_away_when_the_phases_pause() -> None:
    bench = Bench(model())
    task = await bench.start()
    bench.permits.handle(states(model(), budget=BudgetStatus(budget="usd=5", spent_seconds=3600.0)))
    with pytest.raises(PhasePausedError, match="usd=5"):
        await task
    assert bench.said[1:] == [CallForgotten(FIRST, 1)]


async def test_a_closed_model_is_waited_for_only_if_no_other_one_is_open() -> None:
    bench = Bench()
    task = await bench.start()
    bench.permits.handle(states(model(closed_seconds=5.0), model(closed_seconds=5.0)))
    await asyncio.sleep(0)
    assert not task.done()
    bench.permits.handle(states(model(closed_seconds=5.0), model()))
    with pytest.raises(ModelClosedError):
        await task


async def test_durations_run_down(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = BudgetStatus(budget="usd=5", spent_seconds=100.0)
    bench = Bench(model(closed_seconds=60.0), model(closed_seconds=90.0))
    standing = bench.permits.standing
    assert (standing.may_ask, standing.why) == (False, "HTTP 429")
    assert standing.seconds is not None
    assert 50 < standing.seconds <= 60
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 55)
    assert bench.permits.standing == Standing(True)
    assert not bench.permits.may_ask(FIRST)
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert bench.permits.may_ask(FIRST)
    assert bench.permits.wait_seconds(FIRST) == 0
    bench.permits.handle(states(model(), budget=spent))
    assert bench.permits.standing.seconds == 100
    monkeypatch.setattr(time, "monotonic", lambda: now + 162)
    assert bench.permits.standing == Standing(True)


async def test_one_call_of_a_shard_probes_a_closed_model() -> None:
    bench = Bench(model(closed_seconds=0.0), model())
    assert bench.permits.may_ask(FIRST)
    task = await bench.start()
    assert not bench.permits.may_ask(FIRST)
    bench.grant(1)
    await task
    assert bench.permits.may_ask(FIRST)


async def test_the_stages_of_a_call() -> None:
    bench = Bench()
    stages: list[str] = []

    async def work() -> None:
        activity = Activity()
        activity.begin("analyze")
        asking = asyncio.create_task(bench.use())
        await asyncio.sleep(0)
        stages.append(activity.stage)
        async with bench.permits.permit(FIRST, 1, 1):
            stages.append(activity.stage)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        stages.append(activity.stage)

    task = asyncio.create_task(work())
    await asyncio.sleep(0.001)
    bench.grant(2)
    await task
    assert stages == [CALL, ASKING, "analyze"]


async def test_a_call_that_is_given_up_while_it_is_under_way() -> None:
    bench = Bench()

    async def use() -> None:
        async with bench.permits.permit(FIRST, 100, 20) as permit:
            permit.took(Usage(100, 0, estimated=True))
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await asyncio.sleep(0)
    bench.grant(1)
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bench.said[-1] == CallEnded(FIRST, 1, "given_up", 100, 0)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.sampled_from([None, *ERRORS])),
        st.tuples(st.just("grant"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("pause"), st.booleans()),
        st.tuples(st.just("close"), st.sampled_from([None, 0.0, 5.0, 60.0])),
    ),
    max_size=30,
)


@given(EVENTS)
def test_every_call_ends_once_and_none_is_sent_without_a_permit(events: list[tuple[str, Any]]) -> None:
    asyncio.run(law(events))


async def law(events: list[tuple[str, Any]]) -> None:
    bench = Bench()
    tasks: list[asyncio.Task[None]] = []
    granted: set[int] = set()
    for kind, value in events:
        if kind == "start":
            tasks.append(asyncio.create_task(bench.use(value)))
        elif kind == "grant":
            wanted = [each.number for each in bench.said if isinstance(each, CallWanted)]
            number = next((each for each in wanted[value:] if each not in granted), None)
            if number is not None and CallForgotten(FIRST, number) not in bench.said:
                granted.add(number)
                bench.grant(number)
        elif kind == "cancel" and tasks:
            tasks[value % len(tasks)].cancel()
        elif kind == "pause":
            bench.permits.handle(states(model(), budget=BudgetStatus(spent_seconds=9.0 if value else None)))
        elif kind == "close":
            bench.permits.handle(states(model(closed_seconds=value), model()))
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    wanted = [each.number for each in bench.said if isinstance(each, CallWanted)]
    forgotten = [each.number for each in bench.said if isinstance(each, CallForgotten)]
    ended = [each.number for each in bench.said if isinstance(each, CallEnded | ModelLimited | ModelRefused)]
    unsent = [each.number for each in bench.said if isinstance(each, CallEnded) and each.ending == "unsent"]
    assert len(set(ended)) == len(ended)
    assert set(ended) == granted
    assert sorted({*ended, *forgotten}) == sorted(wanted)
    assert bench.inside == len(ended) - len(unsent)
