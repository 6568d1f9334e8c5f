"""The results of the contenders' rounds: medians, ratios, and the table of targets.

Guarantee: pure; a ratio is the median of the ratios within each round, so what affected a complete round cancels out.
Limit: gives no reasons; a target that cannot be computed from the rounds is left out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.benchmarks.measuring import Figures

WARM_UP = 1 / 3


@dataclass(slots=True)
class Result:
    """One contender's rounds, or why there are none."""

    rounds: list[Figures] = field(default_factory=list)
    skipped: str | None = None

    def median(self, of: Callable[[Figures], float]) -> float:
        return statistics.median(map(of, self.rounds))

    def lag(self, name: str) -> float | None:
        """Median over the rounds of a quantile of the loop's lag, in ms; None without a loop."""
        values = [getattr(each.lag, name) for each in self.rounds if each.lag is not None]
        return statistics.median(values) if values else None

    def as_json(self) -> dict[str, Any]:
        if not self.rounds:
            return {"skipped": self.skipped}
        return {
            "papers": self.rounds[0].papers,
            "papers_per_second": self.median(lambda each: each.papers_per_second),
            "rounds_papers_per_second": [each.papers_per_second for each in self.rounds],
            "cpu_ms_per_paper": self.median(lambda each: each.cpu_ms_per_paper),
            "memory_peak_bytes": self.median(lambda each: each.memory_peak_bytes),
            "descriptors_peak": self.median(lambda each: each.descriptors_peak),
            **{f"lag_{name}": self.lag(name) for name in ("p50_ms", "p99_ms", "max_ms")},
            **{name: self.median(lambda each, name=name: each.more[name]) for name in self.rounds[0].more},  # type: ignore[misc]
        }


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table of targets, with the required and the desired value."""

    name: str
    value: str
    must: str
    aim: str


@dataclass(frozen=True, slots=True)
class Summary:
    """All results of a benchmark."""

    results: Mapping[str, Result]
    targets: Sequence[Target]
    cores: int
    papers: int
    growth: Mapping[str, float] | None

    def lines(self) -> list[str]:
        """Two tables in Markdown."""
        head = [
            "contender",
            "papers",
            "papers/s",
            "CPU ms a paper",
            "memory MB",
            "descriptors",
            "lag ms p50 / p99 / max",
        ]
        rows = [_row(name, result) for name, result in self.results.items()]
        targets = [[each.name, each.value, each.must, each.aim] for each in self.targets]
        rounds = max(len(result.rounds) for result in self.results.values())
        return [
            f"{self.cores} cores, {self.papers} papers, medians of {rounds} rounds",
            "",
            *table(head, rows),
            "",
            *table(["", "here", "must", "aim"], targets),
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "cores": self.cores,
            "papers": self.papers,
            "contenders": {name: result.as_json() for name, result in self.results.items()},
            "targets": {each.name: each.value for each in self.targets},
            "growth": self.growth,
        }


def summary(
    results: Mapping[str, Result],
    lives: Sequence[Mapping[str, float]],
    growth: Mapping[str, float] | None,
    cores: int,
    papers: int,
) -> Summary:
    """The targets, as far as the results cover them."""
    found: list[Target | None] = [
        _ratio(results, "us", "limit", "0.70 (older papers 0.65)", "0.80 (0.75)"),
        _ratio(results, "us, PDFs not kept", "limit", "0.75", "0.85"),
        _ratio(results, "us, from a folder", "limit", "0.78", "0.90"),
        _ratio(results, "us, from an archive", "limit", "0.78", "0.90"),
        _ratio(results, "extraction alone", "limit", "0.85", "0.90"),
        _ratio(results, "us", "old plan, threads", "25", "35"),
        _ratio(results, "us", "old plan, processes", "10", "14"),
        _ratio(results, "us", "scripts", "2.0", "2.3"),
        _ratio(results, "us", "us, 1 shard", "1.9", "1.98"),
        _ratio(results, "us", "us, 1 shard on 1 core", "1.9", "1.98"),
        _lag(results, "us", "5 / 30", "3 / 20"),
        _lag(results, "us, pypdf", "25 (p99)", "10 (p99)"),
        _overhead(results, "limit", "CPU of everything but the engine, ms a paper", "", ""),
        _ratio(results, "us", "extraction alone", "", ""),
        _overhead(results, "extraction alone", "CPU of everything but our extraction, ms a paper", "5", "3"),
        _memory(results),
        _growth(growth),
        _life(lives, "start_seconds", "s from `run` to the first download", "0.5", "0.3"),
        _life(lives, "stop_seconds", "s from SIGTERM to the exit, nothing in flight", "1", "0.2"),
    ]
    return Summary(results, [each for each in found if each is not None], cores, papers, growth)


def _ratio(results: Mapping[str, Result], ours: str, theirs: str, must: str, aim: str) -> Target | None:
    pairs = _pairs(results, ours, theirs)
    if not pairs:
        return None
    value = statistics.median(a.papers_per_second / b.papers_per_second for a, b in pairs)
    return Target(f"{ours} / {theirs}", f"{value:.2f}", must, aim)


def _overhead(results: Mapping[str, Result], than: str, name: str, must: str, aim: str) -> Target | None:
    pairs = _pairs(results, "us", than)
    if not pairs:
        return None
    value = statistics.median(ours.cpu_ms_per_paper - theirs.cpu_ms_per_paper for ours, theirs in pairs)
    return Target(name, f"{value:.1f}", must, aim)


def _pairs(results: Mapping[str, Result], first: str, second: str) -> list[tuple[Figures, Figures]]:
    if first not in results or second not in results:
        return []
    return list(zip(results[first].rounds, results[second].rounds, strict=False))


def _lag(results: Mapping[str, Result], name: str, must: str, aim: str) -> Target | None:
    result = results.get(name)
    if result is None or not result.rounds:
        return None
    value = f"{result.lag('p99_ms'):.1f} / {result.lag('max_ms'):.0f}"
    return Target(f"loop lag, {name}, ms p99 / max", value, must, aim)


def _memory(results: Mapping[str, Result]) -> Target | None:
    result = results.get("us")
    if result is None or not result.rounds:
        return None
    value = result.median(lambda each: each.more["shard_memory_bytes"])
    return Target("memory of a shard, MB (its highest RSS)", f"{value / 1e6:.0f}", "180", "120")


def _growth(growth: Mapping[str, float] | None) -> Target | None:
    if growth is None:
        return None
    value = f"{growth['bytes_per_paper']:.0f} ± {growth['standard_error']:.0f}"
    return Target(f"memory growth over {growth['papers']:.0f} papers, bytes a paper", value, "0 within the error", "")


def _life(lives: Sequence[Mapping[str, float]], key: str, name: str, must: str, aim: str) -> Target | None:
    if not lives:
        return None
    return Target(name, f"{statistics.median(each[key] for each in lives):.2f}", must, aim)


def slope(series: Sequence[Sequence[tuple[float, float]]]) -> dict[str, float]:
    """The common slope of lines through several series, each with its own offset, and its standard error.

    The first third of each, the warm-up, is left out. Least squares; the error takes the residuals as independent,
    which samples of one process are not quite, so it is too small rather than too large.
    """
    points: list[tuple[float, float]] = []
    for each in series:
        steady = [point for point in each if point[0] >= WARM_UP * max(x for x, _ in each)]
        mean_x = statistics.fmean(x for x, _ in steady)
        mean_y = statistics.fmean(y for _, y in steady)
        points += [(x - mean_x, y - mean_y) for x, y in steady]
    spread = sum(x * x for x, _ in points)
    degrees = len(points) - len(series) - 1
    if not spread or degrees < 1:
        return {"bytes_per_paper": math.nan, "standard_error": math.nan}
    gradient = sum(x * y for x, y in points) / spread
    residual = sum((y - gradient * x) ** 2 for x, y in points)
    return {"bytes_per_paper": gradient, "standard_error": math.sqrt(residual / degrees / spread)}


def _row(name: str, result: Result) -> list[str]:
    if not result.rounds:
        return [name, f"skipped: {result.skipped}", "", "", "", "", ""]
    lags = [result.lag(each) for each in ("p50_ms", "p99_ms", "max_ms")]
    return [
        name,
        str(result.rounds[0].papers),
        f"{result.median(lambda each: each.papers_per_second):.1f}",
        f"{result.median(lambda each: each.cpu_ms_per_paper):.1f}",
        f"{result.median(lambda each: each.memory_peak_bytes) / 1e6:.0f}",
        f"{result.median(lambda each: each.descriptors_peak):.0f}",
        " / ".join(f"{lag:.1f}" for lag in lags if lag is not None) or "-",
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return [line(head), line(["-" * width for width in widths]), *map(line, rows)]
