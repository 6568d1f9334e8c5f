"""A paper's files in an artifact store: found by name and hash, fetched, and published.

Guarantee: what is fetched has the hash that was asked for; what is published never replaces anything: content that
differs from what has its name gets a name with its hash. Limit: which hashes are meant, and when, the callers know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import sha256

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.phases.files import ENDINGS
from rpa_shard.store.artifacts import ArtifactStore, ArtifactStoreError, StoredFile
from rpa_shard.store.artifacts.names import name_with_hash, without_hash

_ENDING_OF = {ending: kind for kind, ending in ENDINGS.items()}


def stem_in_store(paper: PaperId) -> str:
    """The common stem of the names of a paper's files."""
    return f"{paper.folder}/{paper.file_stem}"


def names_of(paper: PaperId, kind: str, digest: str) -> tuple[str, str]:
    """Under which names the content with this SHA-256 may be: the usual one, and the one with the hash."""
    stem = stem_in_store(paper)
    return stem + ENDINGS[kind], name_with_hash(stem + ENDINGS[kind], stem, digest)


async def fetch(store: ArtifactStore, paper: PaperId, kind: str, digest: str) -> bytes | None:
    """The content of a file with this SHA-256; None if there is none. Raises ArtifactStoreError."""
    for name in names_of(paper, kind, digest):
        content = await fetch_name(store, name)
        if content is not None and sha256(content).hexdigest() == digest:
            return content
    return None


async def fetch_name(store: ArtifactStore, name: str) -> bytes | None:
    """What has this name, or None."""
    try:
        return await store.read_now(name)
    except FileNotFoundError:
        return None


def fetch_blocking(store: ArtifactStore, paper: PaperId, kind: str, digest: str) -> bytes | None:
    """`fetch`, for threads."""
    for name in names_of(paper, kind, digest):
        try:
            content = store.read(name)
        except FileNotFoundError:
            continue
        if sha256(content).hexdigest() == digest:
            return content
    return None


async def publish(store: ArtifactStore, paper: PaperId, kind: str, content: bytes) -> None:
    """Publishes a file; one that is there already, under either name, is not sent twice. Raises ArtifactStoreError."""
    usual, hashed = names_of(paper, kind, sha256(content).hexdigest())
    if await store.create(usual, content) or await fetch_name(store, usual) == content:
        return
    if not await store.create(hashed, content) and await fetch_name(store, hashed) != content:
        raise ArtifactStoreError(f"{hashed} is damaged where artifacts are kept: `verify --fix` removes it")


def versions(store: ArtifactStore, paper: PaperId, kind: str | None = None) -> Iterator[StoredFile]:
    """The files of a paper, or those of one kind, under all their names, in one listing; blocks."""
    stem = stem_in_store(paper)
    for each in store.list(f"{stem}."):
        found = _ENDING_OF.get(without_hash(each.name, stem)[0].removeprefix(stem))
        if found is not None and kind in (None, found):
            yield each


async def all_versions(store: ArtifactStore, paper: PaperId, kind: str) -> list[bytes]:
    """The contents of all files of one kind, largest first. Raises ArtifactStoreError."""
    found = await asyncio.to_thread(lambda: list(versions(store, paper, kind)))
    found.sort(key=lambda each: -each.size_bytes)
    contents = await asyncio.gather(*(fetch_name(store, each.name) for each in found))
    return [content for content in contents if content is not None]
