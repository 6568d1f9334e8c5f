"""What of each shard is in the queue, and how claims of a shard have ended.

Guarantee: each shard file is read in its index alone, no further than asked; papers of the same time are one item in
memory. Limit: of the moment when it is read; papers that are added meanwhile may come before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing

from rpa_shard.model.phase import Phase
from rpa_shard.store.outcome import count_endings
from rpa_shard.store.queue import Place, Queued, shares_of
from rpa_shard.store.rows import Ended
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.listing import Read
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import open_shard_file, transaction_on


def shares_of_queue(
    read: Callable[[int], Read], shards: int, phases: Collection[Phase], papers: int, not_failed_since: float
) -> Mapping[int, Mapping[str, int]]:
    """See `rpa_shard.store.protocol.Ledger.shares_of_queue`. `read` gives the rows of queries on a shard."""
    now = time.time()
    same = {"now": now, "limit": papers, "not_failed_since": not_failed_since}

    def queued(name: str) -> list[Queued]:
        return [
            Queued(Place.of(phase, row["priority"], row["next_attempt_at"], now), shard, phase.name, row["papers"])
            for shard in range(shards)
            for phase in phases
            for row in read(shard)(name, **same, status=phase.from_status)
        ]

    due = queued("queue_due")
    later = queued("queue_later") if sum(each.papers for each in due) < papers else []
    return shares_of([*due, *later], papers)


def ended(files: SQLiteFiles, shard: int, mark: int | None) -> Ended:
    """See `rpa_shard.store.protocol.StoreEngine.ended`."""
    path = files.shard_file(shard)
    with closing(open_shard_file(path)) as connection, transaction_on(connection, path):
        ((last,),) = connection.execute(query("last_of_history")).fetchall()
        rows = connection.execute(query("ended_since"), {"mark": mark}).fetchall() if mark is not None else []
    return Ended(last or 0, count_endings((row["phase"], row["event"], row["claims"]) for row in rows))
