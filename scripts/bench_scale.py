#!/usr/bin/env python3
"""How the cost grows: with rows, with shards, with workers; and what choosing papers costs. Tables, JSON and plots.

scripts/bench_scale.py [--sizes 10000 100000 1000000 3000000] [--json FILE] [--plots FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rpa_shard.testing.mirror import MirrorProcess
from scripts.benchmarks import ceiling, choosing, growth
from scripts.benchmarks.measuring import end_on_sigterm
from scripts.benchmarks.ours import run_ours
from scripts.benchmarks.papers import Shelf, fill_shelf
from scripts.benchmarks.plots import line_chart
from scripts.benchmarks.report import table

SIZES = (10_000, 100_000, 1_000_000, 3_000_000)
RESIZED_FROM = 1_000_000
CEILING_SHARDS = (1, 2, 4, 8)
RUN_SHARDS = (1, 2, 4, 8, 16)
RUN_WORKERS = (200, 1000, 5000)
CLAIM_ROUNDS = 5

Row = dict[str, Any]


def by_size(sizes: list[int], scratch: Path) -> list[Row]:
    """Every operation at every size; claims in rounds over all sizes, so that other work affects all alike."""
    rows: list[Row] = []
    for size in sizes:
        folder = scratch / f"rows-{size}"
        added = growth.add(folder, size)
        rows.append({"rows": size, "add_rows_per_second": size / added.seconds, "add_memory": _mb(added)})
        rows[-1]["status_seconds"] = growth.status_seconds(folder)
        exported = growth.export(folder, size)
        rows[-1] |= {"export_rows_per_second": size / exported.seconds, "export_memory": _mb(exported)}
        say(f"{rows[-1]}")
    rounds = [{size: growth.claims_per_second(scratch / f"rows-{size}") for size in sizes} for _ in range(CLAIM_ROUNDS)]
    for row, size in zip(rows, sizes, strict=True):
        row["claims_per_second"] = statistics.median(each[size] for each in rounds)
        if size >= min(RESIZED_FROM, max(sizes)):
            moved = growth.resize(scratch / f"rows-{size}", size, growth.SHARDS * 2)
            row |= {"resize_seconds": moved.seconds, "resize_memory": _mb(moved)}
        say(f"{row}")
        shutil.rmtree(scratch / f"rows-{size}")
    return rows


def by_choice(rows: int, scratch: Path) -> list[Row]:
    """`list` by each condition, on this many papers."""
    folder = scratch / "choices"
    growth.add(folder, rows)
    choosing.give_states(folder)
    found: list[Row] = []
    for name in choosing.CHOICES:
        figures = choosing.choose(folder, rows, name)
        found.append({"choice": name, "seconds": figures.seconds, "memory": _mb(figures)})
        say(f"{found[-1]}")
    shutil.rmtree(folder)
    return found


def by_shards(shelf: Shelf, url: str, shard_counts: Sequence[int], scratch: Path) -> list[Row]:
    """Complete runs over generated papers with an increasing number of shards."""
    return [{"shards": shards, **_run(shelf, url, scratch, shards, {})} for shards in shard_counts]


def by_workers(shelf: Shelf, url: str, worker_counts: Sequence[int], scratch: Path) -> list[Row]:
    """Complete runs over generated papers with an increasing number of workers."""
    return [
        {"workers": workers, **_run(shelf, url, scratch, growth.SHARDS, {"WORKERS": str(workers)})}
        for workers in worker_counts
    ]


def _run(shelf: Shelf, url: str, scratch: Path, shards: int, knobs: dict[str, str]) -> Row:
    folder = scratch / "run"
    folder.mkdir()
    figures = run_ours(shelf, url, folder, shards, knobs=knobs)
    shutil.rmtree(folder)
    row = {"papers_per_second": figures.papers_per_second, "cpu_ms_per_paper": figures.cpu_ms_per_paper}
    say(f"{shards} shards, {knobs or 'defaults'}: {row}")
    return {**row, "memory": _mb(figures)}


def by_ceiling(shard_counts: Sequence[int], scratch: Path) -> list[Row]:
    """Claim and record, and nothing else."""
    rows = []
    for shards in shard_counts:
        rate = ceiling.papers_per_second(scratch / f"ceiling-{shards}", shards)
        rows.append({"shards": shards, "papers_per_second": rate, "papers_per_second_per_shard": rate / shards})
        say(f"{rows[-1]}")
        shutil.rmtree(scratch / f"ceiling-{shards}")
    return rows


def _mb(figures: Any) -> float:
    return float(figures.memory_peak_bytes) / 1e6


def plots(found: dict[str, list[Row]], folder: Path) -> None:
    """The SVG files."""
    folder.mkdir(parents=True, exist_ok=True)

    def chart(name: str, title: str, key: str, x: str, columns: dict[str, str], unit: str) -> None:
        lines = {label: [(row[x], row[each]) for row in found[key] if each in row] for label, each in columns.items()}
        (folder / f"{name}.svg").write_text(line_chart(title, x, unit, {k: v for k, v in lines.items() if v}))

    chart("claims", "Claims of 16 papers at a time", "by_size", "rows", {"claims": "claims_per_second"}, "claims/s")
    memory = {"add": "add_memory", "export": "export_memory", "resize": "resize_memory"}
    chart("memory", "Memory of commands", "by_size", "rows", memory, "MB")
    chart("shards", "CPU of a small paper", "by_shards", "shards", {"CPU": "cpu_ms_per_paper"}, "ms a paper")
    chart("workers", "CPU of a small paper", "by_workers", "workers", {"CPU": "cpu_ms_per_paper"}, "ms a paper")


def tables(found: dict[str, list[Row]]) -> list[str]:
    """All tables in Markdown."""
    lines: list[str] = []
    for rows in found.values():
        head = list(dict.fromkeys(key for row in rows for key in row))
        cells = [[_cell(row[key]) if key in row else "" for key in head] for row in rows]
        lines += [*table([each.replace("_", " ") for each in head], cells), ""]
    return lines


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="ROWS")
    parser.add_argument("--papers", type=int, default=2000, help="generated papers for shards and workers")
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where SVG files go")
    given = parser.parse_args()
    end_on_sigterm()
    shard_counts: Sequence[int] = RUN_SHARDS
    worker_counts: Sequence[int] = RUN_WORKERS
    ceiling_counts: Sequence[int] = CEILING_SHARDS
    if given.quick:
        given.sizes, given.papers = [1000, 10_000], 100
        shard_counts, worker_counts, ceiling_counts = (1, 2), (200, 1000), (1, 2)
    with tempfile.TemporaryDirectory(prefix="rpa-shard-bench-") as name:
        scratch = Path(name)
        found = {"by_size": by_size(given.sizes, scratch), "by_choice": by_choice(max(given.sizes), scratch)}
        found |= {"ceiling": by_ceiling(ceiling_counts, scratch)}
        shelf = fill_shelf(scratch / "shelf", [], given.papers)
        with MirrorProcess(shelf.folder) as mirror:
            found["by_shards"] = by_shards(shelf, mirror.url, shard_counts, scratch)
            found["by_workers"] = by_workers(shelf, mirror.url, worker_counts, scratch)
    print("\n".join(tables(found)))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    if given.plots:
        plots(found, given.plots)


if __name__ == "__main__":
    main()
