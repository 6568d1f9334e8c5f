"""Runs of two or three nodes on this machine, over one PostgreSQL: together, killed, stopped, drained, resized."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, write_collection
from tests.cluster_rig import ClusterRig, NodeRig
from tests.rig import wait_for

# What a machine that is no node shows of one.
VIEWS = {
    "status": "governs   n1, epoch ",
    "status --json": '"name": "n1", "state": "running"',
    "health": "OK       nodes: 1 running",
    "top": "Nodes  1, governed by n1",
    "metrics": 'rpa_node_ready_shards{node="n1"} 2',
}


@pytest.fixture
def cluster(tmp_path: Path, database: str, mirror: str) -> Iterator[ClusterRig]:
    made = ClusterRig(tmp_path, database, mirror)
    yield made
    made.end()


def ended(cluster: ClusterRig, papers: int) -> bool:
    counts = cluster.by_status()
    return counts.get("prepped", 0) + counts.get("failed", 0) == papers


def holds_papers(cluster: ClusterRig, name: str) -> bool:
    status = cluster.status_of(name)
    return status is not None and any(shard.report.held for shard in status.shards)


def assert_each_done_once(cluster: ClusterRig, papers: int) -> None:
    ends = cluster.done_once()
    assert sum(ends.values()) == papers
    assert set(ends) <= {0, 1}
    assert ends[1] == cluster.by_status()["prepped"]


def test_two_nodes_share_a_collection_and_end_when_all_is_done(cluster: ClusterRig, collection: Collection) -> None:
    cluster.add(collection.pdfs)
    started = [cluster.node(name).start("node") for name in ("n1", "n2")]
    late = cluster.node("n3", SHARD_COUNT="2")
    wait_for(lambda: cluster.by_status().get("prepped"), "the first papers")
    started.append(late.start("run", "--quiet"))
    for process in started:
        output, errors = process.communicate(timeout=90)
        assert process.returncode in (0, 1), (output, errors)  # some papers of the collection fail
    assert ended(cluster, len(collection.pdfs))
    assert_each_done_once(cluster, len(collection.pdfs))
    assert set(cluster.states().values()) == {"left"}
    assert cluster.seen().governor is None
    assert not any(node.processes() for node in cluster.nodes.values())


def test_papers_of_a_killed_node_are_finished_by_another(cluster: ClusterRig, collection: Collection) -> None:
    cluster.add(collection.pdfs)
    killed, other = cluster.node("n1"), cluster.node("n2")
    killed.start("node", "--daemon")
    wait_for(lambda: holds_papers(cluster, "n1"), "the node works")
    killed.kill()
    assert cluster.by_status().get("prepping"), "it held papers"
    process = other.start("node", "--quiet")
    wait_for(lambda: cluster.states()["n1"] == "lost", "the loss is seen")
    process.communicate(timeout=90)
    assert ended(cluster, len(collection.pdfs))
    assert_each_done_once(cluster, len(collection.pdfs))
    again = killed.run("node", "--quiet")  # the name is free at once where its processes are gone
    assert again[0] in (0, 1), again


def test_the_fence_discards_the_work_of_a_node_that_was_stopped_past_its_lease(
    cluster: ClusterRig, collection: Collection
) -> None:
    cluster.add(collection.pdfs)
    stopped = cluster.node("n1")
    stopped.start("node", "--daemon")
    wait_for(lambda: holds_papers(cluster, "n1"), "the node works")
    stopped.signal(signal.SIGSTOP)
    assert cluster.by_status().get("prepping"), "it holds papers"
    cluster.node("n2").start("node", "--quiet").communicate(timeout=90)
    assert ended(cluster, len(collection.pdfs))
    before = cluster.history()
    stopped.signal(signal.SIGCONT)
    wait_for(lambda: cluster.states()["n1"] == "running", "it is a node again")
    assert cluster.history() == before
    assert_each_done_once(cluster, len(collection.pdfs))


def test_a_node_that_was_stopped_past_its_leases_asks_no_source_for_what_others_have_done(
    tmp_path: Path, database: str, collection: Collection
) -> None:
    """Most of its attempts wait for permits when it is stopped; when it goes on, there are more papers to do."""
    write_collection(tmp_path / "shelf", collection)
    first, second = list(collection.pdfs)[:20], list(collection.pdfs)[20:]
    log = tmp_path / "requests"

    def requests() -> list[str]:
        return [line for line in log.read_text().splitlines() if any(paper in line for paper in first)]

    with MirrorProcess(tmp_path / "shelf", log=log) as mirror:
        cluster = ClusterRig(tmp_path, database, mirror.url, knobs={"HOST_POLICY": "127.0.0.1=4/1@2"})
        try:
            cluster.add(first)
            stopped, other = cluster.node("n1"), cluster.node("n2")
            process = stopped.start("node", "--quiet")
            wait_for(lambda: log.exists() and log.read_text(), "the first requests")
            stopped.signal(signal.SIGSTOP)
            assert cluster.by_status().get("prepping"), "it holds papers"
            other.start("node", "--daemon")
            wait_for(lambda: ended(cluster, len(first)), "the other node has done them")
            before = requests()
            cluster.add(second)
            stopped.signal(signal.SIGCONT)
            process.communicate(timeout=90)
            assert ended(cluster, len(collection.pdfs))
            assert lost_leases(stopped) > 0
            assert requests() == before
        finally:
            cluster.end()


def lost_leases(node: NodeRig) -> int:
    status = node.status()
    return status.work.lost_leases if status is not None else 0


def test_a_node_is_drained_and_resized_from_another_machine_and_its_name_is_its_own(
    cluster: ClusterRig, collection: Collection
) -> None:
    cluster.add(list(collection.pdfs)[:3])
    asking = cluster.node("elsewhere")
    process = cluster.node("n1").start("node", "--daemon", "--quiet")
    wait_for(lambda: cluster.states().get("n1") == "running", "the node is there")
    twin = cluster.node("twin", NODE="n1")
    code, _, errors = twin.run("node")
    assert (code, len(errors.splitlines())) == (2, 1)
    assert "RPA_V2_NODE" in errors
    code, output, errors = asking.run("resize", "2", "--node", "n1")
    assert (code, errors) == (0, ""), errors
    assert cluster.seen().nodes[0].ready == 2
    code, output, errors = asking.run("resize", "3", "--node", "nobody")
    assert (code, output) == (2, "")
    assert errors == "rpa-shard: no node of the run is called nobody: there are n1\n"
    for view, words in VIEWS.items():
        code, output, errors = asking.run(*view.split())
        assert (code, errors) == (0, ""), (view, errors)
        assert words in output, (view, output)
    code, output, errors = asking.run("drain", "n1")
    assert (code, errors) == (0, ""), errors
    assert process.wait(20) == 128 + signal.SIGTERM
    assert cluster.states() == {"n1": "left"}
