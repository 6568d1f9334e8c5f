"""The store of one shard: its SQLite file through aiosqlite, with grouped commits.

Guarantee: as in `protocol.Store`; besides, ends of claims that arrive together share one transaction (`BEGIN
IMMEDIATE`, durable when it returns), so a shard makes fewer commits than papers. It waits while the disk is full or
another program has locked the file; every other error of SQLite is raised as StoreError, which names the file. Limit:
one process may own the file's leases; others may add, retry and read.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import CLAIMED_STATUSES, Phase, phase_holding
from rpa_shard.store.grouping import Ending, GroupedEnds, NotNowError
from rpa_shard.store.outcome import Outcome, released
from rpa_shard.store.rows import NEVER, Counts
from rpa_shard.store.sqlite.outcome_rows import outcome_line, outcome_row
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import damaged, is_full, is_locked, open_shard_file
from rpa_shard.system.clock import SteadyClock
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

HIGHEST_PRIORITY = 2**53
# How long to wait before a full disk or a locked file is tried again.
WAIT_SECONDS = 1.0


class SQLiteStore:
    """The papers of one shard. Made by `open`, which writes waiting ends of claims when it is closed."""

    def __init__(
        self,
        path: Path,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        lease_seconds: float,
        clock: Callable[[], float],
        group: int,
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._transaction = asyncio.Lock()
        self._ends = GroupedEnds(self._write_group, str(path), group)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, lease_seconds: float, clock: Callable[[], float] | None = None, *, group: int = 1
    ) -> AsyncIterator[SQLiteStore]:
        """Opens the shard file at `path`; `group` ends of claims are written at once. Raises StoreError."""
        reach("open_store")
        async with (
            aiosqlite.Connection(lambda: open_shard_file(path), iter_chunk_size=64) as writer,
            aiosqlite.Connection(lambda: open_shard_file(path), iter_chunk_size=64) as reader,
        ):
            store = cls(path, writer, reader, lease_seconds, clock or SteadyClock(), group)
            async with store._ends.running():
                yield store

    async def claim(self, phase: Phase, limit: int, not_failed_since: float = NEVER) -> list[Claim]:
        with self._naming_the_file():
            try:
                return await self._claim(phase, limit, not_failed_since)
            except sqlite3.OperationalError as error:
                if not _will_pass(error):
                    raise
                log.warning("no claims for now: %s: %s", self._path, error)
            await asyncio.sleep(WAIT_SECONDS)
            return []

    async def _claim(self, phase: Phase, limit: int, not_failed_since: float) -> list[Claim]:
        claims: list[Claim] = []
        now = self._clock()
        async with self._write() as connection:
            async for priority in _priorities(connection, phase):
                rows = await connection.execute_fetchall(
                    query("claim"),
                    {
                        **self._lease(phase, now),
                        "priority": priority,
                        "limit": limit - len(claims),
                        "not_failed_since": not_failed_since,
                    },
                )
                claims += [_as_claim(row, phase) for row in rows]
                if len(claims) >= limit:
                    break
        return claims

    async def claim_named(self, phase: Phase, paper_ids: Sequence[str]) -> list[Claim]:
        wanted = {**self._lease(phase, self._clock()), "ids": json.dumps(list(paper_ids))}
        with self._naming_the_file():
            async with self._write() as connection:
                rows = await connection.execute_fetchall(query("claim_named"), wanted)
        return [_as_claim(row, phase) for row in rows]

    def _lease(self, phase: Phase, now: float) -> dict[str, Any]:
        """What a claim writes."""
        expires_at = now + self._lease_seconds
        statuses = {"from_status": phase.from_status, "active_status": phase.active_status}
        return {**statuses, "now": now, "expires_at": expires_at}

    async def next_attempt_at(self, phase: Phase, not_failed_since: float = NEVER) -> float | None:
        wanted = {"status": phase.from_status, "not_failed_since": not_failed_since}
        times: list[float] = []
        with self._naming_the_file():
            async for priority in _priorities(self._reader, phase):
                found = await self._reader.execute_fetchall(query("next_attempt"), {**wanted, "priority": priority})
                times += [row["next_attempt_at"] for row in found]
        return min(times, default=None)

    async def renew(self, claims: Collection[Claim]) -> set[str] | None:
        leases = json.dumps([{"id": claim.paper_id, "lease_id": claim.lease_id} for claim in claims])
        with self._naming_the_file():
            try:
                async with self._write() as connection:
                    rows = await connection.execute_fetchall(
                        query("renew"), {"leases": leases, "expires_at": self._clock() + self._lease_seconds}
                    )
            except sqlite3.OperationalError as error:
                if not _will_pass(error):
                    raise
                return None
        return {claim.lease_id for claim in claims} - {row["lease_id"] for row in rows}

    async def reclaim_expired(self, held: Collection[str]) -> int:
        with self._naming_the_file():
            rows = await self._reader.execute_fetchall(query("expired"), {"now": self._clock()})
        endings = [
            self.finish(
                _as_claim(row, phase_holding(row["status"])),
                released(phase_holding(row["status"]), "lease expired", suspect=bool(row["suspect"])),
            )
            for row in rows
            if row["lease_id"] not in held
        ]
        return sum(await asyncio.gather(*endings))

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        return await self._ends.end(claim, outcome)

    async def counts(self) -> Counts:
        with self._naming_the_file():
            by_status = await self._reader.execute_fetchall(query("count_by_status"))
            by_failure = await self._reader.execute_fetchall(query("count_by_failure"))
            wanted = {"statuses": json.dumps(CLAIMED_STATUSES), "now": self._clock()}
            back_offs = await self._reader.execute_fetchall(query("back_offs"), wanted)
        return Counts(
            {row["status"]: row["papers"] for row in by_status},
            {row["failure"]: row["papers"] for row in by_failure},
            {row["failure"]: BackOff(row["papers"], row["first_at"], row["last_at"]) for row in back_offs},
        )

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise damaged(self._path, error) from error

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[aiosqlite.Connection]:
        async with self._transaction:
            await self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                reach("before_commit")
                await self._writer.commit()
                reach("after_commit")
            except BaseException:
                await self._writer.rollback()
                raise

    async def _write_group(self, group: Sequence[Ending]) -> set[str]:
        """Writes one group. Raises NotNowError, after a while, if it has to wait for the file."""
        with self._naming_the_file():
            try:
                return await self._finish_group(group)
            except sqlite3.OperationalError as error:
                if not _will_pass(error):
                    raise
                why = "the disk is full" if is_full(error) else "another program has locked the store"
                log.error("%s: %d results wait: %s: %s", why, len(group), self._path, error)
        await asyncio.sleep(WAIT_SECONDS)
        raise NotNowError

    async def _finish_group(self, group: Sequence[Ending]) -> set[str]:
        now = self._clock()
        outcomes = json.dumps(
            [outcome_row(each.claim.paper_id, each.claim.lease_id, each.outcome, now) for each in group]
        )
        async with self._write() as connection:
            rows = await connection.execute_fetchall(query("finish"), {"outcomes": outcomes, "now": now})
            finished = {row["id"] for row in rows}
            await connection.executemany(
                query("remember"),
                [
                    outcome_line(each.claim.paper_id, each.claim.attempt, each.outcome, now)
                    for each in group
                    if each.claim.paper_id in finished
                ],
            )
        return finished


def _will_pass(error: sqlite3.Error) -> bool:
    return is_full(error) or is_locked(error)


async def _priorities(connection: aiosqlite.Connection, phase: Phase) -> AsyncIterator[int]:
    """The priorities among a phase's waiting papers, highest first: one seek in the index for each."""
    below = HIGHEST_PRIORITY
    while True:
        priority = await _one(connection, query("highest_priority"), {"status": phase.from_status, "below": below})
        if priority is None:
            return
        yield priority
        below = priority


async def _one(connection: aiosqlite.Connection, sql: str, parameters: Mapping[str, Any]) -> Any:
    ((value,),) = await connection.execute_fetchall(sql, dict(parameters))
    return value


def _as_claim(row: sqlite3.Row, phase: Phase) -> Claim:
    return Claim(row["id"], phase, row["lease_id"], row["attempts"], bool(row["suspect"]), row["outdated_before"])
