"""Where the SQLite engine keeps its files: the manifest, a file for each shard, the catalogue, and the layout lock.

Guarantee: the manifest is replaced complete or not at all; code that reads rows from outside a run keeps the layout
fixed meanwhile. Limit: the lock is `flock`, so it works on one machine only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.moving import Mark, refusal
from rpa_shard.system.files import replace_file
from rpa_shard.system.locks import lock, lock_now

MANIFEST_FORMAT = 3


@dataclass(frozen=True, slots=True)
class SQLiteFiles:
    """The engine's files in the data folder at `root`."""

    root: Path

    @property
    def manifest_file(self) -> Path:
        return self.root / "manifest.json"

    @property
    def catalogue_file(self) -> Path:
        return self.root / "catalogue.sqlite3"

    @property
    def damaged(self) -> Path:
        """Copies of damaged files; each repair has its own folder."""
        return self.root / "damaged"

    def shard_file(self, shard: int) -> Path:
        return self.root / "shards" / f"shard-{shard:03d}.sqlite3"

    def shard_numbers(self, stored: StoredLayout) -> list[int]:
        """The shards that have a file; while a move is under way, those whose file exists."""
        if stored.moving_to is None:
            return list(range(stored.layout.shards))
        most = max(stored.layout.shards, stored.moving_to.shards)
        return [number for number in range(most) if self.shard_file(number).exists()]

    def before_upgrade(self, version: int) -> Path:
        """Copies of the files of an older format, made before they were upgraded."""
        return self.root / "before-upgrade" / f"format-{version}"

    @property
    def mark_file(self) -> Path:
        """What the folder says of a move of its papers to another store, or from there."""
        return self.root / "moved.json"

    @property
    def before_move(self) -> Path:
        """The shard files of papers that are in another store now."""
        return self.root / "before-move"

    def read_mark(self) -> Mark | None:
        """What the folder says of a move. Raises StoreError if the file is not ours."""
        try:
            return Mark(**json.loads(self.mark_file.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{self.mark_file} cannot be read: {error}") from None

    def read_manifest(self, *, marked: bool = False) -> StoredLayout | None:
        """The content of the manifest, or None if there is none yet. Raises StoreError for one that is not ours.

        Also where papers are moved or were moved elsewhere, unless `marked` says that this is known.
        """
        mark = None if marked else self.read_mark()
        if mark is not None:
            raise refusal(str(self.root), mark)
        manifest = self._read_manifest()
        return manifest[1] if manifest is not None else None

    def stored_format(self) -> int | None:
        """The format that the manifest names, or None if there is none yet. Raises like `read_manifest`."""
        manifest = self._read_manifest()
        return manifest[0] if manifest is not None else None

    def _read_manifest(self) -> tuple[int, StoredLayout] | None:
        try:
            text = self.manifest_file.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"{self.manifest_file} cannot be read: {why}") from None
        try:
            content = json.loads(text)
            version = int(content["format"])
            stored = StoredLayout(_layout(content), _layout(content["moving_to"]) if content["moving_to"] else None)
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{self.manifest_file} is not a manifest of rpa_shard: choose another folder") from None
        if version > MANIFEST_FORMAT:
            newer = f"has format {version}, newer than ours ({MANIFEST_FORMAT})"
            raise StoreError(f"{self.manifest_file} {newer}: update rpa_shard")
        return version, stored

    def write_manifest(self, stored: StoredLayout) -> None:
        """Replaces the manifest, durably."""
        moving = stored.moving_to
        content = {
            "format": MANIFEST_FORMAT,
            "workers": stored.layout.workers,
            "shards": stored.layout.shards,
            "moving_to": {"workers": moving.workers, "shards": moving.shards} if moving else None,
        }
        replace_file(self.manifest_file, json.dumps(content, indent=2).encode() + b"\n")

    @contextmanager
    def shared(self, *, wait: bool = True) -> Iterator[None]:
        """Held while rows are read or written from outside a run: the layout does not change meanwhile.

        Raises FolderBusyError if it is changing and `wait` is False.
        """
        if wait:
            with lock(self._lock_file, shared=True):
                yield
            return
        with lock_now(self._lock_file, shared=True) as locked:
            if not locked:
                raise FolderBusyError(f"the number of shards of {self.root} is changing: try again in a moment")
            yield

    @contextmanager
    def exclusive(self, *, wait: bool = True) -> Iterator[None]:
        """Held while the layout changes. Raises FolderBusyError if it is taken and `wait` is False."""
        if wait:
            with lock(self._lock_file):
                yield
            return
        with lock_now(self._lock_file) as locked:
            if not locked:
                raise FolderBusyError(f"another command is reading {self.root}")
            yield

    @property
    def _lock_file(self) -> Path:
        return self.root / "layout.lock"


def _layout(content: dict[str, object]) -> Layout:
    workers, shards = content["workers"], content["shards"]
    if not (isinstance(workers, int) and isinstance(shards, int) and 1 <= shards <= workers):
        raise ValueError
    return Layout(workers, shards)
