"""The connections of a shard: each is made again when it breaks.

Guarantee: a statement is never sent a second time by itself, since it may have been carried out; whoever sent it is
told. Limit: one statement or transaction at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from rpa_shard.store.postgres.connections import connect_async
from rpa_shard.store.postgres.errors import is_conflict, is_of_session
from rpa_shard.store.postgres.queries import query

# How long to wait before a database that is away, or full, is tried again: at first, and at most.
WAIT_SECONDS, MOST_WAIT_SECONDS = 0.2, 5.0


class LastingConnection:
    """A connection to the database at `url`; `prepare` is called with each new one before anybody uses it."""

    def __init__(self, url: str, prepare: Callable[[AsyncConnection[DictRow]], Awaitable[None]] | None = None) -> None:
        self._url = url
        self._prepare = prepare
        self._connection: AsyncConnection[DictRow] | None = None
        self._using = asyncio.Lock()
        self._failures = 0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[AsyncConnection[DictRow]]:
        """The connection, for one user at a time. Raises psycopg.Error if it cannot be had."""
        async with self._using:
            try:
                yield await self._working()
            except psycopg.Error as error:
                if self._connection is not None and (self._connection.broken or is_of_session(error)):
                    await self._discard()
                raise
            except BaseException:
                # A statement that was interrupted leaves the connection in a state that nobody knows.
                await self._discard()
                raise
            self._failures = 0

    async def wait(self, error: psycopg.Error) -> None:
        """Waits after a failure: a moment after a conflict, longer each time while the database is away."""
        self._failures += 1
        seconds = 0.01 if is_conflict(error) else min(MOST_WAIT_SECONDS, WAIT_SECONDS * 2 ** min(self._failures - 1, 9))
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311  # spreads what many shards do

    async def close(self) -> None:
        """Closes it, when nobody uses it any more."""
        async with self._using:
            await self._discard()

    async def _working(self) -> AsyncConnection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = None
            connection = await connect_async(self._url)
            try:
                await connection.execute(query("settings_of_shard"))
                if self._prepare is not None:
                    await self._prepare(connection)
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    async def _discard(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                await connection.close()
