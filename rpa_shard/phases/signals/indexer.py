"""The one writer of the index: a thread of one shard, which reads the records of papers as they are made.

Guarantee: of all shards one writes, which holds a lock; another takes over when its process is gone. It uses a small
share of a core, its transactions are short, and it ends soon after it is told to. A file that is damaged, or is not
ours, is put aside and made again. Limit: it looks for what has changed every few seconds, so the newest papers are not
in it; what the catalogue learns later of a paper that is indexed is not taken in until its record changes, and a paper
that is removed is forgotten by the next writer, in the next run.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import closing

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import Status
from rpa_shard.phases.at_hand import each_at_hand
from rpa_shard.phases.signals.counting import count_again, must_count_again
from rpa_shard.phases.signals.entries import entry_of, record_sha256
from rpa_shard.phases.signals.index import (
    ForeignFileError,
    Known,
    add_papers,
    forget_papers,
    inode_of,
    known,
    open_index,
    put_aside,
    shorten_log,
)
from rpa_shard.phases.signals.queries import query
from rpa_shard.store.catalogue import Catalogue
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.protocol import Ledger, StoreEngine
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.selection import Selection
from rpa_shard.system.locks import lock_now
from rpa_shard.system.threads import lower_priority

log = logging.getLogger(__name__)

# The share of a core that it may use, and how many papers it reads or writes at a time.
SHARE, BATCH_PAPERS, PAGE_PAPERS = 0.1, 20, 500
# How often it looks for what has changed, for the lock, and again after a failure.
LOOK_SECONDS, LOCK_SECONDS, FAILURE_SECONDS = 5.0, 5.0, 60.0
# A change is seen when it is written, which may be later than the time that it carries.
OVERLAP_SECONDS = 30.0
# In these a paper may have a record.
STATUSES = (Status.PREPPED, Status.ANALYZING, Status.ANALYZED, Status.WRAPPING, Status.DONE, Status.FAILED)


class Stopped(Exception):  # noqa: N818 - nothing has failed
    """The thread is to end."""


class Pace:
    """Keeps a thread to a share of a core."""

    def __init__(self, stopping: threading.Event, share: float = SHARE) -> None:
        self._stopping = stopping
        self._idle_per_cpu = 1.0 / share - 1.0
        self._cpu = 0.0

    def pause(self) -> None:
        """Waits as long as the CPU that was used since the last pause demands. Raises Stopped."""
        used, self._cpu = time.thread_time() - self._cpu, time.thread_time()
        self.wait(max(0.0, used) * self._idle_per_cpu)

    def wait(self, seconds: float) -> None:
        """Waits. Raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped


class Indexer:
    """Writes the index of a data folder while it holds the lock. `share` is how much of a core it may use."""

    def __init__(self, folder: DataFolder, engine: StoreEngine, share: float = SHARE) -> None:
        self._folder = folder
        self._engine = engine
        self._path = folder.signals_file
        self._stopping = threading.Event()
        self._once = False
        self._pace = Pace(self._stopping, share)
        self._thread = threading.Thread(target=self._run, name="signals-writer", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ends the thread; waits for it no longer than this."""
        self._stopping.set()
        self._thread.join(seconds)

    def catch_up(self) -> None:
        """Takes in every paper that is not in the index, now and in this thread, unless another process writes it.

        Raises StoreError.
        """
        with lock_now(self._folder.signals_lock) as is_ours:
            if is_ours:
                self._once = True
                self._write()

    def _run(self) -> None:
        lower_priority()
        while not self._stopping.is_set():
            try:
                with lock_now(self._folder.signals_lock) as is_ours:
                    if is_ours:
                        self._write()
            except StoreError as error:
                log.warning("no index of the corpus is written: %s", error)
                self._stopping.wait(FAILURE_SECONDS)
            except Exception:
                # Papers are analyzed without signals all the same.
                log.exception("the index of the corpus is not written any more: please report this")
                return
            self._stopping.wait(LOCK_SECONDS)

    def _write(self) -> None:
        """Writes until it is told to end. Raises StoreError if the index cannot be written for now."""
        while not self._stopping.is_set():
            try:
                with closing(open_index(self._path, create=True)) as connection:
                    self._follow(connection)
            except Stopped:
                return
            except sqlite3.Error as error:
                self._handle(error)
            except OSError as error:
                raise StoreError(str(error)) from None

    def _handle(self, error: sqlite3.Error) -> None:
        if not is_damage(error):
            raise StoreError(f"{self._path}: {error}") from None
        aside = put_aside(self._path, self._folder.damaged)
        log.warning("%s cannot be used (%s): it is now %s, and is made again", self._path, error, aside)

    def _follow(self, connection: sqlite3.Connection) -> None:
        """Takes in every paper, then what changes, for as long as the file is there. Raises Stopped."""
        inode, since = inode_of(self._path), None
        while inode == inode_of(self._path):
            begun = time.time()
            with self._engine.open_ledger() as ledger, self._engine.open_catalogue() as catalogue:
                self._take_in(connection, ledger, catalogue, since)
                if since is None:
                    self._forget_removed(connection, ledger)
            if self._once:
                raise Stopped
            since = begun - OVERLAP_SECONDS
            self._pace.wait(LOOK_SECONDS)

    def _take_in(
        self, connection: sqlite3.Connection, ledger: Ledger, catalogue: Catalogue | None, since: float | None
    ) -> None:
        """Indexes the papers that have changed since a moment, or all, where the index does not have them so."""
        page: list[PaperRow] = []
        for row in ledger.select(Selection(statuses=STATUSES, since=since)):
            page.append(row)
            if len(page) == PAGE_PAPERS:
                self._take_in_page(connection, page, catalogue)
                page = []
        self._take_in_page(connection, page, catalogue)

    def _take_in_page(
        self, connection: sqlite3.Connection, page: Sequence[PaperRow], catalogue: Catalogue | None
    ) -> None:
        there = known(connection, {without_version(row.paper_id) for row in page})
        wanted = [
            (row, sha256)
            for row in page
            if (sha256 := record_sha256(row)) and is_news(row, sha256, there.get(without_version(row.paper_id)))
        ]
        self._pace.pause()
        for start in range(0, len(wanted), BATCH_PAPERS):
            batch = wanted[start : start + BATCH_PAPERS]
            hashes = {row.paper_id: sha256 for row, sha256 in batch}
            entries = [
                entry_of(files, row, hashes[row.paper_id], catalogue)
                for row, files in each_at_hand(self._folder, [row for row, _ in batch], ("record", "text"))
            ]
            # Of several versions of a paper the last one comes last, and stays.
            found = sorted(filter(None, entries), key=lambda each: order_of(each.row_id))
            if found:
                add_papers(connection, found)
            self._pace.pause()
        shorten_log(connection, self._path)
        if must_count_again(connection):
            count_again(connection, self._pace.pause)

    def _forget_removed(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        """Forgets the papers that have no row any more."""
        after = 0
        limit = PAGE_PAPERS
        while rows := connection.execute(query("page_of_papers"), {"after": after, "limit": limit}).fetchall():
            there = {row.paper_id for row in ledger.select(ids=[row["row_id"] for row in rows])}
            gone = [row["number"] for row in rows if row["row_id"] not in there]
            if gone:
                forget_papers(connection, gone)
            after = rows[-1]["number"]
            self._pace.pause()


def is_news(row: PaperRow, sha256: str, there: Known | None) -> bool:
    """Whether the index is to have a paper as its row says. Of several versions it has the last one."""
    if there is None:
        return True
    if there.row_id == row.paper_id:
        return there.record_sha256 != sha256
    return order_of(row.paper_id) > order_of(there.row_id)


def order_of(row_id: str) -> tuple[int, str]:
    """The order of the versions of a paper by their ids."""
    return len(row_id), row_id


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file cannot be used as it is, whatever one waits for."""
    code = int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
    return isinstance(error, ForeignFileError) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
