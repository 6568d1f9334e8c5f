"""Keeps a node's place in the run: its lease, its published status, and what people ask of it.

Guarantee: everything that waits for the database is in a thread, so the loop goes on; a database that is away is logged
once, and once more when it is back. If another process has taken the node's name, the node drains: two of one name
would free each other's papers. Limit: a node that cannot renew goes on working; the fence discards what it does after
others have taken its papers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.ipc.run_status import RunState, RunStatus, decode_status
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster, Membership, NodeRequests
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import replace_file

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# An unchanged status is published again once this share of the lease has passed.
RENEWAL_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Published:
    """What was last accepted by the store, and when (monotonic)."""

    report: bytes
    at: float


class MembershipKeeper:
    """Keeps `membership` for the run in `run`, whose supervisor is the process `supervisor`.

    `cluster` is a connection that nobody else uses.
    """

    def __init__(
        self, cluster: Cluster, membership: Membership, lease_seconds: float, run: RunDirectory, supervisor: int
    ) -> None:
        self._cluster = cluster
        self._membership = membership
        self._lease_seconds = lease_seconds
        self._run = run
        self._supervisor = supervisor
        self._published: Published | None = None
        self._is_away = False
        self._drains = False

    async def run(self) -> None:
        """Renews until it is cancelled. Raises nothing else."""
        while True:
            begun = time.monotonic()
            await self.renew_if_due()
            await asyncio.sleep(max(0.0, begun + self._poll_seconds() - time.monotonic()))

    async def renew_if_due(self) -> None:
        """Publishes the status if it has changed or the lease wants it, and does what is asked."""
        report, status = self._report()
        last = self._published
        is_same = last is not None and last.report == report
        if last is not None and is_same and time.monotonic() - last.at < self._lease_seconds * RENEWAL_SHARE:
            return
        sent = time.monotonic()
        try:
            asked = await asyncio.to_thread(self._cluster.renew, self._membership, self._lease_seconds, report)
        except StoreError as error:
            self._say_that_it_is_away(error)
            return
        reach("node_renewed")
        self._published = Published(report, sent)
        if self._is_away:
            self._is_away = False
            log.warning("the database can be reached again: this is node %s again", self._membership.node)
        if asked is None:
            self._taken(status)
        else:
            self._do(asked, status)

    def _poll_seconds(self) -> float:
        return min(POLL_SECONDS, self._lease_seconds * RENEWAL_SHARE)

    def _report(self) -> tuple[bytes, RunStatus | None]:
        """The status of this run, as bytes and decoded; empty, and None, while there is none."""
        try:
            report = self._run.status_file.read_bytes()
        except OSError:
            return b"", None
        status = decode_status(report)
        if status is None or status.pid != self._supervisor:
            return b"", None  # of an earlier run
        return report, status

    def _say_that_it_is_away(self, error: StoreError) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("node %s cannot renew its lease: %s", self._membership.node, error)

    def _taken(self, status: RunStatus | None) -> None:
        if not self._drains:
            log.error("another process is now node %s: draining; set RPA_V2_NODE", self._membership.node)
        self._drain(status)

    def _do(self, asked: NodeRequests, status: RunStatus | None) -> None:
        if asked.shards is not None:
            log.info("asked for %d shards", asked.shards)
            with suppress(OSError):
                replace_file(self._run.resize_request, str(asked.shards).encode())
        if asked.drain:
            log.info("asked to drain")
            self._drain(status)

    def _drain(self, status: RunStatus | None) -> None:
        """Sends SIGTERM, once: the second would end the run at once. A run that already ends needs none."""
        ends = status is not None and status.state not in (RunState.RUNNING, RunState.RESIZING)
        if not self._drains and not ends:
            with suppress(ProcessLookupError):
                os.kill(self._supervisor, signal.SIGTERM)
        self._drains = True
