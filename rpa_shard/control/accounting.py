"""The account of a run, from what the supervisor knows.

Guarantee: pure; every paper counts once: it is done, failed, in work, queued or waiting. What holds up most papers
comes first. Limit: that a paper waits for a host is known only of those whose turn it would be; as long as they take
most places of the downloads, those behind them count with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.control.sentences import holds_up, in_one_line
from rpa_shard.ipc.account import Account, Cause, Limit, LimitOfRun, Wait
from rpa_shard.ipc.run_status import HostStatus, RunState
from rpa_shard.ipc.shard_report import BackOff, ShardReport
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import Phase, Status, outstanding
from rpa_shard.model.retry import POLICIES
from rpa_shard.system.activity import IDLE, PERMIT

SLOT = " slot"
NOT_WORKING = frozenset({IDLE, PERMIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an account is made of. Times are Unix seconds.

    `shards` has the last report of each shard by its number, `restarts` when those that are gone start again.
    `short_of_room` is the folder whose disk is short of room, and why the run pauses, or None. `since` says when a wait
    began that is known already. `pace` is in papers per second while the run did not wait; 0 if none was measured.
    `limit` says how far a run with a limit is.
    """

    now: float
    state: RunState
    phases: Collection[Phase]
    shard_count: int
    shards: Mapping[int, ShardReport]
    restarts: Mapping[int, float] = field(default_factory=dict)
    hosts: Mapping[str, HostStatus] = field(default_factory=dict)
    short_of_room: tuple[str, str] | None = None
    pace: float = 0.0
    since: Mapping[tuple[Cause, str], float] = field(default_factory=dict)
    limit: LimitOfRun | None = None


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the papers that are held are: at hosts, behind those, or really in work."""

    at_hosts: int
    behind: int
    working: int

    @classmethod
    def of(cls, reports: Collection[ShardReport]) -> _Places:
        stages = Counter(stage for report in reports for stage in report.workers)
        held = sum(report.held for report in reports)
        at_hosts = stages[PERMIT]
        behind = sum(count for stage, count in stages.items() if stage.endswith(SLOT)) if _blocked(stages) else 0
        return cls(min(at_hosts, held), min(behind, max(0, held - at_hosts)), max(0, held - at_hosts - behind))


def _blocked(stages: Counter[str]) -> bool:
    """Whether most of those that have a place to do something wait for their turn at a host."""
    busy = sum(n for stage, n in stages.items() if stage not in NOT_WORKING and not stage.endswith(SLOT))
    return stages[PERMIT] > busy


def account_of(known: Known) -> Account:
    """The account of a run, or of a folder at rest."""
    by_status: Counter[str] = Counter()
    for report in known.shards.values():
        by_status.update(report.by_status)
    open_papers = outstanding(by_status, known.phases)
    failed = by_status[Status.FAILED]
    done = by_status.total() - open_papers - failed
    living = [report for number, report in known.shards.items() if number not in known.restarts]
    places = _Places.of(living)
    working = min(places.working, open_papers)
    waits = _waits(known, living, places, open_papers - working)
    waiting = min(sum(wait.papers for wait in waits if holds_up(wait)), open_papers - working)
    to_do = open_papers if known.limit is None else known.limit.of(open_papers)
    limited_by = _limit(known, living, to_do, working, waiting, waits)
    account = Account(
        total=by_status.total(),
        done=done,
        failed=failed,
        in_work=working,
        queued=open_papers - working - waiting,
        waiting=waiting,
        waits=waits,
        limited_by=limited_by,
        pace=known.pace,
        left_seconds=_left_seconds(known, to_do, limited_by, waits, living),
        limit=known.limit,
    )
    return in_one_line(account, known.now)


def _waits(known: Known, living: Sequence[ShardReport], places: _Places, idle_papers: int) -> tuple[Wait, ...]:
    if known.short_of_room is not None:
        folder, why = known.short_of_room
        return (_wait(known, Cause.DISK, folder, idle_papers, None, why),)
    found = [
        _wait(known, Cause.BACK_OFF, reason, each.papers, each.first_at, _meaning(reason))
        for reason, each in _back_offs(living).items()
    ]
    for number, at in known.restarts.items():
        papers = known.shards.get(number, ShardReport()).outstanding or 0
        found.append(_wait(known, Cause.RESTART, f"shard {number}", papers, at, "it died"))
    elsewhere = sum(wait.papers for wait in found)
    found += _host_waits(known, places, max(0, idle_papers - elsewhere - places.at_hosts))
    return tuple(sorted(found, key=lambda wait: (not holds_up(wait), -wait.papers, wait.subject)))


def _host_waits(known: Known, places: _Places, ready: int) -> list[Wait]:
    """What is known of hosts; `ready` papers are behind those whose turn it would be."""
    wanted = {host: each.wanted for host, each in known.hosts.items() if each.wanted and not each.blocked}
    # The papers of a report and the requests that the governor knows are not of quite the same moment.
    at_hosts = _shares(places.at_hosts, wanted)
    if places.at_hosts and places.at_hosts + places.behind > places.working and wanted:
        most = max(wanted, key=lambda host: (known.hosts[host].is_shut, wanted[host]))
        at_hosts[most] += ready
    found = []
    refused = [host for host, each in known.hosts.items() if each.blocked]
    for host, each in known.hosts.items():
        papers = at_hosts.get(host, 0)
        if each.blocked:
            failed = sum(report.by_failure.get(Failure.BLOCKED, 0) for report in known.shards.values())
            papers = failed if len(refused) == 1 else 0
            found.append(_wait(known, Cause.REFUSAL, host, papers, None, each.blocked))
        elif each.closed_seconds is not None:
            until = known.now + each.closed_seconds if each.closed_seconds else None
            found.append(_wait(known, Cause.HOST, host, papers, until, each.why or "it was closed"))
        elif papers:
            found.append(_wait(known, Cause.RATE, host, papers, None, _allowed(each)))
    return found


def _shares(papers: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """The papers that wait at hosts, divided as their requests are."""
    total, shares = sum(wanted.values()), {}
    for host, count in wanted.items():
        shares[host] = papers * count // total
        papers, total = papers - shares[host], total - count
    return shares


def _wait(known: Known, cause: Cause, subject: str, papers: int, until: float | None, why: str) -> Wait:
    since = known.since.get((cause, subject), known.now)
    return Wait(cause=cause, subject=subject, papers=papers, since=since, until=until, why=why)


def _back_offs(reports: Collection[ShardReport]) -> dict[str, BackOff]:
    found: dict[str, BackOff] = {}
    for report in reports:
        for reason, each in report.back_offs.items():
            found[reason] = found[reason].plus(each) if reason in found else each
    return found


def _meaning(reason: str) -> str:
    try:
        return POLICIES[Failure(reason)].meaning
    except ValueError:
        return reason


def _allowed(host: HostStatus) -> str:
    policy = parse_policies(host.policy)[0]
    share = f", now at {host.factor:.0%}" if host.factor < 1.0 else ""
    return f"it allows {policy.requests} requests in {policy.per_seconds:g} s{share}"


def _limit(
    known: Known, living: Sequence[ShardReport], to_do: int, working: int, waiting: int, waits: Sequence[Wait]
) -> Limit:
    if known.state is RunState.ENDED:
        return Limit.STOPPED if to_do else Limit.NOTHING_LEFT
    if known.state in (RunState.STOPPING, RunState.RESIZING, RunState.CRASH_LOOP):
        return Limit.STOPPING if to_do else Limit.NOTHING_LEFT
    if not is_counted(known):
        return Limit.STARTING
    if not to_do:
        return Limit.NOTHING_LEFT
    if waits and waits[0].cause is Cause.DISK:
        return Limit.WAITING
    if _engine_is_full(living):
        return Limit.ENGINE
    if any(wait.cause is Cause.RATE for wait in waits):
        return Limit.RATE
    if waiting and not working:
        return Limit.WAITING
    return Limit.NETWORK


def is_counted(known: Known) -> bool:
    """Whether every shard has counted its papers."""
    counted = sum(report.outstanding is not None for report in known.shards.values())
    return counted >= known.shard_count


def _engine_is_full(living: Sequence[ShardReport]) -> bool:
    """Whether most shards have no thread left to parse with."""
    full = 0
    for report in living:
        parsing = report.gauges.get("parsing")
        full += parsing is not None and parsing.in_use >= parsing.limit
    return 2 * full > len(living)


def _left_seconds(
    known: Known, to_do: int, limited_by: Limit, waits: Sequence[Wait], living: Sequence[ShardReport]
) -> float | None:
    """How long the papers take at the pace there was, and what must be waited for besides."""
    if limited_by is Limit.NOTHING_LEFT:
        return 0.0
    if limited_by in (Limit.STARTING, Limit.STOPPING, Limit.STOPPED) or any(wait.cause is Cause.DISK for wait in waits):
        return None
    pace = min([known.pace or float("inf"), *_allowed_paces(known, waits)])
    if pace == float("inf"):
        return None
    begins = 0.0
    if limited_by is Limit.WAITING:
        ends = [wait.until for wait in waits if wait.until is not None and holds_up(wait)]
        if not ends:
            return None
        begins = max(0.0, min(ends) - known.now)
    if known.limit is not None:
        return begins + to_do / pace  # what waits for another attempt has had its turn
    last = max((each.last_at for each in _back_offs(living).values()), default=known.now)
    return max(begins + to_do / pace, last - known.now)


def _allowed_paces(known: Known, waits: Sequence[Wait]) -> list[float]:
    """Papers per second that a host allows, if most papers wait for their turn there."""
    first = next((wait for wait in waits if wait.cause in (Cause.RATE, Cause.HOST) and wait.papers), None)
    if first is None:
        return []
    host = known.hosts[first.subject]
    policy = parse_policies(host.policy)[0]
    return [policy.requests / policy.per_seconds * host.factor]
