"""The figures of a run, for programs (`run --stats`) and for the summary at its end.

Guarantee: pure; everything comes from the run's status, and names end in their unit. Limit: of one run; what earlier
runs did in the folder is in its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from rpa_shard.control.sentences import duration
from rpa_shard.ipc.account import Cause, PastWait
from rpa_shard.ipc.call_totals import OF_CALLS, spent_in
from rpa_shard.ipc.model_status import Spent
from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.model.distribution import Distribution
from rpa_shard.model.phase import PREP
from rpa_shard.observe.models import spent_in_words

# Stages that take no time are not shown to a person.
LEAST_SECONDS = 0.001
# Of what there are many of: the most frequent, or the longest.
SHOWN = 5
# How wide the lines for a person are, and where their figures begin.
COLUMNS, INDENT = 80, 10
# The tally of the number of the attempt that succeeded.
ATTEMPT = "attempt"


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
        "limit": msgspec.to_builtins(account.limit),
        "ended": {phase: dict(by) for phase, by in work.ended.items()},
        "retried": dict(work.retried),
        "failed": dict(work.failed),
        "totals": dict(work.totals),
        "calls": msgspec.to_builtins(spent_in(work.totals)),
        "models_today": {name: msgspec.to_builtins(each.today) for name, each in status.models.items()},
        "tallies": {name: dict(by) for name, by in work.tallies.items()},
        "stages": {stage: _figures(each) for stage, each in work.durations.items()},
        "waited": [msgspec.to_builtins(each) for each in status.waited],
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
    """The figures of a run for a terminal of `COLUMNS` columns; nothing of what did not occur."""
    work = status.work
    if status.phases != (PREP.name,):
        yield from _line("phases", [f"{phase} {status.completed.get(phase, 0):,} papers" for phase in status.phases])
    yield from _line("made", [_total(name, value) for name, value in work.totals.items() if name not in OF_CALLS])
    yield from _line("asked", _calls(spent_in(work.totals)))
    for name, by in work.tallies.items():
        if name == ATTEMPT:
            yield from _line("attempts", _attempts(by))
        else:
            yield from _line(f"by {name}", _most(by))
    yield from _line("retries", _most(work.retried))
    yield from _stages(work.durations)
    waits = [each for each in status.waited if each.seconds >= 1 or each.cause is Cause.DISK]
    yield from _line("waited", [_past_wait(each) for each in waits[:SHOWN]])
    if status.idle_seconds >= 1:
        yield from _line("idle", [f"{duration(status.idle_seconds)} with nothing to do but wait"])


def _line(label: str, items: Sequence[str]) -> Iterator[str]:
    """The items after a label, in as many lines as they need; none if there are no items."""
    line = f"{label:<{INDENT - 1}}"
    for number, item in enumerate(items):
        piece = f" {item}{',' if number < len(items) - 1 else ''}"
        if number and len(line) + len(piece) > COLUMNS:
            yield line
            line = " " * (INDENT - 1)
        line += piece
    if items:
        yield line


def _total(name: str, value: int) -> str:
    words = name.replace("_", " ")
    if name.endswith("_bytes"):
        return f"{size(value)} {words.removesuffix(' bytes')}"
    return f"{value:,} {words}"


def _calls(spent: Spent) -> list[str]:
    """What was asked of models, and what it cost; nothing if none was asked."""
    return [spent_in_words(spent)] if spent.requests else []


def _attempts(by: Mapping[str, int]) -> list[str]:
    """How many papers were done at which attempt, unless it was the first for all."""
    if by.keys() <= {"1"}:
        return []
    return [f"{attempt}: {count:,}" for attempt, count in sorted(by.items(), key=lambda each: int(each[0]))]


def _most(by: Mapping[str, int]) -> list[str]:
    """The most frequent of them, and how many others there are."""
    ordered = sorted(by.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {count:,}" for name, count in ordered[:SHOWN]]
    others = sum(count for _, count in ordered[SHOWN:])
    return [*shown, f"others {others:,}"] if others else shown


def _stages(durations: Mapping[str, Distribution]) -> Iterator[str]:
    """The stages that took most of the time."""
    noticed = {stage: each for stage, each in durations.items() if each.quantile_seconds(0.99) >= LEAST_SECONDS}
    longest = sorted(noticed, key=lambda stage: -noticed[stage].sum_seconds)[:SHOWN]
    if longest:
        yield f"{'stages':<22}{'p50':>9} {'p95':>9} {'p99':>9}   of attempts that ended"
    for stage in (each for each in noticed if each in longest):
        quantiles = " ".join(f"{seconds(noticed[stage].quantile_seconds(part)):>9}" for part in (0.5, 0.95, 0.99))
        yield f"  {stage:<20}{quantiles}"


def _past_wait(each: PastWait) -> str:
    times = f" in {each.times:,} times" if each.times > 1 else ""
    subject = each.subject.replace("_", " ") if each.cause is Cause.BACK_OFF else each.subject
    return f"{subject} {duration(each.seconds)}{times}"


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
