"""The supervisor's decisions: what follows from each event, and rules that hold in every order of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rpa_shard.control.decisions import (
    KILL_AFTER_DRAIN_SECONDS,
    Command,
    Decisions,
    DrainShard,
    KillShard,
    Limits,
    MovePapers,
    Parsing,
    ReportDeath,
    SetPaused,
    ShardView,
    StartShard,
)
from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import ShardState

SIGINT, SIGTERM = 2, 15
LIMITS = Limits(
    extract_deadline_seconds=120.0,
    shard_memory_bytes=1000,
    shard_silence_seconds=60.0,
    drain_seconds=30.0,
    crash_loop_deaths=3,
)
READY = ShardView(ShardState.READY, outstanding=5)
DONE = ShardView(ShardState.READY, outstanding=0)
GIVEN_UP_AFTER_SECONDS = LIMITS.drain_seconds + KILL_AFTER_DRAIN_SECONDS


def begun(shards: int = 2, *, daemon: bool = False) -> Decisions:
    """A run with all its shards started."""
    decisions = Decisions(LIMITS, shards, daemon=daemon)
    assert list(decisions.commands()) == [StartShard(number) for number in range(shards)]
    for number in range(shards):
        decisions.started(number)
    assert list(decisions.commands()) == []
    return decisions


def test_a_run_ends_when_nothing_is_outstanding() -> None:
    decisions = begun()
    decisions.tick(0.0, {0: DONE, 1: READY})
    assert list(decisions.commands()) == []
    decisions.tick(1.0, {0: DONE, 1: DONE})
    assert list(decisions.commands()) == [DrainShard(0), DrainShard(1)]
    assert decisions.state is RunState.FINISHING
    for number in (0, 1):
        assert not decisions.is_over
        decisions.exited(number, "exit code 0", 2.0, papers_doing=False)
    assert decisions.is_over
    assert (decisions.signal, decisions.cause) == (0, None)


def test_a_daemon_waits_for_more() -> None:
    decisions = begun(daemon=True)
    decisions.tick(0.0, {0: DONE, 1: DONE})
    assert list(decisions.commands()) == []


def test_a_dead_shard_restarts_after_a_delay_and_charges_its_suspect_only_if_it_caused_the_death() -> None:
    decisions = begun()
    decisions.exited(0, "signal SIGKILL", 10.0, papers_doing=False)
    decisions.exited(1, "signal SIGSEGV", 10.0, papers_doing=True)
    assert list(decisions.commands()) == [ReportDeath(0, "signal SIGKILL"), ReportDeath(1, "signal SIGSEGV")]
    decisions.tick(10.1, {})
    assert list(decisions.commands()) == []
    decisions.tick(10.5, {})
    assert list(decisions.commands()) == [StartShard(0, charge_suspect=False), StartShard(1, charge_suspect=True)]


def test_a_start_that_fails_takes_no_other_start_with_it_past_the_end() -> None:
    """Regression: the first of several due starts failed, the run gave up, and the next start was a KeyError."""
    decisions = begun(4)
    for number in range(3):
        decisions.exited(number, "signal SIGKILL", 0.0, papers_doing=False)
    list(decisions.commands())
    decisions.tick(1.0, {3: READY})
    commands = decisions.commands()
    assert next(commands) == StartShard(0)
    decisions.start_failed(0, "the disk is damaged", 1.0)
    assert list(commands) == [ReportDeath(0, "the disk is damaged"), DrainShard(3)]
    assert decisions.state is RunState.CRASH_LOOP
    assert decisions.cause == "shards died 4 times within a minute, last: the disk is damaged"
    decisions.exited(3, "exit code 0", 2.0, papers_doing=False)
    assert decisions.is_over


def test_a_store_that_is_away_is_no_death_of_a_shard() -> None:
    decisions = begun(2)
    decisions.exited(0, "signal SIGKILL", 0.0, papers_doing=True)
    list(decisions.commands())
    for seconds in range(1, 1000, 10):
        decisions.tick(float(seconds), {1: READY})
        assert list(decisions.commands()) == [StartShard(0, charge_suspect=True)]
        decisions.start_postponed(0, float(seconds))
        assert not decisions.is_over
    assert decisions.state is RunState.RUNNING


@pytest.mark.parametrize(
    ("view", "reason", "for_paper"),
    [
        (ShardView(parsing=Parsing("p", 121.0, 0)), "extraction of p passed its deadline", True),
        (ShardView(parsing=Parsing("p", 1.0, 1001)), "over its memory budget while parsing p", True),
        (ShardView(silent_seconds=61.0), "silent for more than 60 s", False),
    ],
)
def test_deadlines_are_enforced_once(view: ShardView, reason: str, for_paper: bool) -> None:
    decisions = begun(1)
    decisions.tick(0.0, {0: view})
    decisions.tick(0.2, {0: view})
    assert list(decisions.commands()) == [KillShard(0, reason, for_paper)]
    assert decisions.killed_for_paper(0) is for_paper


def test_what_a_paper_does_to_its_shard_is_no_crash_loop() -> None:
    decisions = begun(1)
    for number in range(10):
        now = float(number)
        decisions.tick(now, {0: ShardView(parsing=Parsing("p", 121.0, 0))})
        decisions.exited(0, "signal SIGKILL", now, papers_doing=True)
        decisions.tick(now, {})
        assert StartShard(0, charge_suspect=True) in list(decisions.commands())
        decisions.started(0)
    assert decisions.state is RunState.RUNNING


def test_a_shard_that_does_not_drain_is_killed() -> None:
    decisions = begun(1)
    decisions.signalled(SIGTERM, 0.0)
    decisions.tick(GIVEN_UP_AFTER_SECONDS, {0: READY})
    assert list(decisions.commands()) == [DrainShard(0)]
    decisions.tick(GIVEN_UP_AFTER_SECONDS + 0.1, {0: READY})
    assert list(decisions.commands()) == [KillShard(0, "did not drain in time")]


def test_a_second_signal_kills() -> None:
    decisions = begun(2)
    decisions.signalled(SIGINT, 0.0)
    decisions.signalled(SIGTERM, 0.1)
    assert list(decisions.commands())[-2:] == [
        KillShard(0, "a second signal to stop"),
        KillShard(1, "a second signal to stop"),
    ]
    assert decisions.signal == SIGTERM


def test_nothing_is_asked_of_a_shard_that_has_ended() -> None:
    decisions = begun(2)
    decisions.signalled(SIGTERM, 0.0)
    decisions.signalled(SIGTERM, 0.1)
    decisions.exited(0, "exit code 0", 0.1, papers_doing=False)
    assert list(decisions.commands()) == [DrainShard(1), KillShard(1, "a second signal to stop")]


def test_a_shard_that_grows_makes_room_one_at_a_time() -> None:
    decisions = begun(2)
    large = ShardView(ShardState.READY, outstanding=5, memory_bytes=801)
    decisions.tick(0.0, {0: large, 1: large})
    assert list(decisions.commands()) == [DrainShard(0, "holds 0 MB: it drains and is replaced")]
    decisions.tick(0.2, {0: large, 1: large})
    assert list(decisions.commands()) == []
    decisions.exited(0, "exit code 0", 1.0, papers_doing=False)
    decisions.tick(1.0, {1: large})
    assert list(decisions.commands()) == [StartShard(0), DrainShard(1, "holds 0 MB: it drains and is replaced")], (
        "at once, and it was no death"
    )


def test_a_resize_drains_moves_and_starts_again() -> None:
    decisions = begun(2)
    decisions.resize(0.0)
    assert list(decisions.commands()) == [DrainShard(0), DrainShard(1)]
    decisions.exited(0, "exit code 0", 1.0, papers_doing=False)
    assert list(decisions.commands()) == []
    assert not decisions.is_over
    decisions.exited(1, "exit code 0", 1.0, papers_doing=False)
    assert list(decisions.commands()) == [MovePapers()]
    decisions.resharded(3)
    assert list(decisions.commands()) == [StartShard(0), StartShard(1), StartShard(2)]
    assert decisions.state is RunState.RUNNING


def test_a_pause_reaches_the_living_and_those_that_start_later() -> None:
    decisions = begun(2)
    decisions.exited(1, "signal SIGKILL", 0.0, papers_doing=False)
    list(decisions.commands())
    decisions.pause(paused=True)
    decisions.pause(paused=True)
    assert list(decisions.commands()) == [SetPaused(0, True)]
    decisions.tick(5.0, {})
    assert list(decisions.commands()) == [StartShard(1)]
    decisions.started(1)
    assert list(decisions.commands()) == [SetPaused(1, True)]
    decisions.pause(paused=False)
    assert list(decisions.commands()) == [SetPaused(0, False), SetPaused(1, False)]


@dataclass
class World:
    """The world that commands act on: which shards live, and the commands that each received."""

    living: set[int] = field(default_factory=set)
    drained: set[int] = field(default_factory=set)
    killed: dict[int, KillShard] = field(default_factory=dict)
    resharding: bool = False

    def forget(self, number: int) -> None:
        self.living.discard(number)
        self.drained.discard(number)
        self.killed.pop(number, None)


class AnyOrder(RuleBasedStateMachine):
    """Every order of events: starts that fail, deaths, signals, resizes, pauses, time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.world = World()
        self.paused = False
        self.signals = 0
        # Whether commands wait to be carried out: the supervisor takes several events before it does.
        self.is_behind = False
        self.next_start_fails = False
        self.decisions = Decisions(LIMITS, 1, daemon=False)
        self.next_count = 1

    @initialize(shards=st.integers(1, 5), daemon=st.booleans(), failing=st.booleans())
    def begin(self, shards: int, daemon: bool, failing: bool) -> None:
        self.decisions = Decisions(LIMITS, shards, daemon=daemon)
        self.next_start_fails = failing
        self.carry_out()

    def carry_out(self) -> None:
        """Carries out commands like the supervisor."""
        self.is_behind = False
        actions: dict[type, Callable[..., None]] = {
            StartShard: self.on_start,
            DrainShard: lambda command: self.world.drained.add(command.number),
            KillShard: self.on_kill,
            SetPaused: self.on_paused,
            ReportDeath: lambda command: None,
            MovePapers: self.on_reshard,
        }
        for command in self.decisions.commands():
            number: int | None = getattr(command, "number", None)
            if isinstance(command, (DrainShard, KillShard, SetPaused)):
                assert number in self.world.living, f"{command} is for a shard that lives"
            actions[type(command)](command)

    def carry_out_if(self, at_once: bool) -> None:
        if at_once:
            self.carry_out()
        else:
            self.is_behind = True

    def on_start(self, command: StartShard) -> None:
        assert self.decisions.state is RunState.RUNNING, "nothing is started while the run drains"
        assert command.number not in self.world.living
        assert command.number < self.decisions.shard_count
        if self.next_start_fails:
            self.next_start_fails = False
            self.decisions.start_failed(command.number, "no room", self.now)
        else:
            self.world.living.add(command.number)
            self.decisions.started(command.number)

    def on_kill(self, command: KillShard) -> None:
        assert command.number not in self.world.killed, "once is enough"
        self.world.killed[command.number] = command

    def on_paused(self, command: SetPaused) -> None:
        assert command.paused is self.paused

    def on_reshard(self, command: Command) -> None:
        assert not self.world.living, "no shard lives while papers move"
        assert self.decisions.state is RunState.RESIZING
        self.decisions.resharded(self.next_count)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 12.0, 61.0]), data=st.data())
    def time_passes(self, seconds: float, data: st.DataObject) -> None:
        self.now += seconds
        views = {number: data.draw(VIEWS) for number in sorted(self.world.living)}
        self.decisions.tick(self.now, views)
        self.carry_out()

    @rule()
    def the_next_start_fails(self) -> None:
        self.next_start_fails = True

    @precondition(lambda self: self.world.living)
    @rule(data=st.data(), papers_doing=st.booleans(), at_once=st.booleans())
    def a_shard_ends(self, data: st.DataObject, papers_doing: bool, at_once: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.world.living)))
        assert isinstance(self.decisions.killed_for_paper(number), bool)
        self.world.forget(number)
        self.decisions.exited(number, "exit code 0", self.now, papers_doing=papers_doing)
        self.carry_out_if(at_once)

    @rule(number=st.sampled_from([1, SIGINT, SIGTERM]), at_once=st.booleans())
    def a_signal(self, number: int, at_once: bool) -> None:
        self.signals += 1
        self.decisions.signalled(number, self.now)
        assert self.decisions.signal == number
        self.carry_out_if(at_once)

    @rule(count=st.integers(1, 5))
    def a_resize(self, count: int) -> None:
        if self.decisions.state is RunState.RUNNING:
            self.next_count = count
        self.decisions.resize(self.now)
        self.carry_out()

    @rule(paused=st.booleans())
    def the_disk(self, paused: bool) -> None:
        self.paused = paused
        self.decisions.pause(paused=paused)
        self.carry_out()

    @precondition(lambda self: self.world.living)
    @rule(data=st.data(), at_once=st.booleans())
    def a_shard_stops_listening(self, data: st.DataObject, at_once: bool) -> None:
        self.decisions.stopped_listening(data.draw(st.sampled_from(sorted(self.world.living))))
        self.carry_out_if(at_once)

    @rule(patience=st.integers(0, 50))
    def a_drain_ends(self, patience: int) -> None:
        """Once it drains, a run ends, whatever its shards do: a shard that does not end is killed."""
        if self.decisions.state in (RunState.RUNNING, RunState.RESIZING):
            return
        for _ in range(3):
            self.now += GIVEN_UP_AFTER_SECONDS
            self.decisions.tick(self.now, dict.fromkeys(self.world.living, READY))
            self.carry_out()
        assert set(self.world.killed) == self.world.living
        for number in sorted(self.world.living):
            self.world.forget(number)
            self.decisions.exited(number, "signal SIGKILL", self.now, papers_doing=False)
        self.carry_out()
        assert self.decisions.is_over

    @invariant()
    def every_shard_is_accounted_for(self) -> None:
        decisions = self.decisions
        assert decisions.living == self.world.living
        if self.is_behind:
            return
        assert not decisions.starting, "all commands have been carried out"
        assert not decisions.living & decisions.restarts.keys()
        if decisions.state is RunState.RUNNING:
            assert decisions.living | decisions.restarts.keys() == set(range(decisions.shard_count))
            assert not decisions.is_over
        else:
            assert not decisions.restarts.keys()
            assert decisions.is_over is (not self.world.living)

    @invariant()
    def whoever_drains_has_been_asked(self) -> None:
        if self.decisions.state is not RunState.RUNNING and not self.is_behind:
            assert self.world.living == self.world.drained & self.world.living

    @invariant()
    def it_ends_by_the_table(self) -> None:
        assert (self.decisions.signal != 0) is (self.signals > 0)
        assert (self.decisions.cause is not None) or self.decisions.state is not RunState.CRASH_LOOP


VIEWS = st.builds(
    ShardView,
    state=st.sampled_from([ShardState.BOOTING, ShardState.READY, ShardState.DRAINING]),
    outstanding=st.sampled_from([None, 0, 0, 3]),
    silent_seconds=st.sampled_from([0.0, 0.0, 0.0, 61.0]),
    memory_bytes=st.sampled_from([0, 0, 801]),
    parsing=st.none()
    | st.builds(Parsing, st.just("p"), st.sampled_from([0.0, 0.0, 121.0]), st.sampled_from([0, 0, 1001])),
)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
