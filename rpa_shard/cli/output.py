"""What the commands share: exit codes, the error for wrong usage, and printing.

Guarantee: a closed terminal does not make a command fail. Limit: a full disk behind standard output is an error.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rpa_shard.config.settings import Settings
from rpa_shard.model.arxiv_id import InvalidIdError, PaperId
from rpa_shard.model.id_forms.grammar import shown

OK, SOME_FAILED, WRONG_USAGE, CRASH_LOOP = 0, 1, 2, 3

Handler = Callable[[argparse.Namespace, Settings], int]


class UsageError(Exception):
    """The request is impossible; the message is one line."""


def paper_named(text: str) -> PaperId:
    """The paper that a person names. Raises UsageError."""
    from rpa_shard.intake.id_lines import paper_given

    try:
        return paper_given(text)
    except InvalidIdError as error:
        raise UsageError(f"{shown(text)}: {error}") from None


def say(line: str) -> None:
    """Prints a line for the person at the terminal, on standard error."""
    with _ignoring_closed_terminal(sys.stderr):
        print(f"rpa-shard: {line}", file=sys.stderr, flush=True)


def print_lines(lines: Iterable[str]) -> None:
    """Prints the output of a command."""
    with _ignoring_closed_terminal(sys.stdout):
        for line in lines:
            print(line)
        sys.stdout.flush()


@contextmanager
def _ignoring_closed_terminal(stream: TextIO) -> Iterator[None]:
    """Once a write has found the terminal closed, the stream discards everything."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
