"""Which papers of a folder a command works on: one value, the same for every command and every engine.

Guarantee: pure; a paper is selected if it meets every condition that is given, and a condition with several values is
met by any of them. Limit: how the papers are found is the engine's concern (`Ledger.select`).
"""

from __future__ import annotations

from dataclasses import dataclass

from rpa_shard.model.phase import Phase, Status


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions; those that are empty are met by every paper.

    `reasons` are those of the last attempt: for good, or another one follows. `failed_phases` are those in which it
    failed for good. `flags` are those of the record. `since` is when the state of the paper changed last, at the
    earliest (Unix seconds). `categories` are of the metadata snapshot, such as `cs.LG`, or `cs` for all of an archive;
    `words` are words of the titles there, all of which must occur, the last one perhaps as a beginning.
    """

    statuses: tuple[Status, ...] = ()
    reasons: tuple[str, ...] = ()
    failed_phases: tuple[Phase, ...] = ()
    flags: tuple[str, ...] = ()
    since: float | None = None
    categories: tuple[str, ...] = ()
    words: str = ""

    @property
    def needs_catalogue(self) -> bool:
        """Whether it depends on the metadata snapshot."""
        return bool(self.categories or self.words)


EVERY_PAPER = Selection()
