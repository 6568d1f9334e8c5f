"""The blows, dealt to a living run.

Guarantee: a blow counts only if it hit something; what has to follow later (a stopped shard goes on, a second signal,
the death in the middle of a resize) follows. Limit: what it hits is what lives at that moment.
"""

from __future__ import annotations

import heapq
import itertools
import signal
import time
from collections import Counter
from collections.abc import Callable

from rpa_shard.chaos.run_process import RunProcess, send
from rpa_shard.chaos.schedule import Blow, Schedule
from rpa_shard.store.folder import DataFolder, replace_file

_SIGNALS = {Blow.TERMINATE: signal.SIGTERM, Blow.INTERRUPT: signal.SIGINT, Blow.HANG_UP: signal.SIGHUP}
# How long a shard is stopped: from within its lease to past its lease and past the supervisor's patience.
STOPPED_SECONDS = (0.5, 6.0)
SECOND_SIGNAL_SECONDS = 0.3
RESIZE_CUT_SECONDS = 1.0


class Actions:
    """Deals blows to `run`, and counts those that hit into `counts`."""

    def __init__(self, run: RunProcess, folder: DataFolder, schedule: Schedule, counts: Counter[str]) -> None:
        self._run = run
        self._folder = folder
        self._schedule = schedule
        self._counts = counts
        self._armed = False
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.kills = 0

    def strike(self) -> str | None:
        """Deals the next blow; what it was, or None if it hit nothing."""
        blow = self._schedule.blow()
        share = self._schedule.share()
        if not self._deal(blow, share):
            return None
        self._counts[blow.value] += 1
        return blow.value

    def follow_up(self) -> None:
        """Does what is due, and counts the points at which processes died by themselves."""
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()
        for point in self._run.take_reached_points():
            is_error = point == "write_artifact"
            self._counts["an error of the system met" if is_error else f"died at {point}"] += 1
            self.kills += not is_error

    def finish(self) -> None:
        """Does at once what was to follow later, such as waking what was stopped."""
        self.follow_up()
        while self._later:
            heapq.heappop(self._later)[2]()

    def take_armed(self) -> bool:
        """Whether the next start is to have a point to die at."""
        armed, self._armed = self._armed, False
        return armed

    def _deal(self, blow: Blow, share: float) -> bool:
        if blow in _SIGNALS:
            return self._run.tell(_SIGNALS[blow])
        match blow:
            case Blow.KILL_SHARD:
                return self._kill_one(self._run.shards(), share)
            case Blow.KILL_CHILD:
                return self._kill_one(self._run.children(), share)
            case Blow.STOP_SHARD:
                return self._stop_one(share)
            case Blow.RESIZE | Blow.RESIZE_CUT:
                return self._resize(share if blow is Blow.RESIZE_CUT else None)
            case Blow.TERMINATE_TWICE:
                self._after(SECOND_SIGNAL_SECONDS * share, lambda: self._run.tell(signal.SIGTERM))
                return self._run.tell(signal.SIGTERM)
            case Blow.KILL_ALL:
                killed = self._run.kill_all()
            case _:
                self._armed = blow is Blow.RESTART_ARMED
                killed = self._run.kill_supervisor()
        self.kills += killed
        return killed > 0

    def _kill_one(self, pids: list[int], share: float) -> bool:
        hit = bool(pids) and send(pids[int(share * len(pids))], signal.SIGKILL)
        self.kills += hit
        return hit

    def _stop_one(self, share: float) -> bool:
        pids = self._run.shards()
        if not pids:
            return False
        pid = pids[int(share * len(pids))]
        shortest, longest = STOPPED_SECONDS
        self._after(shortest + (longest - shortest) * share, lambda: send(pid, signal.SIGCONT))
        return send(pid, signal.SIGSTOP)

    def _resize(self, cut_share: float | None) -> bool:
        if not self._run.shards():
            return False
        replace_file(self._folder.resize_request, str(self._schedule.shard_count()).encode())
        if cut_share is not None:
            self._after(RESIZE_CUT_SECONDS * cut_share, self._cut)
        return True

    def _cut(self) -> None:
        self.kills += self._run.kill_supervisor()

    def _after(self, seconds: float, do: Callable[[], object]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._order), lambda: (do(), None)[1]))
