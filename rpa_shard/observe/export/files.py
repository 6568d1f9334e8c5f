"""The file that an export writes: plain, compressed, or standard output.

Guarantee: it appears complete or not at all. Limit: nothing here depends on its content.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from rpa_shard.system.files import real_path, replacing
from rpa_shard.system.streams import discard_from_now_on

STANDARD_OUTPUT = Path("-")
GZIP_LEVEL, ZSTD_LEVEL = 6, 3


class ExportError(Exception):
    """The export cannot be written; the message is one line."""


@contextmanager
def opened(out: Path) -> Iterator[IO[bytes]]:
    """The stream to write to, compressed by the name's ending; `out` appears when the block ends well."""
    if out == STANDARD_OUTPUT:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            discard_from_now_on(sys.stdout)
            raise ExportError(f"standard output cannot be written: {error.strerror}") from None
        return
    with complete(out) as file:
        if out.suffix == ".gz":
            with gzip.GzipFile(out.stem, "wb", GZIP_LEVEL, file) as packed:
                yield cast(IO[bytes], packed)
        elif out.suffix == ".zst":
            with zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(file, closefd=False) as packed:
                yield packed
        else:
            yield file


@contextmanager
def complete(out: Path) -> Iterator[IO[bytes]]:
    """A file that appears under the name `out` when the block ends well. Raises ExportError.

    A device or a pipe is written to; a link stays, and the file that it leads to is replaced.
    """
    try:
        final = real_path(out)
        with replacing(final) if final.is_file() or not final.exists() else final.open("wb") as file:
            yield file
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from None
