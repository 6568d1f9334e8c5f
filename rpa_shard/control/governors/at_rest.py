"""What is known of hosts where no run works, and asking whoever governs to reopen some.

Guarantee: where the rows are in a database, it has what all nodes know, and takes requests for all of them. Limit: as
old as the last change.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpa_shard.control.governors.memory import hosts_remembered
from rpa_shard.ipc.saved_hosts import SavedHost, read_hosts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster


def saved_hosts(folder: DataFolder) -> Sequence[SavedHost]:
    """What is known of hosts that limited or refused us. Raises StoreError."""
    if folder.store is None:
        return read_hosts(folder.run.governor_file)
    with open_cluster(folder) as cluster:
        return hosts_remembered(cluster)


def ask_to_reopen(folder: DataFolder, hosts: Sequence[str]) -> None:
    """Leaves a request for the governor of this run, or of the next one. Raises StoreError."""
    if folder.store is not None:
        with open_cluster(folder) as cluster:
            cluster.ask_to_reopen(hosts)
        return
    folder.run.reopen_folder.mkdir(parents=True, exist_ok=True)
    for host in hosts:
        (folder.run.reopen_folder / host).touch()
