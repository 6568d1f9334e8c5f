"""A proxy before an HTTP server, such as an S3 server, that fails as those do: 503 for a share of the requests.

Guarantee: which requests fail depends on the seed and their order alone; what is passed on is passed on unchanged, with
the name of the host that the client has signed. It ends with the block. Limit: bodies are held in memory; HTTP only.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

from rpa_shard.testing.serving import Server

_OF_ONE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade"})
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
MAX_BODY_BYTES = 2**30


class FlakyHttp:
    """Stands before `upstream` while the block runs: `with FlakyHttp(server.url, share=0.2) as proxy: ... proxy.url`.

    `share` of the requests (0 to 1; may be set at any time) end in 503 and are not passed on; those of `lost` are
    passed on first, so that only the answer is lost. `requests` counts what came by method, `failed` what ended in 503.
    """

    def __init__(self, upstream: str, *, share: float = 0.0, lost: float = 0.0, seed: int = 0) -> None:
        self.share = share
        self.lost = lost
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.failed = 0
        self._upstream = upstream.rstrip("/")
        self._random = random.Random(seed)  # noqa: S311  # chooses what fails
        self._fails_until = 0.0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="flaky http", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def fail_for(self, seconds: float) -> None:
        """From now on, and for so long, every request fails."""
        self._fails_until = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        async with aiohttp.ClientSession(auto_decompress=False) as client:

            async def answer(request: web.Request) -> web.Response:
                return await self._answer(client, request)

            application.router.add_route("*", "/{path:.*}", answer)
            try:
                async with Server(application) as server:
                    self.url = server.url
                    self._ready.set()
                    await self._ended.wait()
            finally:
                self._ready.set()

    async def _answer(self, client: aiohttp.ClientSession, request: web.Request) -> web.Response:
        self.requests[request.method] += 1
        chance = self._random.random()
        content = await request.read()
        if time.monotonic() < self._fails_until or chance < self.share:
            return self._refusal()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        url = URL(f"{self._upstream}{request.raw_path}", encoded=True)
        async with client.request(
            request.method, url, headers=headers, data=content, allow_redirects=False
        ) as response:
            body = await response.read()
        if chance < self.share + self.lost:
            return self._refusal()
        kept = {name: value for name, value in response.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        if request.method == "HEAD":
            kept["Content-Length"] = response.headers.get("Content-Length", "0")
        return web.Response(status=response.status, body=body, headers=kept)

    def _refusal(self) -> web.Response:
        self.failed += 1
        return web.Response(status=503, body=_SLOW_DOWN, headers={"Content-Type": "application/xml"})
