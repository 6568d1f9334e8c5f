"""The supervisor: forks the shards, restarts the dead, enforces deadlines from outside, drains, and ends.

Guarantee: single-threaded and without asyncio, so forking is always safe; signal handlers only note the signal; a
shard's leases are reclaimed before it starts, because nobody else may own its file; when `run` returns, no child is
left. Limit: it sees what shards report and what the system says of them, once a second.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.control.disk_watch import DiskWatch
from rpa_shard.control.politeness.broker import Politeness
from rpa_shard.control.progress import Progress
from rpa_shard.control.reclaim import reclaim_from
from rpa_shard.control.resizing import LiveResize
from rpa_shard.control.restarts import Restarts
from rpa_shard.control.run_record import RunRecord
from rpa_shard.control.shard_process import ShardProcess
from rpa_shard.control.throughput import Rates
from rpa_shard.ipc.breadcrumb import read_breadcrumb
from rpa_shard.ipc.messages import GO_ON, PAUSE
from rpa_shard.shard.process import run_shard, warm_up
from rpa_shard.store.folder import DataFolder, StoreError

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
STATUS_SECONDS = 1.0
# A shard ends its own drain by force at the deadline; the supervisor waits a little longer.
KILL_AFTER_DRAIN_SECONDS = 2.0
# What a shard keeps of many papers is no paper's fault: it makes room before the budget is used up.
RECYCLE_SHARE = 0.8
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Phase(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    FINISHING = "finishing"
    STOPPING = "stopping"
    RESIZING = "resizing"
    CRASH_LOOP = "crash_loop"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: by `signal` (0 for none), in a crash loop with its `cause`, or because all was done."""

    signal: int
    cause: str | None
    rates: Rates
    prep_done: int
    seconds: float


class Supervisor:
    """One run over one data folder, whose run lock the caller holds."""

    def __init__(self, settings: Settings, *, daemon: bool, progress: Progress, logs_to_files: bool) -> None:
        self._settings = settings
        self._folder = DataFolder(settings.data_dir)
        self._daemon = daemon
        self._progress = progress
        self._logs_to_files = logs_to_files
        self._phase = Phase.RUNNING
        self._shards: dict[int, ShardProcess] = {}
        self._restart_at: dict[int, float] = {}
        self._restarts = Restarts(settings.crash_loop_deaths, settings.retry_delay_scale)
        self._record = RunRecord(self._folder, progress)
        self._resize = LiveResize(self._folder)
        self._signals: list[int] = []
        self._signal = 0
        self._cause: str | None = None
        self._drain_until = 0.0
        self._politeness = Politeness(settings)
        self._disk = DiskWatch(settings.data_dir, settings.min_free_bytes)
        self._selector = selectors.DefaultSelector()
        self._next_status = 0.0

    def run(self) -> RunEnd:
        """Runs until all is done (or for ever as a daemon), a signal, or a crash loop."""
        for number in range(self._settings.shard_count):
            self._reclaim(number)  # a store that cannot be used is told before anything starts
        with self._noting_signals():
            warm_up(self._settings)
            for number in range(self._settings.shard_count):
                self._fork(number)
            while self._shards or self._restart_at or self._phase is Phase.RESIZING:
                for key, _ in self._selector.select(self._patience_seconds()):
                    self._receive(key)
                self._politeness.act(self._shards)
                self._act_on_signals()
                self._reap()
                self._restart_due()
                self._enforce_deadlines()
                self._finish_if_done()
                self._resize_if_asked()
                self._tell_if_due()
        self._resize.forget()
        self._politeness.act(self._shards)  # what the last shard said of hosts is kept, too
        self._phase = Phase.ENDED
        self._tell()
        self._progress.close()
        return RunEnd(self._signal, self._cause, self._record.rates(), self._record.prep_done(()), self._record.seconds)

    @contextmanager
    def _noting_signals(self) -> Iterator[None]:
        noted, woken = socket.socketpair()
        for end in (noted, woken):
            end.setblocking(False)
        previous = {each: signal.signal(each, lambda number, _: self._signals.append(number)) for each in _SIGNALS}
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)  # so that it wakes the selector
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        self._selector.register(noted, selectors.EVENT_READ, None)
        self._own_sockets = [noted, woken]
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for each, handler in previous.items():
                signal.signal(each, handler)
            self._selector.close()
            for end in self._own_sockets:
                end.close()

    def _patience_seconds(self) -> float:
        next_grant = self._politeness.seconds_to_next_grant()
        return TICK_SECONDS if next_grant is None else min(TICK_SECONDS, next_grant)

    def _receive(self, key: selectors.SelectorKey) -> None:
        shard: ShardProcess | None = key.data
        if shard is None:
            self._own_sockets[0].recv(4096)
            return
        if not shard.receive():
            self._selector.unregister(shard.control)
        self._politeness.hear(shard)

    def _reclaim(self, number: int) -> None:
        leases, suspects = reclaim_from(self._folder, number)
        if leases:
            log.warning("reclaimed %d leases of shard %d, suspects: %s", leases, number, ", ".join(suspects) or "-")
            self._record.reclaimed(leases, suspects)

    def _start(self, number: int) -> None:
        try:
            self._reclaim(number)
        except StoreError as error:
            self._died(number, str(error), for_a_paper=False)
        else:
            self._fork(number)

    def _fork(self, number: int) -> None:
        siblings = [shard.control for shard in self._shards.values()]
        shard = ShardProcess.fork(
            number, self._settings, self._log_file(number), run_shard, [*siblings, *self._own_sockets]
        )
        self._shards[number] = shard
        self._selector.register(shard.control, selectors.EVENT_READ, shard)
        self._politeness.welcome(shard)
        if self._disk.paused:
            shard.send(PAUSE)

    def _log_file(self, number: int) -> Path | None:
        return self._folder.log_file(f"shard-{number:03d}") if self._logs_to_files else None

    def _act_on_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if self._signal == 0:
                self._signal = number
                log.info("%s: draining; once more stops now", signal.Signals(number).name)
                self._drain(Phase.STOPPING)
            else:
                self._signal = number
                for shard in self._shards.values():
                    shard.kill("told twice to stop")

    def _drain(self, phase: Phase) -> None:
        self._phase = phase
        self._restart_at.clear()
        self._drain_until = time.monotonic() + self._settings.drain_seconds + KILL_AFTER_DRAIN_SECONDS
        for shard in self._shards.values():
            shard.drain()

    def _reap(self) -> None:
        for shard in list(self._shards.values()):
            how = shard.reap()
            if how is not None:
                self._buried(shard, how)

    def _buried(self, shard: ShardProcess, how: str) -> None:
        del self._shards[shard.number]
        if shard.control in {key.fileobj for key in self._selector.get_map().values()}:
            self._selector.unregister(shard.control)
        self._politeness.hear(shard)
        self._politeness.forget(shard.number)
        self._record.buried(shard, self._settings)
        if self._phase is not Phase.RUNNING:
            return
        if shard.recycling and not shard.killed_for:
            log.info("shard %d is replaced by a fresh process", shard.number)
            self._restart_at[shard.number] = time.monotonic()
            return
        cause = f"{how} ({shard.killed_for})" if shard.killed_for else how
        self._died(shard.number, cause, for_a_paper=shard.killed_for_a_paper)

    def _died(self, number: int, cause: str, *, for_a_paper: bool) -> None:
        """Says when a dead shard, or one that could not be started, comes back, or stops the run."""
        log.warning("shard %d died: %s", number, cause)
        self._record.died(number, cause)
        now = time.monotonic()
        delay = 0.0 if for_a_paper else self._restarts.died(number, now)
        if delay is None:
            self._cause = f"shards died {self._settings.crash_loop_deaths + 1} times within a minute, last: {cause}"
            log.error("crash loop: %s", self._cause)
            self._drain(Phase.CRASH_LOOP)
        else:
            self._restart_at[number] = now + delay

    def _restart_due(self) -> None:
        now = time.monotonic()
        for number in [number for number, due in self._restart_at.items() if due <= now]:
            del self._restart_at[number]
            self._start(number)

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        for number, shard in self._shards.items():
            crumb = read_breadcrumb(self._folder.breadcrumb_file(number))
            if crumb is not None and now - crumb.since_monotonic > self._settings.extract_deadline_seconds:
                shard.kill(f"extraction of {crumb.paper_id} passed its deadline", for_a_paper=True)
            elif crumb is not None and shard.rss_bytes() > self._settings.shard_memory_bytes:
                shard.kill(f"over its memory budget while parsing {crumb.paper_id}", for_a_paper=True)
            elif now - shard.heard_monotonic > self._settings.shard_silence_seconds:
                shard.kill(f"silent for more than {self._settings.shard_silence_seconds:g} s")
            elif self._phase is not Phase.RUNNING and now > self._drain_until:
                shard.kill("did not drain in time")

    def _recycle_the_large(self) -> None:
        """A shard that nears its memory budget drains and is replaced, one at a time."""
        if self._phase is not Phase.RUNNING or any(shard.recycling for shard in self._shards.values()):
            return
        for number, shard in self._shards.items():
            memory_bytes = self._record.rss_bytes(number)
            if memory_bytes > RECYCLE_SHARE * self._settings.shard_memory_bytes and shard.report.state == "ready":
                log.warning("shard %d holds %.0f MB: it drains and is replaced", number, memory_bytes / 1e6)
                shard.recycle()
                return

    def _resize_if_asked(self) -> None:
        if self._phase is Phase.RUNNING and self._resize.begin(self._settings):
            self._drain(Phase.RESIZING)
        elif self._phase is Phase.RESIZING and not self._shards:
            for number in range(self._settings.shard_count):
                self._reclaim(number)
            self._tell()  # nothing is told during the move
            self._settings = self._resize.finish()
            self._record.resized()
            self._phase = Phase.RUNNING
            for number in range(self._settings.shard_count):
                self._fork(number)
            self._tell()
            self._resize.forget()

    def _finish_if_done(self) -> None:
        if self._phase is not Phase.RUNNING or self._daemon or self._restart_at:
            return
        if all(shard.report.outstanding == 0 for shard in self._shards.values()):
            self._drain(Phase.FINISHING)

    def _tell_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._next_status:
            self._next_status = now + STATUS_SECONDS
            if self._disk.look():
                for shard in self._shards.values():
                    shard.send(PAUSE if self._disk.paused else GO_ON)
            self._tell()
            self._recycle_the_large()

    def _tell(self) -> None:
        for shard in self._shards.values():
            self._record.look_at(shard, self._settings)
        self._record.to_come_back(self._restart_at)
        more = {
            "phase": self._phase,
            "cause": self._cause,
            "paused": self._disk.paused,
            "daemon": self._daemon,
            "hosts": self._politeness.hosts(),
        }
        self._record.tell(self._shards, self._settings, more)
