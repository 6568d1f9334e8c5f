#!/usr/bin/env python3
"""How fast a run is, compared with the bare engine and with common tools: one command, one run, ratios.

Uses your PDFs (or generated papers), served by a mirror outside the measured processes, in turn and in rounds, so that
other work on the machine affects all contenders alike; medians. Slow contenders take fewer passes over the same PDFs.

    scripts/bench.py [FOLDER ...] [--papers 800] [--rounds 3] [--json FILE]
    scripts/bench.py --quick          # under two minutes, on papers made here, without other people's tools
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rpa_shard.system.cores import usable_cores
from rpa_shard.testing.mirror import MirrorProcess
from scripts.benchmarks import others
from scripts.benchmarks.measuring import ContenderError, Figures, end_on_sigterm
from scripts.benchmarks.ours import Growth, Origin, run_ours, start_and_stop
from scripts.benchmarks.papers import Shelf, fill_shelf
from scripts.benchmarks.report import Result, slope, summary

# Papers for "start to first request, SIGTERM to exit": a few are enough.
LIFE_PAPERS = 20


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table. `passes` over the distinct PDFs (0: all papers); `tools` are other people's."""

    name: str
    run: Callable[[Shelf, Path], Figures]
    passes: int = 0
    tools: bool = False
    every_round: bool = True


def contenders(url: str, cores: int) -> list[Contender]:
    """The contenders in the order in which they run; neighbours are compared."""
    first_core = sorted(os.sched_getaffinity(0))[:1]

    def ours(
        shards: int, cores: Sequence[int] | None = None, origin: Origin = "mirror", **knobs: str
    ) -> Callable[[Shelf, Path], Figures]:
        return lambda shelf, scratch: run_ours(shelf, url, scratch, shards, origin=origin, cores=cores, knobs=knobs)

    return [
        Contender("limit", lambda shelf, scratch: others.bare_pdfium(shelf, scratch, cores)),
        Contender("us", ours(cores)),
        Contender("us, PDFs not kept", ours(cores, KEEP_PDF="0")),
        Contender("us, from a folder", ours(cores, origin="folder", KEEP_PDF="0")),
        Contender("us, from an archive", ours(cores, origin="archive", KEEP_PDF="0")),
        Contender("extraction alone", lambda shelf, scratch: others.bare_extraction(shelf, scratch, cores)),
        Contender("us, 1 shard", ours(1)),
        Contender("us, 1 shard on 1 core", ours(1, first_core)),
        Contender("scripts", lambda shelf, scratch: others.scripts(shelf, url, scratch, cores), tools=True),
        Contender("scrapy, download alone", lambda shelf, scratch: others.scrapy(shelf, url, scratch), tools=True),
        Contender(
            "pymupdf, extraction alone", lambda shelf, scratch: others.bare_pymupdf(shelf, scratch, cores), tools=True
        ),
        Contender("old plan, threads", lambda shelf, scratch: others.old_plan(shelf, url, scratch, "thread"), passes=1),
        Contender(
            "old plan, processes", lambda shelf, scratch: others.old_plan(shelf, url, scratch, "process"), passes=2
        ),
        Contender("us, pypdf", ours(cores, EXTRACT_ENGINE="pypdf"), passes=1),
    ]


def run_rounds(chosen: Sequence[Contender], shelf: Shelf, rounds: int, scratch: Path) -> dict[str, Result]:
    """Runs every contender in turn, round after round."""
    results = {contender.name: Result() for contender in chosen}
    for number in range(rounds):
        # The files stay until the round's end: some file systems make new ones slowly just after many were removed.
        round_folder = scratch / f"round-{number}"
        for place, contender in enumerate(chosen):
            result = results[contender.name]
            if result.skipped is not None:
                continue
            own = shelf.passes(contender.passes) if contender.passes else shelf
            folder = round_folder / str(place)
            folder.mkdir(parents=True)
            try:
                result.rounds.append(contender.run(own, folder))
                rate = result.rounds[-1].papers_per_second
                say(f"round {number + 1}, {contender.name}: {len(own.ids)} papers, {rate:.1f} papers/s")
            except ContenderError as error:
                result.skipped = str(error)
                say(f"skipped: {contender.name}: {error}")
        shutil.rmtree(round_folder, ignore_errors=True)
    return results


def run_lives(
    shelf: Shelf, url: str, mirror_log: Path, rounds: int, scratch: Path, shards: int
) -> list[dict[str, float]]:
    """Measures starts and stops, one per round."""
    lives = []
    for number in range(rounds):
        folder = scratch / f"life-{number}"
        folder.mkdir()
        lives.append(start_and_stop(shelf.first(LIFE_PAPERS), url, mirror_log, folder, shards))
        shutil.rmtree(folder)
        say(f"start {lives[-1]['start_seconds']:.2f} s, stop {lives[-1]['stop_seconds']:.2f} s")
    return lives


def run_long(sources: Sequence[Path], papers: int, scratch: Path, shards: int) -> dict[str, float]:
    """One long run, for memory growth: bytes per paper, and their standard error."""
    shelf = fill_shelf(scratch / "long-shelf", sources, papers)
    growth = Growth()
    folder = scratch / "long"
    folder.mkdir()
    with MirrorProcess(shelf.folder) as mirror:
        figures = run_ours(shelf, mirror.url, folder, shards, growth=growth)
    shutil.rmtree(folder)
    found = slope(list(growth.points.values()))
    return {"papers": papers, **found, "papers_per_second": figures.papers_per_second}


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="of PDFs (default: papers made here)")
    parser.add_argument("--papers", type=int, default=800, help="in each run (default 800)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--long-papers", type=int, default=10_000, help="for memory growth (default 10000, 0 for none)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these contenders; may be repeated")
    parser.add_argument("--quick", action="store_true", help="to see that it works: few papers, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures, for programs")
    given = parser.parse_args()
    if given.quick:
        given.folders, given.papers, given.rounds, given.long_papers = [], 200, 1, 1000
    return given


def main() -> None:
    given = parse()
    end_on_sigterm()
    cores = usable_cores()
    with tempfile.TemporaryDirectory(prefix="rpa-shard-bench-") as name:
        scratch = Path(name)
        shelf = fill_shelf(scratch / "shelf", given.folders, given.papers)
        mirror_log = scratch / "arrivals"
        with MirrorProcess(shelf.folder, log=mirror_log) as mirror:
            chosen = [
                each
                for each in contenders(mirror.url, cores)
                if not (given.quick and each.tools) and (not given.only or each.name in given.only)
            ]
            results = run_rounds(chosen, shelf, given.rounds, scratch)
            lives = run_lives(shelf, mirror.url, mirror_log, given.rounds, scratch, cores)
        growth = run_long(given.folders, given.long_papers, scratch, cores) if given.long_papers else None
    found = summary(results, lives, growth, cores, given.papers)
    print("\n".join(found.lines()))
    if given.json:
        given.json.write_text(json.dumps(found.as_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
