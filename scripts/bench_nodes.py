#!/usr/bin/env python3
"""What many machines cost: papers/s with 1, 2 and 3 nodes of one shard on this box, beside the embedded store.

Every contender works through the same papers from the same mirror, in turn and in rounds; medians, and ratios to the
embedded run with as many shards: of the whole run, and of the time in which it is under way, without start and end.
Nodes work over a PostgreSQL and an S3 server on this box, which take their part of its cores: their CPU is counted
apart. The server flushes to the disk, as it does by default. Knobs of the environment hold for all contenders, such as
RPA_V2_KEEP_PDF=0.

    scripts/bench_nodes.py [FOLDER ...] [--papers 300] [--rounds 3] [--json FILE]
    scripts/bench_nodes.py --quick    # about a minute, to see that it works
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.postgres_server import PostgresServer
from rpa_shard.testing.s3_server import S3Server
from scripts.benchmarks.measuring import ContenderError, end_on_sigterm
from scripts.benchmarks.nodes import Cost, Place, cpu_of_tree, run_embedded, run_nodes
from scripts.benchmarks.papers import Shelf, fill_shelf

# Of three nodes on two cores, the third is there to see what it costs when there is no core for it.
NODES = (1, 2, 3)
# One line a contender, and what each figure is divided by for the ratio.
EMBEDDED, S3, SHARED, PLAIN = "embedded", "nodes, S3", "nodes, shared folder", "nodes, files in their folders"


@dataclass(slots=True)
class Measured:
    """The rounds of one contender: so many nodes, or shards of one embedded run."""

    kind: str
    nodes: int
    rounds: list[Cost] = field(default_factory=list)

    def middle(self, name: str) -> float:
        """The median of a figure."""
        return float(median(getattr(each, name) for each in self.rounds))


@contextmanager
def servers(scratch: Path) -> Iterator[tuple[PostgresServer, S3Server]]:
    """A server of rows, and one of files."""
    with PostgresServer(scratch / "postgres", durable=True) as rows, S3Server(scratch / "s3") as files:
        yield rows, files


def measure_one(
    contender: Measured, shelf: Shelf, url: str, scratch: Path, rows: PostgresServer, files: S3Server, number: int
) -> Cost:
    """One run of a contender over all papers. Raises ContenderError."""
    if contender.kind == EMBEDDED:
        return run_embedded(shelf, url, scratch, contender.nodes)
    name = f"trial_{number}"
    store = rows.create_database(name)
    artifacts: str | None = None
    variables: Mapping[str, str] = {}
    if contender.kind == S3:
        artifacts, variables = files.create_bucket(name.replace("_", "-")), files.environment()
    elif contender.kind == SHARED:
        (scratch / "shared").mkdir()
        artifacts = f"file://{scratch / 'shared'}"
    place = Place(store, artifacts, variables, lambda: cpu_of_tree(rows.pid), lambda: cpu_of_tree(files.pid))
    return run_nodes(shelf, url, scratch, contender.nodes, place)


def table(measured: Sequence[Measured]) -> list[str]:
    """The medians, and how each compares with the embedded run of as many shards."""
    embedded = {each.nodes: each for each in measured if each.kind == EMBEDDED and each.rounds}
    shown = [
        f"{'':<34} papers/s  /embedded  under way  /embedded  first paper, s"
        "  CPU, ms per paper: nodes  of it agents  PostgreSQL  object store  transactions  log, kB",
    ]
    for each in measured:
        if not each.rounds:
            continue
        rates = "  ".join(
            f"{each.middle(name):>{width}.1f}  {_ratio(each, embedded.get(each.nodes), name):>9}"
            for name, width in (("papers_per_second", 8), ("rate_under_way", 9))
        )
        costs = "  ".join(
            f"{each.middle(name):>{width}.{digits}f}"
            for name, width, digits in (
                ("first_after_seconds", 14, 1),
                ("node_ms", 24, 1),
                ("agent_ms", 12, 1),
                ("database_ms", 10, 1),
                ("files_ms", 12, 1),
                ("transactions", 12, 2),
            )
        )
        shown.append(f"{f'{each.kind}, {each.nodes}':<34} {rates}  {costs}  {each.middle('log_bytes') / 1000:>7.1f}")
    return shown


def _ratio(one: Measured, beside: Measured | None, name: str) -> str:
    base = beside.middle(name) if beside is not None else 0.0
    return f"{one.middle(name) / base:.2f}" if base else ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="of PDFs (default: papers made here)")
    parser.add_argument("--papers", type=int, default=300, help="in each run (default 300)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--quick", action="store_true", help="few papers, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures, for programs")
    given = parser.parse_args()
    if given.quick:
        given.papers, given.rounds = 60, 1
    return given


def main() -> None:
    given = parse()
    end_on_sigterm()
    contenders = [Measured(kind, nodes) for nodes in NODES for kind in (EMBEDDED, S3)]
    contenders += [*(Measured(SHARED, nodes) for nodes in NODES), Measured(PLAIN, 1)]
    with tempfile.TemporaryDirectory(prefix="rpa-shard-bench-") as name:
        scratch = Path(name)
        shelf = fill_shelf(scratch / "shelf", given.folders, given.papers)
        with MirrorProcess(shelf.folder) as mirror, servers(scratch) as (rows, files):
            for number in range(given.rounds * len(contenders)):
                one = contenders[number % len(contenders)]
                own = scratch / f"run-{number}"
                own.mkdir()
                try:
                    one.rounds.append(measure_one(one, shelf, mirror.url, own, rows, files, number))
                    say(f"{one.kind}, {one.nodes}: {one.rounds[-1].papers_per_second:.1f} papers/s")
                except ContenderError as error:
                    say(f"{one.kind}, {one.nodes}: {error}")
                shutil.rmtree(own)
    print("\n".join(table(contenders)))
    if given.json:
        found = {f"{each.kind}, {each.nodes}": [cost.as_json() for cost in each.rounds] for each in contenders}
        given.json.write_text(json.dumps(found, indent=1) + "\n")


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
