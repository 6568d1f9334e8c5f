"""The embedded store: one SQLite file for each shard, in the data folder.

Guarantee: as in `rpa_shard.store.protocol.StoreEngine`, with nothing to install and nothing to start. Limit: one
machine and one local file system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.repairs import KnownPaper, RepairReport
from rpa_shard.store.rows import Ended
from rpa_shard.store.sqlite import opening, queue, reclaim, reshard
from rpa_shard.store.sqlite.catalogue import SQLiteCatalogue, SQLiteCatalogueReader, open_catalogue
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.ledger import SQLiteLedger
from rpa_shard.store.sqlite.salvage.folder import repair_folder
from rpa_shard.store.sqlite.store import SQLiteStore


@dataclass(frozen=True, slots=True)
class SQLiteEngine:
    """The SQLite files of the data folder at `root`."""

    root: Path

    @property
    def files(self) -> SQLiteFiles:
        """Where the files are."""
        return SQLiteFiles(self.root)

    def stored_layout(self) -> StoredLayout | None:
        return self.files.read_manifest()

    def create(self, layout: Layout) -> StoredLayout:
        return opening.create(self.files, layout)

    def open_ledger(
        self, layout_if_new: Layout | None = None, *, seconds: float | None = None
    ) -> AbstractContextManager[SQLiteLedger]:
        return opening.open_ledger(self.files, layout_if_new, seconds=seconds)

    def open_store(
        self, shard: int, lease_seconds: float, clock: Callable[[], float] | None = None, *, group: int = 1
    ) -> AbstractAsyncContextManager[SQLiteStore]:
        return SQLiteStore.open(self.files.shard_file(shard), lease_seconds, clock, group=group)

    def reclaim(self, shard: int, suspects: Mapping[str, bool]) -> int:
        return reclaim.reclaim(self.files, shard, suspects)

    def ended(self, shard: int, mark: int | None) -> Ended:
        return queue.ended(self.files, shard, mark)

    def layout_lock(self, *, wait: bool = True) -> AbstractContextManager[None]:
        return self.files.exclusive(wait=wait)

    def reshard(self, target: Layout) -> int:
        return reshard.reshard(self.files, target)

    def repair(
        self, known: Callable[[], Iterable[KnownPaper]], expected: Mapping[int, int], say: Callable[[str], None]
    ) -> RepairReport:
        stored = self.files.read_manifest()
        if stored is None:
            raise StoreError(f"{self.files.manifest_file} is missing: put it back from a copy")
        return repair_folder(self.files, stored, known, expected, say)

    def open_catalogue(
        self, *, create: bool = False, seconds: float | None = None
    ) -> AbstractContextManager[SQLiteCatalogue | None]:
        return open_catalogue(self.files, create=create, seconds=seconds)

    def catalogue_reader(self) -> SQLiteCatalogueReader:
        return SQLiteCatalogueReader(self.files)
