"""What is to be done at a later moment of a trial, such as waking what was stopped.

Guarantee: in order of time, each once. Limit: it is done when somebody asks what is due.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable


class Later:
    """Things to do after a while."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Does it once so many seconds have passed."""
        heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._order), do))

    def do_due(self) -> None:
        """Does what is due."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            heapq.heappop(self._waiting)[2]()

    def do_all(self) -> None:
        """Does at once what is left."""
        while self._waiting:
            heapq.heappop(self._waiting)[2]()
