"""What people ask of a node from any machine: to drain, or to have another number of shards.

Guarantee: returns once it is so, by what the node has published since; a node that is lost meanwhile, or does not get
there in time, is said so in one line. Limit: why a node refuses is in its own log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import RunState, decode_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster, NodeRequests, NodeRow
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 120.0
# What a node may take besides its own deadline for a drain.
GRACE_SECONDS = 15.0


def drain(settings: Settings, node: str) -> str:
    """Asks a node to end, and waits until it has left. Raises StoreError."""
    patience = settings.drain_seconds + GRACE_SECONDS
    seconds = _ask(settings, node, NodeRequests(drain=True), patience, _has_left)
    return f"node {node} has left, after {seconds:.1f} s"


def resize(settings: Settings, node: str, shards: int) -> str:
    """Asks a node, and waits until it has this number of shards. Raises StoreError, SettingsError."""
    replace(settings, shard_count=shards).check()
    patience = settings.drain_seconds + PATIENCE_SECONDS
    seconds = _ask(settings, node, NodeRequests(shards=shards), patience, lambda row: _has_shards(row, shards))
    return f"node {node} now has {shards} shards, after {seconds:.1f} s"


def folder_of_nodes(settings: Settings) -> DataFolder:
    """The data folder, whose rows are in a database. Raises StoreError if they are not."""
    folder = DataFolder.of(settings)
    if folder.store is None:
        raise StoreError("nodes share a database: set RPA_V2_STORE=postgresql://USER@HOST/DATABASE")
    return folder


def _ask(
    settings: Settings, node: str, requests: NodeRequests, patience: float, is_done: Callable[[NodeRow], bool]
) -> float:
    """After how many seconds it is done."""
    begun = time.monotonic()
    with open_cluster(folder_of_nodes(settings)) as cluster:
        before = _row_of(cluster, node)
        cluster.ask(node, requests)
        while time.monotonic() - begun < patience:
            row = _row_of(cluster, node)
            if is_done(row) or (requests.drain and row.incarnation != before.incarnation):
                return time.monotonic() - begun
            if row.incarnation != before.incarnation:
                raise StoreError(f"node {node} has been started again meanwhile: ask once more")
            if not row.is_member:
                heard = f"it was last heard of {row.heard_seconds_ago:.0f} s ago"
                raise StoreError(f"node {node} {'has left' if row.lease_seconds is None else f'is lost: {heard}'}")
            time.sleep(POLL_SECONDS)
    raise StoreError(f"node {node} has not done it within {patience:.0f} s: see its log, and rpa-shard status")


def _row_of(cluster: Cluster, node: str) -> NodeRow:
    rows = {row.node: row for row in cluster.nodes()}
    if node not in rows:
        known = ", ".join(name for name, row in rows.items() if row.is_member)
        raise StoreError(f"no node of the run is called {node}: {f'there are {known}' if known else 'there is none'}")
    return rows[node]


def _has_left(row: NodeRow) -> bool:
    return row.lease_seconds is None


def _has_shards(row: NodeRow, shards: int) -> bool:
    status = decode_status(row.report)
    if status is None or status.state is not RunState.RUNNING or status.shard_count != shards:
        return False
    return sum(1 for shard in status.shards if shard.state is ShardState.READY) == shards
