"""The health of a run: the four proofs, and that everybody is alive.

Guarantee: what can be measured from outside is measured now (processes, descriptors, disk, leases in the store), not
taken from the run's own word; exit codes are those of monitoring plugins (0 OK, 1 warning, 2 critical, 3 unknown).
Limit: lag and rates are the run's own figures, at most as old as `FRESH_SECONDS` while it is healthy.

The four proofs are those that the old single-process design failed: the loop does not stall, lease and status agree,
papers are finished at an even pace, descriptors and extraction threads stay bounded.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.ipc.run_status import is_alive, read_status
from rpa_shard.model.failure import Failure
from rpa_shard.store.folder import DataFolder, StoreError
from rpa_shard.store.sqlite.ledger import open_ledger
from rpa_shard.system.clock import seconds_since

FRESH_SECONDS = 10.0
LAG_WARNING_SECONDS, LAG_CRITICAL_SECONDS = 0.25, 2.0
PEAK_LAG_WARNING_SECONDS = 5.0
NO_PROGRESS_SECONDS = 60.0
BUDGET_WARNING_SHARE = 0.9
DISK_WARNING_BYTES, DISK_CRITICAL_BYTES = 2 * 10**9, 2 * 10**8


class Level(IntEnum):
    """A check's result, worst last but for UNKNOWN; the values are the exit codes."""

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
    """Every check of the run in a data folder; of the last run, if none is on."""
    folder = DataFolder(root)
    run = read_status(folder.status_file)
    if run is None:
        return [Check("run", Level.UNKNOWN, f"no run has written a status below {root}")]
    live = is_alive(run["pid"], run["created_at"]) and run["phase"] != "ended"
    checks = [_run_check(run, live=live), *_shard_checks(run, live=live)]
    checks += [_lag_check(run), _lease_check(folder, live=live), _paper_check(folder, run)]
    checks += [_throughput_check(run, live=live)]
    checks += [_resource_check(run, live=live), _disk_check(root)]
    return checks


def worst(checks: Iterable[Check]) -> Level:
    """The level of the whole: critical before unknown before warning."""
    order = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)
    return max((check.level for check in checks), key=order.index, default=Level.UNKNOWN)


def _run_check(run: dict[str, Any], *, live: bool) -> Check:
    age = seconds_since(run["written"])
    if not live:
        if run["phase"] != "ended":
            return Check("run", Level.CRITICAL, f"supervisor {run['pid']} is dead; ./run.sh goes on where it stopped")
        cause = run["cause"]
        return Check(
            "run", Level.CRITICAL if cause else Level.OK, f"ended {age:.0f} s ago{f': {cause}' if cause else ''}"
        )
    # Nothing is written while a resize moves the papers.
    level = Level.OK if age < FRESH_SECONDS or run["phase"] == "resizing" else Level.CRITICAL
    return Check("run", level, f"supervisor {run['pid']} {run['phase']}, status {age:.1f} s old")


def _shard_checks(run: dict[str, Any], *, live: bool) -> list[Check]:
    alive = [each for each in run["shards"] if is_alive(each["pid"], each.get("created_at", 0.0))]
    deaths = len(run["deaths"])
    if not live:
        if alive:
            return [Check("shards", Level.WARNING, f"{len(alive)} still draining without a supervisor")]
        return [Check("shards", Level.OK, f"all {run['shard_count']} have ended, {deaths} deaths during the run")]
    states = Counter(each["state"] for each in run["shards"])
    whole = len(alive) + states["ended"] >= run["shard_count"] or run["phase"] == "resizing"
    level = Level.OK if whole and not states["stuck"] and not states["dead"] else Level.CRITICAL
    if level is Level.OK and deaths:
        level = Level.WARNING
    shown = ", ".join(f"{each['number']} {each['state']}" for each in run["shards"])
    last = f", last death: {run['deaths'][-1]['cause']}" if deaths else ""
    return [Check("shards", level, f"{len(alive)} of {run['shard_count']} alive ({shown}){last}")]


def _lag_check(run: dict[str, Any]) -> Check:
    shards = run["shards"]
    if not shards:
        return Check("loop lag", Level.UNKNOWN, "no shard has reported yet")
    p99 = max(each["lag_p99_seconds"] for each in shards)
    peak = max(each["lag_max_seconds"] for each in shards)
    level = Level.OK
    if p99 >= LAG_WARNING_SECONDS or peak >= PEAK_LAG_WARNING_SECONDS:
        level = Level.WARNING
    if p99 >= LAG_CRITICAL_SECONDS:
        level = Level.CRITICAL
    figures = "; ".join(
        f"shard {each['number']} p50 {each['lag_p50_seconds'] * 1000:.1f} p99 {each['lag_p99_seconds'] * 1000:.1f} "
        f"max {each['lag_max_seconds'] * 1000:.1f} ms"
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
        return Check("leases", Level.WARNING, text + "; the next run frees them" * (not live))
    return Check("leases", Level.OK, text)


def _paper_check(folder: DataFolder, run: dict[str, Any]) -> Check:
    """Papers that killed their process, or may have: a warning, since somebody may want to look at them."""
    try:
        with open_ledger(folder) as ledger:
            suspects, poison = ledger.suspects(), ledger.counts().by_failure.get(Failure.POISON, 0)
    except StoreError as error:
        return Check("papers", Level.UNKNOWN, str(error))
    lost = sum(each["lost_leases"] for each in run["shards"])
    text = f"{suspects} suspects, {poison} poison, {run['handed_back']} handed back by the dead, {lost} lost leases"
    return Check("papers", Level.WARNING if suspects or poison else Level.OK, text)


def _throughput_check(run: dict[str, Any], *, live: bool) -> Check:
    rates = run["rates"]
    text = (
        f"{rates['last_10_seconds']:.1f} papers/s over 10 s, {rates['last_60_seconds']:.1f} over 60 s, "
        f"{rates['whole_run']:.1f} over the run, spread {rates['spread']:.2f}"
    )
    waiting = sum(each["outstanding"] or 0 for each in run["shards"])
    ready = sum(each["held"] for each in run["shards"])
    stalled = live and ready and rates["last_60_seconds"] == 0 and run["seconds"] > NO_PROGRESS_SECONDS
    return Check("throughput", Level.CRITICAL if stalled else Level.OK, f"{text}, {waiting} papers to go")


def _resource_check(run: dict[str, Any], *, live: bool) -> Check:
    level, texts = Level.OK, []
    for shard in run["shards"]:
        figures = dict(shard)
        if live:
            with suppress(psutil.Error):
                process = psutil.Process(shard["pid"])
                figures |= {"descriptors": process.num_fds(), "threads": process.num_threads()}
                figures |= {"tcp_sockets": len(process.net_connections("tcp")), "rss_bytes": process.memory_info().rss}
        used = figures.get("descriptors_peak", 0)
        if used > BUDGET_WARNING_SHARE * figures["descriptor_budget"]:
            level = Level.WARNING
        if figures["extracting"] > figures["extract_workers"]:
            level = Level.CRITICAL
        texts.append(
            f"shard {figures['number']} {figures.get('descriptors', 0)} descriptors "
            f"(peak {used} of {figures['descriptor_budget']}), {figures.get('tcp_sockets', 0)} TCP, "
            f"{figures.get('cpu_percent', 0):.0f} % CPU, {figures.get('rss_bytes', 0) / 1e6:.0f} MB, "
            f"{figures.get('threads', 0)} threads, {figures['extracting']} of {figures['extract_workers']} extracting"
        )
    total = sum(shard.get("descriptors", 0) for shard in run["shards"])
    return Check("resources", level, "; ".join([*texts, f"{total} descriptors in all"]))


def _disk_check(root: Path) -> Check:
    free = shutil.disk_usage(root).free
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
