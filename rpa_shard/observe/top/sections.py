"""The parts of the screen below its head: workers, waits, hosts and slots, shards.

Guarantee: pure; every line fits the width. Limit: each part says what it knows from the run's status; what is not there
is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.control.sentences import LIMITS, duration, time_of_day
from rpa_shard.ipc.account import Cause, Wait
from rpa_shard.ipc.run_status import HostStatus, RunStatus, ShardStatus
from rpa_shard.ipc.shard_report import Gauge, ShardState
from rpa_shard.observe.top.head import BAD, GOOD, WARN
from rpa_shard.observe.top.stages import Look, cells, legend, looks, shares
from rpa_shard.observe.top.table import Cell, Column, table
from rpa_shard.observe.top.text import Line, Span, line, wrapped, wrapped_text
from rpa_shard.observe.top.watched import Watched

STATE_STYLES = {
    ShardState.READY: GOOD, ShardState.BOOTING: WARN, ShardState.DRAINING: WARN,
    ShardState.STUCK: BAD, ShardState.DEAD: BAD, ShardState.ENDED: "dim",
}  # fmt: skip
# What may need a look comes first where there is no room for all.
URGENCY = (ShardState.DEAD, ShardState.STUCK, ShardState.BOOTING, ShardState.DRAINING)
# More shards than this are also summed up in one line.
FEW_SHARDS = 8
# What is waited for may have the long name of a model.
SUBJECT_COLUMNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the screen. `head` stays when the body is scrolled; line `chosen` of the body is to be seen.

    `least` lines of the body are worth showing. The body of a long list has only what may be seen: `before` lines are
    before it, and the list has `total`. A part without a body is a heading with a note.
    """

    title: str
    note: str = ""
    head: Sequence[Line] = ()
    body: Sequence[Line] = ()
    chosen: int | None = None
    least: int = 1
    before: int = 0
    total: int | None = None

    @property
    def lines(self) -> int:
        """How many lines it would have, all shown."""
        return len(self.body) if self.total is None else self.total


def workers(run: RunStatus, width: int, rows: int | None = None) -> Section:
    """A cell for each worker, shard by shard; where that takes more than `rows`, cells stand for several workers."""
    by_shard = {shard.number: shard.report.workers for shard in run.shards if shard.report.workers}
    counts = Counter(name for names in by_shard.values() for name in names)
    # What was measured keeps its letter while nobody is in it.
    shown = looks({*counts, *run.work.durations})
    body = _by_shard(by_shard, shown, width)
    note = f"{counts.total():,}"
    if rows is not None and len(body) > rows:
        sample = shares(counts, shown, min(counts.total(), max(1, rows) * width))
        body = [cells(sample[start : start + width], shown) for start in range(0, len(sample), width)]
        if len(sample) < counts.total():
            note += f" (a cell for each {counts.total() / len(sample):.1f})"
    return Section(
        title="Workers",
        note=note,
        head=wrapped(legend(counts, shown), width),
        body=body,
        least=len(body) if rows is not None else 1,
    )


def _by_shard(by_shard: Mapping[int, Sequence[str]], shown: Mapping[str, Look], width: int) -> list[Line]:
    digits = max((len(str(number)) for number in by_shard), default=1)
    step = max(1, width - digits - 1)
    blocks: list[Line] = []
    for number, names in by_shard.items():
        for start in range(0, len(names), step):
            label = f"{number:>{digits}} " if start == 0 else " " * (digits + 1)
            blocks.append((Span(label, "dim"), *cells(names[start : start + step], shown)))
    return wrapped(blocks, width)


def waits(watched: Watched, now: float, width: int) -> Section:
    """What limits the pace, and what papers wait for, until when and why."""
    account = watched.account
    given = (
        Column("waits for", elastic=True, least=SUBJECT_COLUMNS), Column("papers", right=True), Column("until", rank=1),
        Column("why", rank=2, elastic=True),
    )  # fmt: skip
    rows = [_wait_row(wait, now) for wait in account.waits]
    made = table(given, rows, width)
    note = [LIMITS[account.limited_by]] if watched.on else []
    note += [f"{account.waiting:,} papers wait"] if account.waiting else []
    return Section(title="Waits", note=" · ".join(note), head=[made.titles] if rows else (), body=made.lines)


def _wait_row(wait: Wait, now: float) -> list[Cell]:
    is_turn = wait.cause in (Cause.RATE, Cause.MODEL_RATE)
    words = wait.subject.replace("_", " ") if wait.cause is Cause.BACK_OFF else wait.subject
    subject = f"turn at {wait.subject}" if is_turn else words
    style = BAD if wait.needs_a_person else "" if is_turn else WARN
    until = time_of_day(wait.until, now) if wait.until is not None else "you act" if wait.needs_a_person else ""
    papers = f"{wait.papers:,}" if wait.papers else ""
    return [Cell(subject, style), Cell(papers), Cell(until), Cell(wait.why)]


def hosts(watched: Watched, now: float, width: int) -> Section:
    """The governed hosts, and the slots that bound the work."""
    given = (
        Column("host"), Column("state"), Column("asking", rank=1, right=True),
        Column("waiting", rank=1, right=True), Column("allowed", rank=2), Column("why", rank=3, elastic=True),
    )  # fmt: skip
    rows = [_host_row(name, host, watched.hosts_at, now) for name, host in sorted(watched.hosts.items())]
    made = table(given, rows, width)
    shut = sum(host.is_shut for host in watched.hosts.values())
    slots = wrapped([_slot(name, gauge) for name, gauge in _gauges(watched.run).items()], width) if watched.on else []
    body = [*slots, made.titles, *made.lines] if rows else slots
    return Section(title="Hosts and slots", note=f"{shut} shut" if shut else "", body=body)


def _host_row(name: str, host: HostStatus, known_at: float, now: float) -> list[Cell]:
    state, style = "open", GOOD
    if host.blocked is not None:
        state, style = "refuses us", BAD
    elif host.closed_seconds is not None:
        until = known_at + host.closed_seconds
        state, style = (f"closed until {time_of_day(until, now)}" if until > now else "asks once"), WARN
    elif host.factor < 1.0:
        state, style = f"open at {host.factor:.0%}", WARN
    why = host.blocked or (host.why if host.is_shut else "") or ""
    return [
        Cell(name), Cell(state, style), Cell(f"{host.under_way:,}"), Cell(f"{host.wanted:,}"),
        Cell(_allowed(host.policy)), Cell(why),
    ]  # fmt: skip


def _allowed(policy: str) -> str:
    try:
        parsed = parse_policies(policy)[0]
    except (ValueError, IndexError):
        return policy
    seconds = "s" if parsed.per_seconds == 1 else f"{parsed.per_seconds:g} s"
    return f"{parsed.requests} in {seconds}, {parsed.connections} at once".replace("in s,", "a second,")


def _gauges(run: RunStatus) -> dict[str, Gauge]:
    """The slots of all shards together."""
    found: dict[str, Gauge] = {}
    for shard in run.shards:
        for name, gauge in shard.report.gauges.items():
            known = found.get(name, Gauge(0, 0))
            found[name] = Gauge(known.in_use + gauge.in_use, known.limit + gauge.limit)
    return found


def _slot(name: str, gauge: Gauge) -> Line:
    full = gauge.limit > 0 and gauge.in_use >= gauge.limit
    return (*line(name, "dim"), Span(" "), Span(f"{gauge.in_use:,} of {gauge.limit:,}", WARN if full else ""))


def shards(watched: Watched, width: int, *, urgent_first: bool = False) -> Section:
    """A line for each shard, and one for all where there are many."""
    found = list(watched.run.shards)
    if urgent_first:
        found.sort(key=lambda shard: URGENCY.index(shard.state) if shard.state in URGENCY else len(URGENCY))
    given = (
        Column("shard", right=True), Column("state"), Column("held", rank=2, right=True),
        Column("CPU", rank=3, right=True), Column("memory", rank=4, right=True), Column("lag p99", rank=5, right=True),
        Column("files", rank=6, right=True), Column("deaths", rank=1, right=True), Column("pid", rank=7, right=True),
        Column("silent", rank=8, right=True),
    )  # fmt: skip
    made = table(given, [_shard_row(shard) for shard in found], width)
    deaths = [line(f"shard {death.shard} died: {death.cause}", BAD) for death in watched.run.deaths[-1:]]
    all_of_them = [line(each) for each in wrapped_text(_sum_of(found), width)] if len(found) > FEW_SHARDS else []
    head = [*wrapped(deaths, width), *all_of_them, made.titles]
    return Section(title="Shards", note=_states(found), head=head if found else (), body=made.lines)


def in_short(watched: Watched) -> list[Section]:
    """Slots and shards as a heading each, for a small screen."""
    found = watched.run.shards
    slots = ", ".join(f"{name} {gauge.in_use:,}/{gauge.limit:,}" for name, gauge in _gauges(watched.run).items())
    states = _states(found)
    return [
        *([Section(title="Slots", note=slots)] if slots else []),
        *([Section(title="Shards", note=f"{states}; {_sum_of(found)}")] if found else []),
    ]


def _states(found: Sequence[ShardStatus]) -> str:
    states = Counter(shard.state for shard in found)
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _shard_row(shard: ShardStatus) -> list[Cell]:
    process, lag = shard.process, shard.report.loop_lag.p99_seconds
    deaths, many = shard.restarts, process.descriptors > 0.9 * shard.descriptor_budget
    return [
        Cell(str(shard.number)), Cell(shard.state, STATE_STYLES[shard.state]), Cell(f"{shard.report.held:,}"),
        Cell(f"{process.cpu_percent:.0f} %"), Cell(_megabytes(process.rss_bytes)),
        Cell(f"{lag * 1000:.0f} ms", WARN if lag >= 0.25 else ""),
        Cell(f"{process.descriptors:,} of {shard.descriptor_budget:,}", WARN if many else ""),
        Cell(str(deaths), WARN if deaths else ""), Cell(str(shard.pid)), Cell(duration(shard.silent_seconds)),
    ]  # fmt: skip


def _sum_of(found: Sequence[ShardStatus]) -> str:
    lag = max(shard.report.loop_lag.p99_seconds for shard in found)
    return (
        f"{sum(shard.report.held for shard in found):,} held, "
        f"{sum(shard.process.cpu_percent for shard in found):.0f} % CPU, "
        f"{_megabytes(sum(shard.process.rss_bytes for shard in found))}, lag p99 {lag * 1000:.0f} ms"
    )


def _megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
