"""Opening the ledger of a data folder, and making a new store.

Guarantee: the layout stays as it is while a ledger is open; the manifest of a new store is written last, so that the
store is complete or not there. Limit: waits for a move between shard files, however long that takes, unless a time is
given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.sqlite.connections import Connections
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.ledger import SQLiteLedger
from rpa_shard.store.sqlite.shard_file import open_shard_file
from rpa_shard.store.sqlite.upgrade import upgrade_if_older
from rpa_shard.system.file_systems import refuse_network_file_system


@contextmanager
def open_ledger(
    files: SQLiteFiles, layout_if_new: Layout | None = None, *, seconds: float | None = None
) -> Iterator[SQLiteLedger]:
    """The folder's ledger, under its layout lock; creates a missing store if `layout_if_new` is given.

    With `seconds` it waits for nobody, upgrades nothing, and what it reads after that time ends in TooSlowError.
    Raises StoreError, with a clear line if there is no store yet or a resize was cut short.
    """
    if layout_if_new is not None:
        create(files, layout_if_new)
    elif files.read_manifest() is None:
        raise StoreError(f"no papers in {files.root} yet: add some with `add`")
    elif seconds is None:
        upgrade_if_older(files)
    with files.shared(wait=seconds is None), ExitStack() as opened:
        stored = files.read_manifest()
        if stored is None or stored.moving_to is not None:
            raise StoreError(f"a resize of {files.root} was cut short: `run` finishes it")
        connections = opened.enter_context(closing(Connections(files, seconds)))
        for shard in range(stored.layout.shards):
            connections[shard]  # a file that cannot be used is reported at once
        yield SQLiteLedger(files, stored.layout, connections)


def create(files: SQLiteFiles, layout: Layout) -> StoredLayout:
    """The folder's layout; creates a missing store with `layout`, its manifest last, and upgrades an older one.

    Raises StoreError.
    """
    _make_folder(files)
    with files.exclusive():
        stored = files.read_manifest()
        if stored is None:
            stored = _make_shard_files(files, layout)
    upgrade_if_older(files)
    return stored


def make_files(files: SQLiteFiles, layout: Layout) -> None:
    """Makes a store for papers of another one, unless that was done; nobody else can use the folder meanwhile."""
    _make_folder(files)
    if files.read_manifest(marked=True) is None:
        _make_shard_files(files, layout)


def _make_folder(files: SQLiteFiles) -> None:
    for folder in (files.root, files.shard_file(0).parent):
        refuse_network_file_system(folder)
    try:
        files.shard_file(0).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "a link to nowhere" if isinstance(error, FileExistsError) else error.strerror
        raise StoreError(f"{files.root} cannot be used as data folder: {error.filename}: {why}") from None


def _make_shard_files(files: SQLiteFiles, layout: Layout) -> StoredLayout:
    for shard in range(layout.shards):
        # An older version may have been killed while it created the folder.
        open_shard_file(files.shard_file(shard), create=True, older=True).close()
    stored = StoredLayout(layout)
    files.write_manifest(stored)
    return stored
