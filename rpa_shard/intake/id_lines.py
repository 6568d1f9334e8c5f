"""Lists of ids as people write them.

Guarantee: every line gives either a paper or a message with its location; an invalid line never stops the valid ones.
Limit: memory use stays constant only if the caller takes them one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from rpa_shard.model.arxiv_id import InvalidIdError, PaperId, local_path, parse


class IntakeError(Exception):
    """An input that cannot be read; the message is one line."""


def ids_of(arguments: Sequence[str], files: Sequence[str], invalid: Callable[[str], None]) -> Iterator[str]:
    """The canonical ids of arguments and of the lines of files; `invalid` gets a message for each invalid one.

    Raises IntakeError.
    """
    for where, text in _named_lines(arguments, files):
        try:
            yield _existing_paper(text).canonical
        except InvalidIdError as error:
            invalid(f"{where}: {text}: {error}")


def _named_lines(arguments: Sequence[str], files: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What to add, each with its location. Blank lines and lines that begin with # are skipped."""
    for number, text in enumerate(arguments, 1):
        yield f"argument {number}", text
    for file in files:
        prefix = f"{file}, " if len(files) > 1 else ""
        for where, text in _lines_of(file):
            yield prefix + where, text


def _lines_of(file: str) -> Iterator[tuple[str, str]]:
    try:
        with ExitStack() as opened:
            stream = sys.stdin.buffer if file == "-" else opened.enter_context(Path(file).open("rb"))
            for number, line in enumerate(stream, 1):
                text = line.decode("utf-8", "replace").strip().removeprefix("\ufeff")
                if text and not text.startswith("#"):
                    yield f"line {number}", text
    except OSError as error:
        raise IntakeError(f"{file}: {error.strerror}") from None


def _existing_paper(text: str) -> PaperId:
    paper = parse(text)
    try:
        if paper.kind == "file" and not local_path(paper).is_file():
            raise InvalidIdError("no such file")
    except OSError as error:  # a name too long, a folder that may not be read
        raise InvalidIdError(error.strerror) from None
    return paper
