"""What a run did, in sentences.

Guarantee: pure; every sentence says something that happened, and nothing is said of what did not. Limit: times are in
the zone that is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo

from rpa_shard.control.sentences import duration, rate
from rpa_shard.ipc.account import Cause, PastWait
from rpa_shard.ipc.call_totals import OF_CALLS, spent_in
from rpa_shard.ipc.run_status import RunState, RunStatus
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES
from rpa_shard.model.retry import POLICIES
from rpa_shard.observe.models import dollars, short
from rpa_shard.observe.report.figures import Figures
from rpa_shard.observe.statistics import seconds, size

WAITS_NAMED = 3
# What is shorter is not told as a wait.
LEAST_WAIT_SECONDS = 1.0
# Stages that are a wait for something bounded, or take all of a claim, say nothing about what is slow.
_NO_WORK = frozenset({phase.name for phase in PHASES})


def moment(at: float, zone: tzinfo) -> str:
    """A moment (Unix seconds), to the second."""
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S}"


def heading(figures: Figures, zone: tzinfo) -> str:
    """The title of the report."""
    if not figures.whole:
        return f"Run of {moment(figures.begins, zone)[:-3]}"
    return "All runs" if figures.happened else "No runs yet"


def sentences(figures: Figures, zone: tzinfo) -> Iterator[str]:
    """What happened, the most important first."""
    run = figures.run
    if run is not None and not figures.whole:
        yield _beginning(figures, run, zone)
    elif figures.happened:
        yield f"This is what happened from {moment(figures.begins, zone)} to {moment(figures.ends, zone)}."
    else:
        yield "Nothing has happened in this folder yet."
    yield from _completed(figures)
    yield from _failed(figures)
    if run is not None and not figures.whole:
        yield from _waited(run)
        yield from _slow(run)
        yield from _died(run)


def _beginning(figures: Figures, run: RunStatus, zone: tzinfo) -> str:
    began = f"The run began at {moment(run.started_at, zone)}"
    if figures.state.on:
        return f"{began} and is on, for {duration(figures.seconds)} now."
    if run.cause:
        return f"{began} and stopped after {duration(run.seconds)}: {run.cause}."
    how = "ended" if run.state is RunState.ENDED else "was killed"
    return f"{began} and {how} after {duration(run.seconds)}."


def _completed(figures: Figures) -> Iterator[str]:
    for phase, over_time in figures.completed().items():
        papers = sum(over_time)
        pace = f", {rate(papers / figures.seconds)}" if figures.seconds > 0 else ""
        later = sum(count for attempt, count in figures.completed_by_attempt()[phase].items() if attempt > 1)
        again = f"; {plural(later, 'of them needed', 'of them needed')} more than one attempt" if later else ""
        yield f"{plural(papers, 'paper has', 'papers have')} been through {phase}{pace}{again}."


def _failed(figures: Figures) -> Iterator[str]:
    reasons = figures.failed_by_reason()
    finals = {reason: final for reason, (final, _) in reasons.items() if final}
    others = {reason: other for reason, (_, other) in reasons.items() if other}
    if finals:
        papers = plural(sum(finals.values()), "paper has", "papers have")
        yield f"{papers} failed for good, {_most(finals)}."
    if others:
        attempts = plural(sum(others.values()), "attempt", "attempts")
        yield f"{attempts} failed and left the paper for another one, {_most(others)}."


def _most(counts: Mapping[str, int]) -> str:
    reason = max(counts, key=lambda each: counts[each])
    often = "all" if len(counts) == 1 else "most often"
    meaning = POLICIES[Failure(reason)].meaning if reason in set(Failure) else ""
    return f"{often} for {reason.replace('_', ' ')}" + (f" ({meaning})" if meaning else "")


def _waited(run: RunStatus) -> Iterator[str]:
    waits = [each for each in run.waited if each.seconds >= LEAST_WAIT_SECONDS]
    if waits:
        named = ", ".join(f"{duration(each.seconds)} {waited_for(each)}" for each in waits[:WAITS_NAMED])
        more = f", and for {len(waits) - WAITS_NAMED} more" if len(waits) > WAITS_NAMED else ""
        yield f"Papers waited {named}{more}."
    if run.idle_seconds >= LEAST_WAIT_SECONDS:
        yield f"For {duration(run.idle_seconds)} nothing else was left to do."


def waited_for(each: PastWait) -> str:
    """What was waited for."""
    subject = each.subject.replace("_", " ") if each.cause is Cause.BACK_OFF else each.subject
    return {
        Cause.HOST: f"for {subject}, which asked for a pause or was left alone",
        Cause.REFUSAL: f"for {subject}, which refuses us",
        Cause.BACK_OFF: f"for another attempt after {subject}",
        Cause.DISK: f"for room in {subject}",
        Cause.RATE: f"for their turn at {subject}",
        Cause.RESTART: f"for {subject} to start again",
        Cause.MODEL: f"for {subject}, which asked for a pause or was left alone",
        Cause.MODEL_RATE: f"for their turn at {subject}",
        Cause.MODEL_REFUSAL: f"for {subject}, which refuses us",
        Cause.BUDGET: "for the next day's budget",
        Cause.GOVERNOR: "for a node that governs",
        Cause.NODE: "for other nodes, which had the rest",
    }[each.cause]


def _slow(run: RunStatus) -> Iterator[str]:
    stages = {stage: each for stage, each in run.work.durations.items() if stage not in _NO_WORK and each.count}
    if stages:
        longest = max(stages, key=lambda stage: stages[stage].sum_seconds)
        median, p99 = (seconds(stages[longest].quantile_seconds(part)) for part in (0.5, 0.99))
        yield f"The longest stage was {longest}: up to {median} for half of the attempts, and {p99} for 99 % of them."


def _died(run: RunStatus) -> Iterator[str]:
    deaths = sum(shard.restarts for shard in run.shards)
    if deaths:
        back = f"; {plural(run.handed_back, 'paper', 'papers')} went back to the queue" if run.handed_back else ""
        yield f"{plural(deaths, 'shard', 'shards')} died{back}."


def tiles(figures: Figures) -> dict[str, str]:
    """The figures that are seen first, by what they are."""
    account, run = figures.state.account, figures.run
    shown = {"papers": f"{account.total:,}", "done": f"{account.done:,}", "failed for good": f"{account.failed:,}"}
    if account.open:
        shown["open"] = f"{account.open:,}"
    if figures.happened:
        shown["time"] = duration(figures.seconds)
    if run is not None and not figures.whole:
        shown["pace"] = rate(run.rates.whole_run)
        shown |= dict(_totals(run))
    return shown


def _totals(run: RunStatus) -> Iterator[tuple[str, str]]:
    for name, value in run.work.totals.items():
        words = name.replace("_", " ")
        if name not in OF_CALLS:
            yield words.removesuffix(" bytes"), size(value) if name.endswith("_bytes") else f"{value:,}"
    spent = spent_in(run.work.totals)
    if spent.requests:
        yield "calls to models", f"{spent.requests:,}"
        yield "tokens in, out", f"{short(spent.input_tokens)}, {short(spent.output_tokens)}"
    if spent.micro_usd:
        yield "price", dollars(spent.micro_usd)


def plural(count: int, one: str, several: str) -> str:
    """A number of things."""
    return f"{count:,} {one if count == 1 else several}"
