"""What a person sees during a run: a progress bar on a terminal; elsewhere the log lines are enough.

Guarantee: starts no thread, so starting processes stays safe; a terminal that is closed ends the bar, not the run.
Limit: counts come from reports, which are up to a second old.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpa_shard.model.phase import Phase, Status, outstanding

if TYPE_CHECKING:
    from tqdm import tqdm


class Progress:
    """The bar of one run."""

    def __init__(self, phases: Collection[Phase], *, shown: bool) -> None:
        self._phases = phases
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
        finished = total - outstanding(by_status, self._phases)
        if self._bar is None:
            from tqdm import tqdm  # imported here: a run without a terminal starts faster without it

            tqdm.monitor_interval = 0  # no monitor thread
            tqdm.set_lock(threading.RLock())  # nor a semaphore shared between processes
            self._bar = tqdm(total=total, initial=finished, unit="paper", dynamic_ncols=True)
        bar = self._bar
        bar.total, bar.n = total, finished
        bar.set_postfix(failed=by_status.get(Status.FAILED, 0))

    def close(self) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()
