"""How a data folder is doing: states, failures by reason, rates, oldest lease.

Guarantee: works during a run and without one; counts come from the store. Limit: rates come from the run's status file;
without a run they are those of the last one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rpa_shard.ipc.run_status import RunState, RunStatus, as_json, read_status
from rpa_shard.model.phase import Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import Counts, Leases

DEATHS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """Everything that `status` shows. `run` is the run's own status file, or None if there never was a run."""

    folder: str
    shards: int
    workers: int
    counts: Counts
    leases: Leases
    suspects: int
    running: bool
    run: RunStatus | None

    def as_json(self) -> dict[str, Any]:
        """The status for a program."""
        return {**asdict(replace(self, run=None)), "run": as_json(self.run) if self.run else None}


def folder_status(folder: DataFolder, ledger: Ledger) -> FolderStatus:
    """Reads the state of a folder."""
    run = read_status(folder.run.status_file)
    return FolderStatus(
        folder=str(folder.root),
        shards=ledger.layout.shards,
        workers=ledger.layout.workers,
        counts=ledger.counts(),
        leases=ledger.leases(),
        suspects=ledger.suspects(),
        running=run is not None and run.is_alive,
        run=run,
    )


def lines(status: FolderStatus) -> list[str]:
    """The status for a terminal."""
    return [
        f"folder    {status.folder} ({status.shards} shards, {status.workers} workers)",
        _run_line(status),
        *_shard_lines(status),
        *_host_lines(status),
        *count_lines(status.counts),
        _lease_line(status.leases),
        *_incident_lines(status),
    ]


def count_lines(counts: Counts) -> list[str]:
    """States and failures, one line each."""
    total = sum(counts.by_status.values())
    shown = [f"papers    {total}"]
    shown += [f"  {each.value:<16} {counts.by_status[each]}" for each in Status if counts.by_status.get(each)]
    if counts.by_failure:
        shown.append("failed for good, by reason")
        by_number = sorted(counts.by_failure.items(), key=lambda item: (-item[1], item[0]))
        shown += [f"  {reason:<16} {number}" for reason, number in by_number]
    return shown


def _run_line(status: FolderStatus) -> str:
    run = status.run
    if run is None:
        return "run       none yet"
    rates = run.rates
    if status.running:
        return (
            f"run       {run.state}, process {run.pid}, {_ago(run.started_at)}: "
            f"{rates.last_10_seconds:.1f} papers/s over 10 s, {rates.last_60_seconds:.1f} over 60 s, "
            f"{rates.whole_run:.1f} over the run"
        )
    ended = "ended" if run.state is RunState.ENDED else "was killed"
    when = datetime.fromtimestamp(run.written_at, UTC)
    return f"run       none; the last one {ended} {when:%Y-%m-%d %H:%M:%S} UTC, {rates.whole_run:.1f} papers/s"


def _shard_lines(status: FolderStatus) -> Iterator[str]:
    if status.run is not None and status.running:
        states = ", ".join(f"{shard.number} {shard.state}" for shard in status.run.shards)
        yield f"shards    {states}"


def _host_lines(status: FolderStatus) -> Iterator[str]:
    """Hosts that get no requests now, and why."""
    for name, host in (status.run.hosts if status.run is not None and status.running else {}).items():
        if host.blocked:
            yield f"host      {name} refuses us: {host.blocked}"
        elif host.closed_seconds is not None:
            yield f"host      {name} is left alone: {host.why or 'it was closed'}"


def _incident_lines(status: FolderStatus) -> Iterator[str]:
    """What went wrong and was repaired: deaths with their causes, papers handed back, suspects."""
    if status.suspects:
        yield f"suspects  {status.suspects} papers whose process died while parsing them: they run again, alone"
    if status.run is None:
        return
    if status.run.handed_back:
        yield f"returned  {status.run.handed_back} papers of dead shards went back to the queue"
    for death in status.run.deaths[-DEATHS_SHOWN:]:
        when = datetime.fromtimestamp(death.at, UTC)
        yield f"death     shard {death.shard} at {when:%H:%M:%S} UTC: {death.cause}"


def _lease_line(leases: Leases) -> str:
    if not leases.held:
        return "leases    none"
    assert leases.oldest_claimed_at is not None
    return f"leases    {leases.held} held, {leases.expired} expired, the oldest {_ago(leases.oldest_claimed_at)}"


def _ago(when: float) -> str:
    seconds = max(0, round(time.time() - when))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"for {hours} h {minutes} min" if hours else f"for {minutes} min {seconds % 60} s"
