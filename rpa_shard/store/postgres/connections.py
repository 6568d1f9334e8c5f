"""Connections to the database, made in the same way everywhere.

Guarantee: whoever waits for a dead server or network is told within about a minute, and the server ends the session of
a machine that is gone in the same time, and one that is silent within a transaction sooner: what it has locked, others
wait for. No password is in a URL, a log or an error (libpq reads PGPASSFILE, PGSERVICE and PGPASSWORD by itself).
Limit: a proxy that shares sessions between clients, such as PgBouncer in transaction mode, cannot be used: locks belong
to sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from rpa_shard.model.errors import StoreError
from rpa_shard.store.postgres.errors import naming
from rpa_shard.store.postgres.queries import query

# A longer limit of time is none.
LONGEST_LIMIT_SECONDS = 24 * 3600.0
# A process that was stopped in the middle of a transaction keeps its locks for so long.
IDLE_TRANSACTION_SECONDS = 10.0
# What libpq does if the URL does not say otherwise. The last time limit counts milliseconds, others seconds.
_DEFAULTS = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "fallback_application_name": "rpa-shard",
}


@contextmanager
def connected(url: str, *, seconds: float | None = None) -> Iterator[Connection[DictRow]]:
    """A connection in autocommit mode for the time of the block; a statement takes at most `seconds`.

    Raises StoreError if there is none to be had, and for every error of psycopg within the block.
    """
    with naming(url), closing(connect(url, seconds=seconds)) as connection:
        yield connection


def connect(url: str, *, seconds: float | None = None) -> Connection[DictRow]:
    """A connection in autocommit mode. Raises StoreError."""
    with naming(url):
        return try_to_connect(url, seconds=seconds)


def try_to_connect(url: str, *, seconds: float | None = None) -> Connection[DictRow]:
    """The same. Raises psycopg.Error, so that the caller can wait, and StoreError for a wrong URL."""
    connection = Connection.connect(row_factory=dict_row, autocommit=True, **_parameters(url))
    try:
        connection.execute(query("settings_of_session"), _settings(seconds))
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_async(url: str) -> AsyncConnection[DictRow]:
    """The same for an event loop. Raises psycopg.Error, so that the caller can wait, and StoreError for a wrong URL."""
    connection = await AsyncConnection.connect(row_factory=dict_row, autocommit=True, **_parameters(url))
    try:
        await connection.execute(query("settings_of_session"), _settings(None))
    except BaseException:
        await connection.close()
        raise
    return connection


def _parameters(url: str) -> dict[str, Any]:
    try:
        return {**_DEFAULTS, **conninfo_to_dict(url)}
    except psycopg.Error as error:
        raise StoreError(f"RPA_V2_STORE is no URL of a PostgreSQL database: {str(error).strip()}") from None


def _settings(seconds: float | None) -> dict[str, str]:
    """Time limits of a session, in milliseconds; 0 is none."""
    limit = int(1000 * seconds) if seconds is not None and seconds < LONGEST_LIMIT_SECONDS else None
    return {
        "statement": str(max(1, limit) if limit is not None else 0),
        "idle_transaction": str(int(1000 * IDLE_TRANSACTION_SECONDS)),
    }
