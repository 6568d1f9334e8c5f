"""A shard from its start to its exit.

Guarantee: it works until it is told to drain, loses its supervisor, or breaks; a drain claims nothing more, finishes or
hands back what is in flight while leases are renewed, and ends by force when its time is up. Any part that breaks ends
the process: half a shard would hold leases and do nothing. Limit: a hung engine thread cannot be ended from inside;
only the process can.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

import uvloop

from rpa_shard.config.host_policy import policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.fetch.permits import Permits
from rpa_shard.ipc.allowance import Allowance
from rpa_shard.ipc.calls import CallsGranted, ModelStates
from rpa_shard.ipc.link import Link, open_link
from rpa_shard.ipc.messages import (
    Drain,
    HostDoubted,
    HostStates,
    MayTake,
    NoPdfNoted,
    Pause,
    PermitsGranted,
    Reported,
    Resume,
)
from rpa_shard.ipc.shard_report import IN_WORK_SHOWN, PaperInWork, ShardReport, ShardState
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.model.distribution import Durations
from rpa_shard.model.phase import Phase
from rpa_shard.phases.publishing import open_published
from rpa_shard.phases.registry import PhaseRegistry
from rpa_shard.phases.runner import PhaseRunner, ShardContext, Slots
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.recounts import Recounts
from rpa_shard.shard.vitals import Counters, loop_lag, measure_lag
from rpa_shard.shard.worker import Worker, WorkerContext
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.protocol import Store
from rpa_shard.store.rows import Counts
from rpa_shard.system.allocator import share_arenas
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

T = TypeVar("T")

REPORT_SECONDS = 1.0
# A recount reads the complete status index; it may use up to this share of the time.
RECOUNT_SHARE = 0.05
DRAIN_OVERRAN = 4
# How long a thread that runs Python code, such as pypdf's, may keep the loop waiting: a fifth of the default.
SWITCH_SECONDS = 0.001
# Claims are made and results are written at once when one worker in this many waits for them.
WORKERS_PER_GROUP = 8
# Pause between groups of workers at the start: a hundred downloads begun at once stall the loop for a second.
SPAWN_SECONDS = 0.3
# A paper creates about ten thousand tuples and almost no cycles: with the default of 700, collection took 2 % of a run.
COLLECTOR_THRESHOLDS = (20_000, 20, 50)


def run_shard(number: int, settings: Settings, registry: PhaseRegistry, control: socket.socket) -> None:
    """Runs shard `number` in this process until it has drained; `control` leads to the supervisor."""
    # Ctrl-C reaches every process of the group; the supervisor decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    share_arenas()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Shard(number, settings, registry, control).run())


class Shard:
    """The parts of one shard, from start to end."""

    def __init__(self, number: int, settings: Settings, registry: PhaseRegistry, control: socket.socket) -> None:
        self._number = number
        self._settings = settings
        self._registry = registry
        self._share = settings.share(number)
        self._folder = DataFolder.of(settings)
        self._control = control
        self._counters = Counters()
        self._lag = Durations()
        self._state = ShardState.BOOTING
        self._draining = asyncio.Event()
        self._informed = asyncio.Event()
        self._workers: dict[Worker, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Works until drained. Raises what broke."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._draining.set)
        engine, group = engine_of(self._folder), group_of(len(self._share.workers))
        leases = LeaseValidity(self._settings.lease_ttl_seconds)
        async with AsyncExitStack() as opened:
            link = await opened.enter_async_context(open_link(self._control))
            permits = Permits(policies_by_host(self._settings.host_policies), link.send, leases)
            store = await opened.enter_async_context(
                engine.open_store(self._number, self._settings.lease_ttl_seconds, group=group)
            )
            calls = CallPermits(link.send, leases)
            lent = ShardContext(self._number, self._settings, self._share, self._folder, engine, permits, calls, leases)
            runners: dict[Phase, PhaseRunner] = {}
            chosen = self._registry.chosen(self._settings.run_phases)
            for definition in chosen:
                runners[definition.phase] = await opened.enter_async_context(open_published(definition, lent))
            asking = frozenset(each.phase for each in chosen if each.asks_models)
            claims = Claims(store, self._counters, tuple(runners), group, leases, asking, lambda: calls.standing)
            slots = Slots(_merged(*(runner.slots for runner in runners.values())))
            context = WorkerContext(claims, runners, slots, self._counters, self._settings.retry_delay_scale)
            await self._work(context, store, link, permits, calls, group)
            self._state = ShardState.ENDED
            link.send(Reported(self._report(await store.counts(), context)))

    async def _work(
        self, context: WorkerContext, store: Store, link: Link, permits: Permits, calls: CallPermits, group: int
    ) -> None:
        """Runs every task of the shard until it has drained."""
        claims = context.claims
        async with asyncio.TaskGroup() as tasks:
            side = [
                tasks.create_task(each)
                for each in (
                    measure_lag(self._lag),
                    claims.renew(self._settings.lease_renew_seconds),
                    self._listen(link, permits, calls, claims),
                    self._report_regularly(link, store, context),
                )
            ]
            feeding = tasks.create_task(self._feed(claims))
            spawning = tasks.create_task(self._spawn_workers(tasks, context, group))
            self._state = ShardState.READY
            await self._draining.wait()
            spawning.cancel()
            await self._drain(claims, [feeding, *self._workers.values()])
            for task in side:
                task.cancel()

    async def _feed(self, claims: Claims) -> None:
        """Claims papers, once the supervisor has said how things stand: it may have told us to pause first."""
        await self._informed.wait()
        await claims.feed()

    async def _spawn_workers(self, tasks: asyncio.TaskGroup, context: WorkerContext, group: int) -> None:
        """Starts the workers, a group at a time."""
        for number in range(len(self._share.workers)):
            if number and number % group == 0:
                await asyncio.sleep(SPAWN_SECONDS)
            worker = Worker(context)
            self._workers[worker] = tasks.create_task(worker.run())

    async def _drain(self, claims: Claims, working: list[asyncio.Task[None]]) -> None:
        self._state = ShardState.DRAINING
        log.info("draining, %d papers in flight", claims.held)
        asyncio.get_running_loop().call_later(self._settings.drain_seconds, _give_up)
        claims.close()
        self._informed.set()
        reach("mid_drain")
        for worker, task in self._workers.items():
            worker.drain(task)
        await asyncio.wait(working)

    async def _listen(self, link: Link, permits: Permits, calls: CallPermits, claims: Claims) -> None:
        """Follows the supervisor's messages; drains when the supervisor is gone."""
        async for message in link.messages():
            match message:
                case Drain():
                    self._draining.set()
                case Pause():
                    claims.pause()
                case Resume():
                    claims.resume()
                case MayTake(papers, not_failed_since):
                    claims.limit(Allowance(papers), not_failed_since)
                case PermitsGranted() | HostStates() | HostDoubted() | NoPdfNoted():
                    permits.handle(message)
                    self._informed.set()
                case CallsGranted():
                    calls.handle(message)
                case ModelStates():
                    calls.handle(message)
                    claims.look_again()
                case _:
                    log.error("unexpected message from the supervisor: %s", message)
        if not self._draining.is_set():
            log.warning("the supervisor is gone")
        self._draining.set()

    async def _report_regularly(self, link: Link, store: Store, context: WorkerContext) -> None:
        """Reports to the supervisor once a second, and at once when there is nothing left to do."""
        claims = context.claims
        async with Recounts(store, REPORT_SECONDS / 2, RECOUNT_SHARE) as recounts:
            while True:
                counts = await recounts.latest(REPORT_SECONDS)
                link.send(Reported(self._report(counts, context)))
                claims.ran_dry.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(REPORT_SECONDS):
                        await claims.ran_dry.wait()
                        if claims.held == 0:
                            recounts.hurry(REPORT_SECONDS / 10)
                        await asyncio.sleep(REPORT_SECONDS / 10)

    def _report(self, counts: Counts | None, context: WorkerContext) -> ShardReport:
        runners = context.runners
        return ShardReport(
            state=self._state,
            outstanding=context.claims.still_open(counts.by_status) if counts else None,
            by_status=counts.by_status if counts else {},
            by_failure=counts.by_failure if counts else {},
            back_offs=counts.back_offs if counts else {},
            held=context.claims.held,
            workers=tuple(worker.stage for worker in self._workers),
            in_work=self._longest_in_work(),
            failures=self._counters.failures(),
            gauges=_merged(context.slots.gauges(), *(runner.gauges() for runner in runners.values())),
            loop_lag=loop_lag(self._lag),
            work=self._counters.work(
                _merged(*(runner.totals() for runner in runners.values())),
                _merged(*(runner.tallies() for runner in runners.values())),
            ),
        )

    def _longest_in_work(self) -> tuple[PaperInWork, ...]:
        """The papers that have been held longest: this shard's part of those that the run shows."""
        shown = max(1, IN_WORK_SHOWN // self._settings.shard_count)
        held = filter(None, (worker.in_work() for worker in self._workers))
        return tuple(heapq.nlargest(shown, held, key=lambda each: each.seconds))


def _merged(*parts: Mapping[str, T]) -> dict[str, T]:
    return {name: value for part in parts for name, value in part.items()}


def group_of(workers: int) -> int:
    """How many waiting workers of a shard make a group, which is served at once."""
    return max(1, workers // WORKERS_PER_GROUP)


def _give_up() -> None:
    log.error("the drain took too long: ending by force, held papers go back to the queue at the next start")
    os._exit(DRAIN_OVERRAN)
