"""The record of a run: every shard's last figures, deaths with their causes, what was handed back, rates, the account.

Guarantee: shards that are gone stay in the record until the run is resized, so the status of an ended run includes them
all; one that is gone and will come back is `dead`, and one that has not counted its papers yet keeps the counts of its
predecessor. Limit: figures are as old as the last look, a second or so.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from rpa_shard.config.settings import Settings
from rpa_shard.control.accounting import account_of
from rpa_shard.control.accounting.known import Known
from rpa_shard.control.living_shard import LivingShard
from rpa_shard.control.past import Hour, Waits
from rpa_shard.control.throughput import Throughput
from rpa_shard.ipc.account import Account, Limit, LimitOfRun
from rpa_shard.ipc.calls import ModelStates
from rpa_shard.ipc.run_status import (
    Death,
    HostStatus,
    Rates,
    RunState,
    RunStatus,
    ShardStatus,
    write_status,
)
from rpa_shard.ipc.shard_report import FailedAttempt, ShardReport, ShardState, Work
from rpa_shard.model.phase import Phase
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.clock import Moment
from rpa_shard.system.processes import born

log = logging.getLogger(__name__)

DEATHS_SHOWN = 20
SUSPECTS_SHOWN = 20
FAILURES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RunView:
    """What the supervisor knows of the run besides its shards.

    `short_of_room` is the folder whose disk is short of room, and why the run pauses; `restarts` says when shards that
    are gone start again (monotonic seconds); `limit` says how far a run with a limit is, from what
    each shard has done. `models` are asked by the phases in `asking`. `ungoverned` is why nobody grants permits, if so.
    """

    state: RunState
    cause: str | None
    short_of_room: tuple[str, str] | None
    daemon: bool
    hosts: Mapping[str, HostStatus]
    restarts: Mapping[int, float]
    limit: Callable[[Mapping[int, Work]], LimitOfRun | None]
    models: ModelStates
    asking: Collection[Phase]
    ungoverned: str | None = None


class RunRecord:
    """The record of one run. `publish` writes it to the status file."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._born = born(os.getpid())
        self._started = time.monotonic()
        self._started_at = self._progress_at = time.time()
        self._throughput = Throughput(self._started)
        self._waits = Waits()
        self._hour = Hour(self._started)
        self._account = Account()
        self._shards: dict[int, ShardStatus] = {}
        self._deaths: deque[Death] = deque(maxlen=DEATHS_SHOWN)
        self._deaths_of: Counter[int] = Counter()
        self._suspects: deque[str] = deque(maxlen=SUSPECTS_SHOWN)
        self._handed_back = 0
        self._work_of_the_dead = Work()
        self._failures_of_the_dead: tuple[FailedAttempt, ...] = ()
        self._ended = 0

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return time.monotonic() - self._started

    @property
    def limit(self) -> LimitOfRun | None:
        """How far a run with a limit was, when the status was last published."""
        return self._account.limit

    @property
    def is_something_open(self) -> bool:
        """Whether papers were neither done nor failed, when the status was last published."""
        return self._account.open > 0

    def rates(self) -> Rates:
        """Completed claims per second."""
        return self._throughput.rates()

    def work(self, living: Iterable[LivingShard]) -> Work:
        """What all shards of this run have done."""
        total = self._work_of_the_dead
        for shard in living:
            total = total.plus(shard.report.work)
        return total

    def died(self, number: int, cause: str) -> None:
        """A shard died unexpectedly."""
        self._deaths.append(Death(number, time.time(), cause))
        self._deaths_of[number] += 1

    def exited(self, shard: LivingShard, settings: Settings) -> None:
        """A shard has ended in whatever way; its last figures are kept."""
        self.look_at(shard, settings)
        self._work_of_the_dead = self._work_of_the_dead.plus(shard.report.work)
        self._failures_of_the_dead = _last_failures([self._failures_of_the_dead, shard.report.failures])

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
            report = _with_counts(status.report, before.report)
            status = replace(status, report=report, peak=status.peak.peak_with(before.peak))
        self._shards[number] = status

    def publish(self, view: RunView, living: Collection[LivingShard], settings: Settings) -> RunStatus:
        """Looks at every living shard and writes the status file; if the disk is full, the last one stays."""
        for shard in living:
            self.look_at(shard, settings)
        for number in view.restarts:
            if number in self._shards:
                self._shards[number] = replace(self._shards[number], state=ShardState.DEAD)
        work = self.work(living)
        self._note_progress(work)
        self._account = self._account_now(view, settings)
        status = self._status(view, living, settings, work)
        try:
            write_status(self._folder.run.status_file, status)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._folder.run.status_file, error.strerror)
        return status

    def _note_progress(self, work: Work) -> None:
        idle = self._account.limited_by is Limit.WAITING
        self._throughput.sample(time.monotonic(), work.completed_claims, idle=idle)
        ended = work.ended_claims
        if ended != self._ended:
            self._ended, self._progress_at = ended, time.time()

    def _account_now(self, view: RunView, settings: Settings) -> Account:
        now = time.time()
        reports = {number: each.report for number, each in self._shards.items()}
        account = account_of(
            Known(
                now=now,
                state=view.state,
                phases=settings.run_phases,
                shard_count=settings.shard_count,
                shards=reports,
                restarts={number: now + max(0.0, due - time.monotonic()) for number, due in view.restarts.items()},
                hosts=view.hosts,
                models=view.models,
                asking=view.asking,
                ungoverned=view.ungoverned,
                is_shared=self._folder.store is not None,
                short_of_room=view.short_of_room,
                pace=self._throughput.pace(),
                since=self._waits.since,
                limit=view.limit({number: each.work for number, each in reports.items()}),
            )
        )
        self._waits.look(account, now)
        return account

    def _status(self, view: RunView, living: Collection[LivingShard], settings: Settings, work: Work) -> RunStatus:
        return RunStatus(
            pid=os.getpid(),
            born=self._born,
            started_at=self._started_at,
            written_at=time.time(),
            written=Moment.now(),
            seconds=self.seconds,
            state=view.state,
            cause=view.cause,
            paused=view.short_of_room is not None,
            daemon=view.daemon,
            phases=settings.phases,
            account=self._account,
            work=work,
            last_hour=self._hour.look(work, time.monotonic()),
            waited=self._waits.past(),
            idle_seconds=self._waits.idle_seconds,
            progress_at=self._progress_at,
            failures=_last_failures([self._failures_of_the_dead, *(each.report.failures for each in living)]),
            min_free_bytes=settings.min_free_bytes,
            rates=self.rates(),
            deaths=tuple(self._deaths),
            handed_back=self._handed_back,
            suspects=tuple(self._suspects),
            shard_count=settings.shard_count,
            shards=tuple(self._shards[number] for number in sorted(self._shards)),
            hosts=view.hosts,
            models=view.models.models,
            llm_budget=view.models.budget,
        )


def _with_counts(report: ShardReport, before: ShardReport) -> ShardReport:
    """A report; the counts are those of the one before until the shard has counted its papers."""
    if report.outstanding is not None:
        return report
    return replace(
        report,
        outstanding=before.outstanding,
        by_status=before.by_status,
        by_failure=before.by_failure,
        back_offs=before.back_offs,
    )


def _last_failures(parts: Iterable[tuple[FailedAttempt, ...]]) -> tuple[FailedAttempt, ...]:
    failures = sorted((each for part in parts for each in part), key=lambda each: each.at)
    return tuple(failures[-FAILURES_SHOWN:])
