"""One node's part in deciding who governs: it asks for an epoch, governs while it has one, and gives it up in the end.

Guarantee: as in `election`; every call to the database is made in a thread, and no other call waits for it. Limit: the
machine's clock that counts while it sleeps decides how long a lease lasts; of a virtual machine that is halted from
outside without its clock noticing, nobody can know.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import ClusterMemory
from rpa_shard.control.governors.serving.election import RENEW_SHARE, OwnEpoch, Stage
from rpa_shard.control.governors.serving.governing import GoverningThread
from rpa_shard.control.governors.serving.service import Service
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster
from rpa_shard.system.clock import boot_clock
from rpa_shard.system.failpoints import reach
from rpa_shard.system.threads import run_to_its_end

log = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS = 2.0

OpenCluster = Callable[[], AbstractContextManager[Cluster]]


class Candidacy:
    """A node that would govern. `address` is where the others reach its `service`.

    `noted` is told the number of each epoch that this process gets; `ended` is one of a process that is known to be
    dead, for whose lease nobody need wait, or 0.
    """

    def __init__(
        self,
        settings: Settings,
        service: Service,
        address: str,
        open_cluster: OpenCluster,
        clock: Callable[[], float] = boot_clock,
        *,
        noted: Callable[[int], None] = lambda _: None,
        ended: int = 0,
    ) -> None:
        self._settings = settings
        self._service = service
        self._address = address
        self._open_cluster = open_cluster
        self._clock = clock
        self._noted = noted
        self._ended = ended
        self._thread = ThreadPoolExecutor(1, "election")
        self._lease_seconds = settings.governor_lease_seconds
        # The epoch that this node has now, if any.
        self.epoch: OwnEpoch | None = None

    async def run(self) -> None:
        """Until it is cancelled: then an epoch of this node is given up, so that another node may govern at once."""
        with self._open_cluster() as cluster:
            if self._ended:
                await self._give_up(cluster, self._ended)
            while True:
                epoch, secret = await self._won(cluster)
                self.epoch = epoch
                try:
                    await self._govern(cluster, epoch, secret)
                finally:
                    self.epoch = None

    async def _won(self, cluster: Cluster) -> tuple[OwnEpoch, str]:
        """Asks for an epoch until there is one."""
        while True:
            secret = secrets.token_hex(32)
            asked_at = self._clock()
            try:
                epoch = await run_to_its_end(
                    self._thread, cluster.seek_epoch, self._settings.node, self._address, secret, self._lease_seconds
                )
            except StoreError as error:
                log.info("no epoch can be asked for: %s", error)
                epoch = None
            if epoch is not None:
                self._noted(epoch.number)
                return OwnEpoch(epoch, self._lease_seconds, asked_at, self._clock()), secret
            await asyncio.sleep(min(self._lease_seconds * RENEW_SHARE, LONGEST_PAUSE_SECONDS))

    async def _govern(self, cluster: Cluster, epoch: OwnEpoch, secret: str) -> None:
        log.info("this node governs, epoch %d", epoch.number)
        try:
            async with self._governing(epoch, secret) as memory:
                while epoch.stage(self._clock()) is not Stage.DEPOSED:
                    await self._renew(cluster, epoch, memory)
                    await asyncio.sleep(min(epoch.seconds_to_renewal(self._clock()), LONGEST_PAUSE_SECONDS))
                log.warning("this node governs no more")
        except asyncio.CancelledError:
            await self._give_up(cluster, epoch.number)
            raise

    @asynccontextmanager
    async def _governing(self, epoch: OwnEpoch, secret: str) -> AsyncIterator[ClusterMemory]:
        """The governors at work in a thread; ended, and waited for, when the block is left."""
        with self._open_cluster() as own:
            memory = ClusterMemory(own, epoch.number)
            may_grant = lambda: epoch.may_grant(self._clock())  # noqa: E731
            governing = GoverningThread(self._settings, epoch.number, memory, may_grant, self._clock)
            working = asyncio.create_task(asyncio.to_thread(governing.run))
            self._service.opens(governing, secret)
            watching = asyncio.create_task(_end_with(working, epoch))
            try:
                yield memory
            finally:
                self._service.closes()
                governing.end()
                await asyncio.wait((watching,))
                epoch.ends()

    async def _renew(self, cluster: Cluster, epoch: OwnEpoch, memory: ClusterMemory) -> None:
        if epoch.seconds_to_renewal(self._clock()) > 0:
            return
        asked_at = epoch.asks(self._clock())
        reach("governor_renewal")
        try:
            stands = await run_to_its_end(self._thread, cluster.renew_epoch, epoch.number, self._lease_seconds)
            epoch.answered(asked_at, stands=stands)
            if stands:
                memory.reopen(await run_to_its_end(self._thread, cluster.take_reopen_requests, epoch.number))
        except StoreError as error:
            log.warning("the right to govern cannot be renewed: %s", error)

    async def _give_up(self, cluster: Cluster, epoch: int) -> None:
        """Only once nothing is granted any more."""
        try:
            await run_to_its_end(self._thread, cluster.end_epoch, epoch)
        except StoreError as error:
            log.info("the right to govern was not given up: %s", error)


async def _end_with(working: asyncio.Task[None], epoch: OwnEpoch) -> None:
    """An governing that breaks ends its epoch here, rather than to hold the lease and grant nothing."""
    try:
        await working
    except Exception:
        log.exception("the governors broke")
        epoch.ends()
