"""A shard from its fork to its exit.

Guarantee: it works until it is told to drain, loses its supervisor, or breaks; a drain claims nothing more, finishes
or hands back what is in flight while leases are renewed, and ends by force when its time is up. Any part that breaks
ends the whole process: half a shard would hold leases and do nothing. Limit: a hung engine thread cannot be ended from
in here, only the process can.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import uvloop

from rpa_shard.config.host_policy import host_of, policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.extract.engines import load, names_for
from rpa_shard.extract.pool import ExtractionPool, ExtractionRules
from rpa_shard.fetch.address_guard import AddressGuard
from rpa_shard.fetch.download import Downloader, DownloadLimits
from rpa_shard.fetch.permits import Permits
from rpa_shard.fetch.transport import open_client, trusted_certificates
from rpa_shard.ipc.breadcrumb import Breadcrumb
from rpa_shard.ipc.link import Link, open_link
from rpa_shard.ipc.messages import Report
from rpa_shard.phases.prep.pipeline import Prep
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.vitals import Counters, LagHistogram, measure_lag
from rpa_shard.shard.worker import Bench, Worker
from rpa_shard.store.folder import DataFolder
from rpa_shard.store.protocol import Counts
from rpa_shard.store.sqlite.catalogue import CatalogueReader
from rpa_shard.store.sqlite.store import SQLiteStore
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import background_threads

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
# A recount reads the whole status index; it may use up to this share of the time.
RECOUNT_SHARE = 0.05
DRAIN_OVERRAN = 4
# How long a thread that runs Python, such as pypdf's, may keep the interpreter from the loop: a fifth of the default.
SWITCH_SECONDS = 0.001
# Claims are made, and results written, at once when one in so many workers waits for it.
WORKERS_PER_GROUP = 8
# Between a group and the next one when a shard starts: all at once, a hundred downloads stall its loop for a second.
HIRING_SECONDS = 0.3
# A paper makes some ten thousand tuples, and hardly a cycle: the usual 700 cost 2 % of the whole run.
COLLECTOR_THRESHOLDS = (20_000, 20, 50)


def warm_up(settings: Settings) -> None:
    """Does once, before the supervisor forks, what every shard would do after it: the engine, the certificates.

    Shards share the memory of it, and begin at once. Starts no thread.
    """
    trusted_certificates()
    if settings.extract_pool == "thread":
        load(names_for(settings.engine)[0])


def run_shard(number: int, settings: Settings, control: socket.socket) -> None:
    """Runs shard `number` in this process, a fresh fork of the supervisor, until it has drained."""
    # A Ctrl-C reaches the whole process group; what it means is for the supervisor to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Shard(number, settings, control).run())


class Shard:
    """One shard's parts and their life."""

    def __init__(self, number: int, settings: Settings, control: socket.socket) -> None:
        self._number = number
        self._settings = settings
        self._share = settings.share(number)
        self._folder = DataFolder(settings.data_dir)
        self._control = control
        self._counters = Counters()
        self._lag = LagHistogram()
        self._state = "booting"
        self._draining = asyncio.Event()

    async def run(self) -> None:
        """Works until drained. Raises what broke."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._draining.set)
        async with AsyncExitStack() as opened:
            link = await opened.enter_async_context(open_link(self._control))
            permits = Permits(policies_by_host(self._settings.host_policies), link.send)
            group = group_of(len(self._share.workers))
            path, lease_seconds = self._folder.shard_file(self._number), self._settings.lease_ttl_seconds
            store = await opened.enter_async_context(SQLiteStore.open(path, lease_seconds, group=group))
            pool, prep = await opened.enter_async_context(self._open_prep(permits))
            claims = Claims(store, self._counters, group)
            async with asyncio.TaskGroup() as tasks:
                side = [
                    tasks.create_task(each)
                    for each in (
                        measure_lag(self._lag),
                        claims.renew(self._settings.lease_renew_seconds),
                        self._listen(link, permits, claims),
                        self._report(link, store, claims, pool),
                    )
                ]
                feeding = tasks.create_task(claims.feed())
                workers: dict[Worker, asyncio.Task[None]] = {}
                hiring = tasks.create_task(self._hire(tasks, self._bench(claims, prep), group, workers))
                self._state = "ready"
                await self._draining.wait()
                hiring.cancel()
                await self._drain(claims, [feeding, *workers.values()], workers)
                for task in side:
                    task.cancel()
            self._state = "ended"
            link.send(self._current(await store.counts(), claims, pool).as_message())

    def _bench(self, claims: Claims, prep: Prep) -> Bench:
        return Bench(
            claims=claims,
            prep=prep,
            downloads=asyncio.Semaphore(self._share.download_concurrency),
            extractions=asyncio.Semaphore(self._share.extract_concurrency),
            counters=self._counters,
            delay_scale=self._settings.retry_delay_scale,
        )

    async def _hire(
        self, tasks: asyncio.TaskGroup, bench: Bench, group: int, workers: dict[Worker, asyncio.Task[None]]
    ) -> None:
        """Starts the workers, a group at a time."""
        for number in range(len(self._share.workers)):
            if number and number % group == 0:
                await asyncio.sleep(HIRING_SECONDS)
            worker = Worker(bench)
            workers[worker] = tasks.create_task(worker.run())

    @asynccontextmanager
    async def _open_prep(self, permits: Permits) -> AsyncIterator[tuple[ExtractionPool, Prep]]:
        settings, share = self._settings, self._share
        temporaries = self._folder.temporary(self._number)
        shutil.rmtree(temporaries, ignore_errors=True)  # what a killed predecessor left
        temporaries.mkdir(parents=True)
        breadcrumb = Breadcrumb(self._folder.breadcrumb_file(self._number))
        rules = ExtractionRules(
            settings.extract_pool, settings.engine, settings.extract_deadline_seconds, settings.child_memory_bytes
        )
        pool = ExtractionPool(rules, share.extract_workers, breadcrumb)
        disk = background_threads("disk", share.io_threads)
        guard = AddressGuard(host_of(template_of(source)) for source in settings.sources)
        client = open_client(settings, share, guard)
        limits = DownloadLimits(
            settings.max_pdf_bytes, settings.download_deadline_seconds, settings.min_bytes_per_second
        )
        downloader = Downloader(client, disk, temporaries, limits, permits, guard)
        catalogue = CatalogueReader(self._folder)
        try:
            yield pool, Prep(self._folder.papers, settings.sources, downloader, pool, catalogue, settings.keep_pdf)
        finally:
            await client.aclose()
            pool.close()
            disk.shutdown()
            catalogue.close()
            breadcrumb.close()
            shutil.rmtree(temporaries, ignore_errors=True)

    async def _drain(
        self, claims: Claims, working: list[asyncio.Task[None]], workers: dict[Worker, asyncio.Task[None]]
    ) -> None:
        self._state = "draining"
        log.info("draining, %d papers in flight", claims.held)
        asyncio.get_running_loop().call_later(self._settings.drain_seconds, _give_up)
        claims.close()
        reach("mid_drain")
        for worker, task in workers.items():
            if worker.interruptible:
                task.cancel()
        await asyncio.wait(working)

    async def _listen(self, link: Link, permits: Permits, claims: Claims) -> None:
        """Does as the supervisor says; drains when it is gone."""
        async for message in link.messages():
            match message["type"]:
                case "drain":
                    self._draining.set()
                case "pause":
                    claims.pause()
                case "go_on":
                    claims.go_on()
                case _:
                    permits.hear(message)
        if not self._draining.is_set():
            log.warning("the supervisor is gone")
        self._draining.set()

    async def _report(self, link: Link, store: SQLiteStore, claims: Claims, pool: ExtractionPool) -> None:
        """Tells the supervisor once a second how things are, and at once when there is nothing left to do."""
        loop = asyncio.get_running_loop()
        counts: Counts | None = None
        recount_at = loop.time()
        while True:
            if loop.time() >= recount_at:
                begun = loop.time()
                counts = await store.counts()
                recount_at = loop.time() + max(REPORT_SECONDS / 2, (loop.time() - begun) / RECOUNT_SHARE)
            link.send(self._current(counts, claims, pool).as_message())
            claims.ran_dry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await claims.ran_dry.wait()
                    if claims.held == 0:
                        recount_at = min(recount_at, loop.time() + REPORT_SECONDS / 10)
                    await asyncio.sleep(REPORT_SECONDS / 10)

    def _current(self, counts: Counts | None, claims: Claims, pool: ExtractionPool) -> Report:
        by_status = counts.by_status if counts else {}
        outstanding = by_status.get("pending", 0) + by_status.get("prepping", 0) if counts else None
        return Report(
            state=self._state,
            outstanding=outstanding,
            by_status=by_status,
            by_failure=counts.by_failure if counts else {},
            prep_done=self._counters.prep_done,
            attempts_failed=self._counters.attempts_failed,
            lost_leases=self._counters.lost_leases,
            held=claims.held,
            downloading=self._counters.downloading,
            extracting=pool.busy,
            lag_p50_seconds=self._lag.quantile_seconds(0.5),
            lag_p99_seconds=self._lag.quantile_seconds(0.99),
            lag_max_seconds=self._lag.max_seconds,
            downloaded_bytes=self._counters.downloaded_bytes,
        )


def group_of(workers: int) -> int:
    """How many of a shard's workers have to wait for something to be done for all of them at once."""
    return max(1, workers // WORKERS_PER_GROUP)


def _give_up() -> None:
    log.error("the drain took too long: ending by force, what is held goes back at the next start")
    os._exit(DRAIN_OVERRAN)
