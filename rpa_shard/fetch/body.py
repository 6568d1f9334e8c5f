"""The body of a PDF, from its first byte to a file in place, or to a PDF that nobody keeps.

Guarantee: it ends as either only if it is a whole PDF, no larger than the cap: with a header within its first 64 KB,
and with an end marker near the end or, if that is lost, all that its structure promises. A file in place has its
content on disk. Otherwise nothing is left behind. Limit: the file's name is durable only once its folder is synced,
which writing the paper's text does; where the bytes come from is the caller's business.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from rpa_shard.fetch.pages import page_words, says_withdrawn
from rpa_shard.fetch.unkept import Memory, UnkeptPdf
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.frame import is_whole
from rpa_shard.system.content import Content, InMemory
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import Fingerprint, open_temporary, put_in_place, temporary_of

# A body up to this size takes a single hop to a thread.
SPILL_BYTES = 2**20
# Mail or a web server may have put something before it; a page that is no PDF shows it within its first KB.
HEADER_WITHIN_BYTES = 65_536
PAGE_WITHIN_BYTES = 1024
# Not counting padding at the end: many programs pad files to full blocks, and their PDFs are sound.
END_MARKER_WITHIN_BYTES = 2048
_HEADER = b"%PDF-"
_BLANK = b" \t\r\n\xef\xbb\xbf"
_PADDING = b"\0 \t\r\n"
_PADDED = tuple(_PADDING[place : place + 1] for place in range(len(_PADDING)))
MAX_CHUNKS_PER_WRITE = 512  # systems allow 1024


class Body:
    """Bytes gathered in memory, spilled to a temporary file beyond `SPILL_BYTES`.

    With `memory` nobody keeps the PDF, and what is spilled stays in memory while there is enough left of that.

    `take` and `hand_over` belong to the loop; `spill`, `finish`, `check`, `restart` and `discard` block and belong to a
    disk thread. They never overlap.
    """

    def __init__(self, writer: str, final: Path, max_bytes: int, memory: Memory | None = None) -> None:
        self._writer = writer
        self._final = final
        self._max_bytes = max_bytes
        self._memory = memory
        self._temporary = temporary_of(writer, final)
        self._file: IO[bytes] | None = None
        # Spilled, but kept in memory.
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._chunks: list[bytes] = []
        self._gathered_bytes = 0
        self._size_bytes = 0
        self._digest = hashlib.sha256()
        self._head = b""
        self._has_header = False
        self._tail = b""

    @property
    def size_bytes(self) -> int:
        """How much has been taken."""
        return self._size_bytes

    def restart(self) -> None:
        """Discards everything taken so far: the body will come again from its beginning."""
        self._chunks.clear()
        self._gathered_bytes = self._size_bytes = 0
        self._digest = hashlib.sha256()
        self._head = self._tail = b""
        self._has_header = False
        self._free()
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def take(self, chunk: bytes) -> bool:
        """Adds a chunk; True if it is time to `spill`. Raises PaperError for what cannot be a PDF, or past the cap."""
        if not self._has_header:
            self._head = (self._head + chunk[:HEADER_WITHIN_BYTES])[:HEADER_WITHIN_BYTES]
            if len(self._head) >= _header_within_bytes(self._head):
                self.check_head()
            self._has_header = _HEADER in self._head[: _header_within_bytes(self._head)]
        self._chunks.append(chunk)
        self._gathered_bytes += len(chunk)
        self._size_bytes += len(chunk)
        if self._size_bytes > self._max_bytes:
            raise PaperError(Failure.TOO_LARGE, f"more than {self._max_bytes} bytes")
        return self._gathered_bytes >= SPILL_BYTES

    def spill(self) -> None:
        """Hashes what is gathered, and writes it to the temporary file unless it may stay in memory."""
        for chunk in self._chunks:
            end = chunk.rstrip(_PADDING) if chunk.endswith(_PADDED) else chunk
            self._tail = (self._tail + end[-END_MARKER_WITHIN_BYTES:])[-END_MARKER_WITHIN_BYTES:]
            self._digest.update(chunk)
        if self._file is None and self._memory is not None and self._memory.take(self._gathered_bytes):
            self._kept += self._chunks
            self._kept_bytes += self._gathered_bytes
        else:
            if self._file is None:
                self._file = open_temporary(self._temporary, buffering=0)
            _write_all(self._file, self._kept + self._chunks)
            self._free()
        self._chunks.clear()
        self._gathered_bytes = 0

    def finish(self) -> Fingerprint:
        """Checks the body and puts the file in place. Raises PaperError."""
        found = self.check()
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        put_in_place(self._temporary, self._final)
        self._file = None
        reach("after_rename")
        return found

    def check(self) -> Fingerprint:
        """Checks the body, all of which has been taken. Raises PaperError."""
        self.check_head()
        self.spill()
        if self._file is None:
            self._kept = [b"".join(self._kept)]
        if b"%%EOF" not in self._tail and not is_whole(self._kept[0] if self._kept else self._temporary.read_bytes()):
            raise PaperError(Failure.TRUNCATED, f"no end marker at the end of {self._size_bytes} bytes")
        return Fingerprint(self._size_bytes, self._digest.hexdigest())

    def hand_over(self, pdf: Fingerprint) -> UnkeptPdf:
        """The body, once it has been checked, as a PDF that nobody keeps."""
        assert self._memory is not None
        content: Content = self._temporary
        if self._file is None:
            content = InMemory(self._final.name, self._kept.pop())
            self._kept_bytes = 0
        else:
            self._file.close()
            self._file = None
        return UnkeptPdf(pdf, content, self._writer, self._memory)

    def discard(self) -> None:
        """Closes the file, and removes what was not put in place or handed over."""
        self._free()
        if self._file is not None:
            with suppress(OSError):  # what cannot be written is not needed any more
                self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _free(self) -> None:
        """Forgets what was kept in memory."""
        self._kept = []
        if self._memory is not None:
            self._memory.give_back(self._kept_bytes)
        self._kept_bytes = 0

    def check_head(self) -> None:
        """As `check_head` of the module."""
        check_head(self._head)


def check_head(head: bytes) -> None:
    """Raises PaperError if the beginning of a file, which may be all of it, is not that of a PDF."""
    if _HEADER in head[: _header_within_bytes(head)]:
        return
    if says_withdrawn(head):
        raise PaperError(Failure.WITHDRAWN, f"a page instead of a PDF: {page_words(head)}")
    begins = f"begins with {head[:40].decode('ascii', 'replace')!r}" if head else "nothing in it"
    raise PaperError(Failure.NOT_A_PDF, begins)


def _header_within_bytes(head: bytes) -> int:
    is_page = head.lstrip(_BLANK).startswith(b"<")
    return PAGE_WITHIN_BYTES if is_page else HEADER_WITHIN_BYTES


def _write_all(file: IO[bytes], chunks: Sequence[bytes]) -> None:
    """Writes chunks with as few calls as the disk allows: each call releases the GIL and waits to get it back."""
    place = 0
    while place < len(chunks):
        written = os.writev(file.fileno(), chunks[place : place + MAX_CHUNKS_PER_WRITE])
        while place < len(chunks) and written >= len(chunks[place]):
            written -= len(chunks[place])
            place += 1
        if written:
            rest = memoryview(chunks[place])[written:]
            while rest:
                rest = rest[os.write(file.fileno(), rest) :]
            place += 1
