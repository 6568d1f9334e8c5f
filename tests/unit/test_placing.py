"""One node on every machine, over machines that are made up: who is placed when, what is said, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.given import ENVIRONMENT, Given
from rpa_shard.config.places import parse_node_name
from rpa_shard.config.settings import Settings
from rpa_shard.control.nodes.launchers.environment import environment_of_node
from rpa_shard.control.nodes.launchers.machines import Machine, MachinesLostError, NodeEnd
from rpa_shard.control.nodes.launchers.placing import Placing, PlacingEnd, Rules, named
from rpa_shard.model.errors import StoreAwayError


@dataclass
class Node:
    """A node that ends when it is told to."""

    started: bool = True
    ended: NodeEnd | None = None
    drained: int = 0
    killed: int = 0

    def has_started(self) -> bool:
        return self.started

    def end(self) -> NodeEnd | None:
        return self.ended

    def drain(self) -> None:
        self.drained += 1

    def kill(self) -> None:
        self.killed += 1


@dataclass
class World:
    """Machines, a clock, and what was said."""

    machines: list[Machine] = field(default_factory=list)
    nodes: list[tuple[str, Node]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    work: bool = True
    now: float = 1000.0
    lost: bool = False

    def alive(self) -> Sequence[Machine]:
        if self.lost:
            raise MachinesLostError("the head is gone")
        return self.machines

    def place(self, machine: Machine, environment: Mapping[str, str]) -> Node:
        node = Node()
        self.nodes.append((environment["name"], node))
        return node

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def placing(self, failures: int = 3) -> Placing:
        return Placing(
            self,
            lambda machine, name: {"name": name},
            lambda: self.work,
            self.said.append,
            Rules(failures, 1.0, 30.0, 300.0),
            lambda: self.now,
        )

    def end(self, which: int, code: int | None, said: str = "") -> None:
        self.nodes[which][1].ended = NodeEnd(code, said)

    @property
    def placed(self) -> list[str]:
        return [name for name, _ in self.nodes]


def machine(host: str, number: int = 0) -> Machine:
    return Machine(f"{number:08d}{host}", host, "192.0.2.1", 4)


@pytest.fixture
def world() -> World:
    return World([machine("a"), machine("b")])


def test_one_a_machine_until_all_are_done(world: World) -> None:
    placing = world.placing()
    assert placing.step() is None
    assert placing.step() is None
    assert world.placed == ["a", "b"], "once each"
    world.end(0, 0)
    assert placing.step() is None, "the other one works"
    world.end(1, 1)
    world.work = False
    assert placing.step() == PlacingEnd(has_failures=True)


def test_a_machine_that_joins_gets_a_node(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.machines.append(machine("c"))
    placing.step()
    assert world.placed == ["a", "b", "c"]
    assert "node c (192.0.2.1) is part of the run" in world.said


def test_a_machine_that_is_lost_is_said_once_and_may_come_back(world: World) -> None:
    placing = world.placing()
    placing.step()
    gone = world.machines.pop()
    for _ in range(3):
        placing.step()
    assert [line for line in world.said if "is lost" in line] == [
        "node b is lost: others take its papers once their leases have run out (at most 300 s)"
    ]
    world.machines.append(gone)
    placing.step()
    assert world.placed == ["a", "b", "b"]


def test_nothing_ends_while_there_is_no_machine(world: World) -> None:
    world.machines.clear()
    placing = world.placing()
    assert [placing.step() for _ in range(3)] == [None] * 3
    assert world.said == ["no machine is there: waiting for one"]


def test_a_node_that_dies_is_placed_again_later_each_time_and_then_left_out(world: World) -> None:
    world.machines.pop()
    placing = world.placing(failures=3)
    placing.step()
    delays = []
    for number in range(2):
        world.end(number, -9)
        placing.step()
        began = world.now
        while len(world.nodes) == number + 1:
            world.now += 0.5
            placing.step()
        delays.append(world.now - began)
    assert delays == [2.0, 4.0]
    world.end(2, None, "OSError: no space")
    assert placing.step() == PlacingEnd(cause="every node was left out")
    assert world.said[1:] == [
        "node a ended (signal SIGKILL); it is placed again in 2 s",
        "node a ended (signal SIGKILL); it is placed again in 4 s",
        "node a ended 3 times in a row and is left out (it could not be started: OSError: no space)",
    ]


def test_failures_long_apart_are_not_in_a_row(world: World) -> None:
    placing = world.placing(failures=2)
    placing.step()
    for number in (0, 2, 3):
        world.now += 200
        world.end(number, 3)
        placing.step()
        world.now += 2
        placing.step()
    assert world.placed == ["a", "b", "a", "a", "a"]


def test_a_node_that_was_drained_is_left_out(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.end(0, 143)
    assert placing.step() is None
    assert world.said[-1] == "node a has drained and is left out; this command again places it again"
    world.end(1, 143)
    assert placing.step() == PlacingEnd(signal.SIGTERM)
    assert world.placed == ["a", "b"]


def test_work_that_appears_at_the_end_is_done(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.end(0, 0)
    world.end(1, 1)
    assert placing.step() is None, "there is work"
    world.now += 5
    placing.step()
    assert world.placed == ["a", "b", "a"], "the one that had done all that it could is not asked again"
    world.end(2, 0)
    world.work = False
    assert placing.step() == PlacingEnd(has_failures=True)


def test_a_database_that_is_away_when_all_nodes_have_ended_ends_nothing(world: World) -> None:
    def away() -> bool:
        raise StoreAwayError("the server cannot be reached")

    placing = replace(world.placing(), work_is_left=away)
    placing.step()
    world.end(0, 0)
    world.end(1, 0)
    assert placing.step() is None
    assert "the server cannot be reached" in world.said[-1]
    world.now += 5
    placing.step()
    assert len(world.placed) == 4


def test_papers_that_wait_for_a_refusing_model_end_the_run(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.end(0, 1)
    world.end(1, 1)
    assert placing.step() == PlacingEnd(has_failures=True)


def test_the_first_signal_drains_and_the_second_kills(world: World) -> None:
    placing = world.placing()
    placing.step()
    placing.note_signal(signal.SIGINT)
    for _ in range(3):
        assert placing.step() is None
    assert [(node.drained, node.killed) for _, node in world.nodes] == [(1, 0)] * 2
    world.end(0, 143)
    placing.note_signal(signal.SIGINT)
    assert placing.step() is None
    assert [node.killed for _, node in world.nodes] == [0, 1]
    world.end(1, -9)
    assert placing.step() == PlacingEnd(signal.SIGINT)
    assert world.placed == ["a", "b"], "nothing is placed again"


def test_a_node_that_does_not_drain_is_killed(world: World) -> None:
    placing = world.placing()
    placing.step()
    placing.note_signal(signal.SIGTERM)
    placing.step()
    world.now += 60
    placing.step()
    assert [node.killed for _, node in world.nodes] == [1, 1]


def test_a_lost_head_ends_the_placing(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.lost = True
    assert placing.step() == PlacingEnd(cause="the head is gone")


def test_a_node_that_does_not_start_is_said_once(world: World) -> None:
    placing = world.placing()
    placing.step()
    world.nodes[0][1].started = False
    for _ in range(3):
        world.now += 30
        placing.step()
    assert world.said[2:] == ["node a waits: others of the cluster use its 4 cores"]


def test_a_run_ends_by_itself(world: World) -> None:
    class Ending(World):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            self.work = False
            for number in range(len(self.nodes)):
                self.end(number, 0)

    assert Ending(world.machines).placing().run() == PlacingEnd()


@given(st.lists(st.sampled_from(["a", "b", "c-1", "x" * 63]), max_size=6), st.integers(0, 3))
def test_names_are_different_and_the_same_the_next_time(hosts: list[str], at_first: int) -> None:
    machines = [Machine(f"{number:x}" * 8, host, "", 1) for number, host in enumerate(hosts, 1)]
    first = named(machines[:at_first], [])
    later = named(machines[at_first:], list(first.values()))
    names = [*first.values(), *later.values()]
    assert len(set(names)) == len(machines)
    assert [parse_node_name(name) for name in names] == names
    assert named(list(reversed(machines)), []) == named(machines, [])


def test_a_host_that_is_alone_names_its_node() -> None:
    found = named([machine("a"), machine("b", 1), machine("b", 2)], [])
    assert list(found.values()) == ["a", "b-00000001", "b-00000002"]


def test_what_a_node_is_started_with(tmp_path: Path) -> None:
    texts = {
        "RPA_V2_STORE": "postgresql://rpa@db/papers",
        "RPA_V2_DATA_DIR": str(tmp_path),
        "RPA_V2_NODE": "driver",
        "RPA_V2_SERVE_TOKEN": "a secret of a page",
        "RPA_V2_METRICS_FILE": "/var/metrics.prom",
        "RPA_V2_WORKERS": "3",
    }
    given = {name: Given(text, ENVIRONMENT) for name, text in texts.items()}
    given["RPA_V2_PROMPTS"] = Given("prompts", str(tmp_path / "rpa_shard.toml"))
    found = environment_of_node(machine("a"), "a-1", Settings.from_given(given), given)
    assert found == {
        "RPA_V2_STORE": "postgresql://rpa@db/papers",
        "RPA_V2_DATA_DIR": str(tmp_path / "nodes" / "a-1"),
        "RPA_V2_NODE": "a-1",
        "RPA_V2_NODE_ADDRESS": "192.0.2.1",
        "RPA_V2_SHARD_COUNT": "3",
        "RPA_V2_WORKERS": "3",
        "RPA_V2_PROMPTS": str(tmp_path / "prompts"),
    }
    given["RPA_V2_SHARD_COUNT"] = Given("2", ENVIRONMENT)
    assert environment_of_node(machine("a"), "a", Settings.from_given(given), given)["RPA_V2_SHARD_COUNT"] == "2"
