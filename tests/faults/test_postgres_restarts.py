"""PostgreSQL is restarted and killed in the middle of claims and ends: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rpa_shard.model.phase import PREP
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.postgres.connections import connected
from rpa_shard.store.postgres.migrating import migrate
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.postgres.shard import connection as connection_module
from rpa_shard.store.postgres.shard import store as store_module
from rpa_shard.store.postgres.shard.store import PostgresStore
from rpa_shard.testing.postgres_server import NotInstalledError, PostgresServer

PAPERS, GROUP = 600, 10
LAYOUT = Layout(8, 2)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Not below pytest's own folder, which every session of pytest closes to other users, as the server's is."""
    try:
        # What was committed must survive SIGKILL, for which nothing has to be flushed to the disk.
        with tempfile.TemporaryDirectory() as root, PostgresServer(Path(root) / "server") as running:
            yield running
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture
def url(server: PostgresServer) -> str:
    found = server.create_database("papers")
    with connected(found) as connection:
        migrate(connection)
        connection.execute(
            "INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at) "
            "SELECT '24' || number, number %% 8, 0, 'pending', 1, 1, 1 FROM generate_series(1, %s) AS number",
            (PAPERS,),
        )
    return found


def answers(url: str, sql: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def check_nothing_lost_nothing_twice(url: str) -> None:
    assert answers(url, "SELECT status, attempts, count(*) FROM papers GROUP BY 1, 2") == [("prepped", 0, PAPERS)]
    assert answers(url, "SELECT count(*) FROM history WHERE event = 'prepped'") == [(PAPERS,)]
    assert answers(url, "SELECT count(DISTINCT paper_id) FROM history WHERE event = 'prepped'") == [(PAPERS,)]
    assert answers(url, "SELECT count(*) FROM results") == [(PAPERS,)]


async def work(url: str, shard: int, done: Counter[str]) -> None:
    """Works through the papers of a shard, also those that come back."""
    async with PostgresStore.open(url, "n", shard, LAYOUT, 60.0, group=GROUP) as store:

        async def until_empty() -> None:
            while sum(done[key] for key in (f"{shard} written", f"{shard} lost")) < PAPERS // 2:
                claims = await store.claim(PREP, GROUP)
                for claim, written in zip(
                    claims,
                    await asyncio.gather(*(store.finish(each, completed(PREP, {"pages": 1})) for each in claims)),
                    strict=True,
                ):
                    done[f"{shard} {'written' if written else 'lost'}"] += 1
                    assert claim.attempt == 1, "a claim that was not heard of is not charged"
                await store.renew(claims)
                await asyncio.sleep(0.002)

        await until_empty()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["restarted", "killed"])
async def test_a_server_that_goes_down_and_comes_back(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(connection_module, "WAIT_SECONDS", 0.05)
    done: Counter[str] = Counter()

    async def take_down_and_up() -> None:
        for part in (1, 3, 5):
            while done.total() < part * PAPERS // 8:
                await asyncio.sleep(0.002)
            await asyncio.to_thread(server.stop, how)
            await asyncio.to_thread(server.start)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(take_down_and_up())
        for shard in range(2):
            tasks.create_task(work(url, shard, done))
    assert done == {"0 written": PAPERS // 2, "1 written": PAPERS // 2}
    check_nothing_lost_nothing_twice(url)


@pytest.fixture
def lose_answers(monkeypatch: pytest.MonkeyPatch, url: str) -> Callable[[str], None]:
    """Makes the answer to the next such query get lost: it is carried out, and then the connection breaks."""
    lost: set[str] = set()
    honest = store_module._rows

    async def rows(connection: Any, sql: bytes, wanted: Any) -> Any:
        answer = await honest(connection, sql, wanted)
        for name in list(lost):
            if any(sql == query(name, phase) for phase in (PREP, None)):
                lost.remove(name)
                with psycopg.connect(url, autocommit=True) as other:
                    other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
                with suppress(psycopg.Error):
                    await honest(connection, b"SELECT 1", {})
                raise psycopg.OperationalError("the connection is lost")
        return answer

    monkeypatch.setattr(store_module, "_rows", rows)
    monkeypatch.setattr(connection_module, "WAIT_SECONDS", 0.01)
    return lost.add


async def test_an_end_whose_answer_was_lost_counts_as_written(url: str, lose_answers: Callable[[str], None]) -> None:
    async with PostgresStore.open(url, "n", 0, LAYOUT, 60.0) as store:
        first, second = await store.claim(PREP, 2)
        lose_answers("finish")
        assert await store.finish(first, completed(PREP, {"pages": 1}))
        assert not await store.finish(first, completed(PREP, {"pages": 2})), "a second end of a claim is none"
        assert await store.finish(second, completed(PREP, {"pages": 1}))
    assert answers(url, "SELECT paper_id, event, attempt FROM history ORDER BY number") == [
        (first.paper_id, "prepped", 1),
        (second.paper_id, "prepped", 1),
    ]


async def test_a_claim_whose_answer_was_lost_is_handed_back(url: str, lose_answers: Callable[[str], None]) -> None:
    async with PostgresStore.open(url, "n", 0, LAYOUT, 60.0) as store:
        held = await store.claim(PREP, 2)
        lose_answers("claim")
        assert await store.claim(PREP, 3) == []
        again = await store.claim(PREP, PAPERS)
        assert len(again) == PAPERS // 2 - 2
        assert {each.attempt for each in again} == {1}, "what was handed back costs nothing"
        assert await store.renew([*held, *again]) == set()
    assert answers(url, "SELECT event, count(*) FROM history GROUP BY 1") == [("released", 3)]


async def test_leases_are_not_lost_with_the_server(
    server: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "WAIT_SECONDS", 0.01)
    async with PostgresStore.open(url, "n", 0, LAYOUT, 60.0) as store:
        claims = await store.claim(PREP, 2)
        server.stop(signal.SIGKILL)
        assert await store.renew(claims) is None
        assert await store.claim(PREP, 2) == []
        assert await store.reclaim_expired(()) == 0
        counting = asyncio.ensure_future(store.counts())
        server.start()
        assert (await counting).by_status == {"pending": PAPERS // 2 - 2, "prepping": 2}
        assert await store.renew(claims) == set()
        assert all([await store.finish(each, completed(PREP, {})) for each in claims])
