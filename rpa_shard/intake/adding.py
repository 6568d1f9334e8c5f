"""Queues papers from any kind of input, in batches.

Guarantee: the catalogue has a paper before it is queued, so an active run finds its metadata; memory use does not grow
with the list. Limit: not one transaction: an interrupted `add` has added a part, and may be repeated.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from rpa_shard.intake.archives import read_archive, read_manifest
from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.id_lines import ids_of
from rpa_shard.intake.snapshot import Filter, Seen, read_snapshot
from rpa_shard.store.catalogue import Catalogue
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.protocol import Ledger

T = TypeVar("T")

BATCH = 10_000


@dataclass(slots=True)
class AddResult:
    """The counts of an `add`; `on_invalid` gets a line for each invalid input."""

    on_invalid: Callable[[str], None]
    added: int = 0
    known: int = 0
    invalid: int = 0

    def note_invalid(self, line: str) -> None:
        self.invalid += 1
        self.on_invalid(line)


class Adder:
    """Adds to one folder, which is created with `layout` if it is new."""

    def __init__(self, folder: DataFolder, layout: Layout, priority: int, result: AddResult) -> None:
        self._folder = folder
        self._layout = layout
        self._priority = priority
        self._result = result
        self._opened = ExitStack()
        self._open_ledger: Ledger | None = None
        self._open_catalogue: Catalogue | None = None

    def __enter__(self) -> Self:
        self._open_ledger = self._opened.enter_context(open_ledger(self._folder, self._layout))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()

    def add_ids(self, arguments: Sequence[str], files: Sequence[str], column: str | None = None) -> None:
        """Adds ids, URLs and paths, and those of lists. Raises IntakeError, once what came before is added."""
        for batch in _batches(ids_of(arguments, files, self._result.note_invalid, column)):
            self._queue(batch)

    def add_archives(self, archives: Sequence[Path], manifests: Sequence[Path]) -> None:
        """Adds the papers of tar files; an incomplete one counts as one invalid input. Raises IntakeError."""
        expected = {name: files for each in manifests for name, files in read_manifest(each).items()}
        for path in archives:
            try:
                archive = read_archive(path, expected)
            except IntakeError as error:
                self._result.note_invalid(str(error))
                continue
            self._catalogue().add_members(archive.path, archive.members)
            for batch in _batches(member.paper_id for member in archive.members):
                self._queue(batch)

    def add_snapshots(self, paths: Sequence[Path], wanted: Filter, limit: int | None) -> None:
        """Adds the papers of metadata snapshots that a filter takes, at most `limit` in all. Raises IntakeError.

        It takes no paper in silence: then the error says why, and a category without papers counts as invalid.
        """
        seen, taken = Seen(), 0
        found = chain.from_iterable(read_snapshot(each, wanted, self._result.note_invalid, seen) for each in paths)
        for batch in _batches(islice(found, limit)):
            taken += len(batch)
            self._catalogue().add_metadata(batch)
            self._queue([row.paper_id for row in batch])
        if wanted == Filter() or taken == limit or not paths:
            return
        if not taken:
            raise IntakeError(seen.why_nothing(wanted))
        for message in seen.missing(wanted):
            self._result.note_invalid(message)

    def _catalogue(self) -> Catalogue:
        if self._open_catalogue is None:
            self._open_catalogue = self._opened.enter_context(engine_of(self._folder).open_catalogue(create=True))
        assert self._open_catalogue is not None
        return self._open_catalogue

    def _queue(self, ids: Sequence[str]) -> None:
        assert self._open_ledger is not None, "an Adder is used in a with statement"
        with _uninterrupted():
            added, known = self._open_ledger.add(ids, self._priority)
            self._result.added += added
            self._result.known += known


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of the block: a batch is in several files, and what is added is what is said."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """The items in batches; where they end in an error, the last batch comes before it."""
    iterator = iter(items)
    while True:
        batch: list[T] = []
        try:
            batch.extend(islice(iterator, BATCH))
        except IntakeError:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch
