"""The parts of a trial on many nodes that need no node: what is drawn, what comes later, what is said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rpa_shard.chaos.cluster.actions import ClusterActions
from rpa_shard.chaos.cluster.fleet import Node
from rpa_shard.chaos.cluster.plan import (
    KILLS,
    NOT_ON_RAY,
    ONLY_ON_RAY,
    POLICY,
    PUBLISHING_POINTS,
    WEIGHTS,
    Blow,
    ClusterSchedule,
)
from rpa_shard.chaos.later import Later
from rpa_shard.chaos.plan import Plan
from rpa_shard.chaos.processes import Processes
from rpa_shard.chaos.report import Report, lines
from rpa_shard.chaos.schedule import SHARD_POINTS
from rpa_shard.chaos.watch import Watch
from rpa_shard.cli import main
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.failpoints import parse
from tests.rig import wait_for


def test_a_seed_draws_the_same_again() -> None:
    def drawn(seed: int) -> list[object]:
        schedule = ClusterSchedule(seed, list(Blow))
        return [
            (schedule.blow(), schedule.share(), schedule.shard_count(), schedule.start(armed=True)) for _ in range(50)
        ]

    assert drawn(7) == drawn(7) != drawn(8)


def test_every_disruption_is_drawn_and_only_those_that_are_allowed() -> None:
    assert set(WEIGHTS) == set(Blow) >= KILLS
    allowed = [each for each in Blow if each not in NOT_ON_RAY]
    schedule = ClusterSchedule(1, allowed)
    assert {schedule.blow() for _ in range(2000)} == set(allowed) >= ONLY_ON_RAY


def test_nodes_die_at_every_point_of_their_work() -> None:
    schedule = ClusterSchedule(1, list(Blow))
    points = {next(iter(parse(schedule.start(armed=True).failpoints))) for _ in range(500)}
    assert points == {*SHARD_POINTS, *PUBLISHING_POINTS}
    assert schedule.start(armed=False).failpoints == ""


def test_what_comes_later_comes_in_order_and_once() -> None:
    done: list[str] = []
    later = Later()
    later.after(1000, lambda: done.append("much later"))
    later.after(0, lambda: done.append("first"))
    later.after(0, lambda: done.append("second"))
    later.do_due()
    assert done == ["first", "second"]
    later.do_all()
    later.do_all()
    assert done == ["first", "second", "much later"]


def test_the_table_says_on_what_it_ran_and_how_long_recovery_took() -> None:
    report = Report(Plan(seed=7, papers=10), POLICY, setting=["rows               here"])
    report.disruptions.update({Blow.KILL_NODE.value: 2, Blow.JOIN.value: 1})
    watch = Watch(report.plan, begun=0.0)
    for done, disrupted, moved in ((1, 10.0, 14.5), (2, 20.0, 21.0)):
        watch.disrupted(Blow.KILL_NODE.value, disrupted)
        watch.note(done, moved, report)
    shown = lines(report)
    assert shown[0] == "rows               here"
    assert next(each.split()[-3:] for each in shown if Blow.KILL_NODE.value in each) == ["2", "4.5", "s"]
    assert any(str(POLICY) in each for each in shown)


@pytest.mark.parametrize("more", [["--tar"], ["--keep-pdf", "0"], ["--phases", "all"]])
def test_what_goes_with_one_machine_only_is_refused(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chaos", "--on", "nodes", "--folder", str(tmp_path), *more]) == 2
    assert "--on goes with none of" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class OneNode:
    """A fleet of one process that is no node."""

    def __init__(self, folder: DataFolder) -> None:
        self.node = Node("n", None, Processes(folder))  # type: ignore[arg-type]  # it is not cut off

    def nodes(self) -> list[Node]:
        return [self.node]

    def take_reached_points(self) -> list[str]:
        return ["after_claim"]


class Always(ClusterSchedule):
    """Draws one thing."""

    def __init__(self, blow: Blow) -> None:
        super().__init__(1, [blow])


def actions_of(tmp_path: Path, blow: Blow, counts: Counter[str]) -> ClusterActions:
    return ClusterActions(OneNode(DataFolder(tmp_path)), None, Always(blow), counts)  # type: ignore[arg-type]


def test_a_node_that_is_stopped_is_continued_and_left_alone_meanwhile(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    actions = actions_of(tmp_path, Blow.STOP_NODE, counts)
    assert actions.disrupt() is None, "there is no process yet"
    process = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, "RPA_V2_DATA_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    state = Path(f"/proc/{process.pid}/stat")
    assert actions.disrupt() == Blow.STOP_NODE.value
    wait_for(lambda: ") T " in state.read_text(), "the process is stopped")
    assert actions.is_disturbed
    assert actions.disrupt() is None
    actions.finish()
    assert not actions.is_disturbed
    wait_for(lambda: ") T " not in state.read_text(), "the process goes on")
    process.communicate(b"\n")
    assert counts == {Blow.STOP_NODE.value: 1, "died at after_claim": 1}
    assert actions.kills == 1, "the process that died by itself"
