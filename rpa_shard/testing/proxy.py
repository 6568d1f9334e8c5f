"""A TCP proxy on loopback that can lose everything, to make partitions of a network without one.

Guarantee: while a route drops, not a byte and no end of a connection passes it in either direction, connections stay
open and new ones are taken but lead nowhere; once it is healed, what was held back passes in order, as TCP repeats it.
A route that is cut resets its connections and refuses new ones. Limit: a few hundred connections at a time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

READ_BYTES = 1 << 16
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Traffic(StrEnum):
    """What a route does with what comes in."""

    PASSING = "passing"
    DROPPED = "dropped"
    CUT = "cut"


class Route:
    """One port of the proxy and the address to which it leads. Its methods may be called from any thread."""

    def __init__(self, name: str, upstream: tuple[str, int], call: Callable[[Callable[[], None]], None]) -> None:
        self.name = name
        self.port = 0
        self._upstream = upstream
        self._call = call
        self._traffic = Traffic.PASSING
        self._passing = asyncio.Event()
        self._passing.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def traffic(self) -> Traffic:
        """What it does now."""
        return self._traffic

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._tasks)

    def drop(self) -> None:
        """From now on nothing passes: a partition."""
        self._become(Traffic.DROPPED)

    def cut(self) -> None:
        """Resets all connections, and new ones as soon as they are made."""
        self._become(Traffic.CUT)

    def heal(self) -> None:
        """Everything passes again."""
        self._become(Traffic.PASSING)

    def _become(self, traffic: Traffic) -> None:
        def change() -> None:
            self._traffic = traffic
            if traffic is Traffic.DROPPED:
                self._passing.clear()
            else:
                self._passing.set()
            if traffic is Traffic.CUT:
                self._reset_all()

        self._call(change)

    def _reset_all(self) -> None:
        for writer in tuple(self._open):
            _reset(writer)
        for task in tuple(self._tasks):
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until both sides have ended."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            if self._traffic is not Traffic.CUT:
                await self._passing.wait()
                upstream = await asyncio.open_connection(*self._upstream)
                self._open.add(upstream[1])
                await self._join((reader, writer), upstream)
        except (OSError, asyncio.CancelledError):
            pass  # whatever ended it, the client sees a reset
        finally:
            self._tasks.discard(task)
            _reset(writer)
            self._open.discard(writer)

    async def _join(self, client: _Stream, upstream: _Stream) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(client[0], upstream[1]))
                both.create_task(self._pump(upstream[0], client[1]))
            for _, writer in (client, upstream):
                writer.close()
        except* OSError:
            await self._passing.wait()  # the end of one side is not to be noticed by the other while nothing passes
        finally:
            _reset(upstream[1])
            self._open.discard(upstream[1])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            content = await reader.read(READ_BYTES)
            await self._passing.wait()
            if not content:
                break
            writer.write(content)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


class Proxy:
    """Routes in one thread: `with Proxy() as proxy: database = proxy.route("database", "127.0.0.1", 5432)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._servers: list[asyncio.Server] = []
        self.routes: dict[str, Route] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def route(self, name: str, host: str, port: int, *, listen_on: str = "127.0.0.1") -> Route:
        """A new route, by a free port, to an address. Raises OSError."""
        route = self.routes[name] = Route(name, (host, port), self._call)

        async def listen() -> None:
            server = await asyncio.start_server(route._serve, listen_on, 0)
            self._servers.append(server)
            route.port = server.sockets[0].getsockname()[1]

        self._do(listen())
        return route

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        left = [task for route in self.routes.values() for task in route._tasks]
        for route in self.routes.values():
            route._reset_all()
        await asyncio.gather(*left, return_exceptions=True)

    def _call(self, do: Callable[[], None]) -> None:
        async def call() -> None:
            do()

        self._do(call())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes a connection so that its other end sees a reset, unless it is being closed in order."""
    transport = writer.transport
    if transport.is_closing():
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    transport.abort()
