"""How a run over a database begins and ends: it takes its node's name, and gives it up.

Guarantee: at any time one process has the name, by the database's clock. A node that was killed is replaced at once
where it ran, because the run's lock shows that none of its processes is left, and `run/incarnation` which one it was;
elsewhere its lease is waited for. A run over a data folder alone joins nothing.
Limit: a node that cannot reach the database when it ends leaves by its lease.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster, Membership, NodeRow
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster
from rpa_shard.system.files import replace_file

log = logging.getLogger(__name__)

# The first lease is at least so long: until it is renewed, the run starts, which takes a while on a busy machine.
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Member:
    """A process that is a node: its lease, and the address at which other nodes reach it."""

    membership: Membership
    address: str


@contextmanager
def joined(settings: Settings, folder: DataFolder) -> Iterator[Member | None]:
    """The node's place in the run for the time of the block; None where the rows are in the folder.

    The run's lock must be held. No connection is open during the block, which may fork. Raises StoreError
    (NodeTakenError if the name is another process's).
    """
    if folder.store is None:
        yield None
        return
    member = _join(settings, folder)
    try:
        yield member
    finally:
        _leave(folder, member.membership)


def _join(settings: Settings, folder: DataFolder) -> Member:
    earlier = _earlier_incarnation(folder)
    with open_cluster(folder) as cluster:
        address = settings.node_address or cluster.own_address()
        nodes = cluster.nodes()
        _refuse_a_folder_of_its_own(folder, nodes)
        replaces = next(
            (row.incarnation for row in nodes if (row.node, row.incarnation) == (folder.node, earlier)), None
        )
        membership = cluster.join(folder.node, address, max(START_SECONDS, settings.node_lease_seconds), replaces)
        _remember_incarnation(folder, membership)
        if replaces is not None:
            _end_epoch_of(cluster, folder.node)
    return Member(membership, address)


def _refuse_a_folder_of_its_own(folder: DataFolder, nodes: Sequence[NodeRow]) -> None:
    """Raises StoreError if papers' files would be where the other nodes do not find them."""
    others = [row.node for row in nodes if row.is_member and row.node != folder.node]
    if folder.artifacts is None and others:
        raise StoreError(
            f"node {others[0]} works on the same papers, and does not reach files in {folder.papers}: set "
            "RPA_V2_ARTIFACTS=s3://BUCKET/PREFIX or file:///SHARED/FOLDER, the same on all nodes"
        )


def _leave(folder: DataFolder, membership: Membership) -> None:
    try:
        with open_cluster(folder) as cluster:
            cluster.leave(membership)
    except StoreError as error:
        log.warning("node %s could not say that it leaves: %s", membership.node, error)
        return
    folder.run.incarnation_file.unlink(missing_ok=True)


def _end_epoch_of(cluster: Cluster, node: str) -> None:
    """The node that we replace has ended, so it does not govern any more: nobody need wait for its lease."""
    governing = cluster.governing()
    if governing is not None and governing.node == node:
        cluster.end_epoch(governing.epoch)


def _earlier_incarnation(folder: DataFolder) -> str | None:
    try:
        return folder.run.incarnation_file.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _remember_incarnation(folder: DataFolder, membership: Membership) -> None:
    try:
        folder.run.incarnation_file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(folder.run.incarnation_file, membership.incarnation.encode(), durable=False)
    except OSError as error:
        raise StoreError(f"{folder.run.incarnation_file} cannot be written: {error.strerror}") from None
