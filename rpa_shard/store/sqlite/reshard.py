"""Moving papers between shard files when the number of shards or workers changes.

Guarantee: may be killed at any point and run again; at no point is a paper in no file, and when it returns every paper
is in exactly one. Each batch is copied and committed in its new file before it is deleted from the old one, and the
manifest names both layouts until the move is complete. Limit: the caller holds the run lock and the layout lock, no
shard lives, and leases have been reclaimed.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.sqlite.companions import remove_with_companions
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import damaged, open_shard_file, transaction_on, uri_of
from rpa_shard.system.failpoints import reach

BATCH_PAPERS = 20_000


def reshard(files: SQLiteFiles, target: Layout) -> int:
    """Brings the folder to `target`, finishing a move that was cut short first; returns how many papers moved.

    Raises StoreError.
    """
    stored = files.read_manifest()
    if stored is None:
        raise StoreError(f"{files.root} has no manifest")
    moved = 0
    if stored.moving_to is not None:
        moved += _move(files, stored.layout, stored.moving_to)
        stored = StoredLayout(stored.moving_to)
    if stored.layout != target:
        moved += _move(files, stored.layout, target)
    return moved


def _move(files: SQLiteFiles, source: Layout, target: Layout) -> int:
    files.write_manifest(StoredLayout(source, moving_to=target))
    reach("resize_noted")
    for shard in range(target.shards):
        open_shard_file(files.shard_file(shard), create=True).close()
    moved = 0
    for shard in range(max(source.shards, target.shards)):
        if files.shard_file(shard).exists():
            moved += _empty_into_others(files, shard, target, new_workers=source.workers != target.workers)
    reach("resize_moved")
    for shard in range(target.shards, source.shards):
        _remove_empty(files.shard_file(shard))
    reach("resize_removed")
    files.write_manifest(StoredLayout(target))
    return moved


def _empty_into_others(files: SQLiteFiles, shard: int, target: Layout, *, new_workers: bool) -> int:
    """Moves every paper of one file that belongs elsewhere."""
    moved, after = 0, ""
    with closing(open_shard_file(files.shard_file(shard))) as connection:
        while ids := _page(connection, files, shard, after):
            after = ids[-1]
            workers = {paper_id: target.worker_of(paper_id) for paper_id in ids}
            if new_workers:
                with transaction_on(connection, files.shard_file(shard)):
                    connection.execute(query("set_workers"), {"papers": json.dumps(list(workers.items()))})
            by_home: dict[int, list[str]] = {}
            for paper_id, worker in workers.items():
                home = target.shard_of_worker(worker)
                if home != shard:
                    by_home.setdefault(home, []).append(paper_id)
            for home, papers in sorted(by_home.items()):
                _move_batch(connection, files, shard, home, papers)
                moved += len(papers)
    return moved


def _page(connection: sqlite3.Connection, files: SQLiteFiles, shard: int, after: str) -> list[str]:
    try:
        rows = connection.execute(query("page_of_ids"), {"after": after, "limit": BATCH_PAPERS}).fetchall()
    except sqlite3.Error as error:
        raise damaged(files.shard_file(shard), error) from None
    return [row["id"] for row in rows]


def _move_batch(connection: sqlite3.Connection, files: SQLiteFiles, shard: int, home: int, papers: list[str]) -> None:
    ids = {"ids": json.dumps(papers)}
    connection.execute("ATTACH ? AS destination", (uri_of(files.shard_file(home)),))
    try:
        # Committed separately: a transaction over two files in WAL mode is not atomic if the power fails between them.
        with transaction_on(connection, files.shard_file(home)):
            connection.execute(query("copy_papers"), ids)
            connection.execute(query("forget_copied_histories"), ids)
            connection.execute(query("copy_histories"), ids)
    finally:
        connection.execute("DETACH destination")
    reach("resize_copied")
    with transaction_on(connection, files.shard_file(shard)):
        connection.execute(query("delete_papers"), ids)
        connection.execute(query("delete_histories"), ids)
    reach("resize_deleted")


def _remove_empty(path: Path) -> None:
    if not path.exists():
        return
    with closing(open_shard_file(path)) as connection:
        left = connection.execute(query("page_of_ids"), {"after": "", "limit": 1}).fetchone()
    if left is not None:
        raise StoreError(f"{path} should be empty after the resize, but is not: please report this")
    remove_with_companions(path)
