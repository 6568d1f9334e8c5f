"""The body of a response, piece by piece as it arrives.

Guarantee: pieces have no Content-Encoding any more, and none is large; a body that comes too slowly, whose encoding is
damaged or was not requested, ends as a PaperError. Limit: whether the pieces make a PDF is seen elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError  # noqa: N812

import httpx

from rpa_shard.model.failure import Failure, PaperError

# Compressed bytes are unpacked in steps, so that a decompression bomb exceeds the cap before it fills the memory.
UNPACK_STEP_BYTES = 2**18
# The minimum speed applies to every stretch of a body that takes this long.
SPEED_WINDOW_SECONDS = 30.0


async def pieces_of(response: httpx.Response, unpacker: Unpacker | None, speed: Speed) -> AsyncGenerator[bytes]:
    """The body as it arrives, unpacked. Raises PaperError."""
    async for chunk in response.aiter_raw():
        speed.check(len(chunk))
        if unpacker is None:
            yield chunk
        else:
            for piece in unpacker.steps(chunk):
                yield piece
    if unpacker is not None:
        unpacker.finish()


async def up_to(size_bytes: int, pieces: AsyncIterator[bytes]) -> bytes:
    """The next pieces, until there is enough, or no more can be had."""
    found = b""
    with suppress(Exception):  # what has arrived of a page is what it says
        while len(found) < size_bytes:
            found += await anext(pieces)
    return found[: max(0, size_bytes)]


def unpacker_of(response: httpx.Response) -> Unpacker | None:
    """What undoes the Content-Encoding of a response. Raises PaperError."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    return None if encoding in ("", "identity") else Unpacker(encoding)


class Speed:
    """Raises PaperError(TOO_SLOW) when a stretch of the body arrives too slowly."""

    def __init__(self, min_bytes_per_second: float) -> None:
        self._min_bytes_per_second = min_bytes_per_second
        self._since = time.monotonic()
        self._bytes = 0

    def check(self, received_bytes: int) -> None:
        self._bytes += received_bytes
        seconds = time.monotonic() - self._since
        if seconds < SPEED_WINDOW_SECONDS:
            return
        if self._bytes < self._min_bytes_per_second * seconds:
            rate = self._bytes / seconds
            raise PaperError(Failure.TOO_SLOW, f"{rate:.0f} bytes per second over {seconds:.0f} s")
        self._since, self._bytes = time.monotonic(), 0


class Unpacker:
    """Undoes a Content-Encoding, in steps. Raises PaperError(SERVER_ERROR) for one that was not requested."""

    def __init__(self, encoding: str) -> None:
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise PaperError(Failure.SERVER_ERROR, f"an encoding that was not requested: {encoding[:40]!r}")
        self._stream = decompressobj(MAX_WBITS | 32)  # 32: gzip or zlib, by its header

    def steps(self, chunk: bytes) -> Iterator[bytes]:
        """The unpacked bytes, at most `UNPACK_STEP_BYTES` at a time."""
        try:
            while chunk:
                unpacked = self._stream.decompress(chunk, UNPACK_STEP_BYTES)
                if unpacked:
                    yield unpacked
                chunk = self._stream.unconsumed_tail
        except ZlibError as error:
            raise PaperError(Failure.TRUNCATED, f"a damaged compressed body: {error}") from None

    def finish(self) -> None:
        """Raises PaperError(TRUNCATED) if the compressed body is incomplete."""
        if not self._stream.eof:
            raise PaperError(Failure.TRUNCATED, "the compressed body ended early")
