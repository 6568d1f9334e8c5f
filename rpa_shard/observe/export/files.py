"""The file that an export writes: plain, compressed, or standard output.

Guarantee: it appears whole or not at all. Limit: none of its content is known here.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

STANDARD_OUTPUT = Path("-")
GZIP_LEVEL, ZSTD_LEVEL = 6, 3


class ExportError(Exception):
    """The export cannot be written; the message is one line."""


@contextmanager
def opened(out: Path) -> Iterator[IO[bytes]]:
    """The stream to write to, compressed by the name's ending; `out` appears when the block ends well."""
    if out == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written_whole(out) as temporary:
        file = temporary.open("wb")
        compressed: Any = file
        if out.suffix == ".gz":
            compressed = gzip.GzipFile(out.stem, "wb", GZIP_LEVEL, file)
        elif out.suffix == ".zst":
            compressed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(file, closefd=False)
        try:
            yield compressed
            if compressed is not file:
                compressed.close()
            file.flush()
            os.fsync(file.fileno())
        finally:
            file.close()


@contextmanager
def written_whole(out: Path) -> Iterator[Path]:
    """A temporary name beside `out`, renamed at the end. Raises ExportError."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
