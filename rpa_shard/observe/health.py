"""The health of a run: the four proofs, and whether all its processes are alive.

Guarantee: what can be measured from outside is measured now (processes, descriptors, disk, leases in the store), not
taken from the run's own figures; exit codes are those of monitoring plugins (0 OK, 1 warning, 2 critical, 3 unknown).
Limit: lag and rates are the run's own figures, at most as old as `FRESH_SECONDS` while it is healthy.

The four proofs are those that the old single-process design failed: the loop does not stall, lease and status agree,
papers are finished at a steady rate, descriptors and extraction threads stay bounded.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.ipc.run_status import ProcessFigures, RunState, RunStatus, ShardStatus, read_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger

FRESH_SECONDS = 10.0
LAG_WARNING_SECONDS, LAG_CRITICAL_SECONDS = 0.25, 2.0
PEAK_LAG_WARNING_SECONDS = 5.0
NO_PROGRESS_SECONDS = 60.0
BUDGET_WARNING_SHARE = 0.9
DISK_WARNING_BYTES, DISK_CRITICAL_BYTES = 2 * 10**9, 2 * 10**8


class Level(IntEnum):
    """A check's result, worst last except for UNKNOWN; the values are the exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the health check."""

    name: str
    level: Level
    text: str


def check_folder(root: Path) -> list[Check]:
    """Every check of the current run in a data folder, or of the last run."""
    folder = DataFolder(root)
    run = read_status(folder.run.status_file)
    if run is None:
        return [Check("run", Level.UNKNOWN, f"no run has written a status below {root}")]
    live = run.is_on
    checks = [_run_check(run, live=live), *_shard_checks(run, live=live)]
    checks += [_lag_check(run), _lease_check(folder, live=live), _paper_check(folder, run)]
    checks += [_throughput_check(run, live=live)]
    checks += [_resource_check(run, live=live), _disk_check(folder)]
    return checks


def worst(checks: Iterable[Check]) -> Level:
    """The overall level: critical before unknown before warning."""
    order = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)
    return max((check.level for check in checks), key=order.index, default=Level.UNKNOWN)


def _run_check(run: RunStatus, *, live: bool) -> Check:
    age = run.written.seconds_since()
    if not live:
        if run.state is not RunState.ENDED:
            return Check("run", Level.CRITICAL, f"supervisor {run.pid} is dead; ./run.sh continues where it stopped")
        cause = run.cause
        return Check(
            "run", Level.CRITICAL if cause else Level.OK, f"ended {age:.0f} s ago{f': {cause}' if cause else ''}"
        )
    # Nothing is written while a resize moves the papers.
    level = Level.OK if age < FRESH_SECONDS or run.state is RunState.RESIZING else Level.CRITICAL
    return Check("run", level, f"supervisor {run.pid} {run.state}, status {age:.1f} s old")


def _shard_checks(run: RunStatus, *, live: bool) -> list[Check]:
    alive = [each for each in run.shards if each.is_alive]
    deaths = len(run.deaths)
    if not live:
        if alive:
            return [Check("shards", Level.WARNING, f"{len(alive)} still draining without a supervisor")]
        return [Check("shards", Level.OK, f"all {run.shard_count} have ended, {deaths} deaths during the run")]
    states = Counter(each.state for each in run.shards)
    complete = len(alive) + states[ShardState.ENDED] >= run.shard_count or run.state is RunState.RESIZING
    level = Level.OK if complete and not states[ShardState.STUCK] and not states[ShardState.DEAD] else Level.CRITICAL
    if level is Level.OK and deaths:
        level = Level.WARNING
    shown = ", ".join(f"{each.number} {each.state}" for each in run.shards)
    last = f", last death: {run.deaths[-1].cause}" if deaths else ""
    return [Check("shards", level, f"{len(alive)} of {run.shard_count} alive ({shown}){last}")]


def _lag_check(run: RunStatus) -> Check:
    shards = run.shards
    if not shards:
        return Check("loop lag", Level.UNKNOWN, "no shard has reported yet")
    p99 = max(each.report.loop_lag.p99_seconds for each in shards)
    peak = max(each.report.loop_lag.max_seconds for each in shards)
    level = Level.OK
    if p99 >= LAG_WARNING_SECONDS or peak >= PEAK_LAG_WARNING_SECONDS:
        level = Level.WARNING
    if p99 >= LAG_CRITICAL_SECONDS:
        level = Level.CRITICAL
    figures = "; ".join(
        f"shard {each.number} p50 {each.report.loop_lag.p50_seconds * 1000:.1f} "
        f"p99 {each.report.loop_lag.p99_seconds * 1000:.1f} max {each.report.loop_lag.max_seconds * 1000:.1f} ms"
        for each in shards
    )
    return Check("loop lag", level, figures)


def _lease_check(folder: DataFolder, *, live: bool) -> Check:
    try:
        with open_ledger(folder) as ledger:
            leases = ledger.leases()
    except StoreError as error:
        return Check("leases", Level.UNKNOWN, str(error))
    oldest = f", oldest {max(0.0, time.time() - leases.oldest_claimed_at):.0f} s" if leases.oldest_claimed_at else ""
    text = f"{leases.held} held{oldest}, {leases.incoherent} held without a lease, {leases.expired} expired"
    if leases.incoherent:
        return Check("leases", Level.CRITICAL, text)
    if leases.expired or (leases.held and not live):
        return Check("leases", Level.WARNING, text if live else f"{text}; the next run frees them")
    return Check("leases", Level.OK, text)


def _paper_check(folder: DataFolder, run: RunStatus) -> Check:
    """Papers that killed their process, or may have: a warning, since somebody may want to look at them."""
    try:
        with open_ledger(folder) as ledger:
            suspects, poison = ledger.suspects(), ledger.counts().by_failure.get(Failure.POISON, 0)
    except StoreError as error:
        return Check("papers", Level.UNKNOWN, str(error))
    lost = run.work.lost_leases
    text = f"{suspects} suspects, {poison} poison, {run.handed_back} handed back by the dead, {lost} lost leases"
    return Check("papers", Level.WARNING if suspects or poison else Level.OK, text)


def _throughput_check(run: RunStatus, *, live: bool) -> Check:
    rates = run.rates
    text = (
        f"{rates.last_10_seconds:.1f} papers/s over 10 s, {rates.last_60_seconds:.1f} over 60 s, "
        f"{rates.whole_run:.1f} over the run, spread {rates.spread:.2f}"
    )
    waiting = sum(each.report.outstanding or 0 for each in run.shards)
    held = sum(each.report.held for each in run.shards)
    stalled = live and held and rates.last_60_seconds == 0 and run.seconds > NO_PROGRESS_SECONDS
    return Check("throughput", Level.CRITICAL if stalled else Level.OK, f"{text}, {waiting} papers to go")


def _resource_check(run: RunStatus, *, live: bool) -> Check:
    level, texts, descriptors = Level.OK, [], 0
    for shard in run.shards:
        figures = _figures_now(shard) if live else shard.process
        peak, gauges = shard.peak.descriptors, shard.report.gauges
        if peak > BUDGET_WARNING_SHARE * shard.descriptor_budget:
            level = max(level, Level.WARNING)
        if any(gauge.in_use > gauge.limit for gauge in gauges.values()):
            level = Level.CRITICAL
        used = ", ".join(f"{gauge.in_use} of {gauge.limit} {name}" for name, gauge in gauges.items())
        texts.append(
            f"shard {shard.number} {figures.descriptors} descriptors (peak {peak} of {shard.descriptor_budget}), "
            f"{figures.tcp_sockets} TCP, {figures.cpu_percent:.0f} % CPU, {figures.rss_bytes / 1e6:.0f} MB, "
            f"{figures.threads} threads" + (f", {used}" if used else "")
        )
        descriptors += shard.process.descriptors
    return Check("resources", level, "; ".join([*texts, f"{descriptors} descriptors in all"]))


def _figures_now(shard: ShardStatus) -> ProcessFigures:
    """A shard's process as it is now, or as it was at the run's last look if it is gone."""
    with suppress(psutil.Error):
        process = psutil.Process(shard.pid)
        return replace(
            shard.process,
            descriptors=process.num_fds(),
            threads=process.num_threads(),
            tcp_sockets=len(process.net_connections("tcp")),
            rss_bytes=process.memory_info().rss,
        )
    return shard.process


def _disk_check(folder: DataFolder) -> Check:
    free = min(shutil.disk_usage(each).free for each in folder.disks())
    level = Level.OK if free >= DISK_WARNING_BYTES else Level.WARNING
    if free < DISK_CRITICAL_BYTES:
        level = Level.CRITICAL
    return Check("disk", level, f"{free / 1e9:.1f} GB free")


def lines(checks: Iterable[Check]) -> list[str]:
    """The checks for a terminal or a monitor."""
    return [f"{check.level.name:<8} {check.name}: {check.text}" for check in checks]


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The checks for a program."""
    shown = [{"name": check.name, "level": check.level.name, "text": check.text} for check in checks]
    return {"level": worst(checks).name, "checks": shown}
