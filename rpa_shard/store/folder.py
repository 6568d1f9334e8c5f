"""The data folder: its layout, its manifest, and the two locks that guard it.

Guarantee: one run at a time works in a folder, also while shards of a killed run still drain, because every shard
inherits the run's lock; the manifest is replaced whole or not at all. Limit: the locks are `flock`, so both
hold on one machine only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.partition import shard_of, worker_of

FORMAT = 1


class StoreError(Exception):
    """The store cannot be used as it is; the message is one line that says why and what to do."""


class FolderBusyError(StoreError):
    """Another run works in this folder."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Over how many workers and shard files the papers are spread."""

    workers: int
    shards: int

    def shard_of(self, paper_id: str) -> int:
        """The shard whose file holds the paper."""
        return shard_of(worker_of(paper_id, self.workers), self.workers, self.shards)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the folder's `manifest.json` says; `moving_to` is set while a resize is under way."""

    layout: Layout
    moving_to: Layout | None = None


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where everything of a data folder lies. Nothing is made by asking for a path."""

    root: Path

    @property
    def manifest_file(self) -> Path:
        return self.root / "manifest.json"

    @property
    def status_file(self) -> Path:
        return self.root / "run" / "status.json"

    @property
    def governor_file(self) -> Path:
        """What a run knows of hosts that limited or refused it, for the next one."""
        return self.root / "run" / "governor.json"

    @property
    def reopen_folder(self) -> Path:
        """One empty file for each host that a person wants opened again."""
        return self.root / "run" / "reopen"

    @property
    def resize_request(self) -> Path:
        """Holds the number of shards that a person wants the run to have."""
        return self.root / "run" / "resize"

    @property
    def catalogue_file(self) -> Path:
        return self.root / "catalogue.sqlite3"

    @property
    def damaged(self) -> Path:
        """Copies of files that were repaired, each repair's in a folder of its own."""
        return self.root / "damaged"

    @property
    def papers(self) -> Path:
        return self.root / "papers"

    def shard_file(self, shard: int) -> Path:
        return self.root / "shards" / f"shard-{shard:03d}.sqlite3"

    def breadcrumb_file(self, shard: int) -> Path:
        return self.root / "shards" / f"shard-{shard:03d}.breadcrumb"

    def temporary(self, shard: int) -> Path:
        """Where a shard's half-written files live: on the same file system, apart from everything whole."""
        return self.root / "tmp" / f"shard-{shard:03d}"

    def log_file(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def read_manifest(self) -> Manifest | None:
        """The manifest, or None where the folder has none yet. Raises StoreError for one that is not ours."""
        try:
            text = self.manifest_file.read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.manifest_file} cannot be read: {error}") from None
        try:
            content = json.loads(text)
            version = int(content["format"])
            manifest = Manifest(_layout(content), _layout(content["moving_to"]) if content["moving_to"] else None)
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{self.manifest_file} is not a manifest of rpa_shard: choose another folder") from None
        if version > FORMAT:
            raise StoreError(f"{self.manifest_file} has format {version}, newer than ours ({FORMAT}): update rpa_shard")
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Replaces the manifest, durably."""
        moving = manifest.moving_to
        content = {
            "format": FORMAT,
            "workers": manifest.layout.workers,
            "shards": manifest.layout.shards,
            "moving_to": {"workers": moving.workers, "shards": moving.shards} if moving else None,
        }
        replace_file(self.manifest_file, json.dumps(content, indent=2).encode() + b"\n")

    def remove_half_written(self) -> None:
        """Removes what processes that died in `replace_file` left here; the run's lock must be held."""
        for folder in (self.root, self.status_file.parent):
            for path in folder.glob(".*.part"):
                pid = path.name.split(".")[-2]
                if not (pid.isdigit() and _is_running(int(pid))):
                    path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Held by whoever writes rows from outside a run: the layout stays as it is meanwhile."""
        with self._locked(fcntl.LOCK_SH):
            yield

    @contextlib.contextmanager
    def exclusive(self, *, wait: bool = True) -> Iterator[None]:
        """Held by whoever changes the layout. Raises FolderBusyError where it should not `wait`."""
        with self._locked(fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with _open_lock(self.root / "layout.lock") as lock:
            try:
                fcntl.flock(lock, kind)
            except BlockingIOError:
                raise FolderBusyError(f"another command is reading {self.root}") from None
            yield

    @contextlib.contextmanager
    def run_lock(self) -> Iterator[None]:
        """Held by a run and by each of its shards until the last of them ends. Raises FolderBusyError."""
        with _open_lock(self.root / "run.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderBusyError(f"another run is working in {self.root}") from None
            yield


@contextlib.contextmanager
def _open_lock(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Writes `path` whole or not at all, durably: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _layout(content: dict[str, object]) -> Layout:
    workers, shards = content["workers"], content["shards"]
    if not (isinstance(workers, int) and isinstance(shards, int) and 1 <= shards <= workers):
        raise ValueError
    return Layout(workers, shards)
