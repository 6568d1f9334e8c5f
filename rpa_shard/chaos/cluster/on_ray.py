"""The nodes of a trial that Ray places: a cluster of Ray on this machine, and `run --on ray` over it.

Guarantee: a node is killed with its part of Ray, as a machine is, and a new part of Ray takes its place; a head that
was killed is replaced, and the run started again. `end` leaves no process. Limit: all parts of Ray are on this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.chaos.cluster.fleet import EXPECTED, Node, knobs_of_trial, last_line
from rpa_shard.chaos.cluster.servers import Servers
from rpa_shard.chaos.processes import Processes
from rpa_shard.ipc.run_status import RunState, read_status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.testing.installed import NotInstalledError
from rpa_shard.testing.proxy import Route

# How long after its loss a part of Ray is replaced, and how long after that of its head all is started again.
REPLACED_SECONDS = 1.0
HEADLESS_SECONDS = 5.0
CORES = 1
_MEMORY_BYTES = 80_000_000
_PART = {"num_cpus": CORES, "object_store_memory": _MEMORY_BYTES}
_HEAD = {"num_cpus": 0, "object_store_memory": _MEMORY_BYTES, "include_dashboard": False}
_KILL_SECONDS = 10.0


class RayNodes:
    """A cluster of Ray with `first` machines and its run, in `root`; `later` more machines may join."""

    def __init__(self, root: Path, servers: Servers, first: int, later: int) -> None:
        try:
            from ray.cluster_utils import Cluster
        except ImportError:
            raise NotInstalledError("Ray is not installed: pip install 'rpa-shard[cluster]'") from None
        self._make: Any = Cluster
        self._root = root
        self._servers = servers
        self._routes = [servers.route(f"machine-{number}") for number in range(1, first + later + 1)]
        self._part = self._routes[:first]
        self._cluster: Any = None
        self._machines: dict[int, Any] = {}  # by the port of a route
        self._lost_at: dict[int, float] = {}
        self._run: subprocess.Popen[bytes] | None = None
        self._unexpected: list[str] = []
        self._headless_since: float | None = None
        self.started = 0

    def nodes(self) -> Sequence[Node]:
        by_port = {route.port: route for route in self._part}
        return [
            Node(Path(folder).name, by_port[port], Processes(DataFolder(Path(folder))))
            for folder, port in sorted(self._living().items())
            if port in by_port
        ]

    def folders(self) -> Sequence[DataFolder]:
        """Those whose run has said that it ended; others were lost with their machine."""
        found = [DataFolder(each) for each in sorted((self._root / "nodes").glob("*"))]
        return [each for each in found if not each.run.status_file.exists() or _has_ended(each)]

    def start(self) -> None:
        self._start_ray()
        self._start_run()

    def tend(self) -> None:
        assert self._run is not None
        now = time.monotonic()
        if self._headless_since is not None:
            if now - self._headless_since >= HEADLESS_SECONDS:
                self._start_all_again()
            return
        if self._run.poll() is not None:
            self._note_end(self._run.returncode)
            self._start_run()
        for route in self._part:
            if now - self._lost_at.get(route.port, now) >= REPLACED_SECONDS:
                del self._lost_at[route.port]
                self._add(route)

    def kill(self, node: Node, *, armed: bool) -> int:
        machine = self._machines.pop(node.route.port, None)
        if machine is not None:
            self._cluster.remove_node(machine, allow_graceful=False)
            self._lost_at[node.route.port] = time.monotonic()
        return node.processes.signal_all(signal.SIGKILL)

    def join(self) -> bool:
        if self._headless_since is not None or len(self._part) == len(self._routes):
            return False
        self._part.append(self._routes[len(self._part)])
        self._add(self._part[-1])
        return True

    def kill_head(self) -> bool:
        if self._headless_since is not None:
            return False
        self._headless_since = time.monotonic()
        self._cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        return True

    def take_reached_points(self) -> list[str]:
        return []

    def unexpected(self) -> list[str]:
        found, self._unexpected = self._unexpected, []
        return found

    def have_ended(self) -> bool:
        assert self._run is not None
        if self._headless_since is not None and self._run.poll() is None:
            self._run.kill()  # it would wait for a head, and nothing is left to place
        return self._run.poll() is not None and not self._living()

    def end(self) -> None:
        if self._run is not None and self._run.poll() is None:
            self._run.kill()
            self._run.wait()
        self._end_ray()
        give_up = time.monotonic() + _KILL_SECONDS
        while (living := self._living()) and time.monotonic() < give_up:
            for folder in living:
                Processes(DataFolder(Path(folder))).signal_all(signal.SIGKILL)

    def _start_all_again(self) -> None:
        """As people do once a head is lost: what is left of Ray is stopped, then Ray and the run are started."""
        assert self._run is not None
        self._run.kill()
        self._run.wait()
        self._end_ray()
        self._start_ray()
        self._start_run()

    def _start_ray(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._cluster = self._make(initialize_head=True, head_node_args=dict(_HEAD))
        self._headless_since = None
        self._lost_at.clear()
        for route in self._part:
            self._add(route)

    def _add(self, route: Route) -> None:
        """A machine whose processes find the database by this route."""
        self._machines[route.port] = self._cluster.add_node(wait=False, env_vars={"PGPORT": str(route.port)}, **_PART)
        self.started += 1

    def _end_ray(self) -> None:
        if self._cluster is None:
            return
        for machine in [*self._cluster.worker_nodes, self._cluster.head_node]:
            if machine is not None:
                machine.kill_all_processes(check_alive=False, allow_graceful=False)
        self._machines.clear()
        self._cluster = None

    def _start_run(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_")}
        environment |= knobs_of_trial(self._servers)
        environment |= {"RPA_V2_DATA_DIR": str(self._root), "RAY_ADDRESS": self._cluster.address}
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "run.log").open("ab") as log:
            self._run = subprocess.Popen(
                [sys.executable, "-m", "rpa_shard", "run", "--on", "ray"],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _note_end(self, code: int) -> None:
        if code not in EXPECTED:
            self._unexpected.append(f"the run on Ray ended with exit code {code}: {last_line(self._root / 'run.log')}")

    def _living(self) -> dict[str, int]:
        """The folders of nodes of which a process lives, and by which port each finds the database."""
        below, found = f"{self._root / 'nodes'}/", {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, ValueError):
                environment = process.environ()
                if environment.get("RPA_V2_DATA_DIR", "").startswith(below):
                    found[environment["RPA_V2_DATA_DIR"]] = int(environment.get("PGPORT", ""))
        return found


def _has_ended(folder: DataFolder) -> bool:
    status = read_status(folder.run.status_file)
    return status is not None and status.state is RunState.ENDED
