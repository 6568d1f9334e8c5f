"""In PostgreSQL no claim, end or renewal reads a complete table or sorts, and a renewal writes no index."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from rpa_shard.model.phase import PHASES, PREP, Phase
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.postgres.shard.cursors import start_of
from rpa_shard.store.postgres.shard.outcome_columns import outcome_columns
from rpa_shard.store.postgres.shard.store import PostgresStore
from tests.postgres import SERVER

WORKERS = {"first_worker": 50, "last_worker": 99}
FILL = """
INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at)
SELECT '24' || number, number % 200, number % 3,
       (ARRAY['pending', 'prepped', 'analyzed', 'done'])[1 + number % 4], number % 1000, 1, 1
FROM generate_series(1, 20000) AS number;
ANALYZE papers;
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A database with 20,000 papers that wait for all phases."""
    found = SERVER.new_database()
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute(FILL)
    yield found
    SERVER.drop_databases()


@pytest.fixture
def connection(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as opened:
        yield opened


def plan(connection: psycopg.Connection[Any], sql: bytes, parameters: dict[str, Any], *, settings: bool) -> str:
    """The plan, in the session of a shard or with the settings that a server has by itself."""
    with connection.transaction(force_rollback=True):
        if settings:
            connection.execute(query("settings_of_shard"))
        rows = connection.execute(b"EXPLAIN (COSTS OFF) " + sql, parameters).fetchall()
    return "\n".join(row["QUERY PLAN"] for row in rows)


def parameters(**more: Any) -> dict[str, Any]:
    lease = {"now": None, "node": "n", "shard": 0, "holder": 1, "seconds": 60.0, "not_failed_since": 1e15, "limit": 25}
    lists = {"ids": [f"24{number}" for number in range(25)], "held": [], "leases": []}
    return {**lease, **WORKERS, **lists, **start_of(None, 0.0), "longest": 86400.0, "by_holder": True, **more}


@pytest.mark.parametrize("settings", [True, False], ids=["shard", "server"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
@pytest.mark.parametrize("name", ["claim", "next_attempt", "mend_waits"])
def test_what_waits_is_found_in_the_index_of_its_status(
    connection: psycopg.Connection[Any], name: str, phase: Phase, *, settings: bool
) -> None:
    found = plan(connection, query(name, phase), parameters(), settings=settings)
    assert "Seq Scan on papers" not in found, found
    index = f"{phase.from_status}_to_claim" if name == "claim" else f"papers_{phase.from_status}"
    assert set(re.findall(r"using (\w+)", found)) - {"papers_pkey"} == {index}, found
    if name != "mend_waits":
        assert "Sort" not in found, found
        assert re.search(rf"{index} .*\n\s*Index Cond: .*priority.* = .*worker >= .*worker <=", found), found


@pytest.mark.parametrize("name", ["finish", "attach", "standing", "claim_named"])
def test_known_papers_are_found_by_their_ids(connection: psycopg.Connection[Any], name: str) -> None:
    ends = outcome_columns([])
    found = plan(connection, query(name, PREP), parameters(**ends), settings=True)
    assert "Seq Scan on papers" not in found, found
    assert "papers_pkey" in found, found


@pytest.mark.parametrize("name", ["expired", "forgotten", "detach", "held"])
def test_leases_are_found_in_their_own_index(connection: psycopg.Connection[Any], name: str) -> None:
    found = plan(connection, query(name), parameters(), settings=True)
    assert "Seq Scan on papers" not in found, found
    assert "papers_leased" in found, found


def test_a_scan_would_be_seen(connection: psycopg.Connection[Any]) -> None:
    assert "Seq Scan" in plan(connection, b"SELECT * FROM papers WHERE detail = %(node)s", parameters(), settings=False)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore.open(url, "n", 0, Layout(200, 1), 60.0) as store:
        yield store


async def test_a_renewal_changes_one_row_and_no_index(url: str, connection: psycopg.Connection[Any]) -> None:
    connection.execute("SELECT pg_stat_reset()")
    async with opened(url) as store:
        claims = await store.claim(PREP, 25)
        for _ in range(7):
            assert await store.renew(claims) == set()
        assert await store.finish(claims[0], completed(PREP, {"pages": 1}))
        assert await store.renew(claims) == {claims[0].lease_id}
    connection.execute("SELECT pg_stat_force_next_flush()")
    tables = {
        row["relname"]: row
        for row in connection.execute("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")
    }
    assert tables["holders"]["n_tup_upd"] == tables["holders"]["n_tup_hot_upd"] == 8
    assert tables["papers"]["n_tup_upd"] == 25 + 25 + 1, "claims, the first renewal of each, and one end"
