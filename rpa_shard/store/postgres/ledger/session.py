"""One connection of a process without a loop, on which statements and transactions outlive a server that is away.

Guarantee: a transaction whose answer was lost is looked up, and done again only if it was not committed; that we wait
is said once on the log. Limit: after WAIT_SECONDS, or when the time that is allowed is over, one clear line; a function
that is given as a transaction may be called again after its changes were undone.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from rpa_shard.model.errors import TooSlowError
from rpa_shard.store.postgres.errors import is_away, is_conflict, place_of, store_error, will_pass
from rpa_shard.system.named_queries import parse

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long a server that was there is waited for, and one that was not.
WAIT_SECONDS, WAIT_AT_FIRST_SECONDS = 60.0, 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 2.0


@cache
def _queries() -> Mapping[str, bytes]:
    texts = parse(files(__package__).joinpath("ledger.sql").read_text())
    return {name: text.encode() for name, text in texts.items()}


def rows(connection: Connection[DictRow], name: str, **parameters: Any) -> list[DictRow]:
    """The rows of a query of the ledger, which is planned for these very parameters. Raises psycopg.Error."""
    return connection.execute(_queries()[name], parameters, prepare=False).fetchall()


def written(connection: Connection[DictRow], name: str, **parameters: Any) -> int:
    """How many rows a statement of the ledger has written. Raises psycopg.Error."""
    return connection.execute(_queries()[name], parameters, prepare=False).rowcount


class Session:
    """A connection to the database at `url`, made by `connect`, which raises psycopg.Error or StoreError.

    With `seconds` it waits for nobody, and what it reads after that time ends in TooSlowError. All of its methods
    raise StoreError.
    """

    def __init__(self, url: str, connect: Callable[[], Connection[DictRow]], seconds: float | None = None) -> None:
        self._url = url
        self._connect = connect
        self._ends_at = math.inf if seconds is None else time.monotonic() + seconds
        self._waits = seconds is None
        self._was_there = False
        self._connection: Connection[DictRow] | None = None

    def read(self, name: str, **parameters: Any) -> list[DictRow]:
        """The rows of a query of the ledger, all of the same moment."""
        return self.steadily(lambda connection: rows(connection, name, **parameters))

    def transaction(self, work: Callable[[Connection[DictRow]], T]) -> T:
        """What `work` returns, once its changes are committed."""
        return self.steadily(_Transaction(work))

    def steadily(self, attempt: Callable[[Connection[DictRow]], T]) -> T:
        """What `attempt` returns, which may be called again if the connection breaks."""
        waiting = _Waiting(self._url, self._patience)
        while True:
            if time.monotonic() > self._ends_at:
                raise TooSlowError(f"{place_of(self._url)}: an answer took too long")
            try:
                done = attempt(self._connected())
            except psycopg.Error as error:
                self._close_if_broken(error)
                waiting.after(error)
                continue
            waiting.say_that_it_goes_on()
            return done

    def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    @property
    def _patience(self) -> float:
        if not self._waits:
            return 0.0
        return WAIT_SECONDS if self._was_there else WAIT_AT_FIRST_SECONDS

    def _connected(self) -> Connection[DictRow]:
        if self._connection is None:
            self._connection = self._connect()
            self._was_there = True
        return self._connection

    def _close_if_broken(self, error: psycopg.Error) -> None:
        connection = self._connection
        if connection is not None and (connection.closed or connection.broken or is_away(error)):
            self.close()


class _Transaction(Generic[T]):
    """One transaction, which is begun again until it is committed."""

    def __init__(self, work: Callable[[Connection[DictRow]], T]) -> None:
        self._work = work
        self._sent: tuple[str, T] | None = None

    def __call__(self, connection: Connection[DictRow]) -> T:
        if self._sent is not None:
            number, done = self._sent
            if _was_committed(connection, number):
                return done
            self._sent = None
        connection.execute("BEGIN")
        try:
            number = rows(connection, "transaction_number")[0]["number"]
            done = self._work(connection)
            self._sent = (number, done)
            connection.execute("COMMIT")
        except BaseException:
            if connection.info.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN):
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
            raise
        return done


def _was_committed(connection: Connection[DictRow], number: str) -> bool:
    """What became of a transaction whose answer was lost; its server process may still be at it."""
    try:
        outcome = rows(connection, "outcome_of_transaction", number=number)[0]["outcome"]
    except psycopg.errors.InvalidParameterValue:
        return False  # A server that took over has never heard of it.
    if outcome == "in progress":
        raise psycopg.errors.LockNotAvailable
    return bool(outcome == "committed")


class _Waiting:
    """The wait for a server that is away, starting, full, or busy with a conflict; at most `seconds`."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._gives_up_at = time.monotonic() + seconds
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._has_said = False

    def after(self, error: psycopg.Error) -> None:
        """Waits a moment. Raises StoreError if that does not help, and KeyboardInterrupt where Ctrl-C is held back."""
        passes = is_away(error) or (error.sqlstate is not None and will_pass(error)) or _is_busy(error)
        if not passes or time.monotonic() > self._gives_up_at:
            raise store_error(self._url, error) from None
        if not (self._has_said or is_conflict(error) or _is_busy(error)):
            log.warning("%s; waiting for it", store_error(self._url, error))
            self._has_said = True
        if signal.SIGINT in signal.sigpending():
            raise KeyboardInterrupt
        time.sleep(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)

    def say_that_it_goes_on(self) -> None:
        if self._has_said:
            log.warning("%s is back", place_of(self._url))


def _is_busy(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.errors.LockNotAvailable)
