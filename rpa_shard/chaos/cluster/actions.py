"""Disruptions of living nodes and of what they share.

Guarantee: a disruption counts only if it hit something; what was stopped is continued, what was cut off is healed, what
was killed is started again. Limit: it hits whatever is alive at that moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from rpa_shard.chaos.cluster.fleet import Fleet, Node, knobs_of_trial
from rpa_shard.chaos.cluster.plan import KILLS, LEASE_SECONDS, NODE_LEASE_SECONDS, Blow, ClusterSchedule
from rpa_shard.chaos.cluster.servers import Servers, restart, start_again
from rpa_shard.chaos.later import Later
from rpa_shard.chaos.processes import send

# How long a node is stopped, silent or cut off: from less than its leases to well past them.
AWAY_SECONDS = (0.5 * LEASE_SECONDS, 2.0 * LEASE_SECONDS + NODE_LEASE_SECONDS)
# How long PostgreSQL is away after it was killed, and how long the object store fails.
SERVER_AWAY_SECONDS = (0.2, 4.0)


class ClusterActions:
    """Disrupts `fleet` and `servers`, and counts the disruptions that hit something in `counts`."""

    def __init__(self, fleet: Fleet, servers: Servers, schedule: ClusterSchedule, counts: Counter[str]) -> None:
        self._fleet = fleet
        self._servers = servers
        self._schedule = schedule
        self._counts = counts
        self._later = Later()
        self._commands: list[subprocess.Popen[bytes]] = []
        self._away: set[str] = set()
        self.kills = 0

    def disrupt(self) -> str | None:
        """Makes the next disruption; returns its name, or None if it hit nothing."""
        blow, share = self._schedule.blow(), self._schedule.share()
        if not self._do(blow, share):
            return None
        self._counts[blow.value] += 1
        self.kills += blow in KILLS
        return blow.value

    def follow_up(self) -> None:
        """Does what is due, and counts the points at which processes died by themselves."""
        self._later.do_due()
        for point in self._fleet.take_reached_points():
            self._counts[f"died at {point}"] += 1
            self.kills += 1
        self._commands = [each for each in self._commands if each.poll() is None]

    def finish(self) -> None:
        """Does at once what is scheduled for later, and waits for the commands that were given."""
        self._later.do_all()
        self.follow_up()
        for each in self._commands:
            each.wait()

    @property
    def is_disturbed(self) -> bool:
        """Whether something is stopped, cut off or away now."""
        return bool(self._away)

    def _do(self, blow: Blow, share: float) -> bool:
        of_servers = self._of_servers()
        if blow in of_servers:
            return of_servers[blow](share)
        nodes = [each for each in self._fleet.nodes() if each.name not in self._away]
        if not nodes:
            return False
        node = nodes[int(share * len(nodes))]
        return self._of_node(blow, node, share * len(nodes) % 1)

    def _of_servers(self) -> dict[Blow, Callable[[float], bool]]:
        return {
            Blow.RESTART_DATABASE: self._restart_database,
            Blow.KILL_DATABASE: self._kill_database,
            Blow.STORE_FAILS: self._fail_object_store,
            Blow.JOIN: lambda _: self._fleet.join(),
            Blow.KILL_HEAD: lambda _: self._fleet.kill_head(),
        }

    def _of_node(self, blow: Blow, node: Node, share: float) -> bool:
        processes = node.processes
        match blow:
            case Blow.KILL_NODE | Blow.KILL_ARMED:
                return self._fleet.kill(node, armed=blow is Blow.KILL_ARMED) > 0
            case Blow.KILL_SHARD:
                return _kill_one(processes.shards(), share)
            case Blow.KILL_SUPERVISOR:
                return _kill_one(processes.supervisor(), share)
            case Blow.KILL_AGENT:
                return _kill_one(processes.beside(), share)
            case Blow.STOP_NODE:
                return self._stop(node, [each.pid for each in processes.all()], share)
            case Blow.STOP_AGENT:
                return self._stop(node, processes.beside(), share)
            case Blow.CUT_NODE:
                node.route.drop()
                return self._until_back(node.name, share, node.route.heal)
            case Blow.CUT_SHORTLY:
                node.route.cut()
                node.route.heal()
                return True
            case Blow.DRAIN:
                return self._command("drain", node.name)
            case _:
                return self._command("resize", str(self._schedule.shard_count()), "--node", node.name)

    def _stop(self, node: Node, pids: Sequence[int], share: float) -> bool:
        def go_on() -> None:
            for pid in pids:
                send(pid, signal.SIGCONT)

        stopped = sum(send(pid, signal.SIGSTOP) for pid in pids)
        return stopped > 0 and self._until_back(node.name, share, go_on)

    def _until_back(self, name: str, share: float, back: Callable[[], object]) -> bool:
        """It is away for a while, and then back."""
        self._away.add(name)

        def come_back() -> None:
            back()
            self._away.discard(name)

        self._later.after(_between(AWAY_SECONDS, share), come_back)
        return True

    def _restart_database(self, share: float) -> bool:
        if "database" in self._away:
            return False
        restart(self._servers.database)
        return True

    def _kill_database(self, share: float) -> bool:
        if "database" in self._away:
            return False
        self._away.add("database")
        self._servers.database.stop(signal.SIGKILL)

        def come_back() -> None:
            start_again(self._servers.database)
            self._away.discard("database")

        self._later.after(_between(SERVER_AWAY_SECONDS, share), come_back)
        return True

    def _fail_object_store(self, share: float) -> bool:
        if self._servers.object_store is None:
            return False
        self._servers.object_store.fail_for(_between(SERVER_AWAY_SECONDS, share))
        return True

    def _command(self, *words: str) -> bool:
        """Gives a command, as a person would; whether the node is there any more is its own affair."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_")}
        self._commands.append(
            subprocess.Popen(
                [sys.executable, "-m", "rpa_shard", *words],
                env={**environment, **knobs_of_trial(self._servers)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        return True


def _kill_one(pids: Sequence[int], share: float) -> bool:
    return bool(pids) and send(pids[int(share * len(pids))], signal.SIGKILL)


def _between(seconds: tuple[float, float], share: float) -> float:
    shortest, longest = seconds
    return shortest + (longest - shortest) * share
