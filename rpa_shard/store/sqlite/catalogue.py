"""The catalogue: what is known of papers besides their state, apart from the shard files so that a resize stays small.

Guarantee: it holds two kinds of facts: where in an archive a paper's PDF lies, and what the metadata snapshot says of
it; a newer fact replaces an older one. Limit: nothing here is needed to finish a run; without the file papers come from
the sources, and records have no metadata.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import threading
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.store.catalogue import Member, NoTitleIndexError, PaperMetadata, TitleFound, Whereabouts
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.queries import catalogue_query, catalogue_upgrade
from rpa_shard.store.sqlite.shard_file import (
    CATALOGUE_FILE,
    DamagedFileError,
    damaged,
    identity_of,
    limit_time,
    open_file,
    transaction_on,
)

# A word as the index has them: letters and digits.
_WORD = re.compile(r"[^\W_]{1,64}")
MAX_WORDS, MIN_BEGINNING = 16, 2
# The versions of the catalogue that brought the index of titles, and that of categories.
TITLES, CATEGORIES = 2, 3

log = logging.getLogger(__name__)


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
        """Notes what the snapshot says, and keeps the indexes of titles and categories right."""
        values = [
            (row.paper_id, row.title, row.authors, row.abstract, row.categories, row.doi, row.version)
            for row in {row.paper_id: row for row in rows}.values()  # the last one counts
        ]
        known = json.dumps([(row[0], row[1], row[4]) for row in values])
        with transaction_on(self._connection, self._path) as connection:
            (last,) = connection.execute(catalogue_query("last_number")).fetchone()
            changed = [row["number"] for row in connection.execute(catalogue_query("changed"), {"papers": known})]
            numbers = {"numbers": json.dumps(changed)}
            for name in ("forget_titles", "forget_categories"):
                connection.execute(catalogue_query(name), numbers)
            connection.executemany(catalogue_query("add_metadata"), values)
            for name in ("index_titles", "index_categories"):
                connection.execute(catalogue_query(name), numbers)
            for name in ("index_new_titles", "index_new_categories"):
                connection.execute(catalogue_query(name), {"last": last})

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        """Title, authors, abstract, categories (a list) and DOI of a paper, whichever version its id names."""
        row = self._of_any_version("metadata", paper_id)
        return {**dict(row), "categories": row["categories"].split()} if row is not None else None

    def title(self, paper_id: str) -> str | None:
        """The title alone of a paper, whichever version its id names."""
        row = self._of_any_version("title", paper_id)
        return str(row["title"]) if row is not None else None

    def find_titles(self, text: str, after: int, limit: int) -> list[TitleFound]:
        """As `rpa_shard.store.catalogue.Catalogue.find_titles`."""
        words = match_of(text)
        return self._found("find_titles", TITLES, words=words, after=after, limit=limit) if words else []

    def find_papers(self, words: str, categories: Sequence[str], after: int, limit: int) -> list[TitleFound]:
        """As `rpa_shard.store.catalogue.Catalogue.find_papers`."""
        if not categories:
            return self.find_titles(words, after, limit)
        wanted = {"categories": json.dumps(categories), "after": after, "limit": limit}
        if not words:
            names = " OR ".join(f'"{each}"' for name in categories for each in self._names_of(name))
            return self._found("find_categories", CATEGORIES, names=names, **wanted) if names else []
        match = match_of(words)
        return self._found("find_titles_in_categories", TITLES, words=match, **wanted) if match else []

    def matching(self, paper_ids: Collection[str], words: str, categories: Sequence[str]) -> set[str]:
        """As `rpa_shard.store.catalogue.Catalogue.matching`."""
        match = match_of(words)
        if words and not match:
            return set()
        plain = {each: without_version(each) for each in paper_ids}
        wanted = {
            "ids": json.dumps(list({*plain, *plain.values()})),
            "words": match or None,
            "categories": json.dumps(categories) if categories else None,
        }
        with _naming(self._path):
            self._check_version(TITLES)
            found = {
                row["id"]: bool(row["matches"]) for row in self._connection.execute(catalogue_query("matching"), wanted)
            }
        return {each for each, without in plain.items() if found.get(each, found.get(without, False))}

    def has_category(self, name: str) -> bool:
        """As `rpa_shard.store.catalogue.Catalogue.has_category`."""
        return bool(self._names_of(name))

    def _names_of(self, name: str) -> list[str]:
        with _naming(self._path):
            self._check_version(CATEGORIES)
            rows = self._connection.execute(catalogue_query("names_of_categories"), {"name": name.lower()})
            return [row["term"] for row in rows]

    def _found(self, name: str, version: int, **parameters: Any) -> list[TitleFound]:
        with _naming(self._path):
            self._check_version(version)
            rows = self._connection.execute(catalogue_query(name), parameters)
            return [TitleFound(row["number"], row["id"], row["title"]) for row in rows]

    def _check_version(self, needed: int) -> None:
        if identity_of(self._connection)[1] < needed:
            what = "titles" if needed == TITLES else "categories"
            raise NoTitleIndexError(
                f"{what} cannot be searched yet: the catalogue has an older format, which the next `add --metadata` "
                "or `add --tar` upgrades"
            )

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

    def pages_of_members(self, size: int) -> Iterator[list[str]]:
        """The ids of all papers that lie in a known archive, in order, so many at a time."""
        after = ""
        while True:
            with _naming(self._path):
                rows = self._connection.execute(catalogue_query("page_of_members"), {"after": after, "limit": size})
                ids = [row["id"] for row in rows]
            if not ids:
                return
            yield ids
            after = ids[-1]

    def _of_any_version(self, name: str, paper_id: str) -> sqlite3.Row | None:
        row = self._one(name, id=paper_id)
        if row is None and (without := without_version(paper_id)) != paper_id:
            row = self._one(name, id=without)
        return row

    def _one(self, name: str, **parameters: str) -> sqlite3.Row | None:
        with _naming(self._path):
            row: sqlite3.Row | None = self._connection.execute(catalogue_query(name), parameters).fetchone()
            return row


def match_of(text: str) -> str:
    """The expression of SQLite's full-text search for all words of a text; empty if it has none.

    Each word is quoted, so that nothing in a text is taken for an operator.
    """
    words = _WORD.findall(unicodedata.normalize("NFC", text))[:MAX_WORDS]
    if not words:
        return ""
    # One letter begins so many words that it would take long to gather them.
    last = "*" if len(words[-1]) >= MIN_BEGINNING else ""
    return " ".join(f'"{word}"' for word in words) + last


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise damaged(path, error) from None


@contextmanager
def open_catalogue(
    files: SQLiteFiles, *, create: bool = False, seconds: float | None = None
) -> Iterator[SQLiteCatalogue | None]:
    """The folder's catalogue, or None if it has none and `create` is False; with `create` an older one is upgraded.

    Raises StoreError, and TooSlowError where it has been open for `seconds`.
    """
    path = files.catalogue_file
    if not create and not path.exists():
        yield None
        return
    with closing(open_file(path, CATALOGUE_FILE, create=create, older=True)) as connection:
        limit_time(connection, seconds)
        if create:
            _upgrade_if_older(connection, path)
        yield SQLiteCatalogue(path, connection)


def _upgrade_if_older(connection: sqlite3.Connection, path: Path) -> None:
    """Brings the file to our format, in one transaction; those who read it meanwhile see the old one."""
    if identity_of(connection)[1] == CATALOGUE_FILE.format:
        return
    log.warning("upgrading %s, so that titles and categories can be searched: this may take minutes", path)
    with transaction_on(connection, path):
        # Another program may have done it meanwhile.
        for version in range(identity_of(connection)[1] + 1, CATALOGUE_FILE.format + 1):
            for statement in catalogue_upgrade(version):
                connection.execute(statement)


class SQLiteCatalogueReader:
    """The catalogue as used by the threads of a shard: opened once it exists, which may be in the middle of a run."""

    def __init__(self, files: SQLiteFiles) -> None:
        self._path = files.catalogue_file
        self._lock = threading.Lock()
        self._catalogue: SQLiteCatalogue | None = None

    def whereabouts(self, paper_id: str) -> Whereabouts:
        """As `Catalogue.whereabouts`, but empty if there is no catalogue. Blocks; for disk threads."""
        with self._lock:
            catalogue = self._opened()
            return Whereabouts() if catalogue is None else catalogue.whereabouts(paper_id)

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        """As `Catalogue.metadata`; None if there is no catalogue. Blocks; for disk threads."""
        with self._lock:
            catalogue = self._opened()
            return None if catalogue is None else catalogue.metadata(paper_id)

    def _opened(self) -> SQLiteCatalogue | None:
        if self._catalogue is None and self._path.exists():
            self._catalogue = SQLiteCatalogue(
                self._path, open_file(self._path, CATALOGUE_FILE, older=True, any_thread=True)
            )
        return self._catalogue

    def close(self) -> None:
        with self._lock:
            if self._catalogue is not None:
                self._catalogue.close()
                self._catalogue = None
