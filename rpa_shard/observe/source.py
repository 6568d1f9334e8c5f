"""What the live views show of a folder: the run that is on, or the folder at rest, with all papers counted.

Guarantee: only reads; `look` returns the same object while nothing has changed; the store is opened only while no run
is on, and counting takes at most a small share of the time; whatever happens to the run and to the folder, what was
known stays, and `problem` says why nothing newer is known. Limit: at rest, changes of the store are seen a few seconds
later, of millions of papers up to a minute later.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import HostStatus, RunStatus, read_status
from rpa_shard.ipc.shard_report import Work
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import Status, in_order
from rpa_shard.observe.metrics.families import counts_of
from rpa_shard.observe.nodes import Nodes, NodesSource
from rpa_shard.observe.snapshot import account_at_rest, hosts_at_rest
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import Counts

RECOUNT_SECONDS, MAX_COUNT_SECONDS = 5.0, 60.0
# A count that takes long is made the less often.
MAX_COUNTING_SHARE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A folder at one moment.

    `run` is the run that is on or the last one; `hosts` are as they were `hosts_at` (Unix seconds). `problem` says in a
    few words why nothing newer is known. Where there are `nodes`, `run` is that of this machine if it is on, or else
    that of the node that was heard of last, and the account and the rates are those of all of them.
    """

    folder: str
    on: bool
    account: Account
    counts: Counts
    run: RunStatus | None
    hosts: Mapping[str, HostStatus]
    hosts_at: float
    problem: str = ""
    nodes: Nodes | None = None

    def as_json(self, *, whole: bool = True) -> dict[str, Any]:
        """For a program; what each shard has done, which `work` of the run has as well, only as a `whole`."""
        run = self.run
        if run is not None and not whole:
            shards = tuple(replace(shard, report=replace(shard.report, work=Work())) for shard in run.shards)
            run = replace(run, shards=shards, work=replace(run.work, durations={}))
        return {
            "folder": self.folder,
            "now": time.time(),
            "on": self.on,
            "problem": self.problem,
            "statuses": list(Status),
            "account": msgspec.to_builtins(self.account),
            "counts": asdict(self.counts),
            "hosts": msgspec.to_builtins(self.hosts),
            "hosts_at": self.hosts_at,
            "run": msgspec.to_builtins(run),
        } | ({} if self.nodes is None else {"nodes": self.nodes.as_json()})


class Source:
    """Looks at a data folder. Used by one thread at a time."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        self._version: tuple[int, ...] | None = None
        self._run: RunStatus | None = None
        self._here: Seen | None = None
        self._with: tuple[Seen, Nodes | None, Seen] | None = None
        # What is wrong with the status file.
        self._problem = ""
        self._next_count = 0.0
        self._nodes = NodesSource(folder, settings)

    def look(self) -> Seen:
        """The folder now."""
        is_new = self._read_status()
        run, old = self._run, self._here
        seen = old
        if run is not None and run.is_on:
            if is_new or seen is None or not seen.on:
                seen = self._of(run)
        elif is_new or seen is None or seen.on or time.monotonic() >= self._next_count:
            seen = self._at_rest(run)
        if self._problem:
            seen = replace(seen, problem=self._problem)
        if old is None or replace(seen, hosts_at=0.0) != replace(old, hosts_at=0.0):
            self._here = seen
        return self._with_nodes(self._here)

    def _with_nodes(self, here: Seen | None) -> Seen:
        """What is seen here, or the same object while nothing changes, with what the nodes of the run do."""
        assert here is not None
        nodes = self._nodes.look()
        if nodes is None and not self._nodes.problem:
            return here
        if self._with is not None and self._with[0] is here and self._with[1] is nodes:
            return self._with[2]
        made = replace(here, nodes=nodes, problem=here.problem or self._nodes.problem)
        if nodes is not None and nodes.newest is not None:
            run = here.run if here.on and here.run is not None else nodes.newest
            run = replace(run, rates=nodes.newest.rates)
            made = replace(
                made, on=True, run=run, account=nodes.account or run.account, counts=counts_of(run),
                hosts=run.hosts, hosts_at=run.written_at,
            )  # fmt: skip
        self._with = (here, nodes, made)
        return made

    def _read_status(self) -> bool:
        """Reads the status if it has changed; whether it has."""
        path = self._folder.run.status_file
        version: tuple[int, ...] = ()
        run, problem = None, ""
        try:
            found = os.stat(path)  # noqa: PTH116  # a look a second costs as little as it can
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
        except OSError as error:
            if self._run is not None:
                problem = f"{path.name}: {error.strerror}"
        if version == self._version:
            return False
        if version:
            run = read_status(path)
            problem = "" if run is not None else f"{path.name} is of another version of the program"
        self._version, self._run, self._problem = version, run or self._run, problem
        return True

    def _of(self, run: RunStatus) -> Seen:
        return Seen(
            folder=str(self._folder.root),
            on=True,
            account=run.account,
            counts=counts_of(run),
            run=run,
            hosts=run.hosts,
            hosts_at=run.written_at,
        )

    def _at_rest(self, run: RunStatus | None) -> Seen:
        began = time.thread_time()
        phases = in_order(run.phases) if run is not None else self._settings.run_phases
        hosts, counts, problem = hosts_at_rest(self._folder), Counts(), ""
        try:
            with open_ledger(self._folder, seconds=MAX_COUNT_SECONDS) as ledger:
                counts = ledger.counts()
            account = account_at_rest(counts, hosts, phases)
        except (StoreError, OSError) as error:
            problem = str(error)
            account = run.account if run is not None else Account()
        took = time.thread_time() - began
        self._next_count = time.monotonic() + max(RECOUNT_SECONDS, took / MAX_COUNTING_SHARE)
        return Seen(
            folder=str(self._folder.root),
            on=False,
            account=account,
            counts=counts,
            run=run,
            hosts=hosts,
            hosts_at=time.time(),
            problem=problem,
        )
