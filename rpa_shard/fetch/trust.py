"""A shard's trust in hosts: which of them give PDFs, and what to do about one that gives something else.

Guarantee: a host that has not answered this shard yet, or gave no PDF last, gets few requests at a time, until it gives
a PDF; every answer without one is reported and taken into account before its paper goes on; while a host is shut, such
answers cost a paper no attempt. A host that only redirects is judged by where its redirects lead. Limit: a host that
answers well costs one look-up for each paper and no message; what follows from reports is the supervisor's decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

from rpa_shard.ipc.messages import HostAnswered, Instead, NoPdf, PermitMessage
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.model.failure import Failure, Page, PaperError
from rpa_shard.system.activity import PERMIT, begin

# Papers that may be asked for at a time, at a host that has yet to show that it gives PDFs.
ON_TRIAL = 2
NOTED_WITHIN_SECONDS = 10.0
MAX_HOSTS = 10_000

# Answers that may be the host's fault rather than the paper's.
_NO_PDF = frozenset(
    {
        Failure.NOT_A_PDF,
        Failure.UNEXPECTED,
        Failure.LEGAL,
        Failure.REDIRECT_LOOP,
        Failure.FORBIDDEN_REDIRECT,
        Failure.SERVER_ERROR,
    }
)
_HAS_NONE = frozenset({Failure.NOT_FOUND, Failure.GONE, Failure.WITHDRAWN})


@dataclass(slots=True)
class _Host:
    """What this shard has seen of a host. `on_trial`: it has yet to show that it gives PDFs."""

    on_trial: bool = True
    # Whether what it gave last was no PDF: only a PDF ends this trial.
    gave_none: bool = False
    # Whether another shard got no PDF: the next one that comes here is reported.
    doubted: bool = False
    asked: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def turn(self) -> None:
        """Waits until the host may be asked for one more paper."""
        while self.on_trial and self.asked >= ON_TRIAL:
            await self.changed.wait()
        self.asked += 1

    def notify(self) -> None:
        """Whoever waits looks again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Asking:
    """A paper that is being asked for; `permit` is that of the last request to the host which was asked.

    `on_trial`: whether the host was, when it was asked.
    """

    def __init__(self, trust: Trust, host: str, *, on_trial: bool) -> None:
        self.permit: int | None = None
        self.on_trial = on_trial
        self._trust = trust
        self._host = host
        self._has_pdf = False

    def sent(self, host: str, permit: int | None) -> None:
        """A request goes out, to the host which was asked or to one that it led to."""
        if host == self._host:
            self.permit = permit

    def gave_pdf(self) -> None:
        """The answer begins like a PDF."""
        if not self._has_pdf:
            self._has_pdf = True
            self._trust.gave_pdf(self._host)


class Trust:
    """All hosts of one shard."""

    def __init__(self, send: Callable[[PermitMessage], None]) -> None:
        self._send = send
        self._hosts: dict[str, _Host] = {}
        self._shut: frozenset[str] = frozenset()
        self._numbers = count(1)
        self._unnoted: dict[int, asyncio.Future[None]] = {}

    def take_in(self, hosts: Mapping[str, HostStatus]) -> None:
        """How things stand with governed hosts."""
        self._shut = frozenset(host for host, status in hosts.items() if status.is_shut)

    def doubt(self, host: str) -> None:
        """The host gave some shard no PDF."""
        if host in self._hosts:
            self._hosts[host].doubted = True

    def noted(self, number: int) -> None:
        """A report has been taken into account."""
        waiting = self._unnoted.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    @asynccontextmanager
    async def asking(self, host: str, url: str) -> AsyncIterator[Asking]:
        """Waits until `host` may be asked for the paper at `url`; the block gets it.

        The exception that leaves the block, if any, is what the host is judged by. Raises PaperError.
        """
        state = self._state(host)
        stage = begin(PERMIT)
        await state.turn()
        begin(stage)
        asking = Asking(self, host, on_trial=state.on_trial)
        try:
            yield asking
        except PaperError as error:
            await self._judge(host, state, asking, url, error)
            raise
        finally:
            state.asked -= 1
            if state.on_trial:
                state.on_trial = state.gave_none
                state.notify()

    def gave_pdf(self, host: str) -> None:
        """The host gives PDFs."""
        state = self._state(host)
        if state.gave_none or state.doubted or host in self._shut:
            state.doubted = False
            self._send(HostAnswered(host, with_pdf=True))
        if state.on_trial:
            state.on_trial = state.gave_none = False
            state.notify()

    async def _judge(self, host: str, state: _Host, asking: Asking, url: str, error: PaperError) -> None:
        """Reports an answer without a PDF. Raises PaperError if it says nothing about the paper."""
        if error.failure in _HAS_NONE:
            if host in self._shut:
                self._send(HostAnswered(host, with_pdf=False))
            return
        # A refusal of the host itself has been reported already; that of a host that it led us to has not.
        if error.failure not in _NO_PDF and not (error.failure is Failure.BLOCKED and error.host not in ("", host)):
            return
        state.on_trial = state.gave_none = True
        page = error.page or Page(error.failure, error.detail)
        paper = blake2b(url.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
        number = next(self._numbers)
        self._unnoted[number] = asyncio.get_running_loop().create_future()
        try:
            instead = _instead(error)
            self._send(NoPdf(number, host, asking.permit, paper, page.key, instead, page.says, asking.on_trial))
            with suppress(TimeoutError):  # the supervisor is busy, or gone
                await asyncio.wait_for(self._unnoted[number], NOTED_WITHIN_SECONDS)
        finally:
            del self._unnoted[number]
        if host in self._shut and error.failure not in (Failure.SERVER_ERROR, Failure.BLOCKED):
            raise PaperError(Failure.RATE_LIMITED, f"{host} gives nobody a PDF for now: {error.detail}") from None

    def _state(self, host: str) -> _Host:
        state = self._hosts.get(host)
        if state is None:
            if len(self._hosts) >= MAX_HOSTS:
                self._hosts = {host: state for host, state in self._hosts.items() if state.asked or state.gave_none}
            state = self._hosts[host] = _Host()
        return state


def _instead(error: PaperError) -> Instead:
    if error.failure is Failure.SERVER_ERROR:
        return "error"
    return "promise" if error.page is not None and error.page.is_promise else "page"
