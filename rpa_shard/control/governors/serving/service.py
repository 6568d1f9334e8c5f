"""What the node that governs serves: connections of nodes, each of which has proved that it knows the epoch's secret.

Guarantee: a node that is silent for `SILENT_SECONDS` counts as gone; nothing is read from who has not proved anything
beyond one short line. Limit: one server for all epochs of a process; between epochs, whoever comes is turned away.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from itertools import count

from rpa_shard.control.governors.serving.governing import GoverningThread
from rpa_shard.control.governors.serving.handshake import HandshakeError, challenge, welcome
from rpa_shard.ipc.messages import MessageError
from rpa_shard.ipc.node_messages import Hello, Lines, NodeMessage, OfSession, Ping, Pong, as_line, from_line

log = logging.getLogger(__name__)

SILENT_SECONDS = 3.0
HANDSHAKE_SECONDS = 5.0
READ_BYTES = 2**16
EVERYWHERE = "0.0.0.0"  # noqa: S104
# A node that does not read is not waited for.
MAX_UNSENT_BYTES = 2**25


class Connection:
    """The connection of one node."""

    def __init__(self, number: int, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.handled = 0
        self._writer = writer
        self._loop = asyncio.get_running_loop()

    def send(self, message: NodeMessage) -> None:
        self._call(self._write, as_line(message))

    def close(self) -> None:
        self._call(self._writer.transport.abort)

    def _call(self, do: object, *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and so has the connection
            self._loop.call_soon_threadsafe(do, *arguments)  # type: ignore[arg-type]

    def _write(self, line: bytes) -> None:
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._writer.transport.abort()
        else:
            self._writer.write(line)


class Service:
    """The server of one node. `port` is where it listens, once it has been started."""

    def __init__(self) -> None:
        self.port = 0
        self._numbers = count(1)
        self._governing: GoverningThread | None = None
        self._secret = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str, port: int = 0) -> None:
        """Listens at an address of this machine; at all of them if that is none of its own. Raises OSError."""
        try:
            self._server = await asyncio.start_server(self._serve, address, port)
        except OSError:
            self._server = await asyncio.start_server(self._serve, EVERYWHERE, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def opens(self, governing: GoverningThread, secret: str) -> None:
        """An epoch of this node has begun."""
        self._governing, self._secret = governing, secret

    def closes(self) -> None:
        """It is over."""
        self._governing = None
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._converse(reader, writer)
        except HandshakeError as error:
            log.warning("turned a connection away: %s", error)
        except MessageError as error:
            log.warning("ended a connection: %s", error)
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.CancelledError):
            pass  # whatever ended it, the node comes again
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        governing = self._governing
        if governing is None:
            return
        connection = Connection(next(self._numbers), writer)
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            asked = challenge()
            writer.write(as_line(asked))
            said = from_line(await reader.readuntil())
            if not isinstance(said, Hello):
                raise HandshakeError("it does not say who it is")
            writer.write(as_line(welcome(self._secret, asked, said)))
        governing.came(connection, said)
        try:
            await self._read(reader, writer, connection, governing)
        finally:
            governing.left(connection)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: Connection,
        governing: GoverningThread,
    ) -> None:
        lines = Lines()
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                received = await reader.read(READ_BYTES)
            if not received:
                return
            for message in lines.feed(received):
                if isinstance(message, Ping):
                    writer.write(as_line(Pong(message.at, time.monotonic(), connection.handled)))
                elif isinstance(message, OfSession):
                    governing.brought(connection, message)
