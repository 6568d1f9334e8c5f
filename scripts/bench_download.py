#!/usr/bin/env python3
"""What one download costs: CPU milliseconds of the client for a PDF of 0.5 MB from loopback, 64 at a time.

Four clients in turn in one run, three rounds each, medians: ours (the shard's downloader, with permits, checks and
files), ours without the permits, httpx over its own transport, bare aiohttp. The last two only read the bodies.

    scripts/bench_download.py [--downloads 400] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
import uvloop

from rpa_shard.config.settings import Settings
from rpa_shard.fetch.address_guard import AddressGuard
from rpa_shard.fetch.download import Downloader, DownloadLimits
from rpa_shard.fetch.permits import Permit, Permits
from rpa_shard.fetch.transport import open_client
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.testing.mirror import MirrorProcess

PDF_BYTES = 500_000
AT_A_TIME = 64
ROUNDS = 3

Download = Callable[[str], Awaitable[object]]


class NoPermits(Permits):
    """Permits without a governor."""

    @asynccontextmanager
    async def permit(self, host: str) -> AsyncIterator[Permit]:
        yield Permit(host, None, lambda _: None)


@asynccontextmanager
async def ours(folder: Path, permits: Permits) -> AsyncIterator[Download]:
    settings = Settings(shard_count=1)
    guard = AddressGuard(())
    client = open_client(settings, settings.share(0), guard, LeaseValidity(math.inf).check)
    numbers = iter(range(10**9))
    with ThreadPoolExecutor(settings.io_threads) as disk:
        limits = DownloadLimits(settings.max_pdf_bytes, settings.download_deadline_seconds, 1000.0)
        downloader = Downloader(client, disk, "bench", limits, permits, guard)
        yield lambda url: downloader.download(url, folder / "papers" / f"{next(numbers)}.pdf")
        await client.aclose()


@asynccontextmanager
async def httpx_own() -> AsyncIterator[Download]:
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=128)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def download(url: str) -> None:
            async with client.stream("GET", url) as response:
                async for _ in response.aiter_raw():
                    pass

        yield download


@asynccontextmanager
async def bare_aiohttp() -> AsyncIterator[Download]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:

        async def download(url: str) -> None:
            async with session.get(url) as response:
                async for _ in response.content.iter_any():
                    pass

        yield download


async def measure(download: Download, url: str, downloads: int) -> dict[str, float]:
    slots = asyncio.Semaphore(AT_A_TIME)

    async def one() -> None:
        async with slots:
            await download(url)

    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(downloads)))
    after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - begun
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_ms": cpu / downloads * 1000, "per_second": downloads / seconds}


async def bench(url: str, downloads: int, folder: Path) -> dict[str, dict[str, float]]:
    rounds: dict[str, list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for name, opened in (
            ("ours", ours(folder, Permits((), lambda _: None, LeaseValidity(math.inf)))),
            ("ours, no governor", ours(folder, NoPermits((), lambda _: None, LeaseValidity(math.inf)))),
            ("httpx, own transport", httpx_own()),
            ("bare aiohttp", bare_aiohttp()),
        ):
            async with opened as download:
                await download(url)
                rounds.setdefault(name, []).append(await measure(download, url, downloads))
    return {
        name: {key: statistics.median(each[key] for each in measured) for key in measured[0]}
        for name, measured in rounds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--downloads", type=int, default=400, help="in each round (default 400)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        shelf = Path(name) / "shelf"
        shelf.mkdir()
        (shelf / "2401.00001.pdf").write_bytes(b"%PDF-1.5\n" + b"x" * PDF_BYTES + b"\n%%EOF\n")
        with MirrorProcess(shelf) as mirror, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(bench(f"{mirror.url}/pdf/2401.00001", given.downloads, Path(name)))
    if given.json:
        print(json.dumps(found))
        return
    print(f"{'client':<24} {'CPU ms a download':>18} {'downloads/s':>12}")
    for client, figures in found.items():
        print(f"{client:<24} {figures['cpu_ms']:>18.2f} {figures['per_second']:>12.0f}")


if __name__ == "__main__":
    main()
