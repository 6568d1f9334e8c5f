"""What the health check reads: the run's status, the store, the processes, the disks.

Guarantee: everything is read once, so all checks judge the same figures; what cannot be read is noted with the reason,
and the rest is read all the same. Limit: each figure is of its own moment, some milliseconds apart.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from rpa_shard.ipc.run_status import HostStatus, ProcessFigures, RunStatus, ShardStatus, read_status
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import in_order, outstanding
from rpa_shard.observe.snapshot import hosts_at_rest
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import Counts, Leases


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The free space of the fullest disk, and a folder on it."""

    free_bytes: int
    folder: Path


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What the store says of papers that need attention."""

    leases: Leases
    suspects: int
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that the checks judge.

    `run` is the current run, or the last one; None if there is none to judge, and `why_no_run` says why. `live`: it is
    in progress. `store` is None if the store cannot be read, for the reason `why_no_store`. `hosts` are those of a run
    in progress, otherwise those that refuse us and that nobody has asked to reopen. `figures` has the processes of the
    living shards, by number, as they are now. `has_nodes`: the papers are shared with other machines.
    """

    run: RunStatus | None
    why_no_run: str = ""
    live: bool = False
    store: StoreFigures | None = None
    why_no_store: str = ""
    hosts: Mapping[str, HostStatus] = field(default_factory=dict)
    figures: Mapping[int, ProcessFigures] = field(default_factory=dict)
    free: FreeSpace | None = None
    min_free_bytes: int = 0
    has_nodes: bool = False

    @property
    def status(self) -> RunStatus:
        """The status of the run, which there must be."""
        assert self.run is not None
        return self.run

    @property
    def open_papers(self) -> int:
        """Papers on which the run has work to do, or the next one will."""
        if self.live or self.store is None:
            return self.status.account.open
        return outstanding(self.store.counts.by_status, in_order(self.status.phases))

    @property
    def is_left_to_others(self) -> bool:
        """Whether all papers that are open are under leases of other machines."""
        if not self.has_nodes or self.store is None or any(shard.report.held for shard in self.status.shards):
            return False
        counts = self.store.counts.by_status
        return outstanding(counts, in_order(self.status.phases)) <= self.store.leases.held

    @property
    def by_failure(self) -> Mapping[str, int]:
        """Papers that failed for good, by reason: from the store, or if it cannot be read, as shards have counted."""
        if self.store is not None:
            return self.store.counts.by_failure
        counted: Counter[str] = Counter()
        for shard in self.status.shards:
            counted.update(shard.report.by_failure)
        return counted


def measure(folder: DataFolder, min_free_bytes: int) -> Measured:
    """Reads everything. Raises OSError if what there is cannot even be looked at."""
    free = _free_space(folder)
    run = read_status(folder.run.status_file)
    if run is None:
        return Measured(run=None, why_no_run=_why_no_run(folder), free=free, min_free_bytes=min_free_bytes)
    live = run.is_on
    store, why_no_store = _read_store(folder)
    return Measured(
        run=run,
        live=live,
        store=store,
        why_no_store=why_no_store,
        hosts=run.hosts if live else _refusing_hosts(folder),
        figures={shard.number: _figures_now(shard) for shard in run.shards} if live else {},
        free=free,
        min_free_bytes=run.min_free_bytes,
        has_nodes=folder.store is not None,
    )


def _why_no_run(folder: DataFolder) -> str:
    if not folder.root.exists():
        return f"there is no folder {folder.root}"
    if not folder.root.is_dir():
        return f"{folder.root} is no folder"
    if folder.run.status_file.exists():
        return f"{folder.run.status_file} cannot be read: it is damaged, or of another version of this program"
    return f"no run has written a status below {folder.root}"


def _read_store(folder: DataFolder) -> tuple[StoreFigures | None, str]:
    try:
        with open_ledger(folder) as ledger:
            return StoreFigures(ledger.leases(), ledger.suspects(), ledger.counts()), ""
    except StoreError as error:
        return None, str(error)


def _refusing_hosts(folder: DataFolder) -> Mapping[str, HostStatus]:
    """Those that the next run will not ask either."""
    wanted: set[str] = set()
    with suppress(OSError):
        wanted.update(request.name for request in folder.run.reopen_folder.iterdir())
    return {name: host for name, host in hosts_at_rest(folder).items() if host.blocked and name not in wanted}


def _figures_now(shard: ShardStatus) -> ProcessFigures:
    """A shard's process as it is now, or as it was at the run's last look if it is gone."""
    with suppress(psutil.Error):
        process = psutil.Process(shard.pid)
        return replace(
            shard.process,
            descriptors=process.num_fds(),
            threads=process.num_threads(),
            tcp_sockets=len(process.net_connections("tcp")),
            rss_bytes=process.memory_info().rss,
        )
    return shard.process


def _free_space(folder: DataFolder) -> FreeSpace | None:
    return min(
        (FreeSpace(shutil.disk_usage(each).free, each) for each in folder.disks()), key=_free_bytes, default=None
    )


def _free_bytes(free: FreeSpace) -> int:
    return free.free_bytes
