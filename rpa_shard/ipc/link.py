"""The shard's end of the control socket.

Guarantee: messages leave whole and in the order of `send`, whoever sends them; `send` never waits. Limit: what is sent
after the supervisor has gone is lost, and nobody is told: `messages` ends, and that is the sign.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from rpa_shard.ipc.messages import decode, encode

MAX_MESSAGE_BYTES = 2**22


class Link:
    """Made by `open_link`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Mapping[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """What the supervisor says, until it is gone."""
        with suppress(ConnectionError):
            while line := await self._reader.readline():
                yield decode(line)


@asynccontextmanager
async def open_link(control: socket.socket) -> AsyncIterator[Link]:
    """The link over a connected socket; everything that was sent is written before it is closed."""
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=MAX_MESSAGE_BYTES)
    try:
        yield Link(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
