"""What becomes of a transaction when the connection breaks at the worst moment, and how long a server is waited for."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.errors import StoreError, TooSlowError
from rpa_shard.store.postgres.connections import try_to_connect
from rpa_shard.store.postgres.ledger import session as session_module
from rpa_shard.store.postgres.ledger.session import Session
from tests.postgres import SERVER


class Breaking(Connection[DictRow]):
    """A connection whose server goes away at a COMMIT: before it is carried out, or before it is answered."""

    when = ""

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        when, is_commit = Breaking.when, query == "COMMIT"
        if is_commit and when:
            Breaking.when = ""
        if is_commit and when == "before":
            self.close()
        done = super().execute(query, *arguments, **options)
        if is_commit and when == "after":
            self.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return done


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    found = SERVER.new_database()
    monkeypatch.setattr("rpa_shard.store.postgres.connections.Connection", Breaking)
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (note text)")
    yield found
    Breaking.when = ""
    SERVER.drop_databases()


def notes(url: str) -> int:
    with psycopg.connect(url) as connection:
        (number,) = connection.execute("SELECT count(*) FROM notes").fetchone() or (0,)
    return int(number)


def write(connection: Connection[DictRow]) -> int:
    return connection.execute("INSERT INTO notes VALUES ('x')").rowcount


@pytest.mark.parametrize("when", ["before", "after", ""])
def test_a_transaction_is_carried_out_once(url: str, when: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Session(url, lambda: try_to_connect(url))) as session:
        for number in range(1, 4):
            Breaking.when = when
            assert session.transaction(write) == 1
            assert notes(url) == number
    waited = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([line for line in waited if line.endswith("waiting for it")]) == (3 if when else 0)


def test_an_error_undoes_everything(url: str) -> None:
    def fail(connection: Connection[DictRow]) -> None:
        write(connection)
        raise RuntimeError("no")

    with closing(Session(url, lambda: try_to_connect(url))) as session:
        with pytest.raises(RuntimeError, match="no"):
            session.transaction(fail)
        assert session.transaction(write) == 1
    assert notes(url) == 1


def away() -> Callable[[], Connection[DictRow]]:
    def connect() -> Connection[DictRow]:
        raise psycopg.OperationalError("connection failed: Connection refused")

    return connect


def test_a_server_that_stays_away_is_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "WAIT_AT_FIRST_SECONDS", 0.1)
    with pytest.raises(StoreError, match=r"^PostgreSQL at .*: the server cannot be reached[^\n]*$"):
        Session(url, away()).transaction(write)


def test_nobody_is_waited_for_where_time_is_limited(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpa_shard.store.postgres.ledger.session.time.sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(StoreError, match="cannot be reached"):
        Session(url, away(), seconds=5.0).read("now")
    with (
        closing(Session(url, lambda: try_to_connect(url, seconds=0.05), seconds=0.05)) as session,
        pytest.raises(TooSlowError, match="too long"),
    ):
        session.steadily(lambda connection: connection.execute("SELECT pg_sleep(60)"))


def test_ctrl_c_ends_a_wait_even_where_it_is_held_back(url: str) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            Session(url, away()).transaction(write)
        assert signal.sigtimedwait({signal.SIGINT}, 0) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
