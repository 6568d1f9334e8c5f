"""Papers' files in an object store: what a run on many machines has in place of a shared folder.

Guarantee of every implementation: what `create` has written is durable when it returns, complete or not there, and is
never changed: a name is created once. So a node that lost its lease cannot spoil what its successor recorded. Limit:
names and bytes only; which files a paper has, and when they are published, is decided by the phases
(`rpa_shard.phases.publishing`).

A file is called as in the data folder, below the prefix: `2401/2401.00001.json`. If that name is taken by other content
(an attempt that was not recorded, an older result), the new content gets a name with its hash:
`2401/2401.00001.<16 digits of its SHA-256>.json`. What the row says (`…_sha256`) decides which of them is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from rpa_shard.model.errors import StoreError


class ArtifactStoreError(StoreError):
    """The object store does not answer, or refuses us, for now."""


class ArtifactStoreBusyError(ArtifactStoreError):
    """The object store answers that it cannot do it now (503 and the like)."""


class StoredFile(NamedTuple):
    """A file in the store: its name below the prefix, and its size."""

    name: str
    size_bytes: int


class ArtifactStore(Protocol):
    """The files of all papers. Methods that are not async block, and may be called from any thread.

    Every call raises ArtifactStoreError if the store cannot be reached or refuses us, after trying for a while.
    """

    async def create(self, name: str, content: bytes) -> bool:
        """Writes a new file; False, and nothing is changed, if there is one of this name."""

    async def read_now(self, name: str) -> bytes:
        """`read`, for a loop. Raises FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""

    def size(self, name: str) -> int:
        """The size of a file in bytes. Raises FileNotFoundError."""

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        """The files whose names begin so, in order of name; memory stays flat."""

    def remove(self, name: str) -> None:
        """Removes a file, if there is one: for commands that a person gives, never during a run."""
