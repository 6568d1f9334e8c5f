"""Checks of the run's processes: the supervisor, the shards, their loops, what they use.

Guarantee: pure but for the question whether a process lives; one line each, which names the shard that is worst off.
Limit: a shard whose process lives but does not report is found by the supervisor, which calls it stuck.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rpa_shard.ipc.run_status import ProcessFigures, RunState, RunStatus, ShardStatus
from rpa_shard.ipc.shard_report import LoopLag, ShardState
from rpa_shard.observe.health.check import Check, Level, some_of
from rpa_shard.observe.health.measure import Measured
from rpa_shard.system.program import program

FRESH_SECONDS = 10.0
LAG_WARNING_SECONDS, LAG_CRITICAL_SECONDS = 0.25, 2.0
PEAK_LAG_WARNING_SECONDS = 5.0
BUDGET_WARNING_SHARE = 0.9
# So many shards are named in a line; of more, the worst is named and the others are counted.
SHARDS_NAMED = 2


def run_check(found: Measured) -> Check:
    """The supervisor lives, its status is fresh."""
    run, age = found.status, found.status.written.seconds_since()
    if not found.live:
        if run.state is not RunState.ENDED:
            return Check(
                "run", Level.CRITICAL, f"supervisor {run.pid} is dead; {program()} run continues where it stopped"
            )
        cause = f": {run.cause}" if run.cause else ""
        return Check("run", Level.CRITICAL if run.cause else Level.OK, f"ended {age:.0f} s ago{cause}")
    # Nothing is written while a resize moves the papers.
    level = Level.OK if age < FRESH_SECONDS or run.state is RunState.RESIZING else Level.CRITICAL
    account = f" · {run.account.text}" if run.account.text else ""
    return Check("run", level, f"supervisor {run.pid} {run.state}, status {age:.1f} s old{account}")


def shard_check(found: Measured) -> Check:
    """All shards are there, and none is stuck."""
    run = found.status
    alive = sum(each.is_alive for each in run.shards)
    deaths = sum(each.restarts for each in run.shards)
    if not found.live:
        if alive:
            return Check("shards", Level.WARNING, f"{alive} still draining without a supervisor")
        return Check("shards", Level.OK, f"all {run.shard_count} have ended, {deaths} deaths during the run")
    states = Counter(each.state for each in run.shards)
    complete = alive + states[ShardState.ENDED] >= run.shard_count or run.state is RunState.RESIZING
    level = Level.OK if complete and not states[ShardState.STUCK] and not states[ShardState.DEAD] else Level.CRITICAL
    if level is Level.OK and run.deaths:
        level = Level.WARNING
    last = f", last death: shard {run.deaths[-1].shard}: {run.deaths[-1].cause}" if run.deaths else ""
    return Check("shards", level, f"{alive} of {run.shard_count} alive ({_in_states(run)}){last}")


def _in_states(run: RunStatus) -> str:
    """How many shards are in which state, and which ones if they are few."""
    numbers: dict[ShardState, list[str]] = {}
    for each in run.shards:
        numbers.setdefault(each.state, []).append(str(each.number))
    most = max(map(len, numbers.values()), default=0)
    shown = []
    for state, of in sorted(numbers.items(), key=lambda item: -len(item[1])):
        named = len(run.shards) > SHARDS_NAMED and len(of) < most
        shown.append(f"{len(of)} {state}" + (f": shard {some_of(of)}" if named else ""))
    return ", ".join(shown) or "none has started"


def lag_check(found: Measured) -> Check:
    """The loops do not stall."""
    shards = found.status.shards
    if not shards:
        return Check("loop lag", Level.UNKNOWN, "no shard has reported yet")
    p99 = max(each.report.loop_lag.p99_seconds for each in shards)
    peak = max(each.report.loop_lag.max_seconds for each in shards)
    level = Level.OK
    if p99 >= LAG_WARNING_SECONDS or peak >= PEAK_LAG_WARNING_SECONDS:
        level = Level.WARNING
    if p99 >= LAG_CRITICAL_SECONDS:
        level = Level.CRITICAL
    if len(shards) <= SHARDS_NAMED:
        return Check(
            "loop lag", level, "; ".join(f"shard {each.number} {_lag(each.report.loop_lag)}" for each in shards)
        )
    late = max(shards, key=lambda each: each.report.loop_lag.p99_seconds)
    text = f"latest of {len(shards)}: shard {late.number} {_lag(late.report.loop_lag)}"
    if peak > late.report.loop_lag.max_seconds:
        peaked = max(shards, key=lambda each: each.report.loop_lag.max_seconds)
        text += f"; shard {peaked.number} once {peak * 1000:.1f} ms"
    return Check("loop lag", level, text)


def _lag(lag: LoopLag) -> str:
    p50, p99, most = (1000 * each for each in (lag.p50_seconds, lag.p99_seconds, lag.max_seconds))
    return f"p50 {p50:.1f} p99 {p99:.1f} max {most:.1f} ms"


def resource_check(found: Measured) -> Check:
    """What is bounded stays bounded."""
    shards = found.status.shards
    level = Level.OK
    if any(each.peak.descriptors > BUDGET_WARNING_SHARE * each.descriptor_budget for each in shards):
        level = Level.WARNING
    beyond = [
        f"shard {each.number} {gauge.in_use} of {gauge.limit} {name}"
        for each in shards
        for name, gauge in each.report.gauges.items()
        if gauge.in_use > gauge.limit
    ]
    if beyond:
        level = Level.CRITICAL
    figures = {each.number: found.figures.get(each.number, each.process) for each in shards}
    parts = [f"too many: {some_of(beyond)}"] if beyond else []
    if len(shards) > SHARDS_NAMED:
        parts.append(f"{len(shards)} shards: {_together(shards, figures)}")
        full = max(shards, key=lambda each: each.peak.descriptors / max(1, each.descriptor_budget))
        parts.append(f"fullest: shard {full.number} {_of_shard(full, figures[full.number])}")
    else:
        parts += [f"shard {each.number} {_of_shard(each, figures[each.number])}" for each in shards]
        parts.append(f"{sum(each.descriptors for each in figures.values())} descriptors in all")
    return Check("resources", level, "; ".join(parts))


def _of_shard(shard: ShardStatus, figures: ProcessFigures) -> str:
    used = "".join(f", {gauge.in_use} of {gauge.limit} {name}" for name, gauge in shard.report.gauges.items())
    return (
        f"{figures.descriptors} descriptors (peak {shard.peak.descriptors} of {shard.descriptor_budget}), "
        f"{figures.tcp_sockets} TCP, {figures.cpu_percent:.0f} % CPU, {figures.rss_bytes / 1e6:.0f} MB, "
        f"{figures.threads} threads{used}"
    )


def _together(shards: tuple[ShardStatus, ...], figures: Mapping[int, ProcessFigures]) -> str:
    every = figures.values()
    in_use, limits = Counter[str](), Counter[str]()
    for shard in shards:
        for name, gauge in shard.report.gauges.items():
            in_use[name] += gauge.in_use
            limits[name] += gauge.limit
    return (
        f"{sum(each.descriptors for each in every)} descriptors, {sum(each.tcp_sockets for each in every)} TCP, "
        f"{sum(each.cpu_percent for each in every):.0f} % CPU, {sum(each.rss_bytes for each in every) / 1e6:.0f} MB, "
        f"{sum(each.threads for each in every)} threads" + "".join(f", {in_use[n]} of {limits[n]} {n}" for n in limits)
    )
