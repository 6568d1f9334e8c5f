"""How a data folder is doing: the account of its papers, states, failures by reason, waits, rates, oldest lease.

Guarantee: works during a run and without one; counts come from the store. Limit: rates come from the run's status file;
without a run they are those of the last one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rpa_shard.config.settings import Settings
from rpa_shard.control.sentences import wait_in_words, with_commas
from rpa_shard.ipc.account import Account, Cause
from rpa_shard.ipc.run_status import RunState, RunStatus, as_json
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.phase import PREP, Status, in_order
from rpa_shard.observe.hosts import state_lines
from rpa_shard.observe.models import model_lines
from rpa_shard.observe.nodes import Nodes, read_nodes
from rpa_shard.observe.snapshot import Snapshot, snapshot
from rpa_shard.observe.together import as_counted
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import place_of_rows
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import Counts, Leases

DEATHS_SHOWN = 5
# Waits for hosts, models and the budget.
_WITH_LINES = (Cause.HOST, Cause.REFUSAL, Cause.MODEL, Cause.MODEL_REFUSAL, Cause.BUDGET)


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
    account: Account
    run: RunStatus | None
    nodes: Nodes | None = None
    store: str | None = None
    artifacts: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The status for a program; `nodes`, `store` and `artifacts` only where there may be some."""
        content = {**asdict(replace(self, run=None, nodes=None)), "run": as_json(self.run) if self.run else None}
        for name in ("nodes", "store", "artifacts"):
            if getattr(self, name) is None:
                del content[name]
        return content if self.nodes is None else content | {"nodes": self.nodes.as_json()}


def folder_status(folder: DataFolder, ledger: Ledger, settings: Settings) -> FolderStatus:
    """Reads the state of a folder. `settings` name the phases of one in which nothing has run. Raises StoreError."""
    found = snapshot(folder, ledger, settings)
    nodes = read_nodes(folder, settings)
    return FolderStatus(
        folder=found.folder,
        shards=ledger.layout.shards,
        workers=ledger.layout.workers,
        counts=found.counts,
        leases=ledger.leases(),
        suspects=ledger.suspects(),
        running=found.run is not None and found.run.is_alive,
        account=_account(found, nodes),
        run=found.run,
        nodes=nodes,
        store=place_of_rows(folder),
        artifacts=folder.artifacts,
    )


def _account(found: Snapshot, nodes: Nodes | None) -> Account:
    """That of all nodes together, if any of them works, or else that of the folder."""
    if nodes is None or nodes.account is None or nodes.newest is None:
        return found.account
    return as_counted(nodes.account, found.counts, in_order(nodes.newest.phases), time.time())


def lines(status: FolderStatus) -> list[str]:
    """The status for a terminal."""
    return [
        f"folder    {status.folder} ({status.shards} shards, {status.workers} workers)",
        *([f"rows      {status.store}"] if status.store else []),
        *([f"files     {status.artifacts}"] if status.artifacts else []),
        *_run_lines(status),
        *_node_lines(status),
        *_wait_lines(status),
        *_shard_lines(status),
        *_host_lines(status),
        *_model_lines(status),
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


def _run_lines(status: FolderStatus) -> Iterator[str]:
    run = status.run
    if run is None:
        yield f"run       none yet{'' if status.nodes is None else ' on this machine'}"
    elif status.running:
        rates = run.rates
        yield f"run       {run.state}, process {run.pid}, {_ago(run.started_at)}"
        yield (
            f"pace      {rates.last_10_seconds:.1f} papers/s over 10 s, {rates.last_60_seconds:.1f} over 60 s, "
            f"{rates.whole_run:.1f} over the run"
        )
        yield from _phases_line(run)
    else:
        ended = "ended" if run.state is RunState.ENDED else "was killed"
        when = datetime.fromtimestamp(run.written_at, UTC)
        yield f"run       none; the last one {ended} {when:%Y-%m-%d %H:%M:%S} UTC, {run.rates.whole_run:.1f} papers/s"
    yield f"now       {with_commas(status.account.text)}"


def _node_lines(status: FolderStatus) -> Iterator[str]:
    """The nodes of a run on several machines, each in a line, and who governs."""
    if status.nodes is None:
        return
    yield f"nodes     {status.nodes.in_short}"
    width = max((len(node.name) for node in status.nodes.shown), default=0)
    for node in status.nodes.shown:
        work = f"{node.ready} of {node.shards} shards, {node.last_10_seconds:.1f} papers/s, {node.in_work} in work, "
        yield f"  {node.name:<{width}}  {node.state}, {work if node.is_member else ''}{node.since}"
    if status.nodes.members:
        yield f"governs   {status.nodes.governs}"


def _wait_lines(status: FolderStatus) -> Iterator[str]:
    """What papers wait for, except for hosts and models, which have lines of their own."""
    now = time.time()
    for wait in status.account.waits:
        if wait.cause not in _WITH_LINES:
            papers = f"{wait.papers:,} papers: " if wait.papers else ""
            yield f"waits     {papers}{wait_in_words(wait, now)}"


def _shard_lines(status: FolderStatus) -> Iterator[str]:
    """How many shards are in each state, with the numbers of those that are not ready."""
    if status.run is None or not status.running:
        return
    by_state: dict[ShardState, list[int]] = {}
    for shard in status.run.shards:
        by_state.setdefault(shard.state, []).append(shard.number)
    states = (
        f"{len(by_state[state])} {state}" + ("" if state is ShardState.READY else f" ({_numbers(by_state[state])})")
        for state in sorted(by_state, key=lambda state: state is not ShardState.READY)
    )
    yield f"shards    {', '.join(states)}"


def _numbers(numbers: Sequence[int]) -> str:
    """Numbers of shards, those in a row as a range."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{each[0]}-{each[-1]}" if len(each) > 2 else ", ".join(map(str, each)) for each in runs)


def _host_lines(status: FolderStatus) -> Iterator[str]:
    """Hosts that get no requests now, and why."""
    if status.run is None or not status.running:
        return
    now = time.time()
    for name, host in status.run.hosts.items():
        if host.is_shut:
            yield f"host      {name} {next(state_lines(name, host, now))}"


def _model_lines(status: FolderStatus) -> Iterator[str]:
    """Models that are asked, or refuse us, and what they took today."""
    if status.run is not None:
        yield from model_lines(status.run, time.time(), live=status.running)


def _phases_line(run: RunStatus) -> Iterator[str]:
    """How many papers each phase has completed, if there are several or other ones than usual."""
    if run.phases != (PREP.name,):
        done = ", ".join(f"{phase} {run.completed.get(phase, 0):,}" for phase in run.phases)
        yield f"phases    papers completed by this run: {done}"


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
