"""What nodes share, in PostgreSQL.

Guarantee: as in `rpa_shard.store.cluster.Cluster`. Every call is one statement, and ends within `ANSWER_SECONDS` and
`CONNECT_SECONDS`, also when the network swallows everything; after an error the next call connects again. A request to
a node is given to it again until an answer that held it is known to have arrived.
Limit: an epoch that follows one whose holder was not heard of must wait for that holder's whole lease once more: the
server's clock, which may have been set meanwhile, does not say how much of it has passed.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import (
    Cluster,
    Epoch,
    GoverningNode,
    Membership,
    NodeRequests,
    NodeRow,
    NodeTakenError,
    Remembered,
)
from rpa_shard.store.postgres.errors import place_of, store_error
from rpa_shard.system.named_queries import parse

CONNECT_SECONDS = 5
# What the server gives a statement, and what we give its answer.
CALL_SECONDS, ANSWER_SECONDS = 5.0, 6.0
# For how long a node that is gone is shown.
FORGOTTEN_AFTER_SECONDS = 7 * 86400.0
_MILLISECONDS = f"{CALL_SECONDS * 1000:.0f}"
T = TypeVar("T")


@contextmanager
def open_cluster(url: str) -> Iterator[Cluster]:
    """What nodes share in the database at `url`, over a connection of its own, made at the first call."""
    cluster = PostgresCluster(url)
    try:
        yield cluster
    finally:
        cluster.close()


class PostgresCluster:
    """One connection to the database at `url`; see `rpa_shard.store.cluster.Cluster`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: _Connection | None = None
        # What the node has been told and must not be told again.
        self._told = NodeRequests()

    def close(self) -> None:
        """Ends the connection; the next call makes another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def own_address(self) -> str:
        """The address of this machine from which it reaches the database."""
        self._query("limit_time", milliseconds=_MILLISECONDS)
        assert self._connection is not None
        with socket.socket(fileno=os.dup(self._connection.fileno())) as used:
            return str(used.getsockname()[0]) if used.family in (socket.AF_INET, socket.AF_INET6) else "127.0.0.1"

    def join(self, node: str, address: str, lease_seconds: float, replaces: str | None = None) -> Membership:
        """See `Cluster`."""
        self._query("forget", seconds=FORGOTTEN_AFTER_SECONDS)
        incarnation = uuid.uuid4().hex
        self._told = NodeRequests()
        if not self._query(
            "join", node=node, incarnation=incarnation, address=address, lease=lease_seconds, replaces=replaces
        ):
            for there, seconds in self._query("holder_of_name", node=node):
                raise NodeTakenError(
                    f"another process runs as node {node} at {there}, and was heard of just now: set RPA_V2_NODE to a "
                    f"name of its own for each (if that process is gone, wait {max(1.0, seconds):.0f} s)"
                )
        return Membership(node, incarnation)

    def renew(self, membership: Membership, lease_seconds: float, report: bytes) -> NodeRequests | None:
        """See `Cluster`."""
        rows = self._query(
            "renew",
            node=membership.node,
            incarnation=membership.incarnation,
            lease=lease_seconds,
            report=report,
            told_to_drain=self._told.drain,
            told_shards=self._told.shards,
        )
        if not rows:
            return None
        self._told = NodeRequests(*rows[0])
        return self._told

    def leave(self, membership: Membership) -> None:
        """See `Cluster`."""
        self._query("leave", node=membership.node, incarnation=membership.incarnation)

    def nodes(self) -> Sequence[NodeRow]:
        """See `Cluster`."""
        return [
            NodeRow(
                node=node,
                incarnation=incarnation,
                address=address,
                joined_seconds_ago=joined,
                heard_seconds_ago=heard,
                lease_seconds=lease,
                report=bytes(report),
            )
            for node, incarnation, address, joined, heard, lease, report in self._query("nodes")
        ]

    def ask(self, node: str, requests: NodeRequests) -> None:
        """See `Cluster`."""
        if not self._query("ask", node=node, drain=requests.drain, shards=requests.shards):
            raise StoreError(f"no node of the run is called {node}: see rpa-shard status")

    def seek_epoch(self, node: str, address: str, secret: str, lease_seconds: float) -> Epoch | None:
        """See `Cluster`."""
        rows = self._query("seek_epoch", node=node, address=address, secret=secret, lease=lease_seconds)
        return Epoch(*rows[0]) if rows else None

    def renew_epoch(self, number: int, lease_seconds: float) -> bool:
        """See `Cluster`."""
        return bool(self._query("renew_epoch", epoch=number, lease=lease_seconds))

    def end_epoch(self, number: int) -> None:
        """See `Cluster`."""
        self._query("end_epoch", epoch=number)

    def governing(self) -> GoverningNode | None:
        """See `Cluster`."""
        rows = self._query("governing")
        return GoverningNode(*rows[0]) if rows else None

    def remember(self, number: int, name: str, content: bytes) -> bool:
        """See `Cluster`."""
        return bool(self._query("remember", epoch=number, name=name, content=content))

    def remembered(self, name: str) -> Remembered | None:
        """See `Cluster`."""
        rows = self._query("remembered", name=name)
        return Remembered(bytes(rows[0][0]), rows[0][1]) if rows else None

    def ask_to_reopen(self, hosts: Sequence[str]) -> None:
        """See `Cluster`."""
        self._query("ask_to_reopen", hosts=list(hosts))

    def take_reopen_requests(self, number: int) -> Sequence[str]:
        """See `Cluster`."""
        return sorted(host for (host,) in self._query("take_reopen_requests", epoch=number))

    def _query(self, query: str, /, **values: object) -> list[tuple[Any, ...]]:
        return self._call(_queries()[query], values)

    def _call(self, statement: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """The rows of a statement. Raises StoreError, and then gives the connection up."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = _Connection.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=CONNECT_SECONDS,
                    application_name="rpa_shard cluster",
                )
                self._connection.execute(_queries()["limit_time"], {"milliseconds": _MILLISECONDS})
            cursor = self._connection.execute(statement, values)
            return cursor.fetchall() if cursor.description is not None else []
        except psycopg.Error as error:
            self.close()
            raise _error(self._url, error) from None


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait longer than `ANSWER_SECONDS` for an answer."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """See `psycopg.Connection`."""
        return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)


def _error(url: str, error: psycopg.Error) -> StoreError:
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
        return StoreError(f"{place_of(url)}: it holds no papers of ours yet: rpa-shard add")
    return store_error(url, error)


@cache
def _queries() -> Mapping[str, str]:
    return parse(files(__package__).joinpath("cluster.sql").read_text())
