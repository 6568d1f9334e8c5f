"""A node's lease, what it publishes, and what it is asked, over a store in memory."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from rpa_shard.control.nodes.membership import MembershipKeeper
from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.ipc.run_status import RunState, write_status
from rpa_shard.store.cluster import Membership, NodeRequests
from tests.memory_cluster import Memory, MemoryCluster
from tests.statuses import run_status

LEASE_SECONDS = 30.0


class Bench:
    """A node whose supervisor is this process."""

    def __init__(self, root: Path) -> None:
        self.memory = Memory()
        self.run = RunDirectory(root)
        self.others = MemoryCluster(self.memory)
        self.membership = self.others.join("n1", "10.0.0.1", LEASE_SECONDS)
        self.keeper = self.new_keeper(self.membership)

    def new_keeper(self, membership: Membership) -> MembershipKeeper:
        cluster = MemoryCluster(self.memory)
        return MembershipKeeper(cluster, membership, LEASE_SECONDS, self.run, os.getpid())

    def publish(self, state: RunState = RunState.RUNNING, pid: int | None = None) -> bytes:
        status = run_status(state=state, pid=os.getpid() if pid is None else pid)
        write_status(self.run.status_file, status)
        return msgspec.json.encode(status)

    def renew(self) -> None:
        asyncio.run(self.keeper.renew_if_due())

    @property
    def published(self) -> bytes:
        return self.others.nodes()[0].report


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def terminated() -> Iterator[list[int]]:
    """Every SIGTERM that this process gets."""
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    yield got
    signal.signal(signal.SIGTERM, before)


def test_the_status_of_this_run_is_published_and_no_other(bench: Bench) -> None:
    bench.publish(pid=1)
    bench.renew()
    assert bench.published == b""
    content = bench.publish()
    bench.renew()
    assert bench.published == content


def test_what_has_not_changed_is_not_published_again_until_the_lease_wants_it(bench: Bench) -> None:
    bench.publish()
    bench.renew()
    heard_at = bench.memory.nodes["n1"].heard_at
    bench.renew()
    assert bench.memory.nodes["n1"].heard_at == heard_at


def test_a_request_for_shards_is_left_for_the_supervisor(bench: Bench) -> None:
    bench.publish()
    bench.others.ask("n1", NodeRequests(shards=3))
    bench.renew()
    assert bench.run.resize_request.read_text() == "3"


def test_a_request_to_drain_is_one_signal(bench: Bench, terminated: list[int]) -> None:
    for _ in range(2):
        bench.publish()
        bench.others.ask("n1", NodeRequests(drain=True))
        bench.renew()
    assert terminated == [signal.SIGTERM], "a second one would end the run at once"


def test_a_run_that_ends_already_is_not_told_to(bench: Bench, terminated: list[int]) -> None:
    bench.publish(RunState.STOPPING)
    bench.others.ask("n1", NodeRequests(drain=True))
    bench.renew()
    assert terminated == []


def test_a_node_whose_name_is_taken_drains(
    bench: Bench, terminated: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    bench.publish()
    bench.others.join("n1", "10.0.0.2", LEASE_SECONDS, replaces=bench.membership.incarnation)
    bench.renew()
    bench.renew()
    assert terminated == [signal.SIGTERM]
    assert "RPA_V2_NODE" in caplog.text


def test_a_store_that_is_away_is_told_once_and_again_when_it_is_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    bench.publish()
    bench.memory.is_away = True
    for _ in range(3):
        bench.renew()
    assert len(caplog.records) == 1
    bench.memory.is_away = False
    content = bench.publish()
    bench.renew()
    assert len(caplog.records) == 2
    assert bench.published == content
