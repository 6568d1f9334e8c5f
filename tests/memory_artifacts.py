"""An artifact store in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterator

from rpa_shard.store.artifacts import ArtifactStoreError, StoredFile


class MemoryArtifacts:
    """The files in a dictionary; while it `fails`, it is not reached. `requests` are what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.fails = False
        self.requests: list[tuple[str, str]] = []

    async def create(self, name: str, content: bytes) -> bool:
        self._ask("create", name)
        return self.files.setdefault(name, content) is content

    async def read_now(self, name: str) -> bytes:
        return self.read(name)

    def read(self, name: str) -> bytes:
        self._ask("read", name)
        try:
            return self.files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def size(self, name: str) -> int:
        return len(self.read(name))

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        self._ask("list", prefix)
        for name in sorted(self.files):
            if name.startswith(prefix):
                yield StoredFile(name, len(self.files[name]))

    def remove(self, name: str) -> None:
        self._ask("remove", name)
        self.files.pop(name, None)

    def _ask(self, what: str, name: str) -> None:
        self.requests.append((what, name))
        if self.fails:
            raise ArtifactStoreError("memory: not reached")
