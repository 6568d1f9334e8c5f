"""The record of a run: every shard's last figures, deaths with their causes, what was handed back, rates.

Guarantee: shards that are gone stay in the record until the run is resized, so the status of an ended run includes them
all; one that is gone and will come back is `dead`. Limit: figures are as old as the last look, a second or so.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from rpa_shard.config.settings import Settings
from rpa_shard.control.living_shard import LivingShard
from rpa_shard.control.throughput import Throughput
from rpa_shard.ipc.run_status import Death, HostStatus, Rates, RunState, RunStatus, ShardStatus, write_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.clock import Moment
from rpa_shard.system.processes import born

log = logging.getLogger(__name__)

DEATHS_SHOWN = 20
SUSPECTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RunView:
    """What the supervisor knows of the run besides its shards."""

    state: RunState
    cause: str | None
    paused: bool
    daemon: bool
    hosts: Mapping[str, HostStatus]


class RunRecord:
    """The record of one run. `publish` writes it to the status file."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._born = born(os.getpid())
        self._started = time.monotonic()
        self._started_at = time.time()
        self._throughput = Throughput(self._started)
        self._shards: dict[int, ShardStatus] = {}
        self._deaths: deque[Death] = deque(maxlen=DEATHS_SHOWN)
        self._deaths_of: Counter[int] = Counter()
        self._suspects: deque[str] = deque(maxlen=SUSPECTS_SHOWN)
        self._handed_back = 0
        self._completed_by_the_dead: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return time.monotonic() - self._started

    def rates(self) -> Rates:
        """Completed claims per second."""
        return self._throughput.rates()

    def completed(self, living: Iterable[LivingShard]) -> Counter[str]:
        """How many claims this run has completed, by phase."""
        total = Counter(self._completed_by_the_dead)
        for shard in living:
            total.update(shard.report.completed)
        return total

    def by_status(self) -> Counter[str]:
        """All papers by status, as the shards reported them."""
        total: Counter[str] = Counter()
        for shard in self._shards.values():
            total.update(shard.report.by_status)
        return total

    def died(self, number: int, cause: str) -> None:
        """A shard died unexpectedly."""
        self._deaths.append(Death(number, time.time(), cause))
        self._deaths_of[number] += 1

    def exited(self, shard: LivingShard, settings: Settings) -> None:
        """A shard has ended in whatever way; its last figures are kept."""
        self.look_at(shard, settings)
        self._completed_by_the_dead.update(shard.report.completed)

    def reclaimed(self, papers: int, suspects: Iterable[str]) -> None:
        """Papers of a dead shard went back to the queue; suspects were inside native code when it died."""
        self._handed_back += papers
        self._suspects.extend(suspects)

    def resized(self) -> None:
        """The number of shards has changed: the earlier shards are dropped."""
        self._shards.clear()

    def look_at(self, shard: LivingShard, settings: Settings) -> None:
        """Takes in a shard's report and the system's figures of it."""
        shard.look()
        number = shard.number
        status = shard.status(restarts=self._deaths_of[number], descriptor_budget=settings.share(number).descriptors)
        before = self._shards.get(number)
        if before is not None:
            status = replace(status, peak=status.peak.peak_with(before.peak))
        self._shards[number] = status

    def publish(self, view: RunView, living: Collection[LivingShard], dead: Iterable[int], settings: Settings) -> None:
        """Looks at every living shard and writes the status file; if the disk is full, the last one stays."""
        for shard in living:
            self.look_at(shard, settings)
        for number in dead:
            if number in self._shards:
                self._shards[number] = replace(self._shards[number], state=ShardState.DEAD)
        completed = self.completed(living)
        self._throughput.sample(time.monotonic(), completed.total())
        status = RunStatus(
            pid=os.getpid(),
            born=self._born,
            started_at=self._started_at,
            written_at=time.time(),
            written=Moment.now(),
            seconds=self.seconds,
            state=view.state,
            cause=view.cause,
            paused=view.paused,
            daemon=view.daemon,
            phases=settings.phases,
            completed=dict(completed),
            rates=self.rates(),
            deaths=tuple(self._deaths),
            handed_back=self._handed_back,
            suspects=tuple(self._suspects),
            shard_count=settings.shard_count,
            shards=tuple(self._shards[number] for number in sorted(self._shards)),
            hosts=view.hosts,
        )
        try:
            write_status(self._folder.run.status_file, status)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._folder.run.status_file, error.strerror)
