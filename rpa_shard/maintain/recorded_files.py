"""Whether files are as rows say: in the data folder, or where artifacts are kept.

Guarantee: reads only, but for `remove`. Where artifacts are kept elsewhere, sizes come from listings of folders, and
contents are read several at a time; memory stays bounded. Limit: a paper may be published meanwhile, so the caller
looks whether the row still stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from rpa_shard.phases.files import ENDINGS
from rpa_shard.phases.finished import ExpectedFile
from rpa_shard.store.artifacts import ArtifactStore
from rpa_shard.store.artifacts.factory import artifact_store_of
from rpa_shard.store.artifacts.names import name_with_hash
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.files import fingerprint_of_file

MISSING, WRONG_SIZE, WRONG_HASH, NOT_ALLOWED = "missing", "wrong size", "wrong hash", "may not be read"
THREADS = 8
# The listings of so many files are kept.
LISTED_FILES = 500_000


class RecordedFiles(Protocol):
    """Compares files with what rows say of them."""

    def prepare(self, expected: Sequence[ExpectedFile]) -> None:
        """Gets ready to compare these."""

    def compare(self, expected: ExpectedFile) -> str | None:
        """What is wrong with a file, or None. Raises ArtifactStoreError."""

    def remove(self, expected: ExpectedFile) -> None:
        """Removes a damaged file, so that it is not taken for a good one."""


@contextmanager
def recorded_files(folder: DataFolder, *, hashes: bool) -> Iterator[RecordedFiles]:
    """The files of a folder's papers, wherever they are kept."""
    store = artifact_store_of(folder)
    if store is None:
        yield LocalFiles(hashes)
        return
    with ThreadPoolExecutor(THREADS, "verify") as threads:
        yield PublishedFiles(store, str(folder.papers), threads, hashes)


class LocalFiles:
    """Files in the data folder."""

    def __init__(self, hashes: bool) -> None:
        self._hashes = hashes

    def prepare(self, expected: Sequence[ExpectedFile]) -> None:
        pass

    def compare(self, expected: ExpectedFile) -> str | None:
        try:
            if os.stat(expected.path).st_size != expected.size_bytes:  # noqa: PTH116  # millions of them
                return WRONG_SIZE
            if self._hashes and fingerprint_of_file(Path(expected.path)).sha256 != expected.sha256:
                return WRONG_HASH
        except PermissionError:
            return NOT_ALLOWED
        except OSError:
            return MISSING
        return None

    def remove(self, expected: ExpectedFile) -> None:
        Path(expected.path).unlink(missing_ok=True)


class PublishedFiles:
    """Files in an artifact store, each of which may have either of two names."""

    def __init__(self, store: ArtifactStore, papers: str, threads: ThreadPoolExecutor, hashes: bool) -> None:
        self._store = store
        self._papers = papers
        self._threads = threads
        self._hashes = hashes
        self._found: dict[ExpectedFile, str | None] = {}
        self._listed: dict[str, Mapping[str, int]] = {}

    def prepare(self, expected: Sequence[ExpectedFile]) -> None:
        sizes = [self._sizes(each) for each in expected]
        self._found = dict(zip(expected, self._threads.map(self._compare, expected, sizes), strict=True))

    def compare(self, expected: ExpectedFile) -> str | None:
        return self._found[expected]

    def remove(self, expected: ExpectedFile) -> None:
        for name in self._names(expected):
            self._store.remove(name)

    def _sizes(self, expected: ExpectedFile) -> dict[str, int]:
        """The sizes of what has the file's names."""
        names = self._names(expected)
        folder = names[0].rpartition("/")[0]
        if folder not in self._listed:
            while sum(map(len, self._listed.values())) > LISTED_FILES:
                del self._listed[next(iter(self._listed))]
            self._listed[folder] = {each.name: each.size_bytes for each in self._store.list(f"{folder}/")}
        listed = self._listed[folder]
        return {name: listed[name] for name in names if name in listed}

    def _compare(self, expected: ExpectedFile, sizes: Mapping[str, int]) -> str | None:
        if not sizes:
            return self._compare_now(expected)
        right = [name for name, size in sizes.items() if size == expected.size_bytes]
        if not right:
            return self._compare_now(expected)
        if not self._hashes or any(self._has_hash(name, expected.sha256) for name in right):
            return None
        return WRONG_HASH

    def _compare_now(self, expected: ExpectedFile) -> str | None:
        """Again without a listing, which a run may have outdated."""
        wrong = MISSING
        for name in self._names(expected):
            try:
                if self._store.size(name) == expected.size_bytes:
                    return None if not self._hashes or self._has_hash(name, expected.sha256) else WRONG_HASH
                wrong = WRONG_SIZE
            except FileNotFoundError:
                continue
        return wrong

    def _has_hash(self, name: str, digest: str) -> bool:
        try:
            return sha256(self._store.read(name)).hexdigest() == digest
        except FileNotFoundError:
            return False

    def _names(self, expected: ExpectedFile) -> tuple[str, str]:
        name = expected.path.removeprefix(f"{self._papers}/")
        ending = max((each for each in ENDINGS.values() if name.endswith(each)), key=len)
        stem = name.removesuffix(ending)
        return name, name_with_hash(name, stem, expected.sha256)
