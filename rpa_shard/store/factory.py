"""The only place that chooses which engine holds the rows of a data folder.

Guarantee: code that opens stores through this module works with any engine; an engine that needs more than what is
always installed is loaded only where it is used. Limit: two engines.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.layout import Layout
from rpa_shard.store.moving import MovableStore
from rpa_shard.store.protocol import Ledger, StoreEngine
from rpa_shard.store.sqlite.engine import SQLiteEngine
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.moving import MovableFiles


def engine_of(folder: DataFolder) -> StoreEngine:
    """The engine that holds the rows of `folder`. Raises StoreError if it is not installed."""
    if folder.store is None:
        return SQLiteEngine(folder.root)
    try:
        from rpa_shard.store.postgres.engine import PostgresEngine
    except ImportError as error:
        raise not_installed("RPA_V2_STORE", error) from None
    return PostgresEngine(folder.root, folder.store, folder.node)


def open_ledger(
    folder: DataFolder, layout_if_new: Layout | None = None, *, seconds: float | None = None
) -> AbstractContextManager[Ledger]:
    """The ledger of `folder`; see `StoreEngine.open_ledger`."""
    return engine_of(folder).open_ledger(layout_if_new, seconds=seconds)


def movable_store(folder: DataFolder) -> MovableStore:
    """The store that holds the rows of `folder`, for a move. Raises StoreError if its engine is not installed."""
    if folder.store is None:
        return MovableFiles(SQLiteFiles(folder.root))
    try:
        from rpa_shard.store.postgres.ledger.moving import MovableDatabase
    except ImportError as error:
        raise not_installed("RPA_V2_STORE", error) from None
    return MovableDatabase(folder.store, folder.node)


def place_of_rows(folder: DataFolder) -> str | None:
    """The database that holds the rows, for people; None if they are in the folder. Raises StoreError."""
    if folder.store is None:
        return None
    try:
        from rpa_shard.store.postgres.errors import place_of
    except ImportError as error:
        raise not_installed("RPA_V2_STORE", error) from None
    return place_of(folder.store)


def open_cluster(folder: DataFolder) -> AbstractContextManager[Cluster]:
    """What the nodes of a run share; only for a folder whose rows are in a database. Raises StoreError."""
    assert folder.store is not None
    try:
        from rpa_shard.store.postgres.cluster import open_cluster as open_it
    except ImportError as error:
        raise not_installed("RPA_V2_STORE", error) from None
    return open_it(folder.store)


def not_installed(knob: str, error: ImportError) -> StoreError:
    """What to do where a package that a knob needs is missing."""
    missing = (error.name or "a package").partition(".")[0]
    return StoreError(f"{knob} needs the package {missing}: pip install 'rpa-shard[cluster]'")
