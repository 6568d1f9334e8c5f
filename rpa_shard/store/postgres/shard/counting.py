"""Counting papers, once for all shards of all nodes.

Guarantee: a recount that was called out of date (`forget_counts`, after papers were added or sent back) is never used
again. Limit: counts may be 2 seconds old, or 20 times as old as counting takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.rows import Counts

Clock = Callable[[], float]
EVERY_WORKER = 2**31 - 1


def count(connection: Connection[DictRow], *, max_age: float | None = None, clock: Clock | None = None) -> Counts:
    """All papers by status and reason; no older than `max_age` seconds, None: than the counting costs."""
    connection.execute(query("recount"), recount_parameters(max_age, 0.0, clock))
    workers = {"first_worker": 0, "last_worker": EVERY_WORKER}
    return counts_of(connection.execute(query("counted"), workers).fetchall())


def papers_by_worker(connection: Connection[DictRow], *, max_age: float | None = None) -> Mapping[int, int]:
    """How many papers each worker has."""
    connection.execute(query("recount"), recount_parameters(max_age, 0.0, None))
    return {row["worker"]: row["papers"] for row in connection.execute(query("counted_by_worker"))}


def forget_counts(connection: Connection[DictRow]) -> None:
    """Whoever counts next, counts again: to be called after the transactions that changed statuses from outside."""
    connection.execute(query("forget_counts"))


def recount_parameters(max_age: float | None, not_before: float, clock: Clock | None) -> Mapping[str, Any]:
    """What the query `recount` needs."""
    return {"max_age": max_age, "not_before": not_before, "now": clock() if clock is not None else None}


def counts_of(rows: Iterable[Mapping[str, Any]]) -> Counts:
    """The counts of some workers, which add up."""
    by_status: Counter[str] = Counter()
    by_failure: Counter[str] = Counter()
    back_offs: dict[str, BackOff] = {}
    for row in rows:
        if row["what"] == "status":
            by_status[row["name"]] += row["papers"]
        elif row["what"] == "failure":
            by_failure[row["name"]] += row["papers"]
        else:
            back_offs[row["name"]] = BackOff(row["papers"], row["first_at"], row["last_at"])
    return Counts(dict(by_status), dict(by_failure), back_offs)
