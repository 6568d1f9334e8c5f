"""What went wrong in PostgreSQL, as one line that says what to do, and whether waiting helps.

Guarantee: a line names the server and the database, and never a password. Limit: what a server refuses before a session
begins is told from its English text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rpa_shard.model.errors import StoreAwayError, StoreError, TooSlowError

# By SQLSTATE, or its first two characters.
_BY_STATE = {
    "53100": "the disk of the server is full: make room there",
    "53300": "it has too many connections: raise max_connections, or run fewer shards",
    "53": "the server has run out of something",
    "25006": "it is read-only, as after a failover: point RPA_V2_STORE at the server that takes writes",
    "42501": "no permission: grant this user all rights on the schema and its tables",
    "57P03": "the server is starting or stopping",
    "57P": "the server is stopping",
    "25P03": "this process was silent for too long in the middle of a change",
    "08": "the connection broke",
    "3D000": "there is no such database: create it with `createdb`",
    "28": "the server does not let us in: name the user in the URL, the password in PGPASSFILE or by PGSERVICE",
    "42P01": "its tables are missing or not ours",
}
# By what a server, or libpq, says while no session is there yet.
_BY_TEXT = (
    ("too many clients", _BY_STATE["53300"]),
    ("connection slots", _BY_STATE["53300"]),
    ("too many connections", _BY_STATE["53300"]),
    ("password", _BY_STATE["28"]),
    ("authentication failed", _BY_STATE["28"]),
    ("pg_hba.conf", _BY_STATE["28"]),
    ("role", _BY_STATE["28"]),
    ("does not exist", _BY_STATE["3D000"]),
    ("permission denied", _BY_STATE["42501"]),
    ("starting up", _BY_STATE["57P03"]),
    ("shutting down", _BY_STATE["57P03"]),
    ("recovery mode", _BY_STATE["57P03"]),
    ("read-only", _BY_STATE["25006"]),
)
_NOT_REACHED = "the server cannot be reached: is it on, and is the address right?"
# A broken connection, a server that stops or lacks room, a standby, a deadlock or a conflict.
_PASSING = ("08", "53", "57P", "25006", "40001", "40P01", "25P03")


def place_of(url: str) -> str:
    """The server and the database that a URL names, for people."""
    try:
        named = conninfo_to_dict(url)
    except psycopg.Error:
        return "PostgreSQL"
    if "service" in named:
        return f"PostgreSQL (service {named['service']})"
    host = named.get("host") or named.get("hostaddr") or os.environ.get("PGHOST") or "this machine"
    port = named.get("port") or os.environ.get("PGPORT")
    database = named.get("dbname") or os.environ.get("PGDATABASE") or named.get("user") or "its default"
    return f"PostgreSQL at {host}{f':{port}' if port else ''}, database {database}"


def store_error(url: str, error: psycopg.Error) -> StoreError:
    """The error as one line for people."""
    if error.sqlstate == "57014":
        return TooSlowError(f"{place_of(url)}: an answer took too long")
    is_passing = is_away(error) or (error.sqlstate or "").startswith("53")
    return (StoreAwayError if is_passing else StoreError)(f"{place_of(url)}: {_reason(error)}")


def _reason(error: psycopg.Error) -> str:
    said = _in_one_line(error)
    if error.sqlstate is not None:
        for length in (5, 3, 2):
            reason = _BY_STATE.get(error.sqlstate[:length])
            if reason is not None:
                return f"{reason} ({said})"
        return said
    if not isinstance(error, psycopg.OperationalError):
        return said
    return f"{next((reason for part, reason in _BY_TEXT if part in said), _NOT_REACHED)} ({said})"


def _in_one_line(error: psycopg.Error) -> str:
    text = " ".join((error.diag.message_primary or str(error)).split())
    # libpq says first, and at length, where it wanted to connect to.
    return text.rpartition(" failed: ")[2].partition(" Is the server running")[0][:300]


def will_pass(error: psycopg.Error) -> bool:
    """Whether the same may succeed later: the server is away, is full, or is busy with something that ends."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_PASSING)


def is_away(error: psycopg.Error) -> bool:
    """Whether no session could be had, or it ended, and the next one may be had soon; not if we are turned away."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(("08", "53300", "57P", "25006", "25P03"))
    said = _in_one_line(error)
    refusals = ("28", "3D000", "42501")
    turned_away = any(part in said for part, reason in _BY_TEXT if reason in [_BY_STATE[each] for each in refusals])
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not turned_away


def is_conflict(error: psycopg.Error) -> bool:
    """Whether it ran into another transaction, and may be tried again at once."""
    return error.sqlstate in ("40001", "40P01")


def is_of_session(error: psycopg.Error) -> bool:
    """Whether another session may succeed: this one ends, or is on a server that takes no writes any more."""
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "25006", "25P03"))


@contextmanager
def naming(url: str) -> Iterator[None]:
    """Raises StoreError, or TooSlowError, for what psycopg raises within."""
    try:
        yield
    except psycopg.Error as error:
        raise store_error(url, error) from None
