"""How the C library gives memory to the threads of a process.

Guarantee: where it can be set, freed memory serves any other thread: with an arena for each, which is the default, a
shard of forty threads holds half as much again. Limit: glibc only; elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

# One for the thread that parses, one for the others: what they allocate is large and seldom.
ARENAS = 2
_M_ARENA_MAX = -8


def share_arenas() -> None:
    """Has the threads that are started from now on share arenas."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
