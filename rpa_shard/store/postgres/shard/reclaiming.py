"""Freeing the leases of a shard whose process is gone.

Guarantee: one transaction; suspects are charged according to the cause of the death, other papers are not; what other
nodes hold is left. Limit: the caller holds the node's run lock, and no process works on the shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.paper import Claim
from rpa_shard.model.partition import workers_of
from rpa_shard.model.phase import PHASES, phase_holding
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import MAX_WAIT_SECONDS, count_endings, reclaimed_or_suspected
from rpa_shard.store.postgres.queries import query
from rpa_shard.store.postgres.shard.counting import EVERY_WORKER, Clock, forget_counts
from rpa_shard.store.postgres.shard.outcome_columns import outcome_columns
from rpa_shard.store.rows import Ended


def workers_between(layout: Layout, shard: int) -> dict[str, int]:
    """The first and the last worker of a shard, as queries name them."""
    workers = workers_of(shard, layout.workers, layout.shards)
    return {"first_worker": workers.start, "last_worker": workers.stop - 1}


def claim_of(row: Mapping[str, Any]) -> Claim:
    """The claim by which a leased row is held."""
    phase = phase_holding(row["status"])
    return Claim(row["id"], phase, row["lease_id"], row["attempts"], row["suspect"], row["outdated_before"])


def reclaim(
    connection: Connection[DictRow],
    layout: Layout,
    node: str,
    shard: int,
    suspects: Mapping[str, bool],
    clock: Clock | None,
) -> int:
    """Frees what the shard's processes held, and shortens waits of its part that are too long; returns how many.

    See `rpa_shard.store.protocol.StoreEngine.reclaim`.
    """
    now = {"now": clock() if clock is not None else None}
    where = {"node": node, "shard": shard}
    with connection.transaction():
        for phase in PHASES:
            waits = {**now, **workers_between(layout, shard), "longest": MAX_WAIT_SECONDS}
            connection.execute(query("mend_waits", phase), waits)
        held = [claim_of(row) for row in connection.execute(query("held"), where)]
        ends = [
            (claim, reclaimed_or_suspected(claim.phase, suspects.get(claim.paper_id), suspect=claim.suspect))
            for claim in held
        ]
        everywhere = {"first_worker": 0, "last_worker": EVERY_WORKER, "by_holder": False}
        connection.execute(query("finish"), {**now, **where, **everywhere, **outcome_columns(ends)})
        connection.execute(query("remove_holders"), now)
    forget_counts(connection)
    return len(held)


def ended(connection: Connection[DictRow], node: str, shard: int, mark: int | None) -> Ended:
    """See `rpa_shard.store.protocol.StoreEngine.ended`. Lines that are written meanwhile come after the mark."""
    row = connection.execute(query("last_of_history")).fetchone()
    last = row["last"] if row is not None and row["last"] is not None else 0
    wanted = {"mark": mark, "last": last, "node": node, "shard": shard}
    found = connection.execute(query("ended_since"), wanted) if mark is not None else ()
    return Ended(last, count_endings((row["phase"], row["event"], row["claims"]) for row in found))
