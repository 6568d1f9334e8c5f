"""The figures of a run, for programs (`run --stats`) and for the summary at its end.

Guarantee: pure; everything comes from the run's status, and names end in their unit. Limit: of one run; what earlier
runs did in the folder is in its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from rpa_shard.control.sentences import duration
from rpa_shard.ipc.account import Cause, PastWait
from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.model.distribution import Distribution

# Stages that take no time are not shown to a person.
LEAST_SECONDS = 0.001
SHOWN = 6


def statistics(status: RunStatus) -> dict[str, Any]:
    """The figures of a run as plain JSON values."""
    account, work = status.account, status.work
    return {
        "state": status.state.value,
        "cause": status.cause,
        "phases": list(status.phases),
        "started_at": status.started_at,
        "seconds": status.seconds,
        "idle_seconds": status.idle_seconds,
        "papers": {
            "total": account.total,
            "done": account.done,
            "failed": account.failed,
            "open": account.open,
        },
        "ended": {phase: dict(by) for phase, by in work.ended.items()},
        "retried": dict(work.retried),
        "failed": dict(work.failed),
        "totals": dict(work.totals),
        "tallies": {name: dict(by) for name, by in work.tallies.items()},
        "stages": {stage: _figures(each) for stage, each in work.durations.items()},
        "waited": msgspec.to_builtins(status.waited),
        "shard_deaths": sum(shard.restarts for shard in status.shards),
        "handed_back": status.handed_back,
        "lost_leases": work.lost_leases,
        "papers_per_second": status.rates.whole_run,
    }


def _figures(measured: Distribution) -> dict[str, float]:
    return {
        "count": measured.count,
        "mean_seconds": measured.mean_seconds,
        "p50_seconds": measured.quantile_seconds(0.5),
        "p95_seconds": measured.quantile_seconds(0.95),
        "p99_seconds": measured.quantile_seconds(0.99),
        "max_seconds": measured.max_seconds,
    }


def lines(status: RunStatus) -> Iterator[str]:
    """The figures of a run for a terminal; nothing of what did not occur."""
    work = status.work
    if work.totals:
        yield f"made      {', '.join(_total(name, value) for name, value in work.totals.items())}"
    for name, by in work.tallies.items():
        if by and not (name == "attempt" and by.keys() == {"1"}):
            yield f"by {name:<7}{_most(by)}"
    if work.retried:
        yield f"retries   {_most(work.retried)}"
    yield from _stages(work.durations)
    yield from _waits(status)


def _total(name: str, value: int) -> str:
    words = name.replace("_", " ")
    if name.endswith("_bytes"):
        return f"{size(value)} {words.removesuffix(' bytes')}"
    return f"{value:,} {words}"


def _most(by: Mapping[str, int]) -> str:
    """The most frequent of them, and how many others there are."""
    ordered = sorted(by.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {count:,}" for name, count in ordered[:SHOWN]]
    others = sum(count for _, count in ordered[SHOWN:])
    return ", ".join([*shown, f"others {others:,}"] if others else shown)


def _stages(durations: Mapping[str, Distribution]) -> Iterator[str]:
    shown = {stage: each for stage, each in durations.items() if each.quantile_seconds(0.99) >= LEAST_SECONDS}
    if shown:
        yield f"{'stages':<16} {'p50':>9} {'p95':>9} {'p99':>9}   of attempts that ended"
    for stage, each in shown.items():
        quantiles = " ".join(f"{seconds(each.quantile_seconds(quantile)):>9}" for quantile in (0.5, 0.95, 0.99))
        yield f"  {stage:<14} {quantiles}"


def _waits(status: RunStatus) -> Iterator[str]:
    waits = [each for each in status.waited if each.seconds >= 1 or each.cause is Cause.DISK][:SHOWN]
    if waits:
        yield f"waited    {', '.join(_past_wait(each) for each in waits)}"
    if status.idle_seconds >= 1:
        yield f"          with nothing else to do for {duration(status.idle_seconds)}"


def _past_wait(each: PastWait) -> str:
    times = f" in {each.times} times" if each.times > 1 else ""
    return f"{each.subject.replace('_', ' ')} {duration(each.seconds)}{times}"


def seconds(value: float) -> str:
    """A short time in a suitable unit."""
    if value >= 120:
        return duration(value)
    return f"{value:.1f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def size(size_bytes: float) -> str:
    """A size in a suitable unit."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= length:
            return f"{size_bytes / length:.1f} {unit}"
    return f"{size_bytes / 1e3:.1f} kB"
