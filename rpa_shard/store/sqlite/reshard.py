"""Moving papers between shard files when the number of shards or workers changes.

Guarantee: may be killed at any point and run again; at no point is a paper in no file, and when it returns every
paper is in exactly one. Each batch is copied and committed at its new home before it is deleted at the old one, and
the manifest names both layouts until all is done. Limit: the caller holds the run lock and the layout lock, no shard
lives, and leases have been reclaimed.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from rpa_shard.store.folder import DataFolder, Layout, Manifest, StoreError
from rpa_shard.store.sqlite.ledger import transaction
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import damaged, open_shard_file
from rpa_shard.system.failpoints import reach

BATCH_PAPERS = 20_000


def reshard(folder: DataFolder, target: Layout) -> int:
    """Brings the folder to `target`, finishing a move that was cut short first; returns how many papers moved.

    Raises StoreError.
    """
    manifest = folder.read_manifest()
    if manifest is None:
        raise StoreError(f"{folder.root} has no manifest")
    moved = 0
    if manifest.moving_to is not None:
        moved += _move(folder, manifest.layout, manifest.moving_to)
        manifest = Manifest(manifest.moving_to)
    if manifest.layout != target:
        moved += _move(folder, manifest.layout, target)
    return moved


def _move(folder: DataFolder, source: Layout, target: Layout) -> int:
    folder.write_manifest(Manifest(source, moving_to=target))
    reach("resize_noted")
    for shard in range(target.shards):
        open_shard_file(folder.shard_file(shard), create=True).close()
    moved = 0
    for shard in range(max(source.shards, target.shards)):
        if folder.shard_file(shard).exists():
            moved += _empty_into_others(folder, shard, target)
    reach("resize_moved")
    for shard in range(target.shards, source.shards):
        _remove_empty(folder.shard_file(shard))
        folder.breadcrumb_file(shard).unlink(missing_ok=True)
    reach("resize_removed")
    folder.write_manifest(Manifest(target))
    return moved


def _empty_into_others(folder: DataFolder, shard: int, target: Layout) -> int:
    """Moves every paper of one file that belongs elsewhere."""
    moved, after = 0, ""
    with closing(open_shard_file(folder.shard_file(shard))) as connection:
        while ids := _page(connection, folder, shard, after):
            after = ids[-1]
            by_home: dict[int, list[str]] = {}
            for paper_id in ids:
                home = target.shard_of(paper_id)
                if home != shard:
                    by_home.setdefault(home, []).append(paper_id)
            for home, papers in sorted(by_home.items()):
                _move_batch(connection, folder, shard, home, papers)
                moved += len(papers)
    return moved


def _page(connection: sqlite3.Connection, folder: DataFolder, shard: int, after: str) -> list[str]:
    try:
        rows = connection.execute(query("page_of_ids"), {"after": after, "limit": BATCH_PAPERS}).fetchall()
    except sqlite3.Error as error:
        raise damaged(folder.shard_file(shard), error) from None
    return [row["id"] for row in rows]


def _move_batch(connection: sqlite3.Connection, folder: DataFolder, shard: int, home: int, papers: list[str]) -> None:
    ids = {"ids": json.dumps(papers)}
    connection.execute("ATTACH ? AS destination", (str(folder.shard_file(home)),))
    try:
        # Committed apart: a transaction over two files in WAL mode is not atomic when power fails between them.
        with transaction(connection, folder, home):
            connection.execute(query("copy_papers"), ids)
            connection.execute(query("forget_copied_histories"), ids)
            connection.execute(query("copy_histories"), ids)
    finally:
        connection.execute("DETACH destination")
    reach("resize_copied")
    with transaction(connection, folder, shard):
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
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        file.unlink(missing_ok=True)
