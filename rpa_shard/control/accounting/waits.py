"""What the papers of a run wait for: their hosts, another attempt, a shard, room on a disk.

Guarantee: pure; no paper is said to wait for two things. Limit: that a paper waits for a host is known only of those
whose turn it would be; as long as they take most places of the downloads, those behind them count with them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.control.accounting.known import Known, Places
from rpa_shard.control.accounting.models import model_waits, papers_for_models
from rpa_shard.control.accounting.parts import shares, wait
from rpa_shard.control.sentences import holds_up
from rpa_shard.ipc.account import Cause, Wait
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.shard_report import BackOff, ShardReport
from rpa_shard.model.failure import Failure
from rpa_shard.model.retry import POLICIES

GOVERNOR = "the node that governs"


def waits_of(known: Known, living: Sequence[ShardReport], places: Places, idle_papers: int) -> tuple[Wait, ...]:
    """What is waited for; first what holds up most of the papers that are not in work."""
    if known.short_of_room is not None:
        folder, why = known.short_of_room
        return (wait(known, Cause.DISK, folder, idle_papers, None, why),)
    found = [
        wait(known, Cause.BACK_OFF, reason, each.papers, each.first_at, _meaning(reason))
        for reason, each in back_offs(living).items()
    ]
    for number, at in known.restarts.items():
        papers = known.shards.get(number, ShardReport()).outstanding or 0
        found.append(wait(known, Cause.RESTART, f"shard {number}", papers, at, "it died"))
    found += _at_other_nodes(known, living, places, idle_papers)
    ready = max(0, idle_papers - sum(each.papers for each in found) - places.at_hosts)
    for_models = papers_for_models(known, living, places, ready)
    found += model_waits(known, places, for_models)
    found += _host_waits(known, places, max(0, ready - for_models))
    return tuple(sorted(found, key=lambda each: (not holds_up(each), -each.papers, each.subject)))


def _at_other_nodes(known: Known, living: Sequence[ShardReport], places: Places, idle_papers: int) -> list[Wait]:
    """Papers that other nodes hold, if this one has nothing else to do."""
    if not known.is_shared or places.working:
        return []
    active = sum(report.by_status.get(each.active_status, 0) for report in living for each in known.phases)
    papers = min(active - sum(report.held for report in living), idle_papers)
    return [wait(known, Cause.NODE, "other nodes", papers, None, "other nodes have them")] if papers > 0 else []


def _host_waits(known: Known, places: Places, ready: int) -> list[Wait]:
    """What is known of hosts; `ready` papers are behind those whose turn it would be."""
    if known.ungoverned is not None and places.at_hosts:
        papers = places.at_hosts + (ready if places.hosts_hold_most else 0)
        return [wait(known, Cause.GOVERNOR, GOVERNOR, papers, None, known.ungoverned), *_refusals(known)]
    wanted = {host: each.wanted for host, each in known.hosts.items() if each.wanted and not each.blocked}
    # The papers of a report and the requests that the governor knows are not of quite the same moment.
    at_hosts = shares(places.at_hosts, wanted)
    if places.hosts_hold_most and wanted:
        most = max(wanted, key=lambda host: (known.hosts[host].is_shut, wanted[host]))
        at_hosts[most] += ready
    found = _refusals(known)
    for host, each in known.hosts.items():
        papers = at_hosts.get(host, 0)
        if each.blocked:
            continue
        if each.closed_seconds is not None:
            until = known.now + each.closed_seconds if each.closed_seconds else None
            found.append(wait(known, Cause.HOST, host, papers, until, each.why or "it was closed"))
        elif papers:
            found.append(wait(known, Cause.RATE, host, papers, None, _allowed(each)))
    return found


def _refusals(known: Known) -> list[Wait]:
    refused = {host: each.blocked for host, each in known.hosts.items() if each.blocked}
    failed = sum(report.by_failure.get(Failure.BLOCKED, 0) for report in known.shards.values())
    papers = failed if len(refused) == 1 else 0
    return [wait(known, Cause.REFUSAL, host, papers, None, why) for host, why in refused.items()]


def back_offs(reports: Collection[ShardReport]) -> dict[str, BackOff]:
    """Papers that wait for another attempt, by reason."""
    found: dict[str, BackOff] = {}
    for report in reports:
        for reason, each in report.back_offs.items():
            found[reason] = found[reason].plus(each) if reason in found else each
    return found


def allowed_paces(known: Known, waits: Sequence[Wait]) -> list[float]:
    """Papers per second that a host allows, if most papers wait for their turn there."""
    first = next((each for each in waits if each.cause in (Cause.RATE, Cause.HOST) and each.papers), None)
    if first is None:
        return []
    host = known.hosts[first.subject]
    policy = parse_policies(host.policy)[0]
    return [policy.requests / policy.per_seconds * host.factor]


def _meaning(reason: str) -> str:
    try:
        return POLICIES[Failure(reason)].meaning
    except ValueError:
        return reason


def _allowed(host: HostStatus) -> str:
    policy = parse_policies(host.policy)[0]
    share = f", now at {host.factor:.0%}" if host.factor < 1.0 else ""
    return f"it allows {policy.requests} requests in {policy.per_seconds:g} s{share}"
