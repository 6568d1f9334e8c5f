"""Several nodes on this machine: each is a `Rig` with a data folder and a name of its own, over one database."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.observe.nodes import Nodes, read_nodes
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import HistoryLine
from tests.rig import Rig, wait_for

WORKERS = 8
# Leases are short, so that what is lost comes back soon.
KNOBS = {
    "WORKERS": str(WORKERS),
    "SHARD_COUNT": "1",
    "RETRY_DELAY_SCALE": "0.01",
    "LOG_LEVEL": "info",
    "NODE_LEASE_SECONDS": "1.5",
    "GOVERNOR_LEASE_SECONDS": "1",
    "LEASE_TTL_SECONDS": "3",
    "LEASE_RENEW_SECONDS": "0.5",
    "DRAIN_SECONDS": "10",
}


@dataclass
class NodeRig(Rig):
    """One node: its data folder, its name, and the commands that run there."""

    store: str = ""
    artifacts: str | None = None
    name: str = ""

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.root, self.store, self.artifacts, self.name)

    def kill(self) -> None:
        """Kills all its processes at once, as a loss of power does."""
        self.signal(signal.SIGSTOP)  # so that none of them sees another one die
        self.signal(signal.SIGKILL)
        for process in self.started:
            process.wait(20)
        wait_for(lambda: not self.processes(), f"node {self.name} is gone")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to all its processes: SIGSTOP is a machine that hangs, SIGCONT is one that goes on."""
        for process in self.processes():
            with suppress(Exception):
                process.send_signal(number)


@dataclass
class ClusterRig:
    """Nodes over the database at `store`, which get their papers from `mirror`."""

    root: Path
    store: str
    mirror: str
    nodes: dict[str, NodeRig] = field(default_factory=dict)
    knobs: Mapping[str, str] = field(default_factory=dict)

    @property
    def artifacts(self) -> str:
        """Where papers' files are kept."""
        return (self.root / "shared").as_uri()

    def node(self, name: str, **knobs: str) -> NodeRig:
        """The node of this name, which is made at the first call; nothing is started."""
        if name not in self.nodes:
            root = self.root / name
            given = {
                **KNOBS, "DATA_DIR": str(root), "NODE": name, "STORE": self.store, "ARTIFACTS": self.artifacts,
                "SOURCES": f"{self.mirror}/pdf/{{id}}", **self.knobs, **knobs,
            }  # fmt: skip
            environment = {key: value for key, value in os.environ.items() if not key.startswith("RPA_V2_")}
            environment |= {f"RPA_V2_{key}": value for key, value in given.items()}
            (self.root / "shared").mkdir(parents=True, exist_ok=True)
            self.nodes[name] = NodeRig(root, environment, store=self.store, artifacts=self.artifacts, name=name)
        return self.nodes[name]

    def folder(self) -> DataFolder:
        """The collection as a machine sees it that is no node."""
        return DataFolder(self.root / "elsewhere", self.store, self.artifacts, "elsewhere")

    def add(self, ids: Collection[str]) -> None:
        """Queues papers."""
        with open_ledger(self.folder(), Layout(WORKERS, 1)) as ledger:
            ledger.add(ids)

    def seen(self) -> Nodes:
        """The nodes, as every view shows them."""
        found = read_nodes(self.folder(), Settings(lease_ttl_seconds=3, lease_renew_seconds=0.5))
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        """The state of each node, by name."""
        return {node.name: node.state.value for node in self.seen().nodes}

    def by_status(self) -> Mapping[str, int]:
        """As the rows are now; the ledger's own counts may be two seconds old."""
        with open_ledger(self.folder()) as ledger:
            return Counter(row.status for row in ledger.papers())

    def history(self) -> dict[str, list[HistoryLine]]:
        with open_ledger(self.folder()) as ledger:
            ids = [row.paper_id for row in ledger.papers()]
            return {paper_id: ledger.history(paper_id) for paper_id in ids}

    def done_once(self, event: str = "prepped") -> Counter[int]:
        """How many papers have so many events of this name in their history."""
        return Counter(sum(line.event == event for line in lines) for lines in self.history().values())

    def status_of(self, name: str) -> RunStatus | None:
        return self.node(name).status()

    def end(self) -> None:
        for node in self.nodes.values():
            node.signal(signal.SIGCONT)
            node.end()
