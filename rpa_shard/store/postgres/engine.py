"""The store of many machines: one PostgreSQL database, seen by one node.

Guarantee: as in `rpa_shard.store.protocol.StoreEngine`. Limit: the catalogue is a file of each node's own data folder.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.errors import StoreAwayError, StoreError
from rpa_shard.store.catalogue import Catalogue, CatalogueReader
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.postgres import layouts
from rpa_shard.store.postgres.connections import connected, try_to_connect
from rpa_shard.store.postgres.errors import place_of
from rpa_shard.store.postgres.ledger.ledger import PostgresLedger
from rpa_shard.store.postgres.ledger.session import Session
from rpa_shard.store.postgres.migrating import migrate
from rpa_shard.store.postgres.shard import reclaiming
from rpa_shard.store.postgres.shard.counting import Clock
from rpa_shard.store.postgres.shard.store import PostgresStore
from rpa_shard.store.repairs import KnownPaper, RepairReport
from rpa_shard.store.rows import Ended
from rpa_shard.store.sqlite.engine import SQLiteEngine

log = logging.getLogger(__name__)

# How often a shard that cannot begin tries again.
AWAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PostgresEngine:
    """The database at `url`, as the node called `node` sees it, whose data folder is `root`.

    Counts may be `counts_max_age_seconds` old (None: in proportion to what counting costs). Where no `clock` is given,
    as always outside tests, the database's own decides.
    """

    root: Path
    url: str
    node: str
    counts_max_age_seconds: float | None = None
    clock: Clock | None = None

    def stored_layout(self) -> StoredLayout | None:
        with connected(self.url) as connection:
            return layouts.read_layout(connection, self.node)

    def create(self, layout: Layout) -> StoredLayout:
        self._make_root()
        with connected(self.url) as connection:
            return layouts.create(connection, self.node, layout)

    @contextmanager
    def open_ledger(
        self, layout_if_new: Layout | None = None, *, seconds: float | None = None
    ) -> Iterator[PostgresLedger]:
        opened: list[StoredLayout] = []

        def connect() -> Connection[DictRow]:
            connection = try_to_connect(self.url, seconds=seconds)
            try:
                opened.append(self._share_layout(connection, layout_if_new, seconds))
                if opened[-1] != opened[0]:
                    raise StoreError("the number of shards has changed while the database was away: try again")
            except BaseException:
                connection.close()
                raise
            return connection

        with closing(Session(self.url, connect, seconds)) as session:
            session.steadily(lambda connection: None)
            yield PostgresLedger(
                session,
                opened[0].layout,
                self.node,
                SQLiteEngine(self.root).open_catalogue,
                clock=self.clock,
                counts_max_age=self.counts_max_age_seconds,
            )

    def _share_layout(
        self, connection: Connection[DictRow], layout_if_new: Layout | None, seconds: float | None
    ) -> StoredLayout:
        """The layout, which stays as it is until the connection is closed."""
        if layout_if_new is not None:
            self._make_root()
            layouts.create(connection, self.node, layout_if_new)
        layouts.share(connection, self.node, wait=seconds is None)
        return self._layout_of(connection, upgrade=seconds is None)

    @asynccontextmanager
    async def open_store(
        self, shard: int, lease_seconds: float, clock: Callable[[], float] | None = None, *, group: int = 1
    ) -> AsyncIterator[PostgresStore]:
        layout = await self._layout_once_there()
        async with PostgresStore.open(
            self.url,
            self.node,
            shard,
            layout,
            lease_seconds,
            clock or self.clock,
            group=group,
            counts_max_age=self.counts_max_age_seconds,
        ) as store:
            yield store

    def reclaim(self, shard: int, suspects: Mapping[str, bool]) -> int:
        with connected(self.url) as connection:
            layout = self._layout_of(connection, upgrade=True).layout
            return reclaiming.reclaim(connection, layout, self.node, shard, suspects, self.clock)

    def ended(self, shard: int, mark: int | None) -> Ended:
        with connected(self.url) as connection:
            return reclaiming.ended(connection, self.node, shard, mark)

    def layout_lock(self, *, wait: bool = True) -> AbstractContextManager[None]:
        return layouts.exclusive(self.url, self.node, wait=wait)

    def reshard(self, target: Layout) -> int:
        with connected(self.url) as connection:
            return layouts.reshard(connection, self.node, target, self.counts_max_age_seconds)

    def repair(
        self, known: Callable[[], Iterable[KnownPaper]], expected: Mapping[int, int], say: Callable[[str], None]
    ) -> RepairReport:
        say(f"{place_of(self.url)}: a database checks itself; if it is damaged, restore it from a backup of the server")
        return RepairReport()

    def open_catalogue(
        self, *, create: bool = False, seconds: float | None = None
    ) -> AbstractContextManager[Catalogue | None]:
        if create:
            self._make_root()
        return SQLiteEngine(self.root).open_catalogue(create=create, seconds=seconds)

    def catalogue_reader(self) -> CatalogueReader:
        return SQLiteEngine(self.root).catalogue_reader()

    def _make_root(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{self.root} cannot be used as data folder: {error.strerror}") from None

    async def _layout_once_there(self) -> Layout:
        """The layout, as soon as the database can be reached."""

        def read() -> Layout:
            with connected(self.url) as connection:
                return self._layout_of(connection, upgrade=False).layout

        while True:
            try:
                return await asyncio.to_thread(read)
            except StoreAwayError as error:
                log.warning("the shard cannot begin yet: %s", error)
            await asyncio.sleep(AWAY_SECONDS)

    def _layout_of(self, connection: Connection[DictRow], *, upgrade: bool) -> StoredLayout:
        stored = layouts.read_layout(connection, self.node)
        if stored is None:
            raise StoreError(f"no papers in {place_of(self.url)} yet: add some with `add`")
        if upgrade:
            migrate(connection)
        if stored.moving_to is not None:
            raise StoreError(f"a change of the workers of {place_of(self.url)} was cut short: `run` finishes it")
        return stored
