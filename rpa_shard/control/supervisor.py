"""The supervisor: starts the shards, restarts the dead, enforces deadlines from outside, drains, and ends.

Guarantee: single-threaded and without asyncio, so starting a process is always safe; signal handlers only note the
signal; a shard's leases are reclaimed before it starts, because no other process may own its papers; when `run`
returns, no shard is left. Limit: it sees only what shards report and what the system reports of them, once a second.

It carries out what `decisions` decides, over a `placement`.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rpa_shard.config.settings import Settings
from rpa_shard.control.allowances import Allowances
from rpa_shard.control.blame import is_papers_doing
from rpa_shard.control.decisions import (
    Decisions,
    DrainShard,
    KillShard,
    Limits,
    MovePapers,
    ReportDeath,
    SetPaused,
    StartShard,
)
from rpa_shard.control.disk_watch import DiskWatch
from rpa_shard.control.governors import Governors
from rpa_shard.control.living_shard import LivingShard
from rpa_shard.control.placement import Placement, ShardExit
from rpa_shard.control.reclaim import reclaim_from
from rpa_shard.control.resizing import LiveResize
from rpa_shard.control.run_record import RunRecord, RunView
from rpa_shard.ipc import messages
from rpa_shard.ipc.account import LimitOfRun
from rpa_shard.ipc.run_status import Rates, RunStatus
from rpa_shard.model.errors import StoreAwayError, StoreError
from rpa_shard.model.phase import Phase
from rpa_shard.store.data_folder import DataFolder

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
STATUS_SECONDS = 1.0
# Is shown every status that is published, the last one of the run, too. It starts no thread, and raises nothing.
Watcher = Callable[[RunStatus], None]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: by `signal` (0 for none), in a crash loop with its `cause`, or because all was done.

    `limit` is how far a run with a limit came. `refused` says in one line why papers are left that wait for models.
    """

    signal: int
    cause: str | None
    rates: Rates
    completed: int
    seconds: float
    limit: LimitOfRun | None = None
    refused: str | None = None


class Supervisor:
    """One run over one data folder, whose run lock the caller holds. The phases in `asking` ask models."""

    def __init__(
        self,
        settings: Settings,
        placement: Placement,
        governors: Governors,
        *,
        daemon: bool,
        limit: int | None = None,
        watchers: Sequence[Watcher] = (),
        asking: Collection[Phase] = (),
    ) -> None:
        self._settings = settings
        self._asking = asking
        self._folder = DataFolder.of(settings)
        self._placement = placement
        self._daemon = daemon
        self._watchers = watchers
        self._decisions = Decisions(limits_of(settings), settings.shard_count, daemon=daemon)
        self._shards: dict[int, LivingShard] = {}
        self._record = RunRecord(self._folder)
        self._resize = LiveResize(self._folder)
        self._allowances = Allowances(self._folder, settings.run_phases, limit)
        self._signals: list[int] = []
        # Shards that have just been started.
        self._uninformed: list[int] = []
        self._governors = governors
        self._disk = DiskWatch(self._folder.disks(), settings.min_free_bytes)
        self._next_status = 0.0

    def run(self) -> RunEnd:
        """Runs until all papers are done (as a daemon: without end), a signal, or a crash loop. Raises StoreError."""
        for number in range(self._settings.shard_count):
            self._reclaim(number)  # a store that cannot be used is reported before anything starts
        self._allowances.divide()
        with self._noting_signals(), self._placement:
            self._look_at_the_disk()  # before anything starts
            self._carry_out()
            while not self._decisions.is_over:
                self._placement.wait(self._patience_seconds(), self._governors.descriptor())
                self._take_events()
                self._carry_out()
                self._publish_if_due()
        self._resize.forget()
        self._governors.act(self._shards.keys(), self._send)  # saves what the last shard reported about hosts
        self._decisions.ended()
        self._publish()
        self._governors.close()
        completed = self._record.work(()).completed_claims
        return RunEnd(
            self._decisions.signal,
            self._decisions.cause,
            self._record.rates(),
            completed,
            self._record.seconds,
            self._record.limit,
            self._governors.refusal() if self._record.is_something_open else None,
        )

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        previous = {each: signal.signal(each, lambda number, _: self._signals.append(number)) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    def _patience_seconds(self) -> float:
        next_grant = self._governors.seconds_to_next_grant()
        return TICK_SECONDS if next_grant is None else min(TICK_SECONDS, next_grant)

    def _take_events(self) -> None:
        """Passes on everything that has happened since the last call."""
        for shard in self._shards.values():
            self._take_messages(shard)
        self._governors.act(self._shards.keys(), self._send)
        while self._signals:
            self._signalled(self._signals.pop(0))
        for shard in list(self._shards.values()):
            exit = shard.placed.poll()
            if exit is not None:
                self._exited(shard, exit)
        views = {number: shard.view() for number, shard in self._shards.items()}
        self._decisions.tick(time.monotonic(), views)
        if self._resize.is_asked_for(self._settings, self._decisions.state):
            self._decisions.resize(time.monotonic())

    def _take_messages(self, shard: LivingShard) -> None:
        for message in shard.receive():
            self._governors.handle(shard.number, message)

    def _signalled(self, number: int) -> None:
        if not self._decisions.signal:
            log.info("%s: draining; send it again to stop at once", signal.Signals(number).name)
        self._decisions.signalled(number, time.monotonic())

    def _exited(self, shard: LivingShard, exit: ShardExit) -> None:
        number = shard.number
        self._take_messages(shard)
        self._governors.forget(number)
        del self._shards[number]
        self._record.exited(shard, self._settings)
        shard.placed.close()
        papers_doing = is_papers_doing(
            exit,
            killed_for_paper=self._decisions.killed_for_paper(number),
            peak_memory_bytes=shard.peak_memory_bytes,
            memory_budget_bytes=self._settings.shard_memory_bytes,
        )
        if self._decisions.makes_room(number):
            log.info("shard %d is replaced by a fresh process", number)
        how = f"{exit}: {shard.broke_of}" if shard.broke_of else str(exit)
        self._decisions.exited(number, how, time.monotonic(), papers_doing=papers_doing)

    def _carry_out(self) -> None:
        for command in self._decisions.commands():
            match command:
                case StartShard(number, charge_suspect):
                    self._start(number, charge_suspect=charge_suspect)
                case DrainShard(number, reason):
                    if reason:
                        log.warning("shard %d %s", number, reason)
                    self._send(number, messages.Drain())
                case KillShard(number, reason):
                    log.warning("killing shard %d: %s", number, reason)
                    self._shards[number].placed.kill()
                case SetPaused(number, paused):
                    self._send(number, messages.Pause() if paused else messages.Resume())
                case ReportDeath(number, cause):
                    log.warning("shard %d died: %s", number, cause)
                    self._record.died(number, cause)
                    if self._decisions.cause is not None:
                        log.error("crash loop: %s", self._decisions.cause)
                case MovePapers():
                    self._reshard()
        self._inform()

    def _inform(self) -> None:
        """Tells new shards how things stand with models and hosts, which lets them begin, unless they were paused."""
        while self._uninformed:
            number = self._uninformed.pop()
            if self._asking:
                self._send(number, self._governors.models())
            self._send(number, messages.HostStates(self._governors.hosts()))

    def _start(self, number: int, *, charge_suspect: bool) -> None:
        try:
            self._reclaim(number, charge_suspect=charge_suspect)
            may_take = self._allowances.give(number)
            placed = self._placement.start(number, self._settings)
        except StoreAwayError as error:
            log.warning("shard %d is started later: %s", number, error)
            self._decisions.start_postponed(number, time.monotonic())
            return
        except (StoreError, OSError) as error:
            self._decisions.start_failed(number, str(error), time.monotonic())
            return
        self._shards[number] = LivingShard(placed)
        self._decisions.started(number)
        self._uninformed.append(number)
        if may_take is not None:
            self._send(number, may_take)

    def _send(self, number: int, message: messages.ToShard) -> None:
        if number in self._shards and not self._shards[number].placed.send(message):
            self._decisions.stopped_listening(number)

    def _reclaim(self, number: int, *, charge_suspect: bool = False) -> None:
        leases, suspects = reclaim_from(self._folder, number, charge_suspect=charge_suspect)
        if leases:
            log.warning("reclaimed %d leases of shard %d, suspects: %s", leases, number, ", ".join(suspects) or "-")
            self._record.reclaimed(leases, suspects)

    def _reshard(self) -> None:
        for number in range(self._settings.shard_count):
            self._reclaim(number)
        self._allowances.collect()
        self._publish()  # nothing is published during the move
        self._settings = self._resize.finish()
        self._allowances.divide()
        self._record.resized()
        self._decisions.resharded(self._settings.shard_count)
        self._publish()
        self._resize.forget()

    def _publish_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_status:
            self._next_status = now + STATUS_SECONDS
            self._look_at_the_disk()
            self._publish()

    def _look_at_the_disk(self) -> None:
        self._disk.look()
        self._decisions.pause(paused=self._disk.paused)

    def _publish(self) -> None:
        decisions = self._decisions
        view = RunView(
            decisions.state,
            decisions.cause,
            self._disk.short_of_room,
            self._daemon,
            self._governors.hosts(),
            decisions.restarts,
            self._allowances.so_far,
            self._governors.models(),
            self._asking,
            self._governors.trouble,
        )
        status = self._record.publish(view, list(self._shards.values()), self._settings)
        for watch in self._watchers:
            watch(status)


def limits_of(settings: Settings) -> Limits:
    """The limits that the settings define."""
    return Limits(
        extract_deadline_seconds=settings.extract_deadline_seconds,
        shard_memory_bytes=settings.shard_memory_bytes,
        shard_silence_seconds=settings.shard_silence_seconds,
        drain_seconds=settings.drain_seconds,
        crash_loop_deaths=settings.crash_loop_deaths,
        retry_delay_scale=settings.retry_delay_scale,
    )
