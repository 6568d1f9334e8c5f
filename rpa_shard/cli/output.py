"""What the commands share: exit codes, the error for wrong usage, and printing.

Guarantee: messages for a person never make a command fail, nor does output to a terminal or a descriptor that is
closed: nobody wants it. Limit: output that is wanted but cannot be written, as to a full disk, is an error.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rpa_shard.config.settings import Settings
from rpa_shard.system.program import program
from rpa_shard.system.streams import discard_from_now_on

OK, SOME_FAILED, WRONG_USAGE, CRASH_LOOP = 0, 1, 2, 3
# Of `health` alone, whose exit codes are those of monitoring plugins.
HEALTH_UNKNOWN = 3
# Of standard output: a closed terminal, a closed descriptor.
UNWANTED = frozenset({errno.EIO, errno.EBADF})

Handler = Callable[[argparse.Namespace, Settings], int]


class UsageError(Exception):
    """The request is impossible; the message is one line."""


@dataclass(slots=True)
class Counted:
    """Texts, taken one by one, and how many have been taken."""

    given: Iterable[str]
    count: int = 0

    def __iter__(self) -> Iterator[str]:
        for each in self.given:
            self.count += 1
            yield each


def say(line: str) -> None:
    """Prints a line for the person at the terminal, on standard error."""
    report(f"{program()}: {line}")


def report(line: str) -> None:
    """Prints a line on standard error, if it can be written at all."""
    try:
        print(one_line(line), file=sys.stderr, flush=True)
    except OSError:
        discard_from_now_on(sys.stderr)


def one_line(text: str) -> str:
    """The text with its control characters escaped: names of files may hold any."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def print_lines(lines: Iterable[str]) -> None:
    """Prints the output of a command. Raises UsageError if it cannot be written, BrokenPipeError if nobody reads."""
    for line in lines:
        with writing_output():
            print(line)
    with writing_output():
        sys.stdout.flush()


def in_columns(lines: Iterable[str]) -> Iterator[str]:
    """The lines as they fit on the terminal, if standard output is one; long ones go on below their text."""
    columns = columns_of_output()
    for line in lines:
        yield from wrapped(line, columns) if columns is not None else (line,)


def wrapped(line: str, columns: int) -> list[str]:
    """A line in so many columns, cut between words; what follows is indented as the text behind its label."""
    label = re.match(r" *\S+ {2,}(?=\S)| *", line)
    assert label is not None, "matches everything"
    indent = label.end() if 0 < label.end() <= columns // 2 else 2
    cut = textwrap.wrap(line, columns, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return cut or [line]


def columns_of_output() -> int | None:
    """How wide the terminal is that standard output goes to; None if it goes elsewhere."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError, AttributeError):  # no terminal, or closed
        return None


@contextmanager
def writing_output() -> Iterator[None]:
    """Around what writes to standard output. Raises like `print_lines`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_from_now_on(sys.stdout)
        if error.errno not in UNWANTED:
            raise output_error(error) from None


def output_error(error: OSError) -> UsageError:
    """The error for output that cannot be written."""
    return UsageError(f"standard output cannot be written: {error.strerror}")
