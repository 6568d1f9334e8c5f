"""Governed hosts: what they allow, whether they are closed, what waits there.

Guarantee: during a run the policies and states are those that the run obeys, whatever the environment of the caller
says; without one, those of the next run: its policies from the caller's settings, with what the last run saved. Limit:
as old as the last write of the status file.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rpa_shard.config.host_policy import HostPolicy, parse_policies, policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.politeness.host_state import temporary_policy
from rpa_shard.control.sentences import time_of_day
from rpa_shard.ipc.run_status import HostStatus, RunStatus, read_status
from rpa_shard.observe.snapshot import hosts_at_rest
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.program import program

_OPEN = HostStatus(policy="", temporary=False, factor=1.0, closings=0, closed_seconds=None, blocked=None)


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Governed hosts by name, as they are now. `run` is the run that is on, or None."""

    run: RunStatus | None
    hosts: Mapping[str, HostStatus]

    @property
    def policies(self) -> dict[str, HostPolicy]:
        """What each host allows."""
        return {host: policy for host, each in self.hosts.items() for policy in parse_policies(each.policy)}


def known_hosts(folder: DataFolder, settings: Settings) -> KnownHosts:
    """The governed hosts of the run that is on, or of the next one."""
    run = read_status(folder.run.status_file)
    if run is not None and run.is_on:
        age_seconds = run.written.seconds_since()
        return KnownHosts(run, {host: _aged(each, age_seconds) for host, each in run.hosts.items()})
    policies = policies_by_host(settings.host_policies)
    # Those that our settings do not name are asked as the next run would, whatever policy the last one had.
    hosts = {
        host: replace(each, policy=str(temporary_policy(host)), temporary=True)
        for host, each in hosts_at_rest(folder).items()
    }
    for host, policy in policies.items():
        hosts[host] = replace(hosts.get(host, _OPEN), policy=str(policy), temporary=False)
    return KnownHosts(None, hosts)


def host_lines(known: KnownHosts) -> list[str]:
    """What a person sees of each governed host."""
    lines = []
    if known.run is not None:
        lines.append(f"policies of the run that is on (process {known.run.pid})")
    for host, status in sorted(known.hosts.items()):
        lines.append(f"{host} (no published rate)" if status.temporary else status.policy)
        lines += [f"  {each}" for each in state_lines(host, status, time.time())]
        if known.run is not None and not status.blocked:
            lines.append(f"  {_count(status.wanted, 'request')} waiting for a turn, {status.under_way} under way")
    return lines


def state_lines(host: str, status: HostStatus, now: float) -> Iterator[str]:
    """What keeps a host from being asked at its full rate; nothing if it is open. `now` is in Unix seconds."""
    if status.blocked:
        yield f"refuses us: {status.blocked}"
        yield f"once you know why: {program()} hosts --reopen {host}"
    elif status.closed_seconds is not None:
        why = status.why or "it was closed"
        if status.closed_seconds > 0:
            yield f"left alone until {time_of_day(now + status.closed_seconds, now)}: {why}"
        else:
            yield f"left alone until one request shows whether it is over: {why}"
    if status.factor < 1.0 and not status.blocked:
        yield f"asked at {status.factor * 100:.0f} % of its rate"


def _aged(status: HostStatus, seconds: float) -> HostStatus:
    """The state of a host so many seconds later; what a probe decides is not known."""
    closed = status.closed_seconds
    return status if closed is None else replace(status, closed_seconds=max(0.0, closed - seconds))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
