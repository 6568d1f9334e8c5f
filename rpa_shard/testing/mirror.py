"""A mirror of arXiv on loopback: a folder of PDFs at `/pdf/<id>`, well-behaved or biting.

Guarantee: answers as arXiv does for ids old and new, with and without version, and makes the faults that it was told to
make, repeatably; serves nothing from outside its folder; leaves no process behind. Limit: no politeness of its own; it
serves as fast as it is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from aiohttp import web

from rpa_shard.testing.arrivals import Arrival, LoopWatch
from rpa_shard.testing.biting import bite
from rpa_shard.testing.faults import Fault, FaultCounter, FaultPlan, parse_faults

RESCAN_SECONDS = 1.0
# For answers under way when the mirror ends; a stalling one would keep it for ever.
SHUTDOWN_SECONDS = 0.5
_VERSIONED = re.compile(r"(?P<bare>.+\d)v(?P<version>\d+)")
_ARXIV_NAME = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+_\d{7})(?:v\d+)?")


class MirrorError(Exception):
    """The mirror cannot serve; the message is one line that says why."""


class Index:
    """Which file answers for which id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}
        self._scanned_at = 0.0
        self.scan()

    def scan(self) -> None:
        """Reads the folder again. A bare id is answered by its highest version where there is no bare file."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if entry.name.endswith(".pdf"))
        except OSError as error:
            raise MirrorError(f"{self._folder}: {error.strerror}") from None
        files: dict[str, Path] = {}
        highest: dict[str, int] = {}
        for name in names:
            stem = name.removesuffix(".pdf")
            files[stem] = self._folder / name
            versioned = _VERSIONED.fullmatch(stem)
            if versioned and int(versioned["version"]) > highest.get(versioned["bare"], 0):
                highest[versioned["bare"]] = int(versioned["version"])
        for bare, version in highest.items():
            files.setdefault(bare, files[f"{bare}v{version}"])
        self._files, self._scanned_at = files, time.monotonic()

    def find(self, paper_id: str) -> Path | None:
        """The file of an id, as it stands in a URL."""
        stem = paper_id.removesuffix(".pdf").replace("/", "_")
        found = self._find(stem)
        if found is None and time.monotonic() - self._scanned_at > RESCAN_SECONDS:
            self.scan()
            found = self._find(stem)
        return found

    def _find(self, stem: str) -> Path | None:
        # People keep unversioned files; the first version of such a paper is that file.
        return self._files.get(stem) or self._files.get(stem.removesuffix("v1"))

    def queueable(self, base_url: str) -> list[str]:
        """What one passes to `add` to get every paper of the folder: arXiv ids, or URLs for other names."""
        files = {path.name.removesuffix(".pdf") for path in self._files.values()}
        return [
            stem.replace("_", "/") if _ARXIV_NAME.fullmatch(stem) else f"{base_url}/pdf/{stem}"
            for stem in sorted(files)
        ]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a mirror does besides serving: its faults, and a file for a JSON line at every arrival (Unix seconds)."""

    faults: FaultPlan = FaultPlan()
    log: Path | None = None


def application(folder: Path, behaviour: Behaviour) -> web.Application:
    """The mirror as an aiohttp application. Raises MirrorError."""
    index = Index(folder)
    counter = FaultCounter(behaviour.faults)
    log = _open_log(behaviour.log)
    loop_watch = LoopWatch()

    async def pdf(request: web.Request) -> web.StreamResponse:
        at, paper_id = time.time(), request.match_info["id"].removesuffix(".pdf")
        path = index.find(paper_id)
        # A redirect of a fault's own making is part of it.
        fault = (
            None if path is None else counter.next(paper_id) or _going_on(behaviour.faults.fault_of(paper_id), request)
        )
        if log is not None:
            kind = fault.kind if fault else None
            arrival = Arrival(at, paper_id, loop_watch.late_seconds(), kind, request.headers.get("Range"))
            log.write(arrival.as_line())
        if path is None:
            raise web.HTTPNotFound(text="No such paper here.\n")
        if fault is not None:
            return await bite(request, fault, path)
        if not behaviour.faults.ranges:
            return web.Response(
                body=path.read_bytes(), content_type="application/pdf", headers={"Accept-Ranges": "none"}
            )
        return web.FileResponse(path, headers={"Content-Type": "application/pdf"})

    async def ids(request: web.Request) -> web.Response:
        return web.Response(text="\n".join(index.queueable(f"http://{request.host}")) + "\n")

    async def keep_log(_: web.Application) -> AsyncIterator[None]:
        watching = asyncio.create_task(loop_watch.watch())
        yield
        watching.cancel()
        if log is not None:
            log.close()

    made = web.Application()
    made.cleanup_ctx.append(keep_log)
    made.router.add_get("/pdf/{id:.+}", pdf)
    made.router.add_get("/ids", ids)
    return made


def _going_on(fault: Fault | None, request: web.Request) -> Fault | None:
    return fault if fault is not None and ("again" in request.query or "hop" in request.query) else None


def _open_log(path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return path.open("a", buffering=1)
    except OSError as error:
        raise MirrorError(f"{path}: {error.strerror}") from None


WELL_BEHAVED = Behaviour()


class Mirror:
    """A mirror in the running loop: `async with Mirror(folder) as mirror: ... mirror.url`."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", port: int = 0, behaviour: Behaviour = WELL_BEHAVED
    ) -> None:
        self._runner = web.AppRunner(
            application(folder, behaviour),
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_SECONDS,
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


def serve(
    folder: Path, host: str, port: int, announce: Callable[[str], None], behaviour: Behaviour = WELL_BEHAVED
) -> None:
    """Serves until SIGINT or SIGTERM; `announce` gets the URL. Raises MirrorError."""

    async def until_told() -> None:
        told = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, told.set)
        async with Mirror(folder, host, port, behaviour) as mirror:
            announce(mirror.url)
            await told.wait()

    asyncio.run(until_told())


class MirrorProcess:
    """A mirror in a process of its own, which ends with this one: `with MirrorProcess(folder) as mirror: ...`."""

    def __init__(self, folder: Path, faults: str = "", seed: int = 0, log: Path | None = None, port: int = 0) -> None:
        self._folder = folder
        self._arguments = [str(folder), "--faults", faults, "--seed", str(seed), "--port", str(port)]
        if log is not None:
            self._arguments += ["--log", str(log)]
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is not meant for it
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__(None, None, None)
            raise MirrorError(f"the mirror of {self._folder} did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()  # closes its standard input, which ends it


def _end_with_parent() -> None:
    """Ends this process when whoever holds our standard input is gone."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    behaviour = Behaviour(parse_faults(given.faults, given.seed), given.log)
    try:
        serve(given.folder, "127.0.0.1", given.port, lambda url: print(url, flush=True), behaviour)
    except MirrorError as error:
        sys.exit(f"mirror: {error}")


if __name__ == "__main__":
    _main()
