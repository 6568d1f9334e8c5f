"""The papers of a data folder, to be looked at: all of them one by one, those that meet conditions, or one by its id.

Guarantee: works during a run and without one; memory stays flat, however many papers there are; nothing in the folder
is changed, an older format is not upgraded; may be used from several threads. Limit: while papers are being iterated
over, the number of shards cannot change.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from rpa_shard.api.paper import Paper
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.errors import FolderBusyError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PHASES, Phase, Status, phase_named
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.selection import EVERY_PAPER, Selection

Member = TypeVar("Member", bound=StrEnum)

# While a command makes the store ready, or a run moves papers to another number of shards.
WAIT_SECONDS, LOOK_SECONDS = 60.0, 0.05


def open(folder: str | os.PathLike[str] = "data") -> Corpus:
    """The papers of a data folder.

        corpus = rpa_shard.open("data")
        print(len(corpus), corpus["2401.00001"].status)
        for paper in corpus.select(status="prepped", category="cs.LG"):
            print(paper.id, len(paper.references))

    It may be used in a `with` statement, and without: nothing stays open between calls. Raises StoreError, with one
    line, if there is no data folder there, or it cannot be read.
    """
    corpus = Corpus(folder)
    with corpus._ledger():
        return corpus


class Corpus:
    """The papers of a data folder; `rpa_shard.open` makes it."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = DataFolder(Path(folder).absolute())

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder.root

    def __len__(self) -> int:
        """How many papers there are, in whichever state."""
        return sum(self.counts().values())

    def __iter__(self) -> Iterator[Paper]:
        """Every paper, once, in any order."""
        return self.select()

    def __getitem__(self, id: str) -> Paper:
        """The paper with this id, in any form: `2401.00001`, `arXiv:2401.00001v2`, a URL.

        Raises KeyError if it was never added, or the text names no paper.
        """
        try:
            paper = self.get(id)
        except ValueError:
            paper = None
        if paper is None:
            raise KeyError(id)
        return paper

    def __contains__(self, id: object) -> bool:
        """Whether the paper with this id was added."""
        try:
            return isinstance(id, str) and self.get(id) is not None
        except ValueError:
            return False

    def get(self, id: str) -> Paper | None:
        """The paper with this id, in any form; None if it was never added. Raises ValueError if it names no paper."""
        return next(self.select(ids=[id]), None)

    def select(
        self,
        *,
        status: str | Iterable[str] = (),
        reason: str | Iterable[str] = (),
        phase: str | Iterable[str] = (),
        flag: str | Iterable[str] = (),
        since: datetime | date | timedelta | float | None = None,
        category: str | Iterable[str] = (),
        query: str = "",
        ids: str | Iterable[str] | None = None,
    ) -> Iterator[Paper]:
        """The papers that meet all conditions; of several values of one, any. In any order.

            corpus.select(status="failed", reason=["not_found", "gone"])
            corpus.select(flag="needs_ocr", since=timedelta(days=7))
            corpus.select(ids=["2401.00001", "hep-th/9901001v2"])

        - `status`: `pending`, `prepping`, `prepped`, `failed`, …
        - `reason`: why the last attempt failed, as `rpa-shard failures` lists them
        - `phase`: the phase in which the paper failed for good: `prep`, `analyze` or `wrap`
        - `flag`: a flag of the record, such as `garbled`
        - `since`: when the paper's state changed last, at the earliest: a time, a day, Unix seconds, or how long ago;
          times without a zone are of the local clock
        - `category`: of the metadata snapshot, such as `cs.LG`, or `cs` for all of it
        - `query`: words of the title in the metadata snapshot
        - `ids`: only these papers, in any form; they come in their order, those that were never added are passed over

        Raises ValueError for a status, a reason, a phase or an id that does not exist. The iterator raises StoreError.
        """
        selection = Selection(
            statuses=_members(Status, status),
            reasons=tuple(each.value for each in _members(Failure, reason)),
            failed_phases=tuple(_phase(each) for each in _values(phase)),
            flags=_values(flag),
            since=None if since is None else _unix_seconds(since),
            categories=_values(category),
            words=query,
        )
        return self._papers(selection, None if ids is None else (parse(each).canonical for each in _each(ids)))

    def counts(self) -> dict[str, int]:
        """How many papers are in each status."""
        with self._ledger() as ledger:
            return dict(ledger.counts().by_status)

    def failures(self) -> dict[str, int]:
        """How many papers have failed for good, by reason."""
        with self._ledger() as ledger:
            return dict(ledger.counts().by_failure)

    def close(self) -> None:
        """Nothing stays open between calls, so there is nothing to do."""

    def __enter__(self) -> Corpus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Corpus {self.folder}>"

    def _papers(self, selection: Selection = EVERY_PAPER, ids: Iterable[str] | None = None) -> Iterator[Paper]:
        with self._ledger() as ledger, engine_of(self._folder).open_catalogue() as catalogue:
            for row in ledger.select(selection, ids):
                metadata = catalogue.metadata(row.paper_id) if catalogue is not None else None
                yield Paper(row, self._folder, metadata)

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        """The ledger, which changes nothing; waits while others change the store. Raises StoreError."""
        give_up = time.monotonic() + WAIT_SECONDS
        while True:
            opening = open_ledger(self._folder, seconds=math.inf)  # with a limit of time it upgrades nothing
            try:
                ledger = opening.__enter__()
                break
            except FolderBusyError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(LOOK_SECONDS)
        try:
            yield ledger
        finally:
            opening.__exit__(None, None, None)


def _each(given: str | Iterable[str]) -> Iterable[str]:
    return (given,) if isinstance(given, str) else given


def _values(given: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_each(given)))


def _members(kind: type[Member], given: str | Iterable[str]) -> tuple[Member, ...]:
    """The members of an enumeration with these values. Raises ValueError."""
    known = {each.value: each for each in kind}
    for each in _each(given):
        if each not in known:
            raise ValueError(f"{each!r} is no {kind.__name__.lower()}: one of {', '.join(known)}")
    return tuple(known[each] for each in _values(given))


def _phase(name: str) -> Phase:
    """The phase with this name. Raises ValueError."""
    try:
        return phase_named(name)
    except KeyError:
        raise ValueError(f"{name!r} is no phase: one of {', '.join(each.name for each in PHASES)}") from None


def _unix_seconds(moment: datetime | date | timedelta | float) -> float:
    if isinstance(moment, timedelta):
        return time.time() - moment.total_seconds()
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, date):
        return datetime(moment.year, moment.month, moment.day).timestamp()
    return float(moment)
