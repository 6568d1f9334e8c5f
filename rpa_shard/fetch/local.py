"""PDFs on this machine: files, and members of tar files, which are never unpacked.

Guarantee: whatever is wrong with a file or an archive is final, and named with its path. Limit: a file that changes
while it is read is read as it was found, piece by piece.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from rpa_shard.fetch.body import SPILL_BYTES, Body
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system.files import Fingerprint

# What is wrong with the file that was named, rather than with the system.
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL})
MAX_PATH_CHARACTERS = 500


def is_local(url: str) -> bool:
    """Whether a URL is one of `local_part`."""
    return url.startswith(("file:", "tar:"))


def local_part(url: str) -> tuple[Path, int, int | None]:
    """File, offset and size (None: all of it) of a `file:` URL, or of `tar:…#offset=…&size=…`."""
    parts = urlsplit(url)
    path = Path(os.fsdecode(unquote_to_bytes(parts.path)))
    if parts.scheme == "file":
        return path, 0, None
    place = parse_qs(parts.fragment)
    return path, int(place["offset"][0]), int(place["size"][0])


def take_local(
    body: Body, finish: Callable[[], Fingerprint], path: Path, offset_bytes: int, size_bytes: int | None
) -> Fingerprint:
    """Reads a local file, or a member of a tar file, and finishes its body. Raises PaperError, which is final."""
    try:
        _read(body, path, offset_bytes, size_bytes)
        return finish()
    except PaperError as error:
        detail = error.detail if error.failure is Failure.NOT_FOUND else f"{_shown(path)}: {error.detail}"
        raise PaperError(error.failure, detail, final=True) from None


def _read(body: Body, path: Path, offset_bytes: int, size_bytes: int | None) -> None:
    with _opened(path) as source:
        if size_bytes is not None:
            _check_header(source, path, offset_bytes, size_bytes)
        source.seek(offset_bytes)
        left = size_bytes
        while chunk := source.read(SPILL_BYTES if left is None else min(SPILL_BYTES, left)):
            left = None if left is None else left - len(chunk)
            if body.take(chunk):
                body.spill()
    if left:
        raise _changed(path)


def _shown(path: Path) -> str:
    """A path in a message: on one line, and not endless."""
    text = str(path)
    return (text if text.isprintable() else ascii(text))[:MAX_PATH_CHARACTERS]


def _opened(path: Path) -> BinaryIO:
    """Opens a file to be copied. Raises PaperError(NOT_FOUND) if it is none that can be read."""
    try:
        if not S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            raise PaperError(Failure.NOT_FOUND, f"{_shown(path)}: not a regular file")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        raise PaperError(Failure.NOT_FOUND, f"no such file: {_shown(path)}") from None
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise PaperError(Failure.NOT_FOUND, f"{_shown(path)}: {error.strerror}") from None


def _check_header(source: BinaryIO, path: Path, offset_bytes: int, size_bytes: int) -> None:
    """Raises PaperError(NOT_FOUND) unless the header of such a member precedes the data."""
    source.seek(max(0, offset_bytes - tarfile.BLOCKSIZE))
    try:
        member = tarfile.TarInfo.frombuf(source.read(tarfile.BLOCKSIZE), tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        raise _changed(path) from None
    if member.size != size_bytes:
        raise _changed(path)


def _changed(path: Path) -> PaperError:
    return PaperError(Failure.NOT_FOUND, f"{_shown(path)} has changed since it was added: add it again")
