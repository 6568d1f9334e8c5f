"""A Ray cluster of three nodes on this machine, PostgreSQL, a shared folder, and runs over them.

What is not installed is a skipped test that says what to install; `./scripts/test_cluster.sh` sets all of it up.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from rpa_shard.model.phase import Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from tests.rig import Rig
from tests.rig import wait_for as wait_for_a_minute

# What runs on Ray is the code of this folder. Ray's own parts notice losses early, and are as nice as everybody.
RAY_ENVIRONMENT = {
    "PYTHONPATH": str(Path(__file__).parents[2]),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "4",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
_MEMORY = {"num_cpus": 1, "object_store_memory": 80_000_000}
# A cluster of Ray takes its time where all cores are busy.
PATIENCE_SECONDS = 240.0
# The name of an actor's process, as Ray sets it.
_ACTOR = re.compile(r"^ray::NodeProcess")


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """As in `tests.rig`, for longer."""
    return wait_for_a_minute(condition, what, PATIENCE_SECONDS)


@dataclass
class RayCluster:
    """Three nodes of Ray; the first is its head."""

    made: Any

    @classmethod
    def started(cls) -> RayCluster:
        cluster = pytest.importorskip("ray.cluster_utils", reason="pip install 'rpa-shard[cluster]'").Cluster
        made = cls(cluster(initialize_head=True, head_node_args={**_MEMORY, "include_dashboard": False}))
        for _ in range(2):
            made.add()
        return made

    @property
    def address(self) -> str:
        return str(self.made.address)

    def add(self) -> Any:
        return self.made.add_node(**_MEMORY)

    def remove(self, node: Any) -> None:
        """As a machine that is switched off: nobody is told."""
        self.made.remove_node(node, allow_graceful=False)

    def kill_head(self) -> None:
        self.made.head_node.kill_gcs_server()

    def collect_dead(self) -> None:
        """Parts of Ray that ended are our children, and look alive to those that watch them until we collect them."""
        for node in self.made.list_all_nodes():
            node.dead_processes()

    def end(self) -> None:
        self.made.shutdown()


@contextmanager
def environment_of_ray() -> Iterator[None]:
    earlier = dict(os.environ)
    os.environ.update(RAY_ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(earlier)


@pytest.fixture
def ray_cluster() -> Iterator[RayCluster]:
    with environment_of_ray():
        cluster = RayCluster.started()
        try:
            yield cluster
        finally:
            cluster.end()


@dataclass
class Run:
    """Runs on a Ray cluster, over one database."""

    rig: Rig
    folder: DataFolder
    cluster: RayCluster

    def start(self, *options: str) -> Any:
        return self.rig.start("run", "--on", "ray", *options)

    def add(self, *papers: str) -> None:
        code, _, errors = self.rig.run("add", *papers, deadline_seconds=PATIENCE_SECONDS)
        assert code == 0, errors

    @property
    def counts(self) -> Mapping[str, int]:
        with open_ledger(self.folder) as ledger:
            return ledger.counts().by_status

    def wait_until_done(self, papers: int) -> None:
        """Every paper is prepped, or has failed for good, as a few of the collection do."""
        done = (Status.PREPPED, Status.FAILED)
        wait_for(lambda: sum(self.counts.get(each, 0) for each in done) == papers, f"{papers} papers done")
        assert self.counts.keys() <= set(done)

    def nodes(self) -> dict[str, list[psutil.Process]]:
        """The living processes of each node, by its name."""
        below, found = f"{self.rig.root / 'nodes'}/", dict[str, list[psutil.Process]]()
        for process in psutil.process_iter():
            try:
                folder = process.environ().get("RPA_V2_DATA_DIR", "")
            except psutil.Error:
                continue
            if folder.startswith(below) and not _ACTOR.match(process.name()):
                found.setdefault(Path(folder).name, []).append(process)
        return found

    def wait_for_nodes(self, count: int) -> dict[str, list[psutil.Process]]:
        found: dict[str, list[psutil.Process]] = wait_for(
            lambda: nodes if len(nodes := self.nodes()) == count else None, f"{count} nodes; {list(self.nodes())}"
        )
        return found

    def pids(self, node: str) -> set[int]:
        """The living processes of one node."""
        return {process.pid for process in self.nodes().get(node, [])}

    def actor_of(self, node: str) -> psutil.Process:
        """The process that started a node."""
        parents = [process.parent() for process in self.nodes()[node]]
        (actor,) = {each for each in parents if each is not None and _ACTOR.match(each.cmdline()[0])}
        return actor


@pytest.fixture
def run(tmp_path: Path, mirror: str, database: str, ray_cluster: RayCluster) -> Iterator[Run]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")}
    root = tmp_path / "data"
    knobs = {
        "DATA_DIR": str(root),
        "SOURCES": f"{mirror}/pdf/{{id}}",
        "STORE": database,
        "ARTIFACTS": f"file://{tmp_path / 'shared'}",
        "RETRY_DELAY_SCALE": "0.1",
        "NODE_LEASE_SECONDS": "3",
        "GOVERNOR_LEASE_SECONDS": "3",
        "LEASE_TTL_SECONDS": "6",
        "LEASE_RENEW_SECONDS": "1",
    }
    (tmp_path / "shared").mkdir()
    environment |= {f"RPA_V2_{name}": value for name, value in knobs.items()} | {"RAY_ADDRESS": ray_cluster.address}
    rig = Rig(root, environment)
    made = Run(rig, DataFolder(root, database, knobs["ARTIFACTS"], "observer"), ray_cluster)
    yield made
    for process in rig.started:
        if process.poll() is None:
            process.kill()
    for processes in made.nodes().values():
        for each in processes:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue
    rig.end()
