"""The nodes of a run in every view: their states, the account of all of them, what a monitor is told."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from rpa_shard.ipc.account import Cause, Limit, Wait
from rpa_shard.ipc.run_status import Rates, RunState, RunStatus
from rpa_shard.model.phase import PREP
from rpa_shard.observe.health.check import Level
from rpa_shard.observe.health.nodes import node_check
from rpa_shard.observe.metrics.exposition import open_metrics
from rpa_shard.observe.metrics.nodes import node_families
from rpa_shard.observe.nodes import Nodes, NodeState, nodes_of
from rpa_shard.observe.together import as_counted, sum_of_rates
from rpa_shard.observe.top.screen import draw, snapshot
from rpa_shard.observe.top.text import plain, width_of
from rpa_shard.observe.top.view import Tab, View
from rpa_shard.observe.top.watched import Watched
from rpa_shard.store.cluster import GoverningNode, NodeRow
from rpa_shard.store.rows import Counts
from tests.statuses import account, run_status

NOW = time.time()
TTL_SECONDS = 60.0
GOVERNING = GoverningNode(3, "n1", "10.0.0.1:1", "secret", 5.0)


def run(pace: float = 2.0, in_work: int = 4, **changes: Any) -> RunStatus:
    rates = Rates(last_10_seconds=pace, last_60_seconds=pace, whole_run=pace, spread=0.1, recent=(pace,))
    known = account(
        total=100, done=40, failed=0, in_work=in_work, queued=60 - in_work, waiting=0, waits=(),
        pace=pace, limited_by=Limit.NETWORK, left_seconds=60 / pace,
    )  # fmt: skip
    return run_status(**{"account": known, "rates": rates, "written_at": NOW} | changes)


def row(node: str, status: RunStatus | None = None, **changes: Any) -> NodeRow:
    known: dict[str, Any] = {
        "node": node, "incarnation": node, "address": "10.0.0.1", "joined_seconds_ago": 100.0, "heard_seconds_ago": 1.0,
        "lease_seconds": 10.0, "report": msgspec.json.encode(status) if status is not None else b"",
    }  # fmt: skip
    return NodeRow(**known | changes)


def seen(*rows: NodeRow, governing: GoverningNode | None = GOVERNING) -> Nodes:
    return nodes_of(rows, governing, TTL_SECONDS, NOW)


LOST = row("n3", run(), lease_seconds=-3.0, heard_seconds_ago=20.0)


def test_states() -> None:
    found = seen(
        row("n1", run()), row("n2"), LOST, row("n4", run(), lease_seconds=None), row("n5", run(state=RunState.STOPPING))
    )
    states = [NodeState.RUNNING, NodeState.STARTING, NodeState.LOST, NodeState.LEFT, NodeState.STOPPING]
    assert [node.state for node in found.nodes] == states
    assert [node.name for node in found.members] == ["n1", "n2", "n5"]
    assert [node.name for node in found.shown] == ["n1", "n2", "n3", "n5"]
    assert found.nodes[2].papers_back_seconds == 40
    assert found.nodes[2].since == "last heard of 20 s ago; its papers come back within 40 s"


def test_a_report_of_another_version_is_a_node_all_the_same() -> None:
    (node,) = seen(row("n1", report=b'{"format": 0}')).nodes
    assert node.state is NodeState.STARTING


def test_papers_count_once_and_work_is_added_up() -> None:
    found = seen(row("n1", run()), row("n2", run(pace=4.0, in_work=6), heard_seconds_ago=0.5)).account
    assert found is not None
    assert (found.total, found.done, found.in_work, found.queued) == (100, 40, 10, 50)
    assert (found.pace, found.left_seconds) == (6.0, 10.0)


def test_what_one_node_waits_for_that_another_has_is_in_work() -> None:
    others = Wait(cause=Cause.NODE, subject="other nodes", papers=6, since=NOW, until=None, why="other nodes have them")
    idle = run(account=account(
        total=100, done=94, failed=0, in_work=0, queued=0, waiting=6, waits=(others,), pace=2.0,
        limited_by=Limit.WAITING, left_seconds=None,
    ))  # fmt: skip
    found = seen(row("n1", idle, heard_seconds_ago=0.1), row("n2", run(in_work=6))).account
    assert found is not None
    assert (found.in_work, found.waiting, found.queued, found.waits) == (6, 0, 0, ())
    assert (found.limited_by, found.left_seconds) == (Limit.NETWORK, 1.5)
    alone = seen(row("n1", idle), LOST).account
    assert alone is not None
    assert (alone.in_work, alone.waiting, alone.limited_by) == (0, 2, Limit.WAITING)
    assert alone.left_seconds == 40
    assert "2 waiting: node n3 was lost; they are back by " in alone.text


def test_the_time_left_is_no_shorter_than_until_the_papers_of_a_lost_node_are_back() -> None:
    found = seen(row("n1", run(pace=60.0)), LOST).account
    assert found is not None
    assert found.left_seconds == 40


def test_nobody_knows_the_account_before_papers_are_counted() -> None:
    starting = run(account=account(limited_by=Limit.STARTING))
    assert seen(row("n1", starting)).account is None
    assert seen().account is None
    assert seen(LOST).newest is None


def test_papers_that_have_been_counted_since() -> None:
    found = as_counted(run().account, Counts({"pending": 4, "prepping": 2, "prepped": 93, "failed": 1}), [PREP], NOW)
    assert (found.total, found.done, found.failed, found.in_work, found.queued) == (100, 93, 1, 4, 2)
    assert found.left_seconds == 3


def test_rates_are_added_up_from_the_last_second_back() -> None:
    one, other = Rates(1, 1, 1, 0.5, (1, 2, 3)), Rates(2, 2, 2, 0.1, (5,))
    assert sum_of_rates([one, other]) == Rates(3, 3, 3, 0.5, (1, 2, 8))


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (seen(row("n1", run())), Level.OK, "governed by n1"),
        (seen(row("n1", run()), LOST), Level.WARNING, "lost n3; papers come back within 40 s"),
        (seen(row("n1", run()), replace(LOST, heard_seconds_ago=90.0)), Level.OK, "1 lost"),
        (seen(row("n1", run()), governing=None), Level.CRITICAL, "nobody governs"),
        (seen(row("n1", run(), joined_seconds_ago=2.0), governing=None), Level.OK, "1 running"),
        (seen(row("n1", run(state=RunState.CRASH_LOOP))), Level.WARNING, "n1: shards die"),
        (seen(row("n1", run(), lease_seconds=None), governing=None), Level.OK, "none"),
    ],
)
def test_what_a_monitor_is_told(found: Nodes, level: Level, words: str) -> None:
    check = node_check(found, 10.0)
    assert check.level is level
    assert words in check.text


def test_metrics() -> None:
    text = open_metrics(node_families(seen(row("n1", run()), LOST, row("n4", run(), lease_seconds=None))))
    for line in (
        'rpa_nodes{state="running"} 1', 'rpa_nodes{state="left"} 1', "rpa_governed 1", "rpa_governor_epoch 3",
        'rpa_node_up{node="n1"} 1', 'rpa_node_up{node="n3"} 0', 'rpa_node_papers_per_second{node="n1"} 2.0',
    ):  # fmt: skip
        assert line in text.splitlines()
    assert 'node="n4"' not in text
    assert node_families(None) == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_terminal(width: int) -> None:
    status = run()
    names = ("n1", "worker-with-a-long-name.example")
    watched = Watched(
        folder="/data", on=True, account=status.account, run=status, hosts=status.hosts, hosts_at=NOW,
        nodes=seen(*(row(name, status) for name in names), LOST),
    )  # fmt: skip
    drawn = [
        snapshot(watched, width, NOW),
        *(draw(watched, View(tab=tab), width, height, NOW).lines for height in (12, 60) for tab in Tab),
    ]
    assert all(width_of(each) <= width for lines in drawn for each in lines)
    shown = "\n".join(plain(each) for each in drawn[0])
    for name in ("n1", names[1][:8], "n3"):
        assert name in shown
    assert "Nodes and shards" in "\n".join(
        plain(each) for each in draw(watched, View(tab=Tab.SHARDS), width, 60, NOW).lines
    )
