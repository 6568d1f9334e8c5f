"""The store of one shard in PostgreSQL, with grouped ends of claims.

Guarantee: as in `protocol.Store`. While the server is away, restarts, or has a full disk, the shard waits and goes on:
it claims nothing, its leases stand as they are, ends of claims wait, and an end whose answer was lost is recognized by
its line of history. Limit: papers whose claim was never heard of are handed back only when the server answers again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase
from rpa_shard.store.grouping import Ending, GroupedEnds, NotNowError
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import Outcome, released
from rpa_shard.store.postgres.errors import place_of, store_error, will_pass
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.postgres.shard.connection import LastingConnection
from rpa_shard.store.postgres.shard.counting import Clock, counts_of, recount_parameters
from rpa_shard.store.postgres.shard.cursors import Cursor, cursor_after, start_of
from rpa_shard.store.postgres.shard.outcome_columns import outcome_columns, storable
from rpa_shard.store.postgres.shard.reclaiming import claim_of, workers_between
from rpa_shard.store.rows import NEVER, Counts
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]


class PostgresStore:
    """The papers of one shard. Made by `open`, which writes waiting ends of claims when it is closed."""

    def __init__(
        self,
        url: str,
        node: str,
        shard: int,
        layout: Layout,
        lease_seconds: float,
        clock: Clock | None,
        group: int,
        counts_max_age: float | None,
    ) -> None:
        self._url = url
        self._place = {"node": node, "shard": shard}
        self._workers = workers_between(layout, shard)
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._counts_max_age = counts_max_age
        self._holder = 0
        self._opened_at = 0.0
        self._writer = LastingConnection(url, self._hand_back_forgotten)
        self._reader = LastingConnection(url)
        self._ends = GroupedEnds(self._write_group, place_of(url), group)
        # Claims that were made and have not been ended; and whether there may be others, of which we never heard.
        # By lease id, with the priorities of the papers, negated.
        self._known: dict[str, int] = {}
        self._claim_was_lost = False
        self._cursors: dict[Phase, Cursor] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        node: str,
        shard: int,
        layout: Layout,
        lease_seconds: float,
        clock: Clock | None = None,
        *,
        group: int = 1,
        counts_max_age: float | None = None,
    ) -> AsyncIterator[Self]:
        """Opens the part of `shard`, one of `layout` on `node`; `group` ends of claims are written at once.

        Raises StoreError.
        """
        reach("open_store")
        store = cls(url, node, shard, layout, lease_seconds, clock, group, counts_max_age)
        try:
            await store._register()
            async with store._ends.running():
                yield store
        finally:
            await store._writer.close()
            await store._reader.close()

    async def _register(self) -> None:
        """Makes the row of this process, as often as it takes: a second one would do no harm."""
        row: dict[str, Any] | None = None
        while row is None:
            try:
                async with self._writer.use() as connection:
                    (row,) = await _rows(connection, query("new_holder"), self._lease())
            except psycopg.Error as error:
                await self._wait_or_raise(self._writer, error, "the shard cannot begin yet")
        self._holder, self._opened_at = row["id"], row["now"]

    async def claim(self, phase: Phase, limit: int, not_failed_since: float = NEVER) -> list[Claim]:
        async def from_cursor(connection: AsyncConnection[DictRow]) -> Rows:
            before = self._cursors.pop(phase, None)
            wanted = {"limit": limit, "not_failed_since": not_failed_since}
            begun = time.monotonic()
            rows = await self._leased(connection, phase, "claim", {**wanted, **start_of(before, not_failed_since)})
            if rows and len(rows) == limit:
                seconds = time.monotonic() - begun if self._clock is None else None
                self._cursors[phase] = cursor_after(before, rows, seconds, not_failed_since)
            elif before is not None and not rows:
                rows = await self._leased(connection, phase, "claim", {**wanted, **start_of(None, not_failed_since)})
            return rows

        return await self._claim(phase, from_cursor) if limit > 0 else []

    async def claim_named(self, phase: Phase, paper_ids: Sequence[str]) -> list[Claim]:
        wanted = {"ids": [storable(each) for each in paper_ids]}
        return await self._claim(phase, lambda connection: self._leased(connection, phase, "claim_named", wanted))

    async def _claim(self, phase: Phase, leased: Callable[[AsyncConnection[DictRow]], Awaitable[Rows]]) -> list[Claim]:
        try:
            async with self._writer.use() as connection:
                rows = await leased(connection)
        except psycopg.Error as error:
            await self._wait_or_raise(self._writer, error, "no claims for now")
            return []
        return [
            Claim(row["id"], phase, row["lease_id"], row["attempts"], row["suspect"], row["outdated_before"])
            for row in rows
        ]

    async def _leased(
        self, connection: AsyncConnection[DictRow], phase: Phase, name: str, wanted: Mapping[str, Any]
    ) -> Rows:
        self._claim_was_lost = True
        rows = await _rows(connection, query(name, phase), {**self._lease(), **wanted})
        self._known.update((row["lease_id"], row["minus_priority"]) for row in rows)
        self._claim_was_lost = False
        reach("after_commit")
        return rows

    async def next_attempt_at(self, phase: Phase, not_failed_since: float = NEVER) -> float | None:
        wanted = {**self._workers, "not_failed_since": not_failed_since}
        (row,) = await self._read(query("next_attempt", phase), wanted)
        found = row["next_attempt_at"]
        return float(found) if found is not None else None

    async def renew(self, claims: Collection[Claim]) -> set[str] | None:
        leases = [claim.lease_id for claim in claims]
        wanted = {**self._lease(), "ids": [claim.paper_id for claim in claims], "leases": leases}
        try:
            async with self._writer.use() as connection:
                async with connection.transaction():
                    await connection.execute(query("detach"), wanted)
                    await connection.execute(query("attach"), wanted)
                    await connection.execute(query("renew_holder"), wanted)
                rows = await _rows(connection, query("standing"), wanted)
        except psycopg.Error as error:
            await self._wait_or_raise(self._writer, error, "leases are not renewed for now")
            return None
        lost = set(leases) - {row["lease_id"] for row in rows}
        for lease_id in lost:
            self._known.pop(lease_id, None)
        return lost

    async def reclaim_expired(self, held: Collection[str]) -> int:
        try:
            async with self._writer.use() as connection:
                return await self._hand_back(connection, query("expired"), held, "lease expired")
        except psycopg.Error as error:
            await self._wait_or_raise(self._writer, error, "no leases are reclaimed for now")
            return 0

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        return await self._ends.end(claim, outcome)

    async def counts(self) -> Counts:
        wanted = recount_parameters(self._counts_max_age, self._opened_at, self._clock)
        await self._read(query("recount"), wanted)
        return counts_of(await self._read(query("counted"), self._workers))

    def _lease(self) -> dict[str, Any]:
        """What a claim writes, and where it may."""
        now = {"now": self._clock() if self._clock is not None else None}
        return {**now, **self._place, **self._workers, "holder": self._holder, "seconds": self._lease_seconds}

    async def _read(self, sql: bytes, wanted: Mapping[str, Any]) -> Rows:
        """Reads, as often as it takes."""
        while True:
            try:
                async with self._reader.use() as connection:
                    return await _rows(connection, sql, wanted)
            except psycopg.Error as error:
                await self._wait_or_raise(self._reader, error, "nothing can be read for now")

    async def _wait_or_raise(self, connection: LastingConnection, error: psycopg.Error, what: str) -> None:
        if not will_pass(error):
            raise store_error(self._url, error) from None
        log.warning("%s: %s", what, store_error(self._url, error))
        await connection.wait(error)

    async def _write_group(self, group: Sequence[Ending]) -> set[str]:
        """Writes one group. Raises NotNowError, after a while, if it has to wait for the server."""
        try:
            async with self._writer.use() as connection:
                finished = await self._finish(connection, [(each.claim, each.outcome) for each in group])
                unsure = [each.claim for each in group if each.tries and each.claim.paper_id not in finished]
                if unsure:
                    finished |= await self._written(connection, unsure)
                for each in group:
                    self._forget(each.claim, each.outcome)
        except psycopg.Error as error:
            await self._wait_or_raise(self._writer, error, f"{len(group)} results wait")
            raise NotNowError from None
        return finished

    def _forget(self, claim: Claim, outcome: Outcome) -> None:
        """The claim has ended, and its paper may stand before the cursor of the phase that it waits for now."""
        minus_priority = self._known.pop(claim.lease_id, None)
        for phase, cursor in list(self._cursors.items()):
            if phase.from_status == outcome.status and (
                minus_priority is None or cursor.is_passed_by(minus_priority, outcome)
            ):
                del self._cursors[phase]

    async def _finish(
        self, connection: AsyncConnection[DictRow], ends: Sequence[tuple[Claim, Outcome]], *, by_holder: bool = True
    ) -> set[str]:
        reach("before_commit")
        wanted = {**self._lease(), **outcome_columns(ends), "by_holder": by_holder}
        rows = await _rows(connection, query("finish"), wanted)
        reach("after_commit")
        return {row["id"] for row in rows}

    async def _written(self, connection: AsyncConnection[DictRow], claims: Sequence[Claim]) -> set[str]:
        """Those of the claims that an earlier try has ended, whose answer we never heard."""
        wanted = {"ids": [each.paper_id for each in claims], "leases": [each.lease_id for each in claims]}
        return {row["id"] for row in await _rows(connection, query("written"), wanted)}

    async def _hand_back_forgotten(self, connection: AsyncConnection[DictRow]) -> None:
        """Frees papers whose claim was made on the connection before, and of which we never heard."""
        if self._claim_was_lost:
            count = await self._hand_back(connection, query("forgotten"), self._known, "the claim was not heard of")
            self._claim_was_lost = False
            log.info("%d papers that were claimed while the connection broke were handed back", count)

    async def _hand_back(
        self, connection: AsyncConnection[DictRow], sql: bytes, held: Collection[str], reason: str
    ) -> int:
        self._cursors.clear()
        async with connection.transaction():
            rows = await _rows(connection, sql, {**self._lease(), "held": list(held)})
            claims = [claim_of(row) for row in rows]
            ends = [(claim, released(claim.phase, reason, suspect=claim.suspect)) for claim in claims]
            return len(await self._finish(connection, ends, by_holder=False)) if ends else 0


async def _rows(connection: AsyncConnection[DictRow], sql: bytes, wanted: Mapping[str, Any]) -> Rows:
    cursor = await connection.execute(sql, wanted, prepare=True)
    return await cursor.fetchall()
