"""The layout in the database: how many workers all nodes have, and how many shards this node has.

Guarantee: another number of shards moves nothing, since every node covers all papers; another number of workers may be
killed at any point and run again. Limit: workers change only while no other node is at work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.moving import Mark, refusal
from rpa_shard.store.postgres.connections import connected
from rpa_shard.store.postgres.migrating import applied, migrate
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.postgres.shard.counting import forget_counts, papers_by_worker
from rpa_shard.system.failpoints import reach

PAGE = 5000
ALL_NODES = ""


def read_layout(connection: Connection[DictRow], node: str, *, marked: bool = False) -> StoredLayout | None:
    """The layout as `node` has it, None if there is no store yet.

    Raises StoreError, also where papers are moved or were moved elsewhere, unless `marked` says that this is known.
    """
    if not applied(connection):
        return None
    mark = None if marked else read_mark(connection)
    if mark is not None:
        raise refusal(f"database {connection.info.dbname}", mark)
    row = connection.execute(query("stored_layout"), {"node": node}).fetchone()
    if row is None:
        return None
    moving_to = Layout(row["moving_to"], row["shards"]) if row["moving_to"] is not None else None
    return StoredLayout(Layout(row["workers"], row["shards"]), moving_to)


def create(connection: Connection[DictRow], node: str, layout: Layout) -> StoredLayout:
    """Makes the tables if there are none, and the node's part of the layout. Raises StoreError."""
    migrate(connection)
    with connection.transaction():
        connection.execute(query("create_layout"), {"workers": layout.workers})
        connection.execute(query("create_node_layout"), {"node": node, "shards": layout.shards})
    stored = read_layout(connection, node)
    assert stored is not None
    return stored


def make(connection: Connection[DictRow], node: str, layout: Layout) -> None:
    """Makes an empty database that takes in papers of a store with another layout."""
    migrate(connection)
    with connection.transaction():
        connection.execute(query("create_layout"), {"workers": layout.workers})
        connection.execute(query("set_workers_of_empty"), {"workers": layout.workers})
        connection.execute(query("set_shards"), {"node": node, "shards": layout.shards})


def read_mark(connection: Connection[DictRow]) -> Mark | None:
    """What the database says of a move."""
    row = connection.execute(query("read_mark")).fetchone()
    return Mark(**row) if row is not None else None


def write_mark(connection: Connection[DictRow], mark: Mark | None) -> None:
    """Says something else, in the caller's transaction."""
    connection.execute(query("remove_mark"))
    if mark is not None:
        connection.execute(query("write_mark"), asdict(mark))


def lock_all(connection: Connection[DictRow]) -> None:
    """Waits for all who rely on the layout; others wait until the connection is closed."""
    connection.execute(query("lock_layout"), {"node": ALL_NODES})


def reshard(connection: Connection[DictRow], node: str, target: Layout, counts_max_age: float | None) -> int:
    """See `rpa_shard.store.protocol.StoreEngine.reshard`; returns how many papers have another shard now."""
    stored = read_layout(connection, node)
    if stored is None:
        raise StoreError("there is no store yet")
    moved = 0
    for workers in (stored.moving_to.workers if stored.moving_to is not None else None, target.workers):
        if workers is not None and (workers != stored.layout.workers or stored.moving_to is not None):
            new = Layout(workers, target.shards)
            moved += _change_workers(connection, node, stored.layout, new)
            stored = StoredLayout(new)
    if target.shards != stored.layout.shards:
        by_worker = papers_by_worker(connection, max_age=counts_max_age)
        changes = [each for each in by_worker if stored.layout.shard_of_worker(each) != target.shard_of_worker(each)]
        moved += sum(by_worker[each] for each in changes)
    connection.execute(query("set_shards"), {"node": node, "shards": target.shards})
    reach("resharded")
    return moved


def _refuse_other_nodes(connection: Connection[DictRow], node: str) -> None:
    others = [row["node"] for row in connection.execute(query("other_nodes"), {"node": node})]
    if others:
        raise StoreError(f"the number of workers cannot change while other nodes are at work: {', '.join(others)}")


def _change_workers(connection: Connection[DictRow], node: str, old: Layout, new: Layout) -> int:
    """Gives every paper its worker of the new layout, page by page; returns how many changed their shard."""
    _refuse_other_nodes(connection, node)
    connection.execute(query("lock_layout"), {"node": ALL_NODES})
    connection.execute(query("begin_move"), {"workers": new.workers})
    moved, after = 0, ""
    while rows := connection.execute(query("page_of_workers"), {"after": after, "limit": PAGE}).fetchall():
        after = rows[-1]["id"]
        workers = {row["id"]: new.worker_of(row["id"]) for row in rows}
        changed = [row["id"] for row in rows if workers[row["id"]] != row["worker"]]
        moved += sum(old.shard_of(each) != new.shard_of(each) for each in changed)
        connection.execute(query("set_workers"), {"ids": changed, "workers": [workers[each] for each in changed]})
        reach("moved_page")
    connection.execute(query("end_move"))
    forget_counts(connection)
    return moved


@contextmanager
def exclusive(url: str, node: str, *, wait: bool) -> Iterator[None]:
    """Held while the node's layout changes. Raises FolderBusyError if it is taken and `wait` is False."""
    with connected(url) as connection:
        if wait:
            connection.execute(query("lock_layout"), {"node": node})
        elif not _answer(connection, "try_lock_layout", node):
            raise FolderBusyError(f"another command is reading the papers of node {node}")
        yield


def share(connection: Connection[DictRow], node: str, *, wait: bool) -> None:
    """The layout stays as it is until the connection is closed. Raises FolderBusyError."""
    for each in (ALL_NODES, node):
        if wait:
            connection.execute(query("share_layout"), {"node": each})
        elif not _answer(connection, "try_share_layout", each):
            raise FolderBusyError(f"the number of shards of node {node} is changing: try again in a moment")


def _answer(connection: Connection[DictRow], name: str, node: str) -> bool:
    row = connection.execute(query(name), {"node": node}).fetchone()
    return row is not None and bool(row["locked"])
