"""Lists of papers for a person: which queries make a page of one.

Guarantee: each page is read forward in an index from where the last one ended, however long the list is. Limit: papers
that were added at the same time have the same place in the index of a status, and are sorted by id for each page.
"""

from __future__ import annotations

from typing import Any

from psycopg.rows import DictRow

from rpa_shard.model.phase import Status
from rpa_shard.store.postgres.ledger.session import Session
from rpa_shard.store.postgres.shard.outcome_columns import storable
from rpa_shard.store.rows import PlaceInList

# After every id that begins with what it follows.
PAST_ALL = "\U0010ffff"
ABOVE_ALL_PRIORITIES = 2**62


def page_of_papers(
    session: Session, status: Status | None, reason: str | None, id_prefix: str, after: PlaceInList | None, limit: int
) -> list[DictRow]:
    """See `rpa_shard.store.protocol.Ledger.page_of_papers`."""
    if reason is not None and status not in (None, Status.FAILED):
        return []
    first = storable(id_prefix)
    some: dict[str, Any] = {"first": first, "past": first + PAST_ALL, "limit": limit}
    last_id = storable(after.paper_id) if after is not None else ""
    if reason is not None:
        return session.read("list_by_reason", reason=storable(reason), after=last_id, **some)
    if status is None:
        return session.read("list_by_id", after=last_id, **some)
    if after is None:
        return session.read("list_lower_priorities", status=status, priority=ABOVE_ALL_PRIORITIES, **some)
    place = {"priority": after.priority, "next_attempt_at": after.next_attempt_at, "after": last_id}
    found = session.read("list_same_priority", status=status, **place, **some)
    if len(found) < limit:
        some["limit"] = limit - len(found)
        found += session.read("list_lower_priorities", status=status, priority=after.priority, **some)
    return found
