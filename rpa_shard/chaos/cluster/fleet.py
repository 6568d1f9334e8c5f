"""The nodes of a trial, as what disrupts them sees them, and those that the trial starts itself.

Guarantee: a node that ended with work left is started again, soon, under its name; `end` leaves no process. Limit: all
nodes are on this machine, each with a data folder of its own.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rpa_shard.chaos.cluster.plan import CLUSTER_KNOBS, ClusterSchedule
from rpa_shard.chaos.cluster.servers import Servers
from rpa_shard.chaos.processes import Processes
from rpa_shard.chaos.run_process import RunProcess
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.testing.proxy import Route

RESTART_SECONDS = 0.5
# All is done, or all that can be; ended by a signal. Any other end is told.
_SIGNALS = (signal.SIGKILL, signal.SIGTERM)
EXPECTED = {0, 1, *(-each for each in _SIGNALS), *(128 + each for each in _SIGNALS)}


@dataclass(frozen=True, slots=True)
class Node:
    """A node that may live: its name, its way to the database, and its processes."""

    name: str
    route: Route
    processes: Processes


class Fleet(Protocol):
    """All nodes."""

    @property
    def started(self) -> int:
        """How many nodes were started until now, the same ones again included."""

    def nodes(self) -> Sequence[Node]:
        """Those that are part of the trial now."""

    def folders(self) -> Sequence[DataFolder]:
        """Those of nodes that ended in order: nothing of a run may be left there."""

    def start(self) -> None:
        """Starts the first ones."""

    def tend(self) -> None:
        """Starts again what has ended. Nothing may be called so once all papers are done."""

    def kill(self, node: Node, *, armed: bool) -> int:
        """Kills all processes of a node; returns how many. `armed`: it is started with a point to die at."""

    def join(self) -> bool:
        """Lets one more node join; False if there is none."""

    def kill_head(self) -> bool:
        """Kills what places nodes; False if there is none, or it is not there."""

    def take_reached_points(self) -> list[str]:
        """The points at which processes died by themselves, since the last call."""

    def unexpected(self) -> list[str]:
        """How nodes ended that should not have, since the last call."""

    def have_ended(self) -> bool:
        """Whether all nodes have ended by themselves."""

    def end(self) -> None:
        """Ends every process that is left."""


class _Started:
    """A node that we start: its process, and when it was seen to have ended."""

    def __init__(self, root: Path, name: str, servers: Servers) -> None:
        folder = DataFolder(root / name / "data", servers.store, servers.artifacts, name)
        folder.root.mkdir(parents=True)
        self.node = Node(name, servers.route(name), Processes(folder))
        knobs = {
            **CLUSTER_KNOBS,
            **servers.knobs(),
            "RPA_V2_DATA_DIR": str(folder.root),
            "RPA_V2_NODE": name,
            "PGPORT": str(self.node.route.port),
        }
        self.run = RunProcess(folder, knobs, root / name / "run.log", ("node",))
        self.ended_at: float | None = None
        self.is_armed = False


class StartedNodes:
    """Nodes that this process starts, `first` at once and the others when they join."""

    def __init__(self, root: Path, servers: Servers, schedule: ClusterSchedule, first: int, later: int) -> None:
        self._all = [_Started(root, f"node-{number}", servers) for number in range(1, first + later + 1)]
        self._schedule = schedule
        self._part = self._all[:first]
        self._unexpected: list[str] = []

    @property
    def started(self) -> int:
        return sum(each.run.started for each in self._all)

    def nodes(self) -> Sequence[Node]:
        return [each.node for each in self._part if each.run.exit_code is None]

    def folders(self) -> Sequence[DataFolder]:
        return [each.node.processes.folder for each in self._all]

    def start(self) -> None:
        for each in self._part:
            each.run.start(self._schedule.start(armed=False))

    def tend(self) -> None:
        now = time.monotonic()
        for each in self._part:
            if each.run.exit_code is None:
                continue
            if each.ended_at is None:
                each.ended_at = now
                self._note_end(each)
            elif now - each.ended_at >= RESTART_SECONDS:
                each.run.start(self._schedule.start(armed=each.is_armed))
                each.ended_at, each.is_armed = None, False

    def kill(self, node: Node, *, armed: bool) -> int:
        one = next(each for each in self._part if each.node is node)
        one.is_armed = armed
        return one.run.kill_all()

    def join(self) -> bool:
        if len(self._part) == len(self._all):
            return False
        new = self._all[len(self._part)]
        self._part.append(new)
        new.run.start(self._schedule.start(armed=False))
        return True

    def kill_head(self) -> bool:
        return False

    def take_reached_points(self) -> list[str]:
        return [point for each in self._part for point in each.run.take_reached_points()]

    def unexpected(self) -> list[str]:
        found, self._unexpected = self._unexpected, []
        return found

    def have_ended(self) -> bool:
        return all(each.run.exit_code is not None for each in self._part)

    def end(self) -> None:
        for each in self._part:
            each.run.end()

    def _note_end(self, one: _Started) -> None:
        code = one.run.exit_code
        if code not in EXPECTED:
            self._unexpected.append(f"{one.node.name} ended with exit code {code}: {last_line(one.run.log)}")


def last_line(path: Path) -> str:
    """The last line of a log; empty if there is none."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return lines[-1] if lines else ""


def knobs_of_trial(servers: Servers) -> Mapping[str, str]:
    """The variables for commands of the trial that look at all nodes."""
    return {**CLUSTER_KNOBS, **servers.knobs(), "PGPORT": str(servers.database.port)}
