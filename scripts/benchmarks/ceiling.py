"""How many papers per second a store can take through claim and record, with nothing in between.

    python -m scripts.benchmarks.ceiling FOLDER SHARD WORKERS       (one shard's part; prints papers and seconds)

Guarantee: the shard's own claims, leases, grouping and durability. Limit: all papers succeed.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import uvloop

from rpa_shard.config.settings import Settings
from rpa_shard.model.phase import PREP
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.process import group_of
from rpa_shard.shard.vitals import Counters
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import completed
from scripts.benchmarks.measuring import ContenderError
from scripts.benchmarks.ours import queue
from scripts.benchmarks.papers import id_stream

PAPERS_PER_SHARD = 10_000
RESULT = {
    "pages": 24,
    "characters": 77_000,
    "references": 40,
    "flags": [],
    **dict.fromkeys(("text_sha256", "record_sha256", "pdf_sha256"), "0" * 64),
    **dict.fromkeys(("text_bytes", "record_bytes", "pdf_bytes"), 600_000),
    "pdf_kept": True,
    "attempts": 1,
}


def papers_per_second(scratch: Path, shards: int) -> float:
    """The rate of all shards together, each in its own process. Raises ContenderError."""
    folder = queue(scratch, list(id_stream(PAPERS_PER_SHARD * shards)), shards)
    workers = Settings(shard_count=shards).workers // shards
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmarks.ceiling", folder.root, str(shard), str(workers)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for shard in range(shards)
    ]
    said = [process.communicate()[0].split() for process in processes]
    if any(process.returncode for process in processes):
        raise ContenderError("a shard of the ceiling broke")
    begun, ended = min(float(begun) for _, begun, _ in said), max(float(ended) for _, _, ended in said)
    return sum(int(papers) for papers, _, _ in said) / (ended - begun)


async def drain(folder: DataFolder, shard: int, workers: int) -> tuple[int, float, float]:
    """Processes every paper of one shard; returns their number, and when it began and ended."""
    counters = Counters()
    group = group_of(workers)
    lease_seconds = Settings().lease_ttl_seconds
    async with engine_of(folder).open_store(shard, lease_seconds, group=group) as store:
        claims = Claims(store, counters, [PREP], group, LeaseValidity(lease_seconds))

        async def work() -> int:
            done = 0
            while (claim := await claims.next()) is not None:
                done += await claims.finish(claim, completed(PREP, RESULT))
            return done

        begun = time.time()
        feeding = asyncio.create_task(claims.feed())
        working = [asyncio.create_task(work()) for _ in range(workers)]
        await claims.ran_dry.wait()
        if claims.held:
            claims.ran_dry.clear()
            await claims.ran_dry.wait()  # it is set again when the last one is settled
        ended = time.time()
        claims.close()
        await feeding
        return sum(await asyncio.gather(*working)), begun, ended


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder, shard, workers = sys.argv[1:]
        print(*runner.run(drain(DataFolder(Path(folder)), int(shard), int(workers))))
