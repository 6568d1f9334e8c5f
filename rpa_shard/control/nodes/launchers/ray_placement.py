"""A run on a Ray cluster: one node of the run on every node of Ray that has cores.

Guarantee: Ray starts processes and tells which machines there are, and nothing else: papers, leases and rates are the
database's affair. A node reserves the cores that it uses, so that Ray neither gives them to others nor takes a machine
for idle; it drains when its actor, this program or that part of Ray is gone. No password passes through Ray: a node
finds its own where it runs. Limit: this program must run on a machine of the cluster; Ray's own loss of its head ends
the placing, and the same command continues it once there is a head.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from rpa_shard.config.errors import SettingsError
from rpa_shard.config.places import node_name_of
from rpa_shard.control.nodes.launchers.machines import Machine, MachinesLostError, NodeEnd
from rpa_shard.control.nodes.launchers.ray_actor import NODE_COMMAND, NodeProcess

CONNECT_SECONDS = 5.0
# After how long a head that cannot be reached is reported.
SILENT_HEAD_SECONDS = 5.0
# For how long each process of Ray waits for its head before it ends: the variable, and Ray's default. We wait for a
# part of that, since this process ends with the part of Ray on its machine.
_HEAD_WAIT, _HEAD_WAIT_SECONDS, _OUR_PART = "RAY_gcs_rpc_server_reconnect_timeout_s", 60.0, 0.7
# Ray would kill the node with its worker process; the node shall drain.
_LET_CHILDREN_LIVE = {"RAY_kill_child_processes_on_worker_exit": "false"}
# Nothing is kept in Ray's memory for objects; this is about the least that it takes.
_OBJECT_STORE_BYTES = 80_000_000
_SHARDS = "RPA_V2_SHARD_COUNT"


@contextmanager
def connected(say: Callable[[str], None], command: Sequence[str] = NODE_COMMAND) -> Iterator[RayMachines]:
    """The cluster at RAY_ADDRESS, or one that is started on this machine for as long. Raises SettingsError.

    `command` are Python's arguments for a node; `say` shows a person a line.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    patience_seconds = float(os.environ.get(_HEAD_WAIT) or _HEAD_WAIT_SECONDS) * _OUR_PART
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address not in ("", "local"):
        os.environ[_HEAD_WAIT] = "86400"  # Ray would end this process, which has something to say first
    try:
        import ray
    except ImportError:
        raise SettingsError("--on ray needs the package ray: pip install 'rpa-shard[cluster]'") from None
    _connect(ray, address)
    machines = RayMachines(ray, Head(ray.get_runtime_context().gcs_address, patience_seconds, say), tuple(command))
    try:
        yield machines
    finally:
        ray.shutdown()


@dataclass(slots=True)
class Head:
    """Ray's head at `address`, which may be silent for `patience_seconds` before it counts as lost."""

    address: str
    patience_seconds: float
    say: Callable[[str], None]
    is_lost: bool = False
    _reached: float = field(default_factory=time.monotonic)
    _told: bool = False

    def answers(self) -> bool:
        """Whether it can be reached. Raises MachinesLostError if it could not for too long."""
        if answers(self.address):
            self._reached, self._told = time.monotonic(), False
            return True
        silent = time.monotonic() - self._reached
        if silent > self.patience_seconds:
            self.is_lost = True
            raise MachinesLostError(
                f"Ray's head at {self.address} is gone, and its nodes end soon; what they held comes back by itself: "
                "start Ray again (ray start), then repeat this command"
            )
        if silent > SILENT_HEAD_SECONDS and not self._told:
            self._told = True
            self.say(f"Ray's head at {self.address} cannot be reached; the nodes go on for now")
        return False


class RayMachines:
    """The nodes of a Ray cluster that this process is connected to. `command` are Python's arguments for a node."""

    def __init__(self, ray: Any, head: Head, command: Sequence[str]) -> None:
        self.head = head
        self._ray = ray
        self._actor = ray.remote(max_restarts=0, max_concurrency=4)(NodeProcess)
        self._command = command
        self._ends: list[Any] = []
        self._last: Sequence[Machine] = ()

    def alive(self) -> Sequence[Machine]:
        """Ray's nodes that have cores; those of the last time, while the head cannot be reached."""
        if self.head.answers():
            self._last = [machine_of(each) for each in self._ray.nodes() if each["Alive"] and cores_of(each)]
        return self._last

    def place(self, machine: Machine, environment: Mapping[str, str]) -> RayNode:
        """Starts an actor on a node of Ray."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self._actor.options(
            num_cpus=min(int(environment.get(_SHARDS, machine.cores)), machine.cores),
            scheduling_strategy=NodeAffinitySchedulingStrategy(machine.id, soft=False),
            runtime_env={"env_vars": _LET_CHILDREN_LIVE},
        ).remote(dict(environment), self._command)
        node = RayNode(self._ray, actor, actor.pid.remote(), actor.wait.remote())
        self._ends.append(node.ended)
        return node

    def wait(self, seconds: float) -> None:
        """Returns when a node has ended, or after this time."""
        if not self._ends:
            time.sleep(seconds)
            return
        _, self._ends = self._ray.wait(self._ends, timeout=seconds)


@dataclass(frozen=True, slots=True)
class RayNode:
    """A node in an actor. `started` and `ended` are Ray's references to what it will answer."""

    ray: Any
    actor: Any
    started: Any
    ended: Any

    def has_started(self) -> bool:
        """Whether the actor has started the node's process."""
        return bool(self.ray.wait([self.started], timeout=0)[0])

    def end(self) -> NodeEnd | None:
        """How the node ended, or the actor."""
        if not self.ray.wait([self.ended], timeout=0)[0]:
            return None
        try:
            code, said = self.ray.get(self.ended)
        except self.ray.exceptions.RayError as error:
            return NodeEnd(None, reason_of(str(error)))
        self.ray.kill(self.actor)  # gives its cores back
        return NodeEnd(code, said)

    def drain(self) -> None:
        """Asks the node to drain."""
        self.actor.drain.remote()

    def kill(self) -> None:
        """Kills the node, then its actor notices."""
        self.actor.kill.remote()


def machine_of(node: Mapping[str, Any]) -> Machine:
    """A node of Ray, as `ray.nodes` describes it."""
    host = node_name_of(node["NodeManagerHostname"])
    return Machine(node["NodeID"], host, node["NodeManagerAddress"], cores_of(node))


def cores_of(node: Mapping[str, Any]) -> int:
    """The whole cores that Ray may give to others on a node; none on a head that is kept free."""
    return int(node["Resources"].get("CPU", 0))


def reason_of(message: str) -> str:
    """The line of Ray's message about an actor that says why it could not start; empty for other ends."""
    if "creation task" not in message and "runtime_env" not in message:
        return ""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""


def answers(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def _connect(ray: Any, address: str) -> None:
    if "://" in address:
        raise SettingsError(f"RAY_ADDRESS={address}: give HOST:PORT, and run this on a machine of the cluster")
    if ":" in address and not answers(address):
        raise SettingsError(f"RAY_ADDRESS={address}: no Ray answers there; start one with: ray start --head")
    quiet = {"log_to_driver": False, "logging_level": "error"}
    with suppress(AttributeError):
        # Ray prints pages about every process that died to our standard output, and has no switch for that.
        ray._private.worker.print_to_stdstream = lambda *arguments, **options: None
    try:
        if address and address != "local":
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise SettingsError(f"Ray cannot be used: {lines[0]}") from None
