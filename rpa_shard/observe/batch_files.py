"""Files of questions for a batch: a set of files, none larger than an endpoint takes.

Guarantee: the files appear together once all are complete, or not at all; memory stays flat. Limit: a question that is
larger than a file may be has a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rpa_shard.llm.batch import MAX_BYTES, MAX_REQUESTS
from rpa_shard.observe.export.destination import check_destination, is_stream
from rpa_shard.observe.export.files import ExportError, file_of_set, file_set, remove_abandoned
from rpa_shard.store.data_folder import DataFolder


@dataclass(slots=True)
class Written:
    """How many questions were written, to so many files of this size together."""

    questions: int = 0
    files: int = 0
    size_bytes: int = 0


def write_batch(
    out: Path, lines: Iterable[bytes], folder: DataFolder, *, force: bool, max_requests: int = MAX_REQUESTS
) -> Written:
    """Writes the lines to files `out`-00000 and so on; no file if there are none. Raises ExportError."""
    if is_stream(out):
        raise ExportError(f"{out} is no name of files: give one, such as questions.jsonl")
    check_destination(out, folder, force=force, many=True)
    remove_abandoned(out)
    done = Written()
    rest = iter(lines)
    first = next(rest, None)
    if first is None:
        return done
    with file_set(out) as files:
        while first is not None:
            part = _Part(first, rest, max_requests)
            with files.next_file() as file:
                for line in part:
                    file.write(line)
            done.questions += part.requests
            done.size_bytes += part.size_bytes
            first = part.next_line
        done.files = len(files.written)
    return done


class _Part:
    """The lines of one file; `next_line` is the first of the next one, once they have been read."""

    def __init__(self, first: bytes, rest: Iterator[bytes], max_requests: int) -> None:
        self._lines = chain((first,), rest)
        self._max_requests = max_requests
        self.next_line: bytes | None = None
        self.requests = self.size_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            if self.requests and (self.requests == self._max_requests or self.size_bytes + len(line) > MAX_BYTES):
                self.next_line = line
                return
            self.requests += 1
            self.size_bytes += len(line)
            yield line


def first_file(out: Path) -> Path:
    """The name of the first file of a set."""
    return file_of_set(out, 0)
