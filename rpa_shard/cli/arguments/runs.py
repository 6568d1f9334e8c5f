"""Arguments of the commands for queueing papers, running, the state of a run.

Guarantee: as `rpa_shard.cli.arguments` says. Limit: likewise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rpa_shard.cli.arguments.parsing import AddCommand
from rpa_shard.cli.arguments.values import MOST, REPEATED, count, day, whole_number


def add_commands(command: AddCommand) -> None:
    """Queueing papers, running, the state of a run."""
    sub = command("add", "queue papers", "add 2401.00001 hep-th/9901001v2 --file ids.txt")
    sub.add_argument("ids", nargs="*", metavar="ID", help="arXiv id or URL, URL of a PDF, path of a PDF or of a folder")
    sub.add_argument(
        "--file",
        **REPEATED,
        metavar="F",
        help="a list of them: lines, CSV, TSV, BibTeX, RIS, JSON; packed or not; - is standard input",
    )
    sub.add_argument("--column", metavar="NAME", help="the column (by name or number) or field of F that has them")
    sub.add_argument(
        "--priority", type=whole_number(-MOST, MOST), default=0, metavar="N", help="higher goes first (default 0)"
    )
    sub.add_argument(
        "--tar",
        action="extend",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="bulk archives of PDFs from arXiv",
    )
    sub.add_argument(
        "--manifest",
        **REPEATED,
        type=Path,
        metavar="XML",
        help="the manifest of the archives, to check that they are complete",
    )
    sub.add_argument(
        "--metadata",
        **REPEATED,
        type=Path,
        metavar="FILE",
        help="arXiv's metadata snapshot, JSON lines, plain or gzip",
    )
    sub.add_argument(
        "--category",
        **REPEATED,
        metavar="C",
        help="only papers of the snapshot in this category, such as cs.LG or cs",
    )
    sub.add_argument("--since", type=day, metavar="DAY", help="only papers first submitted on or after YYYY-MM-DD")
    sub.add_argument("--until", type=day, metavar="DAY", help="only papers first submitted on or before YYYY-MM-DD")
    sub.add_argument("--limit", type=count, metavar="N", help="at most N papers of the snapshot")

    sub = command("run", "work until nothing is left to do", "run --shards 4")
    add_run_options(sub)
    sub.add_argument(
        "--on",
        choices=("ray",),
        help="work on every machine of a Ray cluster: that of RAY_ADDRESS, or one started here for as long",
    )

    sub = command("status", "show states, failures by reason, rates and the oldest lease", "status")
    sub.add_argument("--json", action="store_true", help="for programs")


def add_run_options(sub: argparse.ArgumentParser) -> None:
    """Adds what every command takes that is a run."""
    ends = sub.add_mutually_exclusive_group()
    ends.add_argument("--daemon", action="store_true", help="never end; work on papers as they are added")
    ends.add_argument("--limit", type=count, metavar="N", help="take at most N papers from the queue, then end")
    sub.add_argument("--shards", type=int, metavar="N", help="the same as RPA_V2_SHARD_COUNT=N")
    told = sub.add_mutually_exclusive_group()
    told.add_argument("--verbose", action="store_true", help="log a few lines a paper, as RPA_V2_LOG_LEVEL=info")
    told.add_argument("--quiet", action="store_true", help="show errors only: no progress, no summary")
    told.add_argument(
        "--progress",
        choices=("bar", "lines", "json"),
        help="default: a bar on a terminal, else a line every 30 s; json prints an object a second, and one at the end",
    )
    sub.add_argument("--stats", type=Path, metavar="F", help="write the figures of the run to F, as JSON")
