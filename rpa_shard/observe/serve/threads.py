"""Reading from disk in threads, so that the loop answers others meanwhile.

Guarantee: a bounded number of questions is worked on and waits; more are refused at once. Limit: a thread cannot be
ended: what it reads must limit its own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS, MAX_UNDER_WAY = 3, 50

T = TypeVar("T")


class BusyError(Exception):
    """Too many questions at a time; the message is one line."""


class Threads:
    """So many threads."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, "serve")
        self._under_way = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. Raises BusyError."""
        if self._under_way >= MAX_UNDER_WAY:
            raise BusyError("too many questions at a time: try again in a moment")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Lets the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
