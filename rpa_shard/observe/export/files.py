"""The files that an export writes: plain, compressed, several of one set, or standard output.

Guarantee: each appears complete or not at all; the files of a set appear together once all are written, and never
beside those of an earlier set; what a killed export left is removed by the next one of that name. Limit: nothing here
depends on the content; a set that is killed while its files are renamed, which takes milliseconds, is incomplete.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import psutil
import zstandard

from rpa_shard.system.files import PART_ENDING, real_path, replacing, sync_folder, temporary_beside
from rpa_shard.system.streams import discard_from_now_on

STANDARD_OUTPUT = Path("-")
GZIP_LEVEL, ZSTD_LEVEL = 6, 3
PACKED_ENDINGS = (".gz", ".zst")
SET_DIGITS = 5


class ExportError(Exception):
    """The export cannot be written; the message is one line."""


def ending_of(out: Path) -> str:
    """The ending of a name in lower case, without that of a compression: `.csv` of `papers.csv.gz`."""
    plain = out.with_suffix("") if out.suffix in PACKED_ENDINGS else out
    return plain.suffix.lower()


def file_of_set(out: Path, number: int) -> Path:
    """The name of a file of a set: `papers-00003.csv.gz` of `papers.csv.gz`."""
    stem, endings = _split(out)
    return out.with_name(f"{stem}-{number:0{SET_DIGITS}}{endings}")


def files_of_set(out: Path) -> list[Path]:
    """The files of a set that are there, by number. Raises OSError."""
    stem, endings = _split(out)
    pattern = re.compile(rf"{re.escape(stem)}-\d{{{SET_DIGITS},}}{re.escape(endings)}")
    return sorted(each for each in out.parent.iterdir() if pattern.fullmatch(each.name))


def _split(out: Path) -> tuple[str, str]:
    packed = out.suffix if out.suffix in PACKED_ENDINGS else ""
    plain = Path(out.name.removesuffix(packed))
    return plain.stem, plain.suffix + packed


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
    with complete(out) as file, _packing(file, out) as packed:
        yield packed


@contextmanager
def _packing(file: IO[bytes], out: Path) -> Iterator[IO[bytes]]:
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


class FileSet:
    """The files of one set while they are written. Made by `file_set`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.written: list[Path] = []

    @contextmanager
    def next_file(self) -> Iterator[IO[bytes]]:
        """The stream of the next file, which is complete when the block ends, and waits for the others."""
        temporary = temporary_beside(file_of_set(self._out, len(self.written)))
        self.written.append(temporary)
        with temporary.open("wb") as file:
            with _packing(file, self._out) as packed:
                yield packed
            file.flush()
            os.fsync(file.fileno())

    def put_in_place(self) -> list[Path]:
        """Gives the files their names, instead of those of an earlier set."""
        for old in files_of_set(self._out):
            old.unlink()
        finals = [file_of_set(self._out, number) for number in range(len(self.written))]
        for temporary, final in zip(self.written, finals, strict=True):
            temporary.replace(final)
        sync_folder(self._out.parent)
        return finals

    def remove(self) -> None:
        """Removes what is not in its place."""
        for temporary in self.written:
            temporary.unlink(missing_ok=True)


@contextmanager
def file_set(out: Path) -> Iterator[FileSet]:
    """A set of files that appear when the block ends well. Raises ExportError."""
    made = FileSet(out)
    try:
        with ExitStack() as stack:
            stack.callback(made.remove)
            yield made
            made.put_in_place()
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from None


def remove_abandoned(out: Path) -> None:
    """Removes what exports to `out`, or to a set of this name, left half-written when they were killed."""
    final = real_path(out)
    stem, endings = _split(final)
    pattern = re.compile(
        rf"\.{re.escape(stem)}(?:-\d{{{SET_DIGITS},}})?{re.escape(endings)}\.(\d+){re.escape(PART_ENDING)}"
    )
    with suppress(OSError):
        for path in final.parent.iterdir():
            writer = pattern.fullmatch(path.name)
            if writer and not psutil.pid_exists(int(writer[1])):
                path.unlink()
