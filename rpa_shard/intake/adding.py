"""Queues papers from any kind of input, in batches.

Guarantee: the catalogue has a paper before it is queued, so an active run finds its metadata; memory use does not grow
with the list. Limit: not one transaction: an interrupted `add` has added a part, and may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rpa_shard.intake.archives import read_archive, read_manifest
from rpa_shard.intake.id_lines import IntakeError, ids_of
from rpa_shard.intake.snapshot import Filter, read_snapshot
from rpa_shard.store.folder import DataFolder, Layout
from rpa_shard.store.sqlite.catalogue import Catalogue, open_catalogue
from rpa_shard.store.sqlite.ledger import Ledger, open_ledger

T = TypeVar("T")

BATCH = 10_000


@dataclass(slots=True)
class Tally:
    """The counts of an `add`; `report_invalid` gets a line for each invalid input."""

    report_invalid: Callable[[str], None]
    added: int = 0
    known: int = 0
    invalid: int = 0

    def note_invalid(self, line: str) -> None:
        self.invalid += 1
        self.report_invalid(line)


class Adder:
    """Adds to one folder, which is created with `layout` if it is new."""

    def __init__(self, folder: DataFolder, layout: Layout, priority: int, tally: Tally) -> None:
        self._folder = folder
        self._layout = layout
        self._priority = priority
        self._tally = tally
        self._opened = ExitStack()
        self._ledger: Ledger | None = None
        self._catalogue: Catalogue | None = None

    def __enter__(self) -> Self:
        self._ledger = self._opened.enter_context(open_ledger(self._folder, self._layout))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def add_ids(self, arguments: Sequence[str], file: str | None) -> None:
        """Adds ids, URLs and paths. Raises IntakeError."""
        for batch in _batches(ids_of(arguments, file, self._tally.note_invalid)):
            self._queue(batch)

    def add_archives(self, archives: Sequence[Path], manifest: Path | None) -> None:
        """Adds the papers of tar files; an incomplete one counts as one invalid input. Raises IntakeError."""
        expected = read_manifest(manifest) if manifest else None
        for path in archives:
            try:
                archive = read_archive(path, expected)
            except IntakeError as error:
                self._tally.note_invalid(str(error))
                continue
            self._opened_catalogue().add_members(archive.path, archive.members)
            for batch in _batches(member.paper_id for member in archive.members):
                self._queue(batch)

    def add_snapshot(self, path: Path, wanted: Filter, limit: int | None) -> None:
        """Adds the papers of a metadata snapshot that a filter takes. Raises IntakeError."""
        rows = islice(read_snapshot(path, wanted, self._tally.note_invalid), limit)
        for batch in _batches(rows):
            self._opened_catalogue().add_metadata(batch)
            self._queue([row.paper_id for row in batch])

    def _opened_catalogue(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = self._opened.enter_context(open_catalogue(self._folder, create=True))
        assert self._catalogue is not None  # it was created
        return self._catalogue

    def _queue(self, ids: Sequence[str]) -> None:
        assert self._ledger is not None  # inside the `with` block
        added, known = self._ledger.add(ids, self._priority)
        self._tally.added += added
        self._tally.known += known


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
