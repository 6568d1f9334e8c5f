"""Taking papers out of the queue, perhaps with all that was made of them.

Guarantee: papers that are being worked on are left; files go first and are gone for good before the rows are, so a
removal that was killed can be repeated. Memory stays flat. Limit: only files in the data folder are removed, and of
papers without a row only those of the ids that are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from rpa_shard.maintain.published_files import remove_published
from rpa_shard.phases.finished import remove_files
from rpa_shard.store.changes import Changes, Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger

T = TypeVar("T")

# So many ids are in memory: the more are removed together, the faster it is, since they are removed in their order.
PAGE_IDS = 500_000


@dataclass(slots=True)
class Removal:
    """What was removed, and what was left."""

    changes: Changes = Changes()
    files: int = 0


def remove(folder: DataFolder, ledger: Ledger, targets: Iterable[Target], done: Removal, *, files: bool) -> None:
    """Removes papers and counts them in `done`. Raises StoreError, OSError."""

    def remove_their_files(ids: Sequence[str]) -> None:
        done.files += remove_files(folder.papers, ids) + remove_published(folder, ids)

    for page in pages_of(targets, PAGE_IDS):
        done.changes += ledger.remove(page, remove_their_files if files else None)


def pages_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, so many at a time."""
    iterator = iter(items)
    while page := list(islice(iterator, size)):
        yield page
