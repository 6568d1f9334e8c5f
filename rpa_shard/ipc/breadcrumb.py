"""What a shard was parsing when it died: a note that outlives the process.

Guarantee: while a thread is inside an engine, the note names the paper and since when, visible to other processes at
once and after a SIGKILL. Limit: one paper at a time, which the engine lock ensures; it does not survive a loss of
power, after which no paper is a suspect.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.arxiv_id import MAX_ID_BYTES

_HEADER = struct.Struct("=dH")
_SIZE_BYTES = _HEADER.size + MAX_ID_BYTES


@dataclass(frozen=True, slots=True)
class Crumb:
    """A paper that is being parsed, and since when on the machine's monotonic clock (seconds)."""

    paper_id: str
    since_monotonic: float


class Breadcrumb:
    """The writing end, in the shard. Starts empty."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(_SIZE_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE_BYTES)

    @contextmanager
    def inside(self, paper_id: str) -> Iterator[None]:
        """Leaves the note while the block runs."""
        encoded = paper_id.encode()
        self._map[_HEADER.size : _HEADER.size + len(encoded)] = encoded
        # The time is written last: a time of zero says that there is no note.
        _HEADER.pack_into(self._map, 0, time.monotonic(), len(encoded))
        try:
            yield
        finally:
            _HEADER.pack_into(self._map, 0, 0.0, 0)

    def close(self) -> None:
        self._map.close()


def read_breadcrumb(path: Path) -> Crumb | None:
    """The note of a living or dead shard, or None."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _HEADER.size:
        return None
    since, length = _HEADER.unpack_from(content)
    if not since:
        return None
    return Crumb(content[_HEADER.size : _HEADER.size + length].decode("utf-8", "replace"), since)
