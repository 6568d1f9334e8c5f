"""Disruptions of a living run.

Guarantee: a disruption counts only if it hit something; what has to follow later (waking a stopped shard, a second
signal, a death in the middle of a resize) follows. Limit: it hits whatever is alive at that moment.
"""

from __future__ import annotations

import signal
from collections import Counter

from rpa_shard.chaos.later import Later
from rpa_shard.chaos.processes import send
from rpa_shard.chaos.run_process import RunProcess
from rpa_shard.chaos.schedule import Disruption, Schedule
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.files import replace_file

_SIGNALS = {
    Disruption.TERMINATE: signal.SIGTERM,
    Disruption.INTERRUPT: signal.SIGINT,
    Disruption.HANG_UP: signal.SIGHUP,
}
# How long a shard is stopped: from less than its lease to more than the supervisor's limit for silence.
STOPPED_SECONDS = (0.5, 6.0)
SECOND_SIGNAL_SECONDS = 0.3
RESIZE_CUT_SECONDS = 1.0


class Actions:
    """Disrupts `run`, and counts the disruptions that hit something in `counts`."""

    def __init__(self, run: RunProcess, folder: DataFolder, schedule: Schedule, counts: Counter[str]) -> None:
        self._run = run
        self._folder = folder
        self._schedule = schedule
        self._counts = counts
        self._armed = False
        self._later = Later()
        self.kills = 0

    def disrupt(self) -> str | None:
        """Makes the next disruption; returns its name, or None if it hit nothing."""
        disruption = self._schedule.disruption()
        share = self._schedule.share()
        if not self._do(disruption, share):
            return None
        self._counts[disruption.value] += 1
        return disruption.value

    def follow_up(self) -> None:
        """Does what is due, and counts the points at which processes died by themselves."""
        self._later.do_due()
        for point in self._run.take_reached_points():
            is_error = point == "write_artifact"
            self._counts["a system error injected" if is_error else f"died at {point}"] += 1
            self.kills += not is_error

    def finish(self) -> None:
        """Does at once what is scheduled for later, such as waking a stopped shard."""
        self.follow_up()
        self._later.do_all()

    def take_armed(self) -> bool:
        """Whether the next start gets a point at which to die."""
        armed, self._armed = self._armed, False
        return armed

    def _do(self, disruption: Disruption, share: float) -> bool:
        if disruption in _SIGNALS:
            return self._run.signal(_SIGNALS[disruption])
        match disruption:
            case Disruption.KILL_SHARD:
                return self._kill_one(self._run.shards(), share)
            case Disruption.KILL_CHILD:
                return self._kill_one(self._run.children(), share)
            case Disruption.STOP_SHARD:
                return self._stop_one(share)
            case Disruption.RESIZE | Disruption.RESIZE_CUT:
                return self._resize(share if disruption is Disruption.RESIZE_CUT else None)
            case Disruption.TERMINATE_TWICE:
                self._later.after(SECOND_SIGNAL_SECONDS * share, lambda: self._run.signal(signal.SIGTERM))
                return self._run.signal(signal.SIGTERM)
            case Disruption.KILL_ALL:
                killed = self._run.kill_all()
            case _:
                self._armed = disruption is Disruption.RESTART_ARMED
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
        self._later.after(shortest + (longest - shortest) * share, lambda: send(pid, signal.SIGCONT))
        return send(pid, signal.SIGSTOP)

    def _resize(self, cut_share: float | None) -> bool:
        if not self._run.shards():
            return False
        replace_file(self._folder.run.resize_request, str(self._schedule.shard_count()).encode())
        if cut_share is not None:
            self._later.after(RESIZE_CUT_SECONDS * cut_share, self._cut)
        return True

    def _cut(self) -> None:
        self.kills += self._run.kill_supervisor()
