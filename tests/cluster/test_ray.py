"""Runs on a real Ray cluster of three nodes, over a real PostgreSQL: placed, lost, joined, killed, begun again."""

from __future__ import annotations

import signal

import pytest

from rpa_shard.testing.sample_papers import Collection
from tests.cluster.conftest import PATIENCE_SECONDS, RayCluster, Run, environment_of_ray, wait_for

# Complete only in ./scripts/test_cluster.sh; the first test is the short form.
slow = pytest.mark.cluster


def test_one_node_on_each_of_three(run: Run, collection: Collection) -> None:
    run.add(*collection.pdfs)
    process = run.start()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, errors  # a few papers are missing or broken
    run.wait_until_done(len(collection.pdfs))
    assert errors.count("is part of the run") == 3
    assert len(list((run.rig.root / "nodes").iterdir())) == 3
    wait_for(lambda: not run.nodes(), "no process is left")


@slow
def test_machines_that_leave_and_join_and_an_actor_that_dies(run: Run, collection: Collection) -> None:
    papers = list(collection.pdfs)
    run.add(*papers[:20])
    process = run.start("--daemon")
    run.wait_until_done(20)
    nodes = run.wait_for_nodes(3)
    added = run.cluster.add()
    (joined,) = run.wait_for_nodes(4).keys() - nodes.keys()
    run.add(*papers[20:40])
    run.wait_until_done(40)
    run.cluster.remove(added)
    assert joined not in run.wait_for_nodes(3)
    name = next(iter(nodes))
    actor = run.actor_of(name)
    before = {each.pid for each in nodes[name]}
    actor.send_signal(signal.SIGKILL)
    wait_for(lambda: (pids := run.pids(name)) and not pids & before, "placed again")
    run.add(*papers[40:])
    run.wait_until_done(len(papers))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143, errors
    assert f"node {joined} is lost" in errors
    wait_for(lambda: not run.nodes(), "no process is left")


@slow
def test_the_command_again_after_the_head_died(run: Run, collection: Collection) -> None:
    papers = list(collection.pdfs)
    run.add(*papers[:30])
    process = run.start("--daemon")
    run.wait_until_done(30)
    run.cluster.kill_head()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 3, errors
    assert "start Ray again (ray start), then repeat this command" in errors.splitlines()[-1]

    def all_drained() -> bool:
        run.cluster.collect_dead()
        return not run.nodes()

    wait_for(all_drained, "nodes drain when their part of Ray ends")
    run.cluster.end()
    with environment_of_ray():
        run.cluster.made = RayCluster.started().made
    run.add(*papers[30:])
    run.rig.environment["RAY_ADDRESS"] = run.cluster.address
    process = run.start()
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, errors
    run.wait_until_done(len(papers))


@slow
def test_a_killed_driver_leaves_no_node(run: Run, collection: Collection) -> None:
    run.add(*collection.pdfs)
    process = run.start("--daemon")
    run.wait_for_nodes(3)
    process.kill()
    wait_for(lambda: not run.nodes(), "nodes drain when their actors end")
