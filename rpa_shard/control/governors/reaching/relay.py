"""The connection of a node to the one that governs, between the node's supervisor and that.

Guarantee: a session begins only with a node that knows the epoch's secret; what the supervisor sent for another session
goes nowhere; permits get the time of this machine (`stamps`). A node that governs and is silent for `SILENT_SECONDS`
counts as gone. Limit: what is on its way when a session ends is lost; the supervisor repeats what matters
(`outstanding`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio import StreamReader, StreamWriter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from rpa_shard.config.host_policy import PERMIT_VALID_SECONDS, policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.reaching.stamps import Distance, Stamps
from rpa_shard.control.governors.serving.candidacy import OpenCluster
from rpa_shard.control.governors.serving.handshake import HandshakeError, check, hello
from rpa_shard.control.governors.serving.service import HANDSHAKE_SECONDS, MAX_UNSENT_BYTES, READ_BYTES, SILENT_SECONDS
from rpa_shard.ipc.messages import MessageError, PermitsGranted
from rpa_shard.ipc.node_messages import (
    Acted,
    Begin,
    Challenge,
    Governed,
    Lines,
    NodeMessage,
    Of,
    OfSession,
    Ping,
    Pong,
    Ungoverned,
    Views,
    Welcome,
    as_line,
    from_line,
    of_shard,
)
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import GoverningNode
from rpa_shard.system.threads import run_to_its_end

log = logging.getLogger(__name__)

PING_SECONDS = 0.5
PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 0.5
NO_GOVERNOR = "no node governs"
_GRANTED = b'"permits_granted"'

T = TypeVar("T")


class NotReachedError(Exception):
    """There is no session with the node that governs, for the reason given."""


@dataclass(slots=True)
class _Session:
    number: int
    writer: StreamWriter
    stamps: Stamps
    distance: Distance


class Relay:
    """Between `supervisor`, a connected pair of streams, and whoever governs."""

    def __init__(
        self, settings: Settings, supervisor: tuple[StreamReader, StreamWriter], open_cluster: OpenCluster
    ) -> None:
        self._settings = settings
        self._from_supervisor, self._to_supervisor = supervisor
        self._open_cluster = open_cluster
        self._thread = ThreadPoolExecutor(1, "governing")
        self._session: _Session | None = None
        self._sessions = 0
        # The session that the supervisor has begun.
        self._begun = 0
        self._why = ""

    async def run(self) -> None:
        """Until the supervisor is gone."""
        connecting = asyncio.create_task(self._stay_connected())
        try:
            await self._pass_on()
        finally:
            connecting.cancel()
            await asyncio.wait((connecting,))
            if not connecting.cancelled():
                connecting.result()

    async def _pass_on(self) -> None:
        """Passes on what the supervisor sends."""
        lines = Lines()
        with suppress(ConnectionError):
            while received := await self._from_supervisor.read(READ_BYTES):
                for message in lines.feed(received):
                    session = self._session
                    if isinstance(message, Begin):
                        self._begun = message.session
                    elif session is not None and session.number == self._begun and isinstance(message, OfSession):
                        session.writer.write(as_line(message))

    async def _stay_connected(self) -> None:
        with self._open_cluster() as cluster:
            pause = PAUSE_SECONDS
            while True:
                began = time.monotonic()
                try:
                    await self._hold(await run_to_its_end(self._thread, cluster.governing))
                except (NotReachedError, StoreError) as error:
                    self._ungoverned(str(error))
                except (OSError, TimeoutError, EOFError, ValueError, HandshakeError, MessageError) as error:
                    self._ungoverned(f"the node that governs cannot be reached: {error or 'no answer in time'}")
                pause = PAUSE_SECONDS if time.monotonic() - began > pause else min(2 * pause, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)

    async def _hold(self, governing: GoverningNode | None) -> None:
        """One session, until it ends. Raises what ended it."""
        if governing is None:
            raise NotReachedError(NO_GOVERNOR)
        host, _, port = governing.address.rpartition(":")
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                session = await self._introduced(reader, writer, governing)
            self._session = session
            self._tell(Governed(session.number, governing.node))
            self._why = ""
            async with asyncio.TaskGroup() as both:
                both.create_task(self._ping(writer))
                both.create_task(self._listen(reader, session))
        except* (OSError, TimeoutError, EOFError, ValueError, HandshakeError, MessageError) as errors:
            raise _first_of(errors) from None
        finally:
            self._session = None
            writer.transport.abort()

    async def _introduced(self, reader: StreamReader, writer: StreamWriter, governing: GoverningNode) -> _Session:
        """A session with a node that has proved what it is."""
        settings = self._settings
        asked = await _said(reader, Challenge)
        policies = tuple(str(policy) for policy in policies_by_host(settings.host_policies).values())
        said = hello(governing.secret, asked, settings.node, policies, tuple(m.name for m in settings.llm_endpoints))
        writer.write(as_line(said))
        welcomed = await _said(reader, Welcome)
        check(governing.secret, asked, said, welcomed)
        self._sessions += 1
        session = _Session(self._sessions, writer, Stamps(), Distance())
        session.stamps.pong(said.at, welcomed.clock)
        return session

    async def _ping(self, writer: StreamWriter) -> None:
        while True:
            if writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
                raise TimeoutError("it does not read what it is sent")
            writer.write(as_line(Ping(time.monotonic())))
            await asyncio.sleep(PING_SECONDS)

    async def _listen(self, reader: StreamReader, session: _Session) -> None:
        lines = Lines()
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                received = await reader.read(READ_BYTES)
            if not received:
                raise EOFError("it has ended the connection")
            for message in lines.feed(received):
                match message:
                    case Pong(at, clock, handled):
                        session.stamps.pong(at, clock)
                        _warn_if_far(session.distance.pong(time.monotonic() - at))
                        self._tell(Acted(handled))
                    case Of():
                        self._tell(_stamped(message, session.stamps))
                    case Views():
                        self._tell(message)

    def _ungoverned(self, why: str) -> None:
        if why != self._why:
            log.warning("no permits for governed hosts and models: %s", why)
        self._why = why
        self._tell(Ungoverned(why))

    def _tell(self, message: NodeMessage) -> None:
        if not self._to_supervisor.is_closing():
            self._to_supervisor.write(as_line(message))


def _warn_if_far(seconds: float | None) -> None:
    if seconds is not None:
        log.warning(
            "the node that governs answers after %.0f ms, and permits are valid for %.0f ms, so few are used here: "
            "run nodes that are near each other",
            seconds * 1000,
            PERMIT_VALID_SECONDS * 1000,
        )


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _stamped(message: Of, stamps: Stamps) -> Of:
    if _GRANTED not in bytes(message.message)[:60]:
        return message
    granted = message.decoded()
    assert isinstance(granted, PermitsGranted)
    return of_shard(message.shard, replace(granted, granted_at=stamps.own(granted.granted_at)))


async def _said(reader: StreamReader, kind: type[T]) -> T:
    message = from_line(await reader.readuntil())
    if not isinstance(message, kind):
        raise HandshakeError("it speaks another language")
    return message
