"""What moves the papers of one store into another one, whichever engines hold them.

Guarantee: a store out of which or into which papers are moved says so with a mark, and is refused by everything else
meanwhile; one whose papers have gone keeps its mark. Limit: files of papers stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rpa_shard.model.errors import StoreError
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import HistoryLine, PaperRow

FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class MovedPaper:
    """A paper with everything that a store knows of it."""

    row: PaperRow
    history: Sequence[HistoryLine]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a store says of a move: its id, whether the papers leave, the other store (a URL, or FOLDER), the state."""

    move: str
    leaves: bool
    other: str
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """How many papers a store has, how many of them are held, lines of history, and which nodes are at work on it."""

    papers: int = 0
    held: int = 0
    lines: int = 0
    nodes: Sequence[str] = ()


class MovableStore(Protocol):
    """A store as the source or the target of a move. The caller holds the run lock. May raise StoreError."""

    @property
    def place(self) -> str:
        """How `migrate --to` names it: a URL, or FOLDER."""

    @property
    def shown(self) -> str:
        """The same for people."""

    def mark(self) -> Mark | None:
        """What it says of a move."""

    def set_mark(self, mark: Mark | None) -> None:
        """Says something else, durably; waits for commands that are reading or writing."""

    def layout(self) -> Layout | None:
        """Its layout, None if there is no store yet; whatever its mark says."""

    def make(self, layout: Layout) -> None:
        """Makes it, unless that was done."""

    def totals(self) -> Totals:
        """Counts everything, now."""

    def pages(self) -> Iterator[Sequence[MovedPaper]]:
        """All papers, in pages; memory stays flat."""

    def take_in(self, papers: Sequence[MovedPaper]) -> None:
        """Writes a page of papers with their histories; those that are there already are left as they are."""

    def retire(self) -> None:
        """Puts the rows aside, once they are elsewhere."""


def refusal(shown: str, mark: Mark) -> StoreError:
    """Why a store with a mark cannot be used, and what to do."""
    to_database = mark.other != FOLDER
    if not mark.leaves:
        source = f"{mark.other}" if to_database else "a data folder"
        how = "--to folder" if to_database else "--to URL"
        return StoreError(f"moving papers from {source} to {shown} was cut short: `migrate {how}` again finishes it")
    how = f"--to {mark.other}"
    if not mark.complete:
        return StoreError(f"moving the papers of {shown} was cut short: `migrate {how}` again finishes it")
    if to_database:
        return StoreError(f"the papers of {shown} were moved to a database: set RPA_V2_STORE={mark.other}")
    return StoreError(f"the papers of {shown} were moved to a data folder: work there without RPA_V2_STORE")
