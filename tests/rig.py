"""Real processes over loopback: a mirror of sample papers, a data folder, the command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.chaos.invariants import accounts, artifacts, leases, leftovers, lost_papers, processes_of
from rpa_shard.ipc.run_status import RunState, RunStatus, ShardStatus, read_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import files_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.store.sqlite.engine import SQLiteEngine

DEADLINE_SECONDS = 60.0


def wait_for(condition: Callable[[], Any], what: str, deadline_seconds: float = DEADLINE_SECONDS) -> Any:
    """Polls until `condition` is true, and returns its value."""
    give_up = time.monotonic() + deadline_seconds
    while time.monotonic() < give_up:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {deadline_seconds} s")


async def wait_for_async(
    condition: Callable[[], Awaitable[Any]], what: str, deadline_seconds: float = DEADLINE_SECONDS
) -> Any:
    """As `wait_for`, in a running loop."""
    give_up = time.monotonic() + deadline_seconds
    while time.monotonic() < give_up:
        found = await condition()
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what}: not within {deadline_seconds} s")


def in_use(shard: ShardStatus, name: str) -> int:
    """How much of a shard's slots or pool called `name` is in use, by its last report."""
    gauge = shard.report.gauges.get(name)
    return gauge.in_use if gauge is not None else 0


@dataclass
class Rig:
    """A data folder and the commands that work on it."""

    root: Path
    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    errors_to: Path | None = None

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.root)

    def start(self, *arguments: str, module: str = "rpa_shard", **knobs: str) -> subprocess.Popen[str]:
        """Starts a command; its output is gathered, its errors in `errors_to` where that is set."""
        environment = self.environment | {f"RPA_V2_{name}": value for name, value in knobs.items()}
        with ExitStack() as opened:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=opened.enter_context(self.errors_to.open("w")) if self.errors_to else subprocess.PIPE,
                text=True,
            )
        self.started.append(process)
        return process

    def run(
        self, *arguments: str, module: str = "rpa_shard", deadline_seconds: float = DEADLINE_SECONDS, **knobs: str
    ) -> tuple[int, str, str]:
        """Runs a command to its end; exit code, output, errors."""
        process = self.start(*arguments, module=module, **knobs)
        output, errors = process.communicate(timeout=deadline_seconds)
        return process.returncode, output, errors

    @property
    def engine(self) -> SQLiteEngine:
        return SQLiteEngine(self.root)

    def status(self) -> RunStatus | None:
        return read_status(self.folder.run.status_file)

    def running_shards(self, count: int) -> list[int]:
        """The process ids of the shards of a run, once all of them are ready."""

        def ready() -> list[int]:
            status = self.status()
            if status is None or status.state is not RunState.RUNNING:
                return []
            pids = [shard.pid for shard in status.shards if shard.state is ShardState.READY]
            return pids if len(pids) == count else []

        found: list[int] = wait_for(ready, f"{count} shards ready")
        return found

    def state(self) -> RunState | None:
        """The state of the run, from its status."""
        status = self.status()
        return status.state if status is not None else None

    def shards(self) -> tuple[ShardStatus, ...]:
        """The shards of the run, from its status; empty before there is a status."""
        status = self.status()
        return status.shards if status is not None else ()

    def by_status(self) -> Mapping[str, int]:
        with open_ledger(self.folder) as ledger:
            return ledger.counts().by_status

    def rows(self) -> dict[str, PaperRow]:
        with open_ledger(self.folder) as ledger:
            return {row.paper_id: row for row in ledger.papers()}

    def events(self, paper_id: str) -> list[str]:
        with open_ledger(self.folder) as ledger:
            return [line.event for line in ledger.history(paper_id)]

    def history(self, paper_id: str) -> list[HistoryLine]:
        with open_ledger(self.folder) as ledger:
            return ledger.history(paper_id)

    def done_files(self) -> int:
        """How many papers have their record on disk."""
        return sum(1 for _ in (self.root / "papers").rglob("*.json"))

    def results(self) -> dict[str, tuple[bytes, Mapping[str, Any]]]:
        """Text and record of every prepped paper; the record without what differs from run to run."""
        found = {}
        for paper_id, row in self.rows().items():
            if row.status == "prepped":
                files = files_of(self.folder.papers, parse(paper_id))
                record = json.loads(files.record.read_text())
                for varies in ("timings_ms", "source", "fetched_at", "extracted_at"):
                    del record[varies]
                found[paper_id] = (files.text.read_bytes(), record)
        return found

    def assert_nothing_left_behind(self) -> None:
        """No process that works in the folder, no half-written file."""
        wait_for(lambda: not self.processes(), "all processes gone")
        assert self.folder.half_written_files() == []
        assert list(self.root.rglob("*.part")) == []

    def processes(self) -> list[psutil.Process]:
        """Living processes that were started for this folder, whoever their parent is now."""
        return processes_of(self.folder)

    def arm(self, failpoints: str) -> None:
        """The next runs die, stop or meet an error at named points, each point once."""
        markers = self.root.with_name(f"failpoints-{len(self.started)}")
        markers.mkdir()
        self.environment |= {"RPA_SHARD_FAILPOINTS": failpoints, "RPA_SHARD_FAILPOINTS_ONCE": str(markers)}

    def disarm(self) -> None:
        """Removes all failpoints."""
        self.environment.pop("RPA_SHARD_FAILPOINTS", None)

    def assert_promise_kept(self, ids: Collection[str]) -> None:
        """Nothing is running, and the invariants hold."""
        wait_for(lambda: not self.processes(), "all processes gone")
        with open_ledger(self.folder) as ledger:
            broken = [*lost_papers(ledger, ids), *leases(ledger), *artifacts(self.folder, ledger), *accounts(ledger)]
        broken += leftovers(self.folder)
        assert not broken, broken[:5]

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in filter(None, (process.stdout, process.stderr)):
                pipe.close()
        for stray in self.processes():
            with suppress(psutil.NoSuchProcess):  # it may have ended by itself
                stray.kill()
