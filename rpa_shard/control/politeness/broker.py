"""The governor at work: shards' messages in, permits out, hosts' states published and kept for the next run.

Guarantee: a host's refusal is saved before any process acts on it, so it survives a killed run. Limit: runs inside the
supervisor's only thread; a permit waits for that thread's next turn.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from rpa_shard.config.host_policy import HostPolicy, policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import Memory
from rpa_shard.control.politeness.governor import Governor, Grant
from rpa_shard.control.politeness.host_state import changes
from rpa_shard.control.politeness.in_a_row import Given
from rpa_shard.ipc.messages import (
    HostAnswered,
    HostBlocked,
    HostDoubted,
    HostLimited,
    HostStates,
    NoPdf,
    NoPdfNoted,
    PermitMessage,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
    ToShard,
)
from rpa_shard.ipc.run_status import HostStatus

log = logging.getLogger(__name__)

# How long after a download's own deadline a permit that was not returned expires.
PERMIT_GRACE_SECONDS = 60.0

Send = Callable[[int, ToShard], None]


class PermitBroker:
    """The governor of one run, and every shard that it deals with. The first permit gets the number `first_permit`."""

    def __init__(self, settings: Settings, memory: Memory, *, first_permit: int = 1) -> None:
        self._memory = memory
        now = time.monotonic()
        self._governor = Governor(
            policies_by_host(settings.host_policies),
            settings.host_close_seconds,
            settings.download_deadline_seconds + PERMIT_GRACE_SECONDS,
            now,
            first_permit=first_permit,
        )
        for saved in memory.hosts():
            self._governor.restore(saved.host, saved.status, saved.age_seconds, now)
        self._reopen_on_request()  # before a shard learns of a refusal that a person has ended
        self._published: Mapping[str, HostStatus] = {}
        # Reports whose shards wait until what follows from them is published.
        self._noted: list[tuple[int, NoPdfNoted]] = []

    def hosts(self) -> Mapping[str, HostStatus]:
        """Every governed host and its state."""
        return self._governor.hosts(time.monotonic())

    def handle(self, number: int, messages: Iterable[PermitMessage]) -> None:
        """Handles what shard `number` has sent."""
        now = time.monotonic()
        for message in messages:
            match message:
                case PermitsWanted(host, count):
                    self._governor.want(number, host, count)
                case RequestAnswered(host, permit):
                    self._governor.answered(host, permit, now)
                case PermitReturned(host, permit, ending):
                    self._governor.back(host, permit, ending, now)
                case HostLimited(host, limited, retry_after_seconds, detail):
                    self._governor.limited(host, limited, retry_after_seconds, now, detail)
                case HostBlocked(host, detail):
                    self._governor.block(host, detail, now)
                case NoPdf(report, host, asked_with, paper, page, instead, says, on_trial):
                    given = Given(paper, page, instead, says, on_trial)
                    self._governor.no_pdf(host, asked_with, given, now)
                    self._noted.append((number, NoPdfNoted(report)))
                case HostAnswered(host, with_pdf):
                    self._governor.well_answered(host, now, with_pdf=with_pdf)

    def adopt(self, number: int, host: str, permit: int, *, answered: bool) -> None:
        """A shard has a request under way that an earlier governor has granted."""
        self._governor.adopt(number, host, permit, time.monotonic(), answered=answered)

    def learn(self, policies: Iterable[HostPolicy]) -> None:
        """These policies hold, too, for hosts that have none here."""
        self._governor.learn({policy.host: policy for policy in policies}, time.monotonic())

    def forget(self, number: int) -> None:
        """A shard is gone; its permits are free again."""
        self._noted = [(shard, noted) for shard, noted in self._noted if shard != number]
        self._governor.forget(number, time.monotonic())

    def act(self, shards: Collection[int], send: Send) -> None:
        """Publishes changes to the living shards and grants the permits that may be granted now.

        Raises what the memory raises: then nothing has been granted.
        """
        now = time.monotonic()
        granted = self._governor.grants(now)
        try:
            self._publish_changes(shards, send, now)
            # Only a published state can be withdrawn: a shard keeps the refusal that it has seen until it hears ours.
            if self._reopen_on_request():
                self._publish_changes(shards, send, now)
        except Exception:
            self._take_back(granted, now)
            raise
        for host in self._governor.newly_doubted():
            for number in shards:
                send(number, HostDoubted(host))
        for number, noted in self._noted:
            if number in shards:
                send(number, noted)
        self._noted.clear()
        for grant in granted:
            if grant.shard in shards:
                send(grant.shard, PermitsGranted(grant.host, grant.ids, grant.granted_at))
            else:
                for permit in grant.ids:
                    self._governor.back(grant.host, permit, "unused", now)

    def _take_back(self, granted: Iterable[Grant], now: float) -> None:
        for grant in granted:
            for permit in grant.ids:
                self._governor.back(grant.host, permit, "unused", now)
            self._governor.want(grant.shard, grant.host, len(grant.ids))

    def seconds_to_next_grant(self) -> float | None:
        """How long until the clock allows another permit; None if the clock alone allows none."""
        return self._governor.seconds_to_next_grant(time.monotonic())

    def _publish_changes(self, shards: Iterable[int], send: Send, now: float) -> None:
        hosts = self._governor.hosts(now)
        changed = list(changes(self._published, hosts))
        if not changed:
            return
        self._memory.save_hosts(hosts)
        self._published = hosts
        for host in changed:
            if host in hosts:
                _log_state(host, hosts[host])
        for number in shards:
            send(number, HostStates(hosts))

    def _reopen_on_request(self) -> bool:
        reopened = False
        for host in self._memory.reopen_requests():
            if self._governor.reopen(host, time.monotonic()):
                log.warning("host %s: opened again on request", host)
                reopened = True
        return reopened


def _log_state(host: str, state: HostStatus) -> None:
    if state.blocked:
        log.error("host %s: refuses us, no requests until `hosts --reopen %s`: %s", host, host, state.blocked)
    elif state.closed_seconds == 0.0:
        log.warning("host %s: one request is to show whether it can be opened", host)
    elif state.closed_seconds is not None:
        log.warning("host %s: left alone for %.0f s: %s", host, state.closed_seconds, state.why or "it was closed")
    elif state.factor < 1.0:
        log.warning("host %s: open at %.0f %% of %s", host, state.factor * 100, state.policy)
