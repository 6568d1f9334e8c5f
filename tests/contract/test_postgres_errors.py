"""What is wrong with a database is said in one line that names it, says what to do, and holds no password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from rpa_shard.model.errors import StoreError, TooSlowError
from rpa_shard.model.phase import PREP
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.postgres.connections import connected
from rpa_shard.store.postgres.engine import PostgresEngine
from rpa_shard.store.postgres.errors import place_of, store_error, will_pass
from tests.postgres import SERVER

SECRET = "s3cret-of-a-test"


@pytest.fixture
def url() -> Iterator[str]:
    yield SERVER.new_database()
    SERVER.drop_databases()


def message_of(url: str) -> str:
    with pytest.raises(StoreError) as caught, connected(url) as connection:
        connection.execute("SELECT 1 FROM papers")
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        text = message_of(f"postgresql://me@127.0.0.1:{port}/papers")
    assert text.startswith(f"PostgreSQL at 127.0.0.1:{port}, database papers: the server cannot be reached")


def test_no_such_database(url: str) -> None:
    assert "there is no such database: create it with `createdb`" in message_of(url + "_that_is_not_there")


def test_who_is_not_let_in(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    text = message_of(url.replace("rpa@", "nobody@"))
    assert "the server does not let us in" in text
    assert "PGPASSFILE" in text


def test_a_user_without_rights(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    assert "no permission: grant" in message_of(url.replace("rpa@", "guest@"))


def test_too_many_connections(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS crowd")
        connection.execute("CREATE ROLE crowd LOGIN CONNECTION LIMIT 0")
    assert "it has too many connections" in message_of(url.replace("rpa@", "crowd@"))


def test_a_url_that_is_none() -> None:
    assert message_of("postgresql://127.0.0.1/x?no_such_option=1").startswith("RPA_V2_STORE is no URL")


def test_a_database_of_a_newer_version(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO migrations (number) VALUES (999)")
    engine = PostgresEngine(tmp_path, url, "n")
    with pytest.raises(StoreError, match=r"has schema 999, newer than ours \(\d+\): update rpa_shard"):
        engine.stored_layout()
    with pytest.raises(StoreError, match="update rpa_shard"):
        engine.create(Layout(8, 1))


def test_a_database_without_papers(tmp_path: Path, url: str) -> None:
    engine = PostgresEngine(tmp_path, url, "n")
    assert engine.stored_layout() is None
    with pytest.raises(StoreError, match=r"no papers in PostgreSQL at .* yet: add some"), engine.open_ledger():
        pass


def test_an_answer_that_takes_too_long(url: str) -> None:
    with pytest.raises(TooSlowError), connected(url, seconds=0.05) as connection:
        connection.execute("SELECT pg_sleep(10)")


def test_the_place_of_a_service() -> None:
    assert place_of("postgresql://?service=papers") == "PostgreSQL (service papers)"


@pytest.mark.parametrize(
    ("error", "passes", "said"),
    [
        (psycopg.errors.DiskFull("x"), True, "the disk of the server is full"),
        (psycopg.errors.ReadOnlySqlTransaction("x"), True, "read-only, as after a failover"),
        (psycopg.errors.TooManyConnections("x"), True, "too many connections"),
        (psycopg.errors.AdminShutdown("x"), True, "stopping"),
        (psycopg.errors.CannotConnectNow("x"), True, "starting or stopping"),
        (psycopg.errors.IdleInTransactionSessionTimeout("x"), True, "was silent for too long"),
        (psycopg.errors.DeadlockDetected("x"), True, "x"),
        (psycopg.OperationalError("server closed the connection"), True, "cannot be reached"),
        (psycopg.errors.UndefinedTable("x"), False, "tables are missing"),
        (psycopg.errors.InsufficientPrivilege("x"), False, "no permission"),
        (psycopg.errors.CheckViolation("x"), False, "x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_will_pass(error: psycopg.Error, passes: bool, said: str) -> None:
    assert will_pass(error) is passes
    assert said in str(store_error("postgresql://h:1/d", error))


async def test_text_that_the_server_cannot_hold(tmp_path: Path, url: str) -> None:
    engine = PostgresEngine(tmp_path, url, "n", 0.0)
    engine.create(Layout(8, 1))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at) "
            "VALUES ('2401.00001', 0, 0, 'pending', 1, 1, 1)"
        )
        async with engine.open_store(0, 60.0) as store:
            assert await store.claim_named(PREP, ["a\0b", "\udc80"]) == []
            (claim,) = await store.claim(PREP, 1)
            assert await store.finish(claim, completed(PREP, {"a\0": ["\ud800é\0", 1.5, None, "\\u0000"]}))
        row = connection.execute("SELECT result FROM results").fetchone()
    assert row == ({"a\ufffd": ["\ufffdé\ufffd", 1.5, None, "\\u0000"]},)
