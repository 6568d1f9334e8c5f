"""One PostgreSQL server for each test process, started when the first test needs it, and a fresh database a test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psycopg
import pytest

from rpa_shard.store.postgres.connections import connected
from rpa_shard.store.postgres.engine import PostgresEngine
from rpa_shard.store.postgres.migrating import migrate
from rpa_shard.testing.postgres_server import NotInstalledError, PostgresServer

TEMPLATE = "migrated"


class Server:
    """The server, once it was asked for."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._running: PostgresServer | None = None
        self._numbers = count(1)
        self._databases: list[str] = []
        self._emptied: str | None = None

    def new_database(self) -> str:
        """The URL of a database that has the schema and no papers; skips the test if PostgreSQL is missing."""
        running = self._running or self._start()
        name = f"test_{next(self._numbers)}"
        self._execute(running, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self._databases.append(name)
        return running.url(name)

    def emptied_database(self) -> str:
        """The same, but the same one each time, without what was in it: for tests with many examples."""
        if self._emptied is None:
            self._emptied = self.new_database()
        with psycopg.connect(self._emptied, autocommit=True) as connection:
            connection.execute(
                "TRUNCATE layout, node_layouts, holders, papers, results, history, counted;"
                "UPDATE recounts SET begun_at = 0, version = version + 1"
            )
        return self._emptied

    def drop_databases(self) -> None:
        """Drops all databases of tests."""
        self._emptied = None
        while self._databases and self._running is not None:
            self._execute(self._running, f"DROP DATABASE IF EXISTS {self._databases.pop()} WITH (FORCE)")

    def stop(self) -> None:
        """Ends it, if it was started."""
        self._opened.close()
        self._running = None

    def _start(self) -> PostgresServer:
        root = Path(tempfile.mkdtemp(prefix="rpa-postgres-"))
        self._opened.callback(shutil.rmtree, root, ignore_errors=True)
        try:
            running = self._opened.enter_context(PostgresServer(root / "server", settings=["max_connections=60"]))
        except NotInstalledError as error:
            pytest.skip(str(error))
        with connected(running.create_database(TEMPLATE)) as connection:
            migrate(connection)
        self._running = running
        return running

    @staticmethod
    def _execute(running: PostgresServer, statement: str) -> None:
        with psycopg.connect(running.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


SERVER = Server()


def postgres_engine(root: Path) -> PostgresEngine:
    """An engine over a new database, which always counts again."""
    return PostgresEngine(root, SERVER.new_database(), "node-1", 0.0)


def emptied_engine(root: Path, clock: Callable[[], float]) -> PostgresEngine:
    """The same over a database that was emptied; everything happens at the time that the clock shows."""
    return PostgresEngine(root, SERVER.emptied_database(), "node-1", 0.0, clock)
