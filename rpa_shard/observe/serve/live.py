"""Telling all clients what has changed: one look a second for all of them.

Guarantee: looks only while there is a client; each client gets the newest state, and a sign of life where nothing
changes; a slow one misses states, and holds up nobody. Limit: all clients see the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from rpa_shard.observe.source import Seen

LOOK_SECONDS, SIGN_OF_LIFE_SECONDS = 1.0, 10.0
SIGN_OF_LIFE = b"event: alive\ndata: 1\n\n"


class Live:
    """The states of a folder, one after the other. `look` returns the same object while nothing has changed."""

    def __init__(self, look: Callable[[], Awaitable[Seen]]) -> None:
        self._look = look
        self._clients = 0
        self._looking: asyncio.Task[None] | None = None
        self._seen: Seen | None = None
        self._event = b""
        self._number = 0
        self._changed = asyncio.Event()
        self._closed = False

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Server-sent events, until `close`."""
        self._clients += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking())
        number = 0
        try:
            while not self._closed:
                if number != self._number:
                    number = self._number
                    yield self._event
                    continue
                try:
                    async with asyncio.timeout(SIGN_OF_LIFE_SECONDS):
                        await self._changed.wait()
                except TimeoutError:
                    yield SIGN_OF_LIFE
        finally:
            self._clients -= 1
            if not self._clients:
                self._stop_looking()

    def close(self) -> None:
        """Ends the events of all clients."""
        self._closed = True
        self._stop_looking()
        self._tell()

    async def _keep_looking(self) -> None:
        while True:
            seen = await self._look()
            if seen is not self._seen:
                self._seen = seen
                self._event = b"data: " + msgspec.json.encode(seen.as_json(whole=False)) + b"\n\n"
                self._number += 1
                self._tell()
            await asyncio.sleep(LOOK_SECONDS)

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking, self._seen = None, None

    def _tell(self) -> None:
        """Wakes all clients that wait."""
        self._changed.set()
        self._changed = asyncio.Event()
