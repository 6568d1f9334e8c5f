"""The page and what it asks, as an aiohttp application.

Guarantee: errors are answered in one line of JSON with a fitting code; what reads from disk runs in threads. Limit: at
most `MAX_CLIENTS` are told of changes at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.metrics import CONTENT_TYPE, metrics_of, metrics_of_folder
from rpa_shard.observe.serve import contents
from rpa_shard.observe.serve.contents import NoSuchPaperError
from rpa_shard.observe.serve.guard import Guard, Next
from rpa_shard.observe.serve.live import Live
from rpa_shard.observe.serve.papers import WrongQuestionError, page_of_papers, wanted_of
from rpa_shard.observe.serve.threads import BusyError, Threads
from rpa_shard.observe.source import Seen, Source
from rpa_shard.store.data_folder import DataFolder

MAX_CLIENTS = 100
RETRY_SECONDS = 2
PARTS: Mapping[str, tuple[str, str]] = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_CODES: Mapping[type[Exception], int] = {
    NoSuchPaperError: 404,
    WrongQuestionError: 400,
    StoreError: 503,
    BusyError: 503,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(folder: DataFolder, settings: Settings, guard: Guard) -> web.Application:
    """The application for one data folder."""
    made = web.Application(middlewares=[guard.middleware(), _in_words])
    made.on_response_prepare.append(guard.add_headers)
    pages = _Pages(folder, settings, Source(folder, settings))
    for path, (name, content_type) in PARTS.items():
        made.router.add_get(path, _part(name, content_type))
    made.router.add_get("/api/status", pages.status)
    made.router.add_get("/events", pages.events)
    made.router.add_get("/metrics", pages.metrics)
    made.router.add_get("/api/papers", pages.papers)
    # An id may have slashes, which are quoted.
    made.router.add_get("/api/papers/{id:[^/]+}", pages.paper)
    made.router.add_get("/api/papers/{id:[^/]+}/record", pages.record)
    made.router.add_get("/api/papers/{id:[^/]+}/text", pages.text)
    made.router.add_get("/api/papers/{id:[^/]+}/references", pages.references)
    made.cleanup_ctx.append(pages.until_cleanup)
    made.on_shutdown.append(pages.end_events)
    return made


class _Pages:
    """The answers that need the data folder."""

    def __init__(self, folder: DataFolder, settings: Settings, source: Source) -> None:
        self._folder = folder
        self._settings = settings
        self._threads = Threads()
        self._watching = Threads(1)  # a source is for one thread
        self._source = source
        self._live = Live(partial(self._watching.run, source.look))
        self._clients = 0

    async def until_cleanup(self, _: web.Application) -> AsyncIterator[None]:
        first = asyncio.create_task(self._watching.run(self._source.look))  # done before a browser asks, mostly
        yield
        first.cancel()
        self._threads.close()
        self._watching.close()

    async def end_events(self, _: web.Application) -> None:
        self._live.close()

    async def status(self, _: web.Request) -> web.Response:
        seen = await self._watching.run(self._source.look)
        return _json(seen.as_json())

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        if request.method == "HEAD":
            return response
        if self._clients >= MAX_CLIENTS:
            raise BusyError(f"{MAX_CLIENTS} pages are open already: close one")
        self._clients += 1
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_SECONDS * 1000}\n\n".encode())
            async with aclosing(self._live.events()) as events:
                async for event in events:
                    await response.write(event)
        except ConnectionResetError:  # nobody reads it any more
            pass
        finally:
            self._clients -= 1
        return response

    async def metrics(self, _: web.Request) -> web.Response:
        text = await self._threads.run(self._metrics_of(await self._watching.run(self._source.look)))
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})

    def _metrics_of(self, seen: Seen) -> Callable[[], str]:
        """At rest from the last count, since to count millions of papers takes a while."""
        if seen.on or seen.problem:
            return partial(metrics_of_folder, self._folder, self._settings)
        run = replace(seen.run, hosts=seen.hosts, account=seen.account) if seen.run is not None else None
        return partial(metrics_of, self._folder, run, seen.counts, live=False)

    async def papers(self, request: web.Request) -> web.Response:
        wanted = wanted_of(dict(request.query))
        return _json(await self._threads.run(partial(page_of_papers, self._folder, wanted)))

    async def paper(self, request: web.Request) -> web.Response:
        return _json(await self._threads.run(partial(contents.paper, self._folder, request.match_info["id"])))

    async def record(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(await self._file(request, "record"), headers={"Content-Type": "application/json"})

    async def text(self, request: web.Request) -> web.StreamResponse:
        if "page" not in request.query:
            path = await self._file(request, "text")
            return web.FileResponse(path, headers={"Content-Type": "text/plain; charset=utf-8"})
        number = _number(request, "page", 1, 10**6)
        page = partial(contents.page_of_text, self._folder, request.match_info["id"], number)
        return _json(await self._threads.run(page))

    async def references(self, request: web.Request) -> web.Response:
        after = _number(request, "after", 0, 10**9)
        limit = _number(request, "limit", contents.USUAL_REFERENCES, contents.MAX_REFERENCES)
        some = partial(contents.references, self._folder, request.match_info["id"], after, limit)
        return _json(await self._threads.run(some))

    async def _file(self, request: web.Request, what: str) -> Path:
        return await self._threads.run(partial(contents.file, self._folder, request.match_info["id"], what))


@web.middleware
async def _in_words(request: web.Request, handler: Next) -> web.StreamResponse:
    """Answers errors in one line of JSON."""
    try:
        return await handler(request)
    except tuple(_CODES) as error:
        code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        return _json({"error": str(error)}, code)
    except web.HTTPNotFound:
        return _json({"error": "there is no such thing here"}, 404)


def _part(name: str, content_type: str) -> Handler:
    content = package_files(__package__).joinpath("page", name).read_bytes()

    async def part(_: web.Request) -> web.Response:
        return web.Response(
            body=content, content_type=content_type, charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    return part


def _json(content: dict[str, Any], code: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=code, content_type="application/json")


def _number(request: web.Request, name: str, usual: int, most: int) -> int:
    text = request.query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= most):
        raise WrongQuestionError(f"{name} is a number up to {most}")
    return int(text)
