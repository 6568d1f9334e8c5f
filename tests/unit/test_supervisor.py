"""The supervisor over a placement without processes: what it does with its shards, step by step."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.config.llm import CallLimits, ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.local import LocalGovernors
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.placement import DiedOf, Exited, PlacedShard, Placement, ShardExit
from rpa_shard.control.supervisor import RunEnd, Supervisor
from rpa_shard.ipc.account import Cause, LimitOfRun
from rpa_shard.ipc.breadcrumb import Crumb
from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.messages import (
    Broke,
    Drain,
    FromShard,
    HostStates,
    MayTake,
    Pause,
    PermitsGranted,
    PermitsWanted,
    Reported,
    ToShard,
)
from rpa_shard.ipc.run_status import ProcessFigures, RunState, RunStatus, read_status
from rpa_shard.ipc.shard_report import ShardReport, ShardState, Work
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP, Phase
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, postponed

HOST = "source.example"
WORKING = Reported(ShardReport(state=ShardState.READY, outstanding=3, by_status={"pending": 3}))
ALL_PREPPED = Work(ended={"prep": {"completed": 3}})
DONE = Reported(ShardReport(state=ShardState.READY, outstanding=0, by_status={"prepped": 3}, work=ALL_PREPPED))


@dataclass
class ImaginaryShard:
    """A shard without a process; it ends when it is drained or killed."""

    number: int
    pid: int = field(default_factory=os.getpid)
    born: float = 0.0
    outbox: deque[FromShard] = field(default_factory=deque)
    received: list[ToShard] = field(default_factory=list)
    end: ShardExit | None = None
    listens: bool = True
    crumb: Crumb | None = None
    closed: bool = False

    def poll(self) -> ShardExit | None:
        return self.end

    def kill(self) -> None:
        self.end = self.end or DiedOf(signal.SIGKILL)

    def send(self, message: ToShard) -> bool:
        self.received.append(message)
        if isinstance(message, Drain) and self.listens:
            self.end = self.end or Exited(0)
        return self.listens

    def receive(self) -> Sequence[FromShard]:
        sent = list(self.outbox)
        self.outbox.clear()
        return sent

    def parsing(self) -> Crumb | None:
        return self.crumb

    def memory_bytes(self) -> int:
        return 1_000

    def figures(self) -> ProcessFigures | None:
        return ProcessFigures(descriptors=7, rss_bytes=1_000)

    def close(self) -> None:
        self.closed = True


@dataclass
class ImaginaryPlacement:
    """Starts imaginary shards; at each `wait` the next step of a script happens."""

    script: deque[Callable[[], None]]
    started: list[ImaginaryShard] = field(default_factory=list)
    fails: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def start(self, number: int, settings: Settings) -> ImaginaryShard:
        if self.fails is not None:
            raise self.fails
        self.started.append(ImaginaryShard(number))
        return self.started[-1]

    def wait(self, seconds: float, descriptor: int | None = None) -> None:
        assert seconds >= 0
        if self.script:
            self.script.popleft()()

    def last(self, number: int) -> ImaginaryShard:
        """The latest shard of a number."""
        return next(shard for shard in reversed(self.started) if shard.number == number)


@dataclass
class Stage:
    """A folder with three papers, and a supervisor whose placement follows a script."""

    folder: DataFolder
    settings: Settings
    placement: ImaginaryPlacement = field(default_factory=lambda: ImaginaryPlacement(deque()))

    def run(
        self,
        *steps: Callable[[], None],
        daemon: bool = False,
        limit: int | None = None,
        asking: Sequence[Phase] = (),
    ) -> RunEnd:
        self.placement.script.extend(steps)
        placement: Placement = self.placement
        governors = LocalGovernors(self.settings, FileMemory(self.folder.run))
        return Supervisor(self.settings, placement, governors, daemon=daemon, limit=limit, asking=asking).run()

    def reports(self, message: FromShard) -> Callable[[], None]:
        """A step: every living shard sends a message."""

        def step() -> None:
            for shard in self.placement.started:
                if shard.end is None:
                    shard.outbox.append(message)

        return step

    def status(self) -> RunStatus:
        status = read_status(self.folder.run.status_file)
        assert status is not None
        return status


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(8, 2)) as ledger:
        ledger.add(["2401.00001", "2401.00002", "2401.00003"])
    settings = Settings(
        data_dir=folder.root,
        shard_count=2,
        workers=8,
        retry_delay_scale=0.0,
        crash_loop_deaths=2,
        min_free_bytes=0,
        host_policies=parse_policies(f"{HOST}=1/0.01@1"),
    )
    return Stage(folder, settings)


def test_an_imaginary_shard_is_a_placed_shard() -> None:
    shard: PlacedShard = ImaginaryShard(0)
    assert shard.poll() is None


def test_a_run_ends_when_all_shards_have_nothing_left(stage: Stage) -> None:
    end = stage.run(stage.reports(WORKING), stage.reports(DONE))
    assert (end.signal, end.cause, end.completed) == (0, None, 6)
    assert [shard.number for shard in stage.placement.started] == [0, 1]
    assert all(shard.received[-1] == Drain() and shard.closed for shard in stage.placement.started)
    status = stage.status()
    assert (status.state, status.completed, status.deaths) == (RunState.ENDED, {"prep": 6}, ())
    assert [shard.peak.descriptors for shard in status.shards] == [7, 7]


async def test_what_a_dead_shard_held_goes_back_before_it_starts_again(stage: Stage) -> None:
    engine = engine_of(stage.folder)
    async with engine.open_store(0, 60.0) as store:
        claims = await store.claim(PREP, 3)

    def die() -> None:
        shard = stage.placement.last(0)
        shard.outbox.append(Broke("OSError: no room"))
        shard.end = Exited(1)

    # Leases from before the run are freed at its start; so are these, when the shard that held them dies.
    end = stage.run(stage.reports(WORKING), die, stage.reports(WORKING), stage.reports(DONE))
    assert end.cause is None
    assert [shard.number for shard in stage.placement.started] == [0, 1, 0]
    with engine.open_ledger() as ledger:
        assert ledger.leases().held == 0
        for claim in claims:
            assert [line.event for line in ledger.history(claim.paper_id)] == ["reclaimed"]
    (death,) = stage.status().deaths
    assert (death.shard, death.cause) == (0, "exit code 1: OSError: no room")
    assert stage.status().handed_back == len(claims)


async def test_a_shard_that_starts_again_may_take_what_is_left_for_it(stage: Stage) -> None:
    """That is in its history, not in its last report."""
    engine = engine_of(stage.folder)
    with engine.open_ledger() as ledger:
        ledger.add([f"2402.{number:05}" for number in range(40)])

    def allowed(number: int) -> int:
        (message,) = (each for each in stage.placement.last(number).received if isinstance(each, MayTake))
        return message.papers.get("prep", 0)

    async def work() -> None:
        async with engine.open_store(0, 60.0) as store:
            done, waits, _ = await store.claim(PREP, 3)
            await store.finish(done, completed(PREP, {}))
            again = postponed(PREP, Failure.NETWORK, "", 0.0, charged=True, suspect=False)
            await store.finish(waits, again)

    before: list[int] = []

    def die() -> None:
        before.extend(map(allowed, (0, 1)))
        with ThreadPoolExecutor() as pool:
            pool.submit(asyncio.run, work()).result()
        stage.placement.last(0).end = Exited(1)

    end = stage.run(stage.reports(WORKING), die, stage.reports(WORKING), stage.reports(DONE), limit=20)
    assert (sum(before), allowed(0)) == (20, before[0] - 2)
    assert end.limit == LimitOfRun(papers=20, ended=2 + 6), "and three of each shard, by its last report"
    first = stage.placement.started[0].received
    assert [type(each) for each in first[:2]] == [MayTake, HostStates], "it begins when it has heard of hosts"


def test_deaths_without_end_stop_the_run(stage: Stage) -> None:
    def die() -> None:
        stage.placement.last(0).end = DiedOf(signal.SIGKILL)

    end = stage.run(die, lambda: None, die, lambda: None, die)
    assert end.cause == "shards died 3 times within a minute, last: signal SIGKILL"
    assert stage.status().state is RunState.ENDED
    assert stage.status().cause == end.cause


def test_a_placement_that_has_no_room_stops_the_run_with_its_cause(stage: Stage) -> None:
    stage.placement.fails = BlockingIOError(11, "Resource temporarily unavailable")
    end = stage.run()
    assert end.cause is not None
    assert end.cause.endswith("last: [Errno 11] Resource temporarily unavailable")
    assert stage.placement.started == []


def test_a_shard_that_does_not_listen_is_killed(stage: Stage) -> None:
    def stop_listening() -> None:
        shard = stage.placement.last(1)
        shard.listens = False
        shard.outbox.append(PermitsWanted(HOST, 1))

    steps = [stop_listening, *[lambda: None] * 200]
    end = stage.run(*steps, stage.reports(WORKING), stage.reports(DONE), daemon=False)
    assert end.cause is None
    deaths = [(death.shard, death.cause) for death in stage.status().deaths]
    assert deaths == [(1, "signal SIGKILL (no longer reads messages from the supervisor)")]


def test_new_shards_hear_of_hosts_and_those_that_ask_get_permits(stage: Stage) -> None:
    def ask() -> None:
        stage.placement.last(0).outbox.append(PermitsWanted(HOST, 1))

    def has_permit() -> bool:
        return any(isinstance(each, PermitsGranted) for each in stage.placement.last(0).received)

    def finish_once_granted() -> None:
        stage.placement.script.append(stage.reports(DONE) if has_permit() else finish_once_granted)

    stage.run(stage.reports(WORKING), ask, finish_once_granted)
    assert all(isinstance(shard.received[0], HostStates) for shard in stage.placement.started)
    (granted,) = (each for each in stage.placement.last(0).received if isinstance(each, PermitsGranted))
    assert (granted.host, len(granted.permits)) == (HOST, 1)


MODEL = ModelAt("http://127.0.0.1:1", "model", limits=CallLimits(in_flight=1))
NAME = MODEL.name
LEFT = Reported(ShardReport(state=ShardState.READY, outstanding=0, by_status={"prepped": 3}))


@pytest.fixture
def analyzing(stage: Stage) -> Stage:
    """A stage whose runs ask a model, one call at a time."""
    stage.settings = replace(stage.settings, phases=("prep", "analyze"), llm_endpoints=(MODEL,))
    return stage


def send(stage: Stage, number: int, *sent: CallMessage) -> Callable[[], None]:
    """A step: a shard sends messages."""
    return lambda: stage.placement.last(number).outbox.extend(sent)


def of_calls(stage: Stage, number: int) -> list[ToShard]:
    """What a shard was told about models."""
    return [each for each in stage.placement.last(number).received if isinstance(each, CallsGranted | ModelStates)]


def test_new_shards_hear_of_models_before_they_begin_and_calls_are_granted(analyzing: Stage) -> None:
    steps = [
        analyzing.reports(WORKING),
        send(analyzing, 0, CallWanted(NAME, 1, 10, 10)),
        send(analyzing, 1, CallWanted(NAME, 7, 10, 10)),
        send(analyzing, 0, CallBegun(NAME, 1), CallEnded(NAME, 1, "answered", 9, 3)),
        lambda: None,
        analyzing.reports(DONE),
    ]
    end = analyzing.run(*steps, asking=[ANALYZE])
    assert end.refused is None
    first = analyzing.placement.last(0).received
    assert [type(each) for each in first[:2]] == [ModelStates, HostStates], "hosts come last: they let it begin"
    granted = [[each for each in of_calls(analyzing, number) if isinstance(each, CallsGranted)] for number in (0, 1)]
    assert granted == [[CallsGranted(NAME, (1,))], [CallsGranted(NAME, (7,))]]
    status = analyzing.status()
    assert status.models[NAME].today.input_tokens == 9 + 10, "what a shard has under way when it is gone is spent"
    assert status.llm_budget.today == status.models[NAME].today


def test_the_calls_of_a_dead_shard_make_room_for_others(analyzing: Stage) -> None:
    def die() -> None:
        analyzing.placement.last(0).end = DiedOf(signal.SIGKILL)

    steps = [
        send(analyzing, 0, CallWanted(NAME, 1, 10, 10)),
        send(analyzing, 1, CallWanted(NAME, 1, 10, 10)),
        die,
    ]

    def finish_once_granted() -> None:
        granted = CallsGranted(NAME, (1,)) in of_calls(analyzing, 1)
        analyzing.placement.script.append(analyzing.reports(DONE) if granted else finish_once_granted)

    analyzing.run(*steps, finish_once_granted, asking=[ANALYZE])
    assert [shard.number for shard in analyzing.placement.started] == [0, 1, 0]


def test_a_model_that_refuses_us_ends_the_run_with_a_line_and_the_next_run_tries_again(analyzing: Stage) -> None:
    steps = [
        send(analyzing, 0, CallWanted(NAME, 1, 10, 10)),
        send(analyzing, 0, ModelRefused(NAME, 1, "HTTP 402: no credit")),
        lambda: None,
        analyzing.reports(LEFT),
    ]
    end = analyzing.run(*steps, asking=[ANALYZE])
    assert end.refused == f"{NAME} refuses us: HTTP 402: no credit (see to that, then run again)"
    told = of_calls(analyzing, 1)[-1]
    assert isinstance(told, ModelStates)
    assert told.models[NAME].blocked == "HTTP 402: no credit"
    (wait,) = analyzing.status().account.waits
    assert (wait.cause, wait.subject, wait.papers) == (Cause.MODEL_REFUSAL, NAME, 6)
    analyzing.placement = ImaginaryPlacement(deque())
    assert analyzing.run(analyzing.reports(LEFT), asking=[ANALYZE]).refused is None
    told = analyzing.placement.last(0).received[0]
    assert isinstance(told, ModelStates)
    assert (told.models[NAME].blocked, told.models[NAME].closed_seconds) == (None, 0.0)


def test_a_signal_drains_and_a_second_one_kills(stage: Stage) -> None:
    for shard_listens, signals in ((True, 1), (False, 2)):
        stage.placement = ImaginaryPlacement(deque())

        def signalled(listens: bool = shard_listens) -> None:
            for shard in stage.placement.started:
                shard.listens = listens
            signal.raise_signal(signal.SIGTERM)

        end = stage.run(stage.reports(WORKING), *[signalled] * signals)
        assert end.signal == signal.SIGTERM
        ends = {type(shard.end) for shard in stage.placement.started}
        assert ends == {Exited if shard_listens else DiedOf}


def test_a_full_disk_pauses_shards_also_those_that_start_later(stage: Stage) -> None:
    stage.settings = replace(stage.settings, min_free_bytes=10**15)

    def die() -> None:
        stage.placement.last(0).end = DiedOf(signal.SIGKILL)

    stage.run(stage.reports(WORKING), die, lambda: None, stage.reports(WORKING), stage.reports(DONE))
    died, living, later = stage.placement.started
    assert died.end == DiedOf(signal.SIGKILL)
    assert Pause() in living.received
    assert Pause() in later.received
    assert stage.status().paused
