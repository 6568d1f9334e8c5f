"""A mirror of arXiv on loopback: a folder of PDFs at `/pdf/<id>`, served well or with injected faults.

Guarantee: answers as arXiv does for ids old and new, with and without version, and injects the configured faults
repeatably; serves nothing from outside its folder; leaves no process behind. Limit: no rate limit of its own; it serves
as fast as it is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from aiohttp import web

from rpa_shard.testing.arrivals import Arrival, LoopWatch
from rpa_shard.testing.fault_responses import respond_with_fault
from rpa_shard.testing.faults import Fault, FaultCounter, FaultPlan, parse_faults
from rpa_shard.testing.serving import MirrorError, Server, ServerProcess, end_with_parent, serve_until_signalled

RESCAN_SECONDS = 1.0
_VERSIONED = re.compile(r"(?P<bare>.+\d)v(?P<version>\d+)")
_ARXIV_NAME = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+_\d{7})(?:v\d+)?")


class Index:
    """Which file is served for which id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}
        self._scanned_at = 0.0
        self.scan()

    def scan(self) -> None:
        """Reads the folder again. A bare id without a file of its own gets its highest version."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if entry.name.endswith(".pdf"))
        except OSError as error:
            raise MirrorError(f"{self._folder}: {error.strerror}") from None
        files: dict[str, Path] = {}
        highest: dict[str, int] = {}
        for name in names:
            stem = _stem_of(name)
            files[stem] = self._folder / name
            versioned = _VERSIONED.fullmatch(stem)
            if versioned and int(versioned["version"]) > highest.get(versioned["bare"], 0):
                highest[versioned["bare"]] = int(versioned["version"])
        for bare, version in highest.items():
            files.setdefault(bare, files[f"{bare}v{version}"])
        self._files, self._scanned_at = files, time.monotonic()

    def find(self, paper_id: str) -> Path | None:
        """The file of an id as written in a URL."""
        stem = _stem_of(paper_id).replace("/", "_")
        found = self._find(stem)
        if found is None and time.monotonic() - self._scanned_at > RESCAN_SECONDS:
            self.scan()
            found = self._find(stem)
        return found

    def _find(self, stem: str) -> Path | None:
        # Collections hold unversioned files; such a file is served as the paper's first version.
        return self._files.get(stem) or self._files.get(stem.removesuffix("v1"))

    def queueable(self, base_url: str) -> list[str]:
        """What to pass to `add` to queue every paper of the folder: arXiv ids, or URLs for other names."""
        files = {_stem_of(path.name) for path in self._files.values()}
        return [
            stem.replace("_", "/") if _ARXIV_NAME.fullmatch(stem) else f"{base_url}/pdf/{stem}"
            for stem in sorted(files)
        ]


def _stem_of(name: str) -> str:
    """A file's name without its ending, as it is in URLs: one that is not text is quoted."""
    stem = name.removesuffix(".pdf")
    return stem if stem.isprintable() else quote(os.fsencode(stem))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a mirror does besides serving: its faults, and a file that gets a JSON line per arrival (Unix seconds)."""

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
        fault = None
        if path is not None:
            fault = counter.next(paper_id) or _continued(behaviour.faults.fault_of(paper_id), request)
        if log is not None:
            kind = fault.kind if fault else None
            arrival = Arrival(at, paper_id, loop_watch.late_seconds(), kind, request.headers.get("Range"))
            log.write(arrival.as_line())
        if path is None:
            raise web.HTTPNotFound(text="No such paper here.\n")
        if fault is not None:
            return await respond_with_fault(request, fault, path)
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


def _continued(fault: Fault | None, request: web.Request) -> Fault | None:
    """The fault whose redirect led to this request, which is part of it."""
    return fault if fault is not None and ("again" in request.query or "hop" in request.query) else None


def _open_log(path: Path | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return path.open("a", buffering=1)
    except OSError as error:
        raise MirrorError(f"{path}: {error.strerror}") from None


WELL_BEHAVED = Behaviour()


class Mirror(Server):
    """A mirror in the running loop: `async with Mirror(folder) as mirror: ... mirror.url`."""

    def __init__(
        self, folder: Path, host: str = "127.0.0.1", port: int = 0, behaviour: Behaviour = WELL_BEHAVED
    ) -> None:
        super().__init__(application(folder, behaviour), host, port)


def serve(
    folder: Path, host: str, port: int, announce: Callable[[str], None], behaviour: Behaviour = WELL_BEHAVED
) -> None:
    """Serves until SIGINT or SIGTERM; `announce` gets the URL. Raises MirrorError."""
    serve_until_signalled(lambda: Mirror(folder, host, port, behaviour), announce)


class MirrorProcess(ServerProcess):
    """A mirror in its own process, which ends with this one: `with MirrorProcess(folder) as mirror: ...`."""

    def __init__(self, folder: Path, faults: str = "", seed: int = 0, log: Path | None = None, port: int = 0) -> None:
        arguments = [str(folder), "--faults", faults, "--seed", str(seed), "--port", str(port)]
        if log is not None:
            arguments += ["--log", str(log)]
        super().__init__(__name__, arguments, f"the mirror of {folder}")


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faults", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    end_with_parent()
    behaviour = Behaviour(parse_faults(given.faults, given.seed), given.log)
    try:
        serve(given.folder, "127.0.0.1", given.port, lambda url: print(url, flush=True), behaviour)
    except MirrorError as error:
        sys.exit(f"mirror: {error}")


if __name__ == "__main__":
    _main()
