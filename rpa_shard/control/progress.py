"""What a person sees while a run goes on: a bar on a terminal, nothing elsewhere (there the log lines tell).

Guarantee: starts no thread, so forking stays safe; a terminal that is closed ends the bar, not the run. Limit: counts
come from reports, a second old.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

_OPEN_STATUSES = ("pending", "prepping")


class Progress:
    """The bar of one run."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._bar: tqdm[Any] | None = None

    def update(self, by_status: Mapping[str, int]) -> None:
        """Shows the counts of all papers."""
        total = sum(by_status.values())
        if not self._shown or not total:
            return
        try:
            self._draw(by_status, total)
        except OSError:  # the terminal is gone
            self._shown, self._bar = False, None

    def _draw(self, by_status: Mapping[str, int], total: int) -> None:
        finished = total - sum(by_status.get(status, 0) for status in _OPEN_STATUSES)
        if self._bar is None:
            from tqdm import tqdm  # now: a run without a terminal starts sooner without it

            tqdm.monitor_interval = 0  # no monitor thread
            tqdm.set_lock(threading.RLock())  # nor a semaphore shared between processes
            self._bar = tqdm(total=total, initial=finished, unit="paper", dynamic_ncols=True)
        bar = self._bar
        bar.total, bar.n = total, finished
        bar.set_postfix(failed=by_status.get("failed", 0))

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
