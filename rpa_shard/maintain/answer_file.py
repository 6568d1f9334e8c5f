"""A file of answers, by the papers that they are about.

Guarantee: lines may come in any order; memory grows with the number of lines, not with their length; what is no answer
is counted, and the first of it is described. Limit: the file must not change while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rpa_shard.llm.batch import AnswerLine, answer_line
from rpa_shard.model.errors import StoreError


class AnswerFile:
    """The answers in one file. Reads it when it is made, and each paper's lines again when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError if the file cannot be read, or holds no answer."""
        self._path = path
        self._places: dict[str, list[int]] = {}
        self.unreadable = 0
        self.first_problem = ""
        try:
            with path.open("rb") as file:
                self._read(file)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        if not self._places:
            why = self.first_problem or "it is empty"
            raise StoreError(f"{path} holds no answers to questions of `analyze --batch-out`: {why}")

    @property
    def papers(self) -> list[str]:
        """The ids of the papers, in the order in which they first come."""
        return list(self._places)

    def lines_of(self, paper_id: str) -> Iterator[AnswerLine]:
        """The lines about a paper, in their order. Raises OSError."""
        with self._path.open("rb") as file:
            for place in self._places.get(paper_id, ()):
                file.seek(place)
                yield answer_line(file.readline())

    def _read(self, file: IO[bytes]) -> None:
        place = 0
        for number, line in enumerate(file, 1):
            try:
                if line.strip():
                    self._places.setdefault(answer_line(line).paper_id, []).append(place)
            except ValueError as error:
                self.unreadable += 1
                self.first_problem = self.first_problem or f"line {number}: {error}"
            place += len(line)
