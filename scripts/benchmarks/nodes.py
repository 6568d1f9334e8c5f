"""Runs of several nodes, and of one machine beside them, as contenders.

Guarantee: the time is that from the start of the first node to the end of the last, and beside it what is left of it
without the start and the end; CPU is the kernel's count for each node and all of its processes, start and end included,
and what a server used meanwhile. Limit: what an agent used is sampled, so its last tenth of a second is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from rpa_shard.chaos.processes import Processes
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.postgres.connections import connected
from scripts.benchmarks.measuring import ContenderError
from scripts.benchmarks.ours import MIN_PREPPED, SOME_FAILED, environment
from scripts.benchmarks.papers import Shelf

SAMPLE_SECONDS = 0.1
# Between these shares of the papers a run is under way: all processes are up, and none has run out of papers.
UNDER_WAY = (0.1, 0.8)
_COMMAND = (sys.executable, "-m", "rpa_shard")


@dataclass(frozen=True, slots=True)
class Place:
    """Where nodes keep what they share; `of_rows` and `of_files` tell the servers' CPU seconds until now."""

    store: str
    artifacts: str | None
    variables: Mapping[str, str]
    of_rows: Callable[[], float]
    of_files: Callable[[], float]

    def knobs(self, name: str) -> dict[str, str]:
        """The variables of a node."""
        found = {**self.variables, "RPA_V2_STORE": self.store, "RPA_V2_NODE": name, "RPA_V2_NODE_ADDRESS": "127.0.0.1"}
        return found | ({"RPA_V2_ARTIFACTS": self.artifacts} if self.artifacts is not None else {})


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: seconds, and CPU milliseconds a paper of nodes, of their agents and of the servers.

    `first_after_seconds` is when the first paper was finished, `rate_under_way` counts papers a second between the
    first tenth and the last fifth of them. `transactions` of the database, and bytes of its write-ahead log, are those
    of one paper as well.
    """

    papers: int
    seconds: float
    first_after_seconds: float
    rate_under_way: float
    node_ms: float
    agent_ms: float = 0.0
    database_ms: float = 0.0
    files_ms: float = 0.0
    transactions: float = 0.0
    log_bytes: float = 0.0

    @property
    def papers_per_second(self) -> float:
        return self.papers / self.seconds

    def as_json(self) -> Mapping[str, float]:
        """All figures."""
        return {**asdict(self), "papers_per_second": self.papers_per_second}


@dataclass(slots=True)
class _Run:
    """One node's command, and the CPU seconds of what runs beside its supervisor."""

    folder: DataFolder
    process: subprocess.Popen[bytes]
    cpu_seconds: float | None = None
    beside: dict[int, float] = field(default_factory=dict)

    def look(self) -> bool:
        """Whether it still runs; samples it if so."""
        if self.cpu_seconds is not None:
            return False
        pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
        if pid:
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = used.ru_utime + used.ru_stime
            return False
        for agent in Processes(self.folder).beside():
            with suppress(psutil.Error):
                times = psutil.Process(agent).cpu_times()
                self.beside[agent] = times.user + times.system
        return True


def run_embedded(shelf: Shelf, url: str, scratch: Path, shards: int) -> Cost:
    """One complete run on one machine, over the embedded store. Raises ContenderError."""
    folder = DataFolder(scratch / "data")
    return _run(shelf, url, scratch, [(folder, "run", {}, shards)], folder)


def run_nodes(shelf: Shelf, url: str, scratch: Path, nodes: int, place: Place) -> Cost:
    """One complete run of nodes of one shard each. Raises ContenderError."""
    names = [f"node-{number}" for number in range(nodes)]
    runs = [(DataFolder(scratch / each), "node", place.knobs(each), 1) for each in names]
    folder = DataFolder(scratch / "looking", place.store, place.artifacts, "looking")
    with open_ledger(folder, Layout(Settings().workers, 1)):
        pass  # makes the tables, which no paper is charged for
    before = _of_servers(place)
    cost = _run(shelf, url, scratch, runs, folder)
    rows, files, transactions, log = (
        (after - earlier) / cost.papers for earlier, after in zip(before, _of_servers(place), strict=True)
    )
    return replace(cost, database_ms=1000 * rows, files_ms=1000 * files, transactions=transactions, log_bytes=log)


def _of_servers(place: Place) -> tuple[float, float, float, float]:
    """Until now: CPU seconds of both servers, transactions, and bytes of the write-ahead log."""
    with connected(place.store) as connection:
        row = connection.execute(
            "SELECT xact_commit::float8 AS transactions, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS log"
            " FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return place.of_rows(), place.of_files(), row["transactions"], row["log"]


def _run(
    shelf: Shelf,
    url: str,
    scratch: Path,
    each: Sequence[tuple[DataFolder, str, Mapping[str, str], int]],
    folder: DataFolder,
) -> Cost:
    """Starts all of them at once; `folder` is where the rows of all of them are."""
    with open_ledger(folder, Layout(Settings().workers, each[0][3])) as ledger:
        ledger.add(shelf.urls(url))
    begun, begun_at = time.perf_counter(), time.time()
    runs = [_start(own, command, url, knobs, shards, scratch) for own, command, knobs, shards in each]
    try:
        while any([run.look() for run in runs]):  # noqa: C419  # all of them are looked at
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - begun
    finally:
        for run in runs:
            if run.process.returncode is None:
                run.process.terminate()
                run.process.wait()
    ended_at = _ended_at(runs, shelf, scratch, folder)
    first, last = (int(share * (len(ended_at) - 1)) for share in UNDER_WAY)
    rate = (last - first) / max(ended_at[last] - ended_at[first], SAMPLE_SECONDS)  # of one paper, there is no rate
    each_ms = 1000 / len(shelf.ids)
    used = sum(run.cpu_seconds or 0.0 for run in runs)
    agents = sum(sum(run.beside.values()) for run in runs)
    return Cost(len(shelf.ids), seconds, ended_at[0] - begun_at, rate, used * each_ms, agents * each_ms)


def _start(folder: DataFolder, command: str, url: str, knobs: Mapping[str, str], shards: int, scratch: Path) -> _Run:
    variables = {**environment(folder.root, url, shards, {"PHASES": "prep"}), **knobs}
    with (scratch / f"{folder.root.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [*_COMMAND, command], env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return _Run(folder, process)


def _ended_at(runs: Sequence[_Run], shelf: Shelf, scratch: Path, folder: DataFolder) -> list[float]:
    """When each paper was finished, in order (Unix time). Raises ContenderError if too many were not."""
    for run in runs:
        if run.process.returncode not in (0, SOME_FAILED):
            said = (scratch / f"{run.folder.root.name}.log").read_text(errors="replace").strip().splitlines()
            raise ContenderError(f"exit {run.process.returncode}: {said[-1][:200] if said else 'it said nothing'}")
    with open_ledger(folder) as ledger:
        ended_at = sorted(row.changed_at for row in ledger.papers() if row.status == "prepped")
    if len(ended_at) < MIN_PREPPED * len(shelf.ids):
        raise ContenderError(f"only {len(ended_at)} of {len(shelf.ids)} papers came to an end")
    return ended_at


def cpu_of_tree(pid: int | None) -> float:
    """CPU seconds of a process, its children that ended, and all that live below it."""
    total = 0.0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
