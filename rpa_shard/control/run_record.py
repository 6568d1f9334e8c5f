"""What a run tells of itself: every shard's last figures, deaths with their causes, what was handed back, rates.

Guarantee: shards that are gone stay in the account until the run is resized, so the status of a run that has ended
tells of them all; a shard that has not spoken for a while is `stuck`, one that is gone and to come back is `dead`.
Limit: figures are as old as the last look, a second or so.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rpa_shard.config.settings import Settings
from rpa_shard.control.progress import Progress
from rpa_shard.control.shard_process import ShardProcess
from rpa_shard.control.throughput import Rates, Throughput
from rpa_shard.ipc.run_status import born, write_status
from rpa_shard.store.folder import DataFolder
from rpa_shard.system.clock import moment

DEATHS_SHOWN = 20
SUSPECTS_SHOWN = 20
PEAKS = ("descriptors", "tcp_sockets", "rss_bytes", "threads")


class RunRecord:
    """The account of one run. `tell` writes it down."""

    def __init__(self, folder: DataFolder, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._born = born(os.getpid())
        self._started = time.monotonic()
        self._started_at = time.time()
        self._throughput = Throughput(self._started)
        self._measured: dict[int, dict[str, Any]] = {}
        self._deaths: deque[dict[str, Any]] = deque(maxlen=DEATHS_SHOWN)
        self._deaths_of: Counter[int] = Counter()
        self._suspects: deque[str] = deque(maxlen=SUSPECTS_SHOWN)
        self._handed_back = 0
        self._done_by_the_dead = 0

    @property
    def seconds(self) -> float:
        """How long the run has been on."""
        return time.monotonic() - self._started

    def rates(self) -> Rates:
        return self._throughput.rates()

    def prep_done(self, living: Iterable[ShardProcess]) -> int:
        """How many papers this run has prepped."""
        return self._done_by_the_dead + sum(shard.report.prep_done for shard in living)

    def died(self, number: int, cause: str) -> None:
        """A shard died that should not have."""
        self._deaths.append({"shard": number, "at": time.time(), "cause": cause})
        self._deaths_of[number] += 1

    def buried(self, shard: ShardProcess, settings: Settings) -> None:
        """The last look at a shard that has ended, however it did."""
        self.look_at(shard, settings)
        self._done_by_the_dead += shard.report.prep_done

    def reclaimed(self, papers: int, suspects: Iterable[str]) -> None:
        """Papers of a dead shard went back to the queue; suspects were inside native code when it died."""
        self._handed_back += papers
        self._suspects.extend(suspects)

    def resized(self) -> None:
        """The shards are others now."""
        self._measured.clear()

    def look_at(self, shard: ShardProcess, settings: Settings) -> None:
        """Takes in a shard's report and what the system says of it."""
        before = self._measured.get(shard.number, {})
        measured = {**before, **shard.measure()}
        for name in PEAKS:
            measured[f"{name}_peak"] = max(before.get(f"{name}_peak", 0), measured.get(name, 0))
        share = settings.share(shard.number)
        measured |= {"descriptor_budget": share.descriptors, "extract_workers": share.extract_workers}
        measured["restarts"] = self._deaths_of[shard.number]
        self._measured[shard.number] = measured

    def rss_bytes(self, number: int) -> int:
        """The memory of a shard at the last look."""
        memory: int = self._measured.get(number, {}).get("rss_bytes", 0)
        return memory

    def to_come_back(self, numbers: Iterable[int]) -> None:
        """These shards are gone, and will be started again."""
        for number in numbers:
            if number in self._measured:
                self._measured[number]["state"] = "dead"

    def tell(self, living: Mapping[int, ShardProcess], settings: Settings, more: Mapping[str, Any]) -> None:
        """Writes the status file and moves the progress bar. `more` is what the supervisor knows besides."""
        done = self.prep_done(living.values())
        self._throughput.sample(time.monotonic(), done)
        by_status: Counter[str] = Counter()
        for measured in self._measured.values():
            by_status.update(measured["by_status"])
        self._progress.update(by_status)
        write_status(
            self._folder.status_file,
            {
                "pid": os.getpid(),
                "created_at": self._born,
                "started_at": self._started_at,
                "written_at": time.time(),
                "written": moment(),
                "seconds": self.seconds,
                "prep_done": done,
                "rates": asdict(self.rates()),
                "deaths": list(self._deaths),
                "handed_back": self._handed_back,
                "suspects": list(self._suspects),
                "shard_count": settings.shard_count,
                "shards": [self._measured[number] for number in sorted(self._measured)],
                **more,
            },
        )
