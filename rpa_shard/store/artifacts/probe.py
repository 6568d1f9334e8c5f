"""Tries whether artifacts can be kept at a URL: `python -m rpa_shard.store.artifacts.probe URL`.

Guarantee: it ends in an error, with one line, unless a file was created, read and listed there, and a second one of the
same name was refused. It removes what it made, if it may. Limit: it cannot see whether the server keeps what it has.
Its process ends without taking Python down: a thread of obstore that still lets go of an answer would abort it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from rpa_shard.model.errors import StoreError
from rpa_shard.store.artifacts import ArtifactStore, ArtifactStoreBusyError, ArtifactStoreError
from rpa_shard.store.artifacts.factory import BUSY, artifact_store_of
from rpa_shard.store.data_folder import DataFolder

FOLDER = "probes"


def probe(store: ArtifactStore, url: str) -> None:
    """Raises ArtifactStoreError unless the store does what a run needs."""
    name, first, second = f"{FOLDER}/{uuid4().hex}", b"rpa-shard", b"another"
    try:
        asyncio.run(_create_twice(store, name, first, second))
        if store.read(name) != first:
            raise ArtifactStoreError(f"{url}: it overwrites files that must be created once: use another server")
        if [each.name for each in store.list(name)] != [name]:
            raise ArtifactStoreError(f"{url}: a file that was just created is not listed: use another server")
    finally:
        with suppress(StoreError):
            store.remove(name)


async def _create_twice(store: ArtifactStore, name: str, first: bytes, second: bytes) -> None:
    await store.create(name, first)
    await store.create(name, second)


def main() -> int:
    """0 if artifacts can be kept at the URL that is given.

    Else, with the reason on standard output, BUSY if that may change by itself, or 1.
    """
    url = sys.argv[1]
    try:
        store = artifact_store_of(DataFolder(Path(), artifacts=url))
        assert store is not None
        probe(store, url)
    except FileNotFoundError:
        print(f"{url}: a file that was just created cannot be read: use another server")
        return 1
    except StoreError as error:
        print(error)
        return BUSY if isinstance(error, ArtifactStoreBusyError) else 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
