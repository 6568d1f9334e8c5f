"""A complete PDF that nobody keeps: in memory, or in a temporary file.

Guarantee: the PDFs of one `Memory` never take more than its limit; `close` leaves nothing of a PDF that was not kept
after all, and a killed process nothing but a temporary file of its writer. Limit: one thread at a time, except for
`Memory`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from rpa_shard.system.content import Content, InMemory
from rpa_shard.system.files import Fingerprint, open_temporary, put_in_place, replacing, sync_file, temporary_of


class Memory:
    """How much memory PDFs may take together, and how much they take."""

    def __init__(self, limit_bytes: int) -> None:
        self._free_bytes = limit_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Takes so much, if there is so much left."""
        with self._lock:
            if size_bytes > self._free_bytes:
                return False
            self._free_bytes -= size_bytes
            return True

    def give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._free_bytes += size_bytes


class UnkeptPdf:
    """A complete PDF, until it is closed. What is in memory was taken from `memory`; a file is a temporary one."""

    def __init__(self, pdf: Fingerprint, content: Content, writer: str, memory: Memory) -> None:
        self.pdf = pdf
        self._content: Content | None = content
        self._writer = writer
        self._memory = memory

    @property
    def content(self) -> Content:
        assert self._content is not None, "closed, or kept after all"
        return self._content

    def move_to_file(self, final: Path) -> None:
        """Moves it from memory to a temporary file on the disk of `final`. Blocks. Raises OSError."""
        content = self.content
        if isinstance(content, InMemory):
            temporary = temporary_of(self._writer, final)
            try:
                with open_temporary(temporary) as file:
                    file.write(content.data)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            self._replace(temporary)

    def keep_as(self, final: Path) -> None:
        """Puts it in place as `final`, its content durably. Blocks. Raises OSError."""
        content = self.content
        if isinstance(content, InMemory):
            with replacing(final, temporary=temporary_of(self._writer, final)) as file:
                file.write(content.data)
        else:
            sync_file(content)
            put_in_place(content, final)
        self._replace(None)

    def close(self) -> None:
        """Removes it, unless it was kept."""
        if isinstance(self._content, Path):
            with suppress(OSError):  # the next start removes it
                self._content.unlink(missing_ok=True)
        self._replace(None)

    def _replace(self, content: Content | None) -> None:
        before, self._content = self._content, content
        if isinstance(before, InMemory):
            self._memory.give_back(len(before.data))
