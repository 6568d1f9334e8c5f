"""The only place that chooses which engine holds the rows of a data folder.

Guarantee: code that opens stores through this module works with any engine. Limit: today there is one engine.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.layout import Layout
from rpa_shard.store.protocol import Ledger, StoreEngine
from rpa_shard.store.sqlite.engine import SQLiteEngine


def engine_of(folder: DataFolder) -> StoreEngine:
    """The engine that holds the rows of `folder`."""
    return SQLiteEngine(folder.root)


def open_ledger(
    folder: DataFolder, layout_if_new: Layout | None = None, *, seconds: float | None = None
) -> AbstractContextManager[Ledger]:
    """The ledger of `folder`; see `StoreEngine.open_ledger`."""
    return engine_of(folder).open_ledger(layout_if_new, seconds=seconds)
