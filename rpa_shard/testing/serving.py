"""Serving an aiohttp application on loopback: in the running loop, until a signal, or in a process of its own.

Guarantee: when a server ends, it has closed its port; one in a process of its own ends with the process that started
it, even if that one is killed. Limit: responses under way at the end get half a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

# For responses in progress when a server stops; a stalled one would never end.
SHUTDOWN_SECONDS = 0.5


class MirrorError(Exception):
    """A mirror cannot serve; the message is one line that says why."""


class Server:
    """An application in the running loop: `async with Server(application) as server: ... server.url`."""

    def __init__(self, application: web.Application, host: str = "127.0.0.1", port: int = 0) -> None:
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
        )
        self._host, self._port = host, port
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise MirrorError(f"cannot listen on {self._host}:{self._port}: {error.strerror}") from None
        host, port, *_ = self._runner.addresses[0]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def serve_until_signalled(make_server: Callable[[], Server], announce: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM; `announce` gets the URL. Raises MirrorError."""

    async def until_signalled() -> None:
        signalled = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, signalled.set)
        async with make_server() as server:
            announce(server.url)
            await signalled.wait()

    asyncio.run(until_signalled())


class ServerProcess:
    """A module that serves, in its own process, which ends with this one. It prints its URL once it serves."""

    def __init__(self, module: str, arguments: Sequence[str], what: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._what = what
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal must not reach it
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__(None, None, None)
            raise MirrorError(f"{self._what} did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate()  # closes its standard input, which ends it


def end_with_parent() -> None:
    """From now on, this process ends once its parent has closed our standard input."""

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
