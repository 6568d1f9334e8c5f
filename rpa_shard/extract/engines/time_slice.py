"""How long one document may keep the engine lock, which the documents after it wait for.

Guarantee: `check` ends the reading of a document once the slice of the calling thread is over; without a slice it never
does. Limit: the engines check between pages, links and pieces of text; a native call cannot be interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)


class SliceOverError(BaseException):
    """The slice is over: the document has to be read elsewhere.

    Not an `Exception`: whatever an engine does about its own exceptions, this one ends the reading.
    """


@contextmanager
def time_slice(seconds: float) -> Iterator[None]:
    """What runs in the block has this long."""
    before = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(before)


def check() -> None:
    """Raises SliceOverError when the slice is over."""
    if time.monotonic() > _ends_at.get():
        raise SliceOverError


def has_slice() -> bool:
    """Whether the calling thread reads under a slice."""
    return _ends_at.get() < inf
