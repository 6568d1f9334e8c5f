"""A data folder at one moment, for all that shows one: the account of the run that is on, or of the folder at rest.

Guarantee: the same account whoever asks. During a run it is the run's own, from its status file; at rest it is made
from the store and from what the last run has kept of hosts. Limit: a run that has just started has no account yet.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from rpa_shard.config.settings import Settings
from rpa_shard.control.accounting import account_of
from rpa_shard.control.accounting.known import Known
from rpa_shard.control.governors.at_rest import saved_hosts
from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import HostStatus, RunState, RunStatus, read_status
from rpa_shard.ipc.shard_report import ShardReport
from rpa_shard.model.phase import Phase, in_order, outstanding
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.rows import Counts


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder at one moment. `on`: a run is on; `run` is the last status, None if there never was a run.

    `counts` are those of the store now; the account of a run that is on may be a second older.
    """

    folder: str
    on: bool
    account: Account
    run: RunStatus | None
    counts: Counts = field(default_factory=Counts)


def snapshot(folder: DataFolder, ledger: Ledger, settings: Settings) -> Snapshot:
    """The folder now. Raises StoreError. `settings` name the phases of a folder in which nothing has run."""
    run, counts = read_status(folder.run.status_file), ledger.counts()
    if run is not None and run.is_on:
        return Snapshot(str(folder.root), True, run.account, run, counts)
    phases = in_order(run.phases) if run is not None else settings.run_phases
    account = account_at_rest(counts, hosts_at_rest(folder), phases)
    return Snapshot(str(folder.root), False, account, run, counts)


def hosts_at_rest(folder: DataFolder) -> dict[str, HostStatus]:
    """What the last run has kept of hosts, as it is now: pauses go on while nothing runs."""
    hosts = {}
    for each in saved_hosts(folder):
        closed = each.status.closed_seconds
        left = None if closed is None or closed <= each.age_seconds else closed - each.age_seconds
        hosts[each.host] = replace(each.status, closed_seconds=left, wanted=0, under_way=0)
    return hosts


def account_at_rest(counts: Counts, hosts: dict[str, HostStatus], phases: tuple[Phase, ...]) -> Account:
    """The account of a folder in which nothing runs."""
    report = ShardReport(
        outstanding=outstanding(counts.by_status, phases),
        by_status=counts.by_status,
        by_failure=counts.by_failure,
        back_offs=counts.back_offs,
    )
    return account_of(
        Known(now=time.time(), state=RunState.ENDED, phases=phases, shard_count=1, shards={0: report}, hosts=hosts)
    )
