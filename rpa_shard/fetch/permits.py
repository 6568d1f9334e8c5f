"""A shard's side of politeness: permits for governed hosts, requested from the supervisor and returned.

Guarantee: no request to a governed host begins without a fresh permit, and none to any host while a lease may have run
out; a refusal that one worker receives stops all workers of the shard at once, before the supervisor has informed the
other shards. Limit: a host that is not governed needs no permit; passing through here costs one dictionary look-up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from rpa_shard.config.host_policy import PERMIT_VALID_SECONDS
from rpa_shard.fetch.trust import Trust
from rpa_shard.ipc.messages import (
    Ending,
    HostBlocked,
    HostDoubted,
    HostLimited,
    HostStates,
    NoPdfNoted,
    PermitMessage,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
)
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity
from rpa_shard.system.activity import PERMIT, begin

Send = Callable[[PermitMessage], None]


@dataclass(slots=True)
class Permit:
    """The right to send one request. `number` is None if the host is not governed."""

    host: str
    number: int | None
    send: Send
    # The host that the answer leads to.
    leads_to: str | None = None

    @property
    def governed(self) -> bool:
        """Whether the host's connections are counted."""
        return self.number is not None

    def answered(self) -> None:
        """The answer has begun: its window starts here."""
        if self.number is not None:
            self.send(RequestAnswered(self.host, self.number))


@dataclass(frozen=True, slots=True)
class _Granted:
    permit: int
    granted_at: float

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.granted_at <= PERMIT_VALID_SECONDS


class Permits:
    """The permits of one shard. `handle` takes the supervisor's messages about hosts."""

    def __init__(self, governed: Iterable[str], send: Send, leases: LeaseValidity) -> None:
        self._send = send
        self._leases = leases
        self._waiting: dict[str, deque[asyncio.Future[_Granted | None]]] = {host: deque() for host in governed}
        self._blocked: dict[str, str] = {}
        # States that we reported and the supervisor has not yet confirmed: messages that crossed ours do not change
        # them.
        self._reported: set[str] = set()
        self._refusals: dict[str, str] = {}
        self.trust = Trust(send)

    @asynccontextmanager
    async def permit(self, host: str) -> AsyncIterator[Permit]:
        """Waits for a permit for one request to `host`, held until the end of its answer.

        Raises PaperError(BLOCKED) if the host refuses us. The exception that leaves the block, if any, determines the
        ending that is reported to the supervisor: after a LeaseInDoubtError the permit was not used.
        """
        await self._leases.wait()
        if host in self._blocked:
            raise self._refusal(host)
        permit = None
        if host in self._waiting:
            stage = begin(PERMIT)
            permit = await self._acquire(host)
            begin(stage)
        ending: Ending = "failed"
        given = Permit(host, permit, self._send)
        try:
            yield given
            ending = "ok" if given.leads_to is None else "redirected" if given.leads_to == host else "undecided"
        except PaperError as error:
            ending = _ENDINGS.get(error.failure, "failed")
            self._refused(host, permit, error)
            raise
        except LeaseInDoubtError:
            ending = "unused"
            raise
        finally:
            if permit is not None:
                self._send(PermitReturned(host, permit, ending))

    def handle(self, message: PermitsGranted | HostStates | HostDoubted | NoPdfNoted) -> None:
        """Handles a message of the supervisor about hosts."""
        match message:
            case PermitsGranted(host, permits, granted_at):
                self._hand_out(host, permits, granted_at)
            case HostStates(hosts):
                self._take_in(hosts)
                self.trust.take_in(hosts)
            case HostDoubted(host):
                self.trust.doubt(host)
            case NoPdfNoted(number):
                self.trust.noted(number)

    async def _acquire(self, host: str) -> int | None:
        """A fresh permit, or None if the host no longer needs one."""
        while (granted := await self._turn(host)) is not None:
            if granted.fresh and self._leases.holds:
                return granted.permit
            # The loop stalled between the grant and its use, or a renewal fails.
            self._give_back(host, granted.permit)
            await self._leases.wait()
            if host not in self._waiting:
                return None
        return None

    async def _turn(self, host: str) -> _Granted | None:
        waiting: asyncio.Future[_Granted | None] = asyncio.get_running_loop().create_future()
        self._waiting[host].append(waiting)
        self._send(PermitsWanted(host, 1))
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                granted = waiting.result()
                if granted is not None:
                    self._give_back(host, granted.permit)
            raise

    def _give_back(self, host: str, permit: int) -> None:
        self._send(PermitReturned(host, permit, "unused"))

    def _hand_out(self, host: str, ids: Iterable[int], granted_at: float) -> None:
        for permit in ids:
            granted = _Granted(permit, granted_at)
            waiting = self._next_waiting(host)
            if waiting is not None and granted.fresh:
                waiting.set_result(granted)
                continue
            self._give_back(host, permit)
            if waiting is not None:
                self._waiting[host].appendleft(waiting)
                self._send(PermitsWanted(host, 1))

    def _next_waiting(self, host: str) -> asyncio.Future[_Granted | None] | None:
        queue = self._waiting.get(host, deque())
        while queue:
            waiting = queue.popleft()
            if not waiting.done():  # its worker may have been cancelled
                return waiting
        return None

    def _take_in(self, hosts: Mapping[str, HostStatus]) -> None:
        self._reported -= hosts.keys()
        blocked = {host: each.blocked for host, each in hosts.items() if each.blocked}
        self._refusals = {host: said for host, said in self._refusals.items() if host not in blocked}
        self._blocked = self._refusals | blocked
        for host in hosts.keys() - self._waiting.keys():
            self._waiting[host] = deque()
        for host in self._waiting.keys() - hosts.keys() - self._reported:
            while waiting := self._next_waiting(host):
                waiting.set_result(None)
            del self._waiting[host]
        for host in self._blocked:
            self._refuse_waiting(host)

    def _refused(self, host: str, permit: int | None, error: PaperError) -> None:
        if error.failure is Failure.RATE_LIMITED:
            self._report(host)
            self._send(HostLimited(host, permit, error.retry_after_seconds, error.detail))
        elif error.failure is Failure.BLOCKED:
            error.host = host
            self._report(host)
            self._blocked[host] = self._refusals[host] = error.detail
            self._send(HostBlocked(host, error.detail))
            self._refuse_waiting(host)

    def _report(self, host: str) -> None:
        """Reports a state; from now on the host is governed, and every worker has to ask for permits."""
        if host not in self._waiting:
            self._waiting[host] = deque()
            self._reported.add(host)

    def _refuse_waiting(self, host: str) -> None:
        while waiting := self._next_waiting(host):
            waiting.set_exception(self._refusal(host))

    def _refusal(self, host: str) -> PaperError:
        return PaperError(Failure.BLOCKED, self._blocked[host], host=host)


# How a request counts whose answer was a failure.
_ENDINGS: Mapping[Failure, Ending] = {
    **dict.fromkeys((Failure.NOT_FOUND, Failure.GONE, Failure.WITHDRAWN, Failure.TOO_LARGE), "ok"),
    **dict.fromkeys(
        (
            Failure.NOT_A_PDF,
            Failure.UNEXPECTED,
            Failure.LEGAL,
            Failure.REDIRECT_LOOP,
            Failure.FORBIDDEN_REDIRECT,
        ),
        "undecided",
    ),
}
