"""What one operation costs at one size: adding, status, claims, export, resize.

Guarantee: real commands in their own processes over real shard files; no PDF is needed. Limit: rows are pending papers
with plain ids, in order of id, like most lists.

    python -m scripts.benchmarks.growth FOLDER SHARDS         (moves a folder's rows: the resize alone, for measuring)
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import released
from scripts.benchmarks.measuring import Figures, measure
from scripts.benchmarks.papers import id_stream

COMMAND = (sys.executable, "-m", "rpa_shard")
SHARDS = 2
CLAIM_BATCH = 16
CLAIM_BATCHES = 100
STATUS_LOOKS = 3


def add(folder: Path, rows: int) -> Figures:
    """`add --file` of this many ids into a new folder."""
    listed = folder.with_suffix(".ids")
    with listed.open("w") as file:
        file.writelines(f"{paper_id}\n" for paper_id in id_stream(rows))
    figures = _measure(folder, rows, "add", "--file", str(listed))
    listed.unlink()
    return figures


def status_seconds(folder: Path) -> float:
    """The `status` command, from start to exit; median of three."""
    return statistics.median(_measure(folder, 1, "status").seconds for _ in range(STATUS_LOOKS))


def export(folder: Path, rows: int) -> Figures:
    """`export` of all rows as JSON lines."""
    out = folder.with_suffix(".jsonl")
    figures = _measure(folder, rows, "export", "--out", str(out), "--no-text")
    out.unlink()
    return figures


def resize(folder: Path, rows: int, shards: int) -> Figures:
    """A move to this many shards."""
    return measure(
        [sys.executable, "-m", "scripts.benchmarks.growth", folder, str(shards)], rows, folder.with_suffix(".log")
    )


def claims_per_second(folder: Path) -> float:
    """Claims in batches from the first shard, which go back afterwards."""
    return asyncio.run(_claims_per_second(DataFolder(folder)))


async def _claims_per_second(folder: DataFolder) -> float:
    async with engine_of(folder).open_store(0, Settings().lease_ttl_seconds) as store:
        begun = time.perf_counter()
        claims = [claim for _ in range(CLAIM_BATCHES) for claim in await store.claim(PREP, CLAIM_BATCH)]
        seconds = time.perf_counter() - begun
        await asyncio.gather(*(store.finish(claim, released(PREP, "benchmark")) for claim in claims))
    return len(claims) / seconds


def _measure(folder: Path, rows: int, *arguments: str) -> Figures:
    environment = {"RPA_V2_DATA_DIR": str(folder), "RPA_V2_SHARD_COUNT": str(SHARDS)}
    return measure([*COMMAND, *arguments], rows, folder.with_suffix(".log"), environment=environment)


if __name__ == "__main__":
    folder = DataFolder(Path(sys.argv[1]))
    with folder.run.run_lock(), engine_of(folder).layout_lock():
        engine_of(folder).reshard(Layout(Settings().workers, int(sys.argv[2])))
