"""The catalogue: what is known of papers besides their state, apart from the shard files so that a resize stays small.

Guarantee: it holds two kinds of facts: where in an archive a paper's PDF lies, and what the metadata snapshot says of
it; a newer fact replaces an older one. Limit: nothing here is needed to finish a run; without the file papers come from
the sources, and records have no metadata.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.store.catalogue import Member, PaperMetadata, Whereabouts
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.queries import catalogue_query
from rpa_shard.store.sqlite.shard_file import CATALOGUE_FILE, DamagedFileError, damaged, open_file, transaction_on


class SQLiteCatalogue:
    """An open catalogue. Made by `open_catalogue`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def add_members(self, archive: Path, members: Iterable[Member]) -> None:
        """Notes where papers lie in `archive`, an absolute path."""
        path = os.fsencode(archive)
        with transaction_on(self._connection, self._path) as connection:
            connection.execute(catalogue_query("add_archive"), {"path": path})
            (number,) = connection.execute(catalogue_query("archive_number"), {"path": path}).fetchone()
            rows = (
                {
                    "id": member.paper_id,
                    "archive": number,
                    "offset_bytes": member.offset_bytes,
                    "size_bytes": member.size_bytes,
                }
                for member in members
            )
            connection.executemany(catalogue_query("add_member"), rows)

    def add_metadata(self, rows: Iterable[PaperMetadata]) -> None:
        """Notes what the snapshot says."""
        values = (
            (row.paper_id, row.title, row.authors, row.abstract, row.categories, row.doi, row.version) for row in rows
        )
        with transaction_on(self._connection, self._path) as connection:
            connection.executemany(catalogue_query("add_metadata"), values)

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        """Title, authors, abstract, categories (a list) and DOI of a paper, whichever version its id names."""
        for each in dict.fromkeys((paper_id, without_version(paper_id))):
            row = self._one("metadata", id=each)
            if row is not None:
                return {**dict(row), "categories": row["categories"].split()}
        return None

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """What helps to fetch a paper."""
        member = self._one("member", id=paper_id)
        version = self._one("version", id=paper_id)
        tar_url = None
        if member is not None:
            place = f"offset={member['offset_bytes']}&size={member['size_bytes']}"
            tar_url = f"tar://{quote(member['path'])}#{place}"
        return Whereabouts(tar_url, None if version is None else str(version["version"]))

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Raises StoreError if the file is damaged."""
        with _naming(self._path):
            (found, *_) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise DamagedFileError(f"{self._path} is damaged: {found}")

    def has_members(self) -> bool:
        """Whether any paper lies in a known archive."""
        row = self._one("has_members")
        return row is not None and bool(row[0])

    def _one(self, name: str, **parameters: str) -> sqlite3.Row | None:
        with _naming(self._path):
            row: sqlite3.Row | None = self._connection.execute(catalogue_query(name), parameters).fetchone()
            return row


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise damaged(path, error) from None


@contextmanager
def open_catalogue(files: SQLiteFiles, *, create: bool = False) -> Iterator[SQLiteCatalogue | None]:
    """The folder's catalogue, or None if it has none and `create` is False. Raises StoreError."""
    path = files.catalogue_file
    if not create and not path.exists():
        yield None
        return
    with closing(open_file(path, CATALOGUE_FILE, create=create)) as connection:
        yield SQLiteCatalogue(path, connection)


class SQLiteCatalogueReader:
    """The catalogue as used by the threads of a shard: opened once it exists, which may be in the middle of a run."""

    def __init__(self, files: SQLiteFiles) -> None:
        self._path = files.catalogue_file
        self._lock = threading.Lock()
        self._catalogue: SQLiteCatalogue | None = None

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """As `Catalogue.whereabouts`, but empty if there is no catalogue. Blocks; for disk threads."""
        with self._lock:
            if self._catalogue is None:
                if not self._path.exists():
                    return Whereabouts()
                self._catalogue = SQLiteCatalogue(self._path, open_file(self._path, CATALOGUE_FILE, any_thread=True))
            return self._catalogue.whereabouts(paper_id)

    def close(self) -> None:
        with self._lock:
            if self._catalogue is not None:
                self._catalogue.close()
                self._catalogue = None
