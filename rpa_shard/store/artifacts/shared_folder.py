"""Papers' files in a folder that all nodes see, such as one of a cluster's file system.

Guarantee: as the protocol says: a file is on disk before it has its name, and a name is taken once, by a link. Limit:
the file system must have hard links and must keep what was synced, as NFS (with `sync`), Lustre and CephFS do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from rpa_shard.store.artifacts import ArtifactStoreError, StoredFile
from rpa_shard.system.files import make_folder_durably, sync_folder

# Of files that are being written; a killed process leaves them, and nobody lists them.
_UNFINISHED = ".unfinished-"


class SharedFolder:
    """The files below a `file://` URL."""

    def __init__(self, url: str) -> None:
        self._root = Path(unquote(urlsplit(url).path))

    async def create(self, name: str, content: bytes) -> bool:
        return await asyncio.to_thread(self._create, name, content)

    async def read_now(self, name: str) -> bytes:
        """`read` for a loop. Raises FileNotFoundError."""
        return await asyncio.to_thread(self.read, name)

    def read(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            _missing_or_refused(error)

    def size(self, name: str) -> int:
        try:
            return (self._root / name).stat().st_size
        except OSError as error:
            _missing_or_refused(error)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        folder = prefix.rpartition("/")[0]
        try:
            yield from _listed(self._root / folder, f"{folder}/" if folder else "", prefix)
        except OSError as error:
            _refused(error)

    def remove(self, name: str) -> None:
        path = self._root / name
        try:
            path.unlink()
            sync_folder(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            _refused(error)

    def _create(self, name: str, content: bytes) -> bool:
        final = self._root / name
        temporary = final.parent / f"{_UNFINISHED}{uuid4().hex}"
        try:
            if not final.parent.exists():
                make_folder_durably(final.parent)
            try:
                _write_synced(temporary, content)
                os.link(temporary, final)
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(final.parent)
        except OSError as error:
            _refused(error)
        return True


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _listed(folder: Path, before: str, prefix: str) -> Iterator[StoredFile]:
    """The files of a folder and those below it, in order of their names."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    # A folder's name counts with the slash that follows it, as in an object store.
    for entry in sorted(entries, key=lambda each: f"{each.name}/" if each.is_dir() else each.name):
        name = before + entry.name
        if entry.is_dir():
            yield from _listed(Path(entry.path), f"{name}/", prefix)
        elif name.startswith(prefix) and not entry.name.startswith(_UNFINISHED):
            yield StoredFile(name, entry.stat().st_size)


def _missing_or_refused(error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise FileNotFoundError(error.errno, error.strerror, error.filename) from None
    _refused(error)


def _refused(error: OSError) -> NoReturn:
    raise ArtifactStoreError(f"{error.filename or 'the shared folder'}: {error.strerror}: see RPA_V2_ARTIFACTS")
