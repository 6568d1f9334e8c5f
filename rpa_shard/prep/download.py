"""One PDF from one place into its file.

Guarantee: the file appears only if it is a PDF, whole and as long as announced, and is durable then; everything else
ends as a PaperError with its class, and leaves nothing. Limit: one try from one place; which places, how often and
how fast is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from rpa_shard.paper import Failure, PaperError
from rpa_shard.prep.artifacts import Fingerprint, new_temporary, put_in_place
from rpa_shard.prep.transport import failure_of
from rpa_shard.store.folder import sync_folder

T = TypeVar("T")

# A body up to this size is written with a single hop to a thread.
SPILL_BYTES = 2**20
HEADER_WITHIN_BYTES = 1024
END_MARKER_WITHIN_BYTES = 2048

_STATUS_FAILURES = {
    401: Failure.BLOCKED,
    403: Failure.BLOCKED,
    404: Failure.NOT_FOUND,
    410: Failure.GONE,
    429: Failure.RATE_LIMITED,
    451: Failure.LEGAL,
    503: Failure.RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads for one shard: its client, its disk threads, its folder for half-written files, its limits."""

    client: httpx.AsyncClient
    disk: Executor
    temporaries: Path
    max_bytes: int
    deadline_seconds: float

    async def download(self, url: str, final: Path) -> Fingerprint:
        """Fetches `url` (http, https or file) into `final`. Raises PaperError."""
        body = _Body(self.temporaries, final, self.max_bytes)
        deadline = asyncio.timeout(self.deadline_seconds)
        try:
            async with deadline:
                if url.startswith("file:"):
                    await self._in_thread(body.copy_from, Path(unquote(urlsplit(url).path)))
                else:
                    await self._stream(url, body)
                return await self._in_thread(body.finish)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise PaperError(Failure.TOO_SLOW, f"took more than {self.deadline_seconds:g} s") from None
        finally:
            body.discard()

    async def _stream(self, url: str, body: _Body) -> None:
        try:
            async with self.client.stream("GET", url) as response:
                check_status(response)
                async for chunk in response.aiter_raw():
                    if body.take(chunk):
                        await self._in_thread(body.spill)
        except PaperError:
            raise
        except Exception as error:
            found = failure_of(error)
            if found is None:
                raise
            raise PaperError(*found) from error

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await run_to_its_end(self.disk, function, *arguments)


async def run_to_its_end(threads: Executor, function: Callable[..., T], *arguments: object) -> T:
    """Runs a function in a thread; a cancelled caller still waits until the thread has let go of what it uses."""
    running = asyncio.get_running_loop().run_in_executor(threads, function, *arguments)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def check_status(response: httpx.Response) -> None:
    """Raises the PaperError that a response other than 200 stands for."""
    status = response.status_code
    if status == 200:
        return
    failure = _STATUS_FAILURES.get(status, Failure.SERVER_ERROR)
    retry_after = parse_retry_after(response.headers.get("Retry-After", ""))
    raise PaperError(failure, f"HTTP {status} from {response.url}", retry_after_seconds=retry_after)


def parse_retry_after(value: str) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or date, RFC 9110 10.2.3); absent, past or 0 is None."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9]) or None
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    seconds = (when - datetime.now(UTC)).total_seconds()
    return seconds if seconds > 0 else None


class _Body:
    """Bytes on their way to a file: gathered in memory, spilled to a temporary file beyond `SPILL_BYTES`.

    `take` belongs to the loop; the other methods block and belong to a disk thread. They never overlap.
    """

    def __init__(self, temporaries: Path, final: Path, max_bytes: int) -> None:
        self._final = final
        self._max_bytes = max_bytes
        self._temporary = new_temporary(temporaries, ".pdf")
        self._file: BinaryIO | None = None
        self._chunks: list[bytes] = []
        self._gathered_bytes = 0
        self._size_bytes = 0
        self._digest = hashlib.sha256()
        self._head = b""
        self._tail = b""

    def take(self, chunk: bytes) -> bool:
        """Adds a chunk; True if it is time to `spill`. Raises PaperError past the size cap."""
        self._chunks.append(chunk)
        self._gathered_bytes += len(chunk)
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise PaperError(Failure.TOO_LARGE, f"more than {self._max_bytes} bytes")
        return self._gathered_bytes >= SPILL_BYTES

    def copy_from(self, path: Path) -> None:
        try:
            with path.open("rb") as source:
                while chunk := source.read(SPILL_BYTES):
                    if self.take(chunk):
                        self.spill()
        except (FileNotFoundError, NotADirectoryError):
            raise PaperError(Failure.NOT_FOUND, f"no such file: {path}") from None
        except (IsADirectoryError, PermissionError) as error:
            raise PaperError(Failure.NOT_FOUND, f"{path}: {error.strerror}") from None

    def spill(self) -> None:
        content = b"".join(self._chunks)
        self._chunks.clear()
        self._gathered_bytes = 0
        if len(self._head) < HEADER_WITHIN_BYTES:
            self._head = (self._head + content[:HEADER_WITHIN_BYTES])[:HEADER_WITHIN_BYTES]
        self._tail = (self._tail + content[-END_MARKER_WITHIN_BYTES:])[-END_MARKER_WITHIN_BYTES:]
        self._digest.update(content)
        if self._file is None:
            self._file = self._temporary.open("wb", buffering=0)
        self._file.write(content)

    def finish(self) -> Fingerprint:
        self.spill()
        self._check()
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        put_in_place(self._temporary, self._final)
        sync_folder(self._final.parent)
        return Fingerprint(self._size_bytes, self._digest.hexdigest())

    def _check(self) -> None:
        if b"%PDF-" not in self._head:
            start = self._head[:40].decode("ascii", "replace")
            raise PaperError(Failure.NOT_A_PDF, f"{self._size_bytes} bytes that begin with {start!r}")
        if b"%%EOF" not in self._tail:
            raise PaperError(Failure.TRUNCATED, f"no end marker in the last of {self._size_bytes} bytes")

    def discard(self) -> None:
        """Closes, and removes what did not get into place."""
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)
