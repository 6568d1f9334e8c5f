"""Writing files so that they are complete or absent, for every part of the program.

Guarantee: a reader never sees half of a file; with `durable` the content is on disk before the name is. Limit: the
name itself is durable once its folder is synced (`sync_folder`), which `replace_file` does and `replacing` leaves to
the caller, because several files of one folder need it only once.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PART_ENDING = ".part"
# The folder of half-written files beside their targets, so on the same file system, whatever is mounted or linked.
TEMPORARIES = ".tmp"
MAX_NAME_BYTES = 255
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A file's size and hash, which identify its content."""

    size_bytes: int
    sha256: str


def fingerprint_of(content: bytes) -> Fingerprint:
    """The fingerprint of a file with this content."""
    return Fingerprint(len(content), hashlib.sha256(content).hexdigest())


def fingerprint_of_file(path: Path) -> Fingerprint:
    """The fingerprint of the file at `path`. Raises OSError if there is none."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Fingerprint(file.tell(), digest.hexdigest())


def real_path(path: Path) -> Path:
    """Where a path leads, as far as its links can be followed: `Path.resolve` raises for a loop of links."""
    return Path(os.path.realpath(path))


def temporary_beside(final: Path) -> Path:
    """Where a file that will replace `final` is written; the name has the id of the writing process."""
    ending = f".{os.getpid()}{PART_ENDING}"
    kept = os.fsencode(final.name)[: MAX_NAME_BYTES - len(ending) - 1]
    return final.with_name(f".{os.fsdecode(kept)}{ending}")


def temporary_of(writer: str, final: Path) -> Path:
    """Where `writer` writes a file that will become `final`; no other thread or process uses the same path.

    For many files and many writers: those of one writer can be removed without those of the others.
    """
    return final.parent / TEMPORARIES / f"{writer}.{os.getpid()}-{next(_numbers)}{final.suffix}"


def remove_temporaries(folder: Path, writer: str | None = None) -> None:
    """Removes what `writer`, or every writer, left half-written in `folder`; no such writer may be alive."""
    for path in temporaries_in(folder):
        if writer is None or path.name.startswith(f"{writer}."):
            path.unlink(missing_ok=True)
    if writer is None:
        with suppress(OSError):
            (folder / TEMPORARIES).rmdir()


def temporaries_in(folder: Path) -> list[Path]:
    """The half-written files of all writers in `folder`."""
    try:
        return list((folder / TEMPORARIES).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def open_temporary(temporary: Path, buffering: int = -1) -> IO[bytes]:
    """Opens a file to write, and makes its folder if it is missing. Raises OSError."""
    try:
        return temporary.open("wb", buffering)
    except FileNotFoundError:
        try:
            temporary.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:  # a link to nowhere
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None
        return temporary.open("wb", buffering)


@contextmanager
def replacing(final: Path, *, temporary: Path | None = None, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `final` if the block ends without an error.

    With a `temporary` of `temporary_of`, the folder of `final` is made if it is missing. Raises OSError.
    """
    opened = open_temporary(temporary) if temporary else temporary_beside(final).open("wb")
    temporary = temporary or temporary_beside(final)
    try:
        with opened as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        put_in_place(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace_file(final: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes `content` to `final`, and makes its name durable too. Raises OSError."""
    with replacing(final, durable=durable) as file:
        file.write(content)
    if durable:
        sync_folder(final.parent)


def put_in_place(temporary: Path, final: Path) -> None:
    """Moves a finished file to where it belongs, and makes the folder if it is missing."""
    try:
        temporary.replace(final)
    except FileNotFoundError:
        make_folder_durably(final.parent)
        temporary.replace(final)


def make_folder_durably(folder: Path) -> None:
    """Makes a folder and what is missing above it; their names are on disk when it returns."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Makes the content of a file durable."""
    _sync(path, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
