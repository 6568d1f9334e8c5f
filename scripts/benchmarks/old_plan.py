"""The plan that this project replaced: one asyncio process, httpx's own transport, one pool of pypdf threads.

    python -m scripts.benchmarks.old_plan thread|process URL IDS OUT

Guarantee: the seven knobs at their suggested totals (64 downloads, 16 extractions at a time, 12 threads or processes,
64 disk threads, 256 connections, 128 kept alive) and 200 workers; prints the lag of its loop as JSON. Limit: no store,
no leases, no retries, no references: it does less than the contender that it is compared with.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from rpa_shard.config.settings import Settings
from rpa_shard.model.distribution import Durations
from rpa_shard.shard.vitals import measure_lag

SETTINGS = Settings()


def read_text(path: Path) -> str:
    """Every page's text by pypdf; a page or file that breaks it gives nothing."""
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    pages = []
    try:
        for page in PdfReader(path).pages:
            try:
                pages.append(page.extract_text())
            except Exception:
                pages.append("")
    except Exception as error:
        return f"{error}"
    return "\n".join(pages)


def write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Bench:
    """The state that the workers share."""

    client: httpx.AsyncClient
    url: str
    out: Path
    disk: Executor
    pool: Executor
    downloads: asyncio.Semaphore
    extractions: asyncio.Semaphore


async def work(bench: Bench, ids: Iterator[str]) -> None:
    """One worker: the next paper, until there is none."""
    loop = asyncio.get_running_loop()
    for paper_id in ids:
        pdf = bench.out / f"{paper_id}.pdf"
        async with bench.downloads:
            answer = await bench.client.get(f"{bench.url}/pdf/{paper_id}")
            answer.raise_for_status()
            await loop.run_in_executor(bench.disk, pdf.write_bytes, answer.content)
        async with bench.extractions:
            text = await loop.run_in_executor(bench.pool, read_text, pdf)
        await loop.run_in_executor(bench.disk, write_text, pdf.with_suffix(".txt"), text)


async def run(kind: str, url: str, ids: list[str], out: Path) -> Durations:
    """All papers; the lag of the loop meanwhile."""
    lag = Durations()
    pools = {"thread": ThreadPoolExecutor, "process": ProcessPoolExecutor}
    limits = httpx.Limits(max_connections=SETTINGS.max_connections, max_keepalive_connections=SETTINGS.max_keepalive)
    with ThreadPoolExecutor(SETTINGS.io_threads) as disk, pools[kind](SETTINGS.extract_workers) as pool:
        async with httpx.AsyncClient(limits=limits, timeout=600) as client:
            measuring = asyncio.create_task(measure_lag(lag))
            bench = Bench(
                client,
                url,
                out,
                disk,
                pool,
                asyncio.Semaphore(SETTINGS.download_concurrency),
                asyncio.Semaphore(SETTINGS.extract_concurrency),
            )
            waiting = iter(ids)
            await asyncio.gather(*(work(bench, waiting) for _ in range(SETTINGS.workers)))
            measuring.cancel()
    return lag


def main() -> None:
    kind, url, listed, out = sys.argv[1:]
    lag = asyncio.run(run(kind, url, Path(listed).read_text().split(), Path(out)))
    print(
        json.dumps(
            {
                "p50_ms": lag.so_far().quantile_seconds(0.5) * 1000,
                "p99_ms": lag.so_far().quantile_seconds(0.99) * 1000,
                "max_ms": lag.max_seconds * 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
