"""What the corpus says of one paper, read from the index.

Guarantee: for any thread; what is read grows with what is looked for, not with the corpus, and ends after the time that
is allowed: then the result is what was found so far. A missing or damaged index makes the result empty, never an error.
Limit: papers that are not yet indexed are not found.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.phases.signals.index import PAPERS, fact, inode_of, open_index
from rpa_shard.phases.signals.queries import query
from rpa_shard.phases.signals.signals import Neighbour, Signals
from rpa_shard.phases.signals.terms import any_of, choose_terms, words_of

log = logging.getLogger(__name__)

MAX_SECONDS = 1.0
# Of the papers that are found, so many are looked at, and so many are given.
LOOKED_AT, NEIGHBOURS, CITES = 25, 8, 10
# Steps of SQLite's machine between two looks at the clock: well below a millisecond.
STEPS_BETWEEN_LOOKS = 2000
# An index that cannot be read is left alone for this long.
PAUSE_SECONDS = 5.0

_Look = Callable[[sqlite3.Connection], None]


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    corpus_papers: int = 0
    neighbours: tuple[Neighbour, ...] = ()
    cited_by: int = 0
    cites: tuple[Neighbour, ...] = ()


class SignalsReader:
    """Reads the index at `path`, which may appear, and be made again, at any time."""

    def __init__(self, path: Path, seconds: float = MAX_SECONDS) -> None:
        self._path = path
        self._seconds = seconds
        self._free: deque[tuple[tuple[int, int], sqlite3.Connection]] = deque()
        self._again_at = 0.0

    def read(self, paper_id: str, title: str, abstract: str) -> Signals:
        """The signals for a paper, whether or not it is indexed itself. Blocks; for threads."""
        found = _Found()
        ends_at = time.monotonic() + self._seconds
        complete = self._with_connection(lambda each: _look(each, ends_at, found, paper_id, title, abstract))
        return Signals(
            corpus_papers=found.corpus_papers,
            neighbours=found.neighbours,
            cited_by=found.cited_by,
            cites=found.cites,
            complete=complete,
        )

    def tags(self) -> tuple[str, ...]:
        """The tags that papers may have, as `rpa_shard.phases.signals.tags` made them; none if none are known yet."""
        found: list[str] = []
        self._with_connection(lambda each: found.extend(row["tag"] for row in each.execute(query("tags"))))
        return tuple(found)

    def close(self) -> None:
        """Closes the connections."""
        while self._free:
            self._free.pop()[1].close()

    def _with_connection(self, look: _Look) -> bool:
        """Whether it could look at all that it wanted. An index that is not there has nothing to see."""
        inode = inode_of(self._path)
        if inode is None:
            return True
        if time.monotonic() < self._again_at:
            return False
        connection: sqlite3.Connection | None = None
        try:
            connection = self._take(inode)
            look(connection)
        except (sqlite3.Error, TimeoutError) as error:
            interrupted = isinstance(error, TimeoutError) or (
                getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
            )
            if connection is not None:
                self._give_back(inode, connection, usable=interrupted)
            if not interrupted:
                self._again_at = time.monotonic() + PAUSE_SECONDS
                log.info("%s cannot be read now: %s", self._path, error)
            return False
        self._give_back(inode, connection, usable=True)
        return True

    def _take(self, inode: tuple[int, int]) -> sqlite3.Connection:
        with suppress(IndexError):
            while True:
                there, connection = self._free.pop()
                if there == inode:
                    return connection
                connection.close()
        return open_index(self._path, any_thread=True)

    def _give_back(self, inode: tuple[int, int], connection: sqlite3.Connection, *, usable: bool) -> None:
        connection.set_progress_handler(None, 0)
        if usable:
            self._free.append((inode, connection))
        else:
            connection.close()


def _look(
    connection: sqlite3.Connection, ends_at: float, found: _Found, paper_id: str, title: str, abstract: str
) -> None:
    """Looks for everything, what takes least first. Raises sqlite3.Error; when the time is over, TimeoutError, too."""
    connection.set_progress_handler(lambda: int(time.monotonic() > ends_at), STEPS_BETWEEN_LOOKS)
    plain_id = without_version(paper_id)
    found.corpus_papers = fact(connection, PAPERS)
    row = connection.execute(query("number_of"), {"id": plain_id}).fetchone()
    number = -1 if row is None else row["number"]
    (found.cited_by,) = connection.execute(query("cited_by"), {"id": plain_id, "number": number}).fetchone()
    if row is not None:
        rows = connection.execute(query("cites"), {"number": number, "limit": CITES})
        found.cites = tuple(_as_neighbour(each) for each in rows)
    terms = _terms(connection, ends_at, title, abstract, is_indexed=row is not None)
    if terms:
        wanted = {"words": any_of(terms), "limit": LOOKED_AT}
        rows = connection.execute(query("neighbours"), wanted)
        found.neighbours = _nearest([each for each in rows if each["number"] != number])


def _terms(
    connection: sqlite3.Connection, ends_at: float, title: str, abstract: str, *, is_indexed: bool
) -> tuple[str, ...]:
    words = json.dumps(words_of(title, abstract))
    papers_with: dict[str, int] = {}
    for row in connection.execute(query("rare_words"), {"words": words}):
        papers_with[row["term"]] = row["doc"]
        # A few steps of SQLite's machine may read very much here.
        if time.monotonic() > ends_at:
            raise TimeoutError
    # A word that only the paper itself has leads nowhere.
    return choose_terms(papers_with, at_least=2 if is_indexed else 1)


def _nearest(rows: list[sqlite3.Row]) -> tuple[Neighbour, ...]:
    """The nearest papers; a title that several of them have is given once."""
    first = {_title(row): row for row in reversed(rows)}
    kept = [row for row in rows if first[_title(row)] is row]
    return tuple(_as_neighbour(row) for row in kept[:NEIGHBOURS])


def _title(row: sqlite3.Row) -> str:
    return str(row["title"] or row["id"]).casefold()


def _as_neighbour(row: sqlite3.Row) -> Neighbour:
    return Neighbour(row["id"], row["title"] or row["id"])
