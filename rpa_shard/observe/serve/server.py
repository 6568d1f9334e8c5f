"""Listening: until SIGINT or SIGTERM.

Guarantee: beyond loopback it does not listen without a token; it ends at once when it is asked to, also with pages
open. Limit: plain HTTP.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from rpa_shard.config.settings import Settings
from rpa_shard.observe.serve.application import application
from rpa_shard.observe.serve.guard import Guard, is_loopback
from rpa_shard.store.data_folder import DataFolder

MIN_TOKEN_CHARACTERS = 16
# For answers under way when the server stops.
SHUTDOWN_SECONDS = 0.5


class ServeError(Exception):
    """It cannot listen; the message is one line that says why."""


class Server:
    """The page in the running loop: `async with Server(…) as server: … server.url`."""

    def __init__(self, folder: DataFolder, settings: Settings, host: str, port: int, token: str | None = None) -> None:
        if token is None and not is_loopback(host):
            raise ServeError(
                f"others may reach {host}: set RPA_V2_SERVE_TOKEN or give --token-file, so that only those look who "
                "have the token"
            )
        if token is not None and (len(token) < MIN_TOKEN_CHARACTERS or not token.isprintable()):
            raise ServeError(f"the token must be one line of at least {MIN_TOKEN_CHARACTERS} characters")
        self._runner = web.AppRunner(
            application(folder, settings, Guard(host, token)),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        self._host, self._port = host, port
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ServeError(f"cannot listen on {self._host}:{self._port}: {why}: choose another --port") from None
        host, port, *_ = self._runner.addresses[0]
        self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


def serve(
    folder: DataFolder, settings: Settings, host: str, port: int, token: str | None, announce: Callable[[str], None]
) -> None:
    """Serves until SIGINT or SIGTERM; `announce` gets the URL. Raises ServeError."""

    async def until_signalled() -> None:
        signalled = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, signalled.set)
        async with Server(folder, settings, host, port, token) as server:
            announce(server.url)
            await signalled.wait()

    asyncio.run(until_signalled())
