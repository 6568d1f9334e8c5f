"""Standard input, output and error, whatever the caller has made of them.

Guarantee: after `open_closed_streams` no file of ours gets the number of a closed stream, and any text can be printed
in any encoding; after `settle_streams` the interpreter has nothing left to write, so it ends without a word of its own.
Limit: what could not be written is lost, and only the caller of a write can tell.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

_NAMES = ("stdin", "stdout", "stderr")


def open_closed_streams() -> None:
    """Puts a descriptor that fails (EBADF) in the place of each standard stream that is closed."""
    for descriptor, name in enumerate(_NAMES):
        try:
            os.fstat(descriptor)
        except OSError:
            # The wrong way round, so that reading and writing fail instead of finding an empty file.
            os.open(os.devnull, os.O_RDONLY if descriptor else os.O_WRONLY)  # gets the lowest free number: this one
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_from_now_on(stream: TextIO) -> None:
    """Whatever is written to the stream, or waits in it, goes nowhere and never fails."""
    with suppress(OSError, ValueError):  # ValueError: not a real file, as in a test
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def settle_streams() -> OSError | None:
    """Writes what waits in standard output and error; returns why output could not be written, if so."""
    failed = None
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            failed = error if stream is sys.stdout else None
            discard_from_now_on(stream)
    return failed
