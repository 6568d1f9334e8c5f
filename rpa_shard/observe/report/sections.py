"""The sections of a report: each a heading, a plot or bars, and its numbers.

Guarantee: pure; a section for which there are no figures is left out. Limit: tables of shards, deaths and failures show
what the run's status keeps of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo

from rpa_shard.control.sentences import duration
from rpa_shard.ipc.run_status import HostStatus, RunStatus, ShardStatus
from rpa_shard.model.distribution import Distribution, bucket_seconds
from rpa_shard.observe.report import plots
from rpa_shard.observe.report.axes import Bin, bins, in_bytes, in_short, in_time
from rpa_shard.observe.report.figures import Figures
from rpa_shard.observe.report.html import bar, bars, element, paragraph, raw_table, section, table, text
from rpa_shard.observe.report.models import models
from rpa_shard.observe.report.words import LEAST_WAIT_SECONDS, moment, waited_for
from rpa_shard.observe.statistics import LEAST_SECONDS, seconds, size

LAST_RUN = "of the last run"
NAMED = 20
FIGURE_TITLES = {"pdf_bytes": "Size of PDFs", "text_bytes": "Size of texts"}
_UNITS = (("s", 1), ("min", 60), ("h", 3600), ("day", 86_400))


def sections(figures: Figures, zone: tzinfo) -> Iterator[str]:
    """All sections that have something to show."""
    run = figures.run
    yield from _pace(figures, zone)
    yield from _failures_over_time(figures, zone)
    yield from _failures_by_reason(figures)
    if run is not None:
        yield from _stages(run)
    yield from _papers(figures)
    if run is not None:
        yield from _waits(run)
        yield from models(run)
    yield from _hosts(figures.hosts)
    if run is not None:
        yield from _shards(run, zone)
        yield from _last_failures(run, zone)


def figure(svg: str, *below: str, wide: bool = False) -> str:
    """A plot with what belongs to it."""
    return element("figure", "\n".join([element("div", svg, class_="scroll") if wide else svg, *below]))


def details(summary: str, content: str) -> str:
    """Something that is shown when it is asked for."""
    return element("details", element("summary", text(summary)) + content)


def legend(names: Iterable[str]) -> str:
    """The colours of series."""
    items = (
        f'<li><svg class="key" aria-hidden="true"><rect class="s{number}" width="100%" height="100%"/></svg>'
        f"{text(name)}</li>"
        for number, name in enumerate(names)
    )
    return element("ul", "".join(items), class_="legend")


def _pace(figures: Figures, zone: tzinfo) -> Iterator[str]:
    completed = figures.completed()
    if not completed or figures.seconds <= 0:
        return
    part_seconds = figures.seconds / figures.parts
    most = max(map(sum, zip(*completed.values(), strict=True))) / part_seconds
    unit, length = next(((unit, length) for unit, length in _UNITS if most * length >= 1), _UNITS[-1])
    paces = {phase: [count / part_seconds * length for count in counts] for phase, counts in completed.items()}
    title = f"Papers per {unit}"
    svg = plots.over_time("pace", title, paces, figures.begins, figures.ends, zone, whole=False)
    below = [legend(paces)] if len(paces) > 1 else []
    numbers = _over_time_table(figures, completed, zone, f"Papers completed in each {seconds(part_seconds)}")
    yield section("Pace over time", figure(svg, *below, wide=True), numbers, note=title.lower())


def _failures_over_time(figures: Figures, zone: tzinfo) -> Iterator[str]:
    failed = figures.failed()
    if not failed or figures.seconds <= 0:
        return
    shown = dict(list(failed.items())[: plots.SERIES])
    others = list(failed.values())[plots.SERIES :]
    if others:
        shown["others"] = [sum(counts) for counts in zip(*others, strict=True)]
    svg = plots.over_time("failures", "Failed attempts", shown, figures.begins, figures.ends, zone, whole=True)
    what = f"Failed attempts in each {seconds(figures.seconds / figures.parts)}"
    content = figure(svg, legend(shown), wide=True)
    yield section("Failures over time", content, _over_time_table(figures, failed, zone, what), note=what.lower())


def _over_time_table(figures: Figures, series: Mapping[str, Sequence[int]], zone: tzinfo, caption: str) -> str:
    """The numbers of a plot over time, for the parts in which something happened."""
    part_seconds = figures.seconds / figures.parts
    rows = [
        [moment(figures.begins + part * part_seconds, zone), *(f"{counts[part]:,}" for counts in series.values())]
        for part in range(figures.parts)
        if any(counts[part] for counts in series.values())
    ]
    columns = range(1, 1 + len(series))
    return details("Numbers", table(["from", *series], rows, caption=caption, numbers=columns))


def _failures_by_reason(figures: Figures) -> Iterator[str]:
    reasons = figures.failed_by_reason()
    if reasons:
        kinds = ["for good", "tried again"]
        yield section("Failures by reason", bars("reason", reasons, kinds, caption="Failed attempts"), legend(kinds))


def _stages(run: RunStatus) -> Iterator[str]:
    stages = {stage: each for stage, each in run.work.durations.items() if each.count}
    if not stages:
        return
    rows = [
        [stage, f"{each.count:,}", *(seconds(each.quantile_seconds(part)) for part in (0.5, 0.95, 0.99)),
         seconds(each.max_seconds)]
        for stage, each in stages.items()
    ]  # fmt: skip
    head = ["stage", "times", "p50", "p95", "p99", "longest"]
    shown = [
        _stage_plot(number, stage, each)
        for number, (stage, each) in enumerate(stages.items())
        if each.quantile_seconds(0.99) >= LEAST_SECONDS
    ]
    numbers = table(head, rows, caption="How long attempts were in each stage", numbers=range(1, len(head)))
    yield section("Latency by stage", numbers, element("div", "\n".join(shown), class_="pair"), note=LAST_RUN)


def _stage_plot(number: int, stage: str, measured: Distribution) -> str:
    counts = Counter[float]()
    for bucket, count in measured.counts.items():
        counts[bucket_seconds(bucket) if bucket_seconds(bucket) >= LEAST_SECONDS else 0.0] += count
    found = bins(counts, whole=False)
    svg = plots.histogram(f"stage{number}", f"Time in {stage}", found, in_time, _marks(found, in_time))
    return figure(svg, element("figcaption", text(stage)), _bins_table(found, in_time))


def _papers(figures: Figures) -> Iterator[str]:
    """What is known of the papers: attempts, sizes, flags, sources."""
    shown = []
    for phase, attempts in figures.completed_by_attempt().items():
        counts = {str(attempt): (count,) for attempt, count in attempts.items()}
        shown.append(bars("attempt", counts, ["papers"], caption=f"Papers that have been through {phase}, by attempt"))
    if figures.results.flags:
        shown.append(_counted("flag", figures.results.flags, "Papers by flag"))
    sources = figures.run.work.tallies.get("source") if figures.run is not None else None
    if sources:
        shown.append(_counted("source", sources, f"Papers by source, {LAST_RUN}"))
    if shown:
        yield section("Papers", element("div", "\n".join(shown), class_="pair"))
    figures_of = {name: counts for name, counts in figures.results.figures.items() if counts}
    if figures_of:
        drawn = [_figure_plot(number, name, counts) for number, (name, counts) in enumerate(figures_of.items())]
        note = f"of {figures.results.papers:,} papers"
        yield section("Sizes", element("div", "\n".join(drawn), class_="pair"), note=note)


def _figure_plot(number: int, name: str, counts: Mapping[float, int]) -> str:
    found = bins(counts, whole=True)
    in_words = in_bytes if name.endswith("_bytes") else in_short
    title = FIGURE_TITLES.get(name, f"{name.replace('_', ' ').capitalize()} per paper")
    svg = plots.histogram(f"figure{number}", title, found, in_words, _marks(found, in_words))
    return figure(svg, element("figcaption", text(title)), _bins_table(found, in_words))


def _marks(found: Sequence[Bin], in_words: Callable[[float], str]) -> dict[float, str]:
    """The labels of lower ends: of all if they are few, or else of those that are round."""
    few = len(found) <= plots.LEAST_PLACES
    return {each.least: in_words(each.least) for each in found if few or f"{each.least:e}"[0] in "0125"}


def _bins_table(found: Sequence[Bin], in_words: Callable[[float], str]) -> str:
    most = max((each.count for each in found), default=0) or 1
    rows = ([text(in_words(each.least)), f"{each.count:,}", bar([each.count], most)] for each in found)
    return details("Numbers", raw_table(["at least", "count", ""], rows, caption="By size", numbers=[1]))


def _counted(name: str, counts: Mapping[str, int], caption: str) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = {each: (count,) for each, count in ordered[:NAMED]}
    if len(ordered) > NAMED:
        shown["others"] = (sum(count for _, count in ordered[NAMED:]),)
    return bars(name, shown, ["papers"], caption=caption)


def _waits(run: RunStatus) -> Iterator[str]:
    waits = [each for each in run.waited if each.seconds >= LEAST_WAIT_SECONDS]
    if not waits:
        return
    most = max(each.seconds for each in waits)
    rows = (
        [text(waited_for(each)), f"{each.times:,}", text(duration(each.seconds)), bar([each.seconds], most)]
        for each in waits
    )
    head = ["papers waited", "times", "how long", ""]
    shown = raw_table(head, rows, caption="All times together", numbers=[1, 2])
    idle = f"For {duration(run.idle_seconds)} nothing else was left to do."
    more = [paragraph(idle)] if run.idle_seconds >= LEAST_WAIT_SECONDS else []
    yield section("Waits", shown, *more, note=LAST_RUN)


def _hosts(hosts: Mapping[str, HostStatus]) -> Iterator[str]:
    if hosts:
        rows = ([name, each.policy.partition("=")[2], f"{each.factor:.0%}", *_host_state(each)]
                for name, each in hosts.items())  # fmt: skip
        head = ["host", "policy", "of that now", "state", "last reason"]
        caption = "What each allows: requests in so many seconds, at so many connections"
        yield section("Hosts", table(head, rows, caption=caption, numbers=[2]), class_="named")


def _host_state(host: HostStatus) -> tuple[str, str]:
    if host.blocked is not None:
        return "refuses us", host.blocked
    if host.closed_seconds is not None:
        left = f" for {duration(host.closed_seconds)}" if host.closed_seconds else ", a probe decides"
        return f"left alone{left}", host.why or ""
    return "open", host.why or ""


def _shards(run: RunStatus, zone: tzinfo) -> Iterator[str]:
    if not run.shards:
        return
    head = ["shard", "state", "deaths", "completed", "peak memory", "peak descriptors", "lag p50", "p99", "most"]
    rows = [_shard_row(each) for each in run.shards]
    shown = [table(head, rows, caption="Shards and their event loops", numbers=[0, *range(2, len(head))])]
    if run.deaths:
        deaths = ([moment(each.at, zone), str(each.shard), each.cause] for each in run.deaths)
        shown.append(table(["at", "shard", "cause"], deaths, caption="The last deaths", numbers=[1]))
    yield section("Shards", *shown, note=LAST_RUN)


def _shard_row(shard: ShardStatus) -> list[str]:
    lag, peak = shard.report.loop_lag, shard.peak
    return [
        str(shard.number),
        shard.state.value,
        str(shard.restarts),
        f"{shard.report.work.completed_claims:,}",
        size(peak.rss_bytes),
        f"{peak.descriptors} of {shard.descriptor_budget}",
        *(seconds(each) for each in (lag.p50_seconds, lag.p99_seconds, lag.max_seconds)),
    ]


def _last_failures(run: RunStatus, zone: tzinfo) -> Iterator[str]:
    if run.failures:
        rows = (
            [moment(each.at, zone), each.paper_id, each.phase, f"{each.attempt}{', the last' if each.final else ''}",
             each.reason, each.detail]
            for each in reversed(run.failures)
        )  # fmt: skip
        head = ["at", "paper", "phase", "attempt", "reason", "detail"]
        shown = table(head, rows, caption="Newest first")
        yield section("The last failures", shown, note=LAST_RUN, class_="named")
