"""The shard's end of the control socket.

Guarantee: messages leave complete and in the order of the calls to `send`, from any task; `send` never waits. Limit:
what is sent after the supervisor has gone is lost without an error; the end of `messages` is the only sign.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rpa_shard.ipc.messages import Inbox, Message, encode

READ_BYTES = 2**16


class Link:
    """Made by `open_link`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Message) -> None:
        """Sends a message to the supervisor."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def messages(self) -> AsyncIterator[Message]:
        """What the supervisor sends, until it is gone."""
        inbox = Inbox()
        with suppress(ConnectionError):
            while received := await self._reader.read(READ_BYTES):
                for message in inbox.feed(received):
                    yield message


@asynccontextmanager
async def open_link(control: socket.socket) -> AsyncIterator[Link]:
    """The link over a connected socket; everything that was sent is written before it is closed."""
    reader, writer = await asyncio.open_unix_connection(sock=control)
    try:
        yield Link(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
