"""The answers that were given about one paper, kept in a file beside its record.

Guarantee: an answer is on disk when `keep` returns, so whatever happens afterwards, it need not be asked for again; a
line that a killed process left half-written counts as absent. Limit: one process writes to a paper's file at a time,
the one that holds the paper; answers that are of no use are kept as well, since they were paid for.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rpa_shard.llm.question import Answer, Question
from rpa_shard.phases.files import sync_names
from rpa_shard.system.failpoints import reach

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """One line of the file: an answer, and what was asked. `kept_at` is in Unix seconds.

    `attempt` counts, from 1, how often the question was asked; only an answer of no use is followed by another.
    """

    format: int = FORMAT
    key: str
    step: str
    prompt_sha256: str
    input_sha256: str
    attempt: int
    kept_at: float
    answer: Answer


# Made here, in one thread: the first use of a type by several threads at once can crash msgspec.
_DECODER = msgspec.json.Decoder(KeptAnswer)


class KeptAnswers:
    """The answers about one paper. Reads its file when it is made; it blocks, so it is for threads. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_key: defaultdict[str, list[KeptAnswer]] = defaultdict(list)
        self._complete_bytes = 0
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        self._complete_bytes = content.rfind(b"\n") + 1
        for line in content[: self._complete_bytes].splitlines():
            try:
                kept = _DECODER.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue  # damaged: it is asked again
            if kept.format == FORMAT:
                self._by_key[kept.key].append(kept)

    def given(self, key: str, models: Collection[str] | None = None) -> list[KeptAnswer]:
        """The answers to a question, oldest first: of any model, or of one of these."""
        found = self._by_key.get(key, ())
        return [kept for kept in found if models is None or kept.answer.model in models]

    def all(self) -> list[KeptAnswer]:
        """Every answer, question by question."""
        return [kept for answers in self._by_key.values() for kept in answers]

    def keep(self, question: Question, answer: Answer) -> KeptAnswer:
        """Keeps an answer; it is on disk when this returns. Raises OSError."""
        kept = KeptAnswer(
            key=question.key,
            step=question.step,
            prompt_sha256=question.prompt_sha256,
            input_sha256=question.input_sha256,
            attempt=len(self._by_key.get(question.key, ())) + 1,
            kept_at=time.time(),
            answer=answer,
        )
        line = msgspec.json.encode(kept) + b"\n"
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.ftruncate(descriptor, self._complete_bytes)  # what a killed process or a full disk left of a line
            reach("keep_answer")
            _write(descriptor, line, self._complete_bytes)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_names(self._path.parent)
        self._complete_bytes += len(line)
        self._by_key[question.key].append(kept)
        return kept


def _write(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
