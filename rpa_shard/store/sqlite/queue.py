"""The queue of all shards as one: whose papers come first; and how claims of a shard have ended.

Guarantee: each shard file is read in its index alone, no further than asked; papers of the same time are one item in
memory. Limit: of the moment when it is read; papers that are added meanwhile may come before.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple

from rpa_shard.model.phase import PHASES, Phase
from rpa_shard.store.outcome import ending_of_event
from rpa_shard.store.rows import Ended
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.listing import Read
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import open_shard_file, transaction_on


class _Place(NamedTuple):
    """A place in the queue, and the papers of one shard that share it. First come those whose time has come."""

    is_later: bool
    phase_from_last: int
    minus_priority: int
    next_attempt_at: float
    shard: int
    phase: str
    papers: int


def shares_of_queue(
    read: Callable[[int], Read], shards: int, phases: Collection[Phase], papers: int, not_failed_since: float
) -> Mapping[int, Mapping[str, int]]:
    """See `rpa_shard.store.protocol.Ledger.shares_of_queue`. `read` gives the rows of queries on a shard."""
    now = time.time()

    def places(shard: int, phase: Phase) -> Iterator[_Place]:
        wanted = {"status": phase.from_status, "now": now, "limit": papers, "not_failed_since": not_failed_since}
        from_last = -PHASES.index(phase)
        for row in read(shard)("queue_due", **wanted):
            yield _Place(False, from_last, -row["priority"], row["next_attempt_at"], shard, phase.name, row["papers"])
        for row in read(shard)("queue_later", **wanted):
            yield _Place(True, 0, 0, row["next_attempt_at"], shard, phase.name, row["papers"])

    left = papers
    shares: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for place in sorted(place for shard in range(shards) for phase in phases for place in places(shard, phase)):
        taken = min(place.papers, left)
        if not taken:
            break
        shares[place.shard][place.phase] += taken
        left -= taken
    return shares


def ended(files: SQLiteFiles, shard: int, mark: int | None) -> Ended:
    """See `rpa_shard.store.protocol.StoreEngine.ended`."""
    path = files.shard_file(shard)
    claims: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with closing(open_shard_file(path)) as connection, transaction_on(connection, path):
        ((last,),) = connection.execute(query("last_of_history")).fetchall()
        rows = connection.execute(query("ended_since"), {"mark": mark}).fetchall() if mark is not None else []
    for row in rows:
        ending = ending_of_event(row["event"], row["phase"])
        if ending is not None:
            claims[row["phase"]][ending] += row["claims"]
    return Ended(last or 0, claims)
