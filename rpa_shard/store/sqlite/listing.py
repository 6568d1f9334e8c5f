"""Lists of papers for a person: which queries make a page of one, and in which order its rows come.

Guarantee: each page is read forward in an index from where the last one ended, however long the list is. Limit: papers
of a status whose ids begin in a given way, as many ids do, are looked for among all papers of the status, within its
index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rpa_shard.model.phase import Status
from rpa_shard.store.rows import PaperRow, PlaceInList

# After every id that begins with what it follows.
PAST_ALL = "\U0010ffff"
ABOVE_ALL_PRIORITIES = 2**62
SMALL_RANGE_ROWS = 20_000

Read = Callable[..., list[sqlite3.Row]]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list, from a place on."""

    status: Status | None
    reason: str | None
    id_prefix: str
    after: PlaceInList | None

    def order(self, row: PaperRow) -> tuple[int, float, str]:
        """By what its rows are sorted."""
        return (-row.priority, row.next_attempt_at, row.paper_id) if self._is_by_status else (0, 0.0, row.paper_id)

    def rows(self, read: Read, limit: int) -> list[sqlite3.Row]:
        """The next rows of one shard; `read` takes a query's name and its parameters."""
        if self.reason is not None and self.status not in (None, Status.FAILED):
            return []
        after = self.after.paper_id if self.after is not None else ""
        some: dict[str, Any] = {"first": self.id_prefix, "past": self.id_prefix + PAST_ALL, "limit": limit}
        if self.reason is not None:
            return read(
                "list_by_reason", reason=self.reason, after=after, **some | {"first": max(after, self.id_prefix)}
            )
        if not self._is_by_status:
            return read("list_by_id", after=after, **some | {"first": max(after, self.id_prefix)})
        priority = self.after.priority if self.after is not None else ABOVE_ALL_PRIORITIES
        time = self.after.next_attempt_at if self.after is not None else 0.0
        place = {"priority": priority, "next_attempt_at": time, "after": after}
        if self.id_prefix and self._range_is_small(read, some):
            return read("list_in_range", status=self.status, **place, **some)
        if self.after is None:
            return read("list_lower_priorities", status=self.status, priority=priority, **some)
        found = read("list_same_priority", status=self.status, **place, **some)
        some["limit"] = limit - len(found)
        return found + read("list_lower_priorities", status=self.status, priority=priority, **some)

    def _range_is_small(self, read: Read, some: dict[str, Any]) -> bool:
        """Whether reading all papers whose ids begin so is cheaper than passing over all others of the status."""
        ((rows,),) = read("size_of_range", first=some["first"], past=some["past"], most=SMALL_RANGE_ROWS)
        return bool(rows < SMALL_RANGE_ROWS)

    @property
    def _is_by_status(self) -> bool:
        return self.status is not None and self.reason is None
