"""How many papers a second the store claims and records: PostgreSQL on this machine, beside the embedded one.

    PYTHONPATH=. python -m scripts.bench_store [--papers N] [--shards 1 2 4] [--group 25] [--relaxed]
    PYTHONPATH=. python -m scripts.bench_store --rows 3000000 [--turnovers 1000000]

Every shard is a process. It claims papers and ends each claim with a small result, nothing else; so it is the store
alone that is measured, with its server, on all cores. The server flushes every commit to the disk, as it does by
default, unless `--relaxed`. With `--rows` it measures claims among few and among many papers, without a VACUUM by hand,
counts of all, and the command `status`.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.postgres.connections import connected
from rpa_shard.store.postgres.shard import counting
from rpa_shard.store.protocol import StoreEngine
from rpa_shard.testing.postgres_server import PostgresServer

WORKERS = 200
RESULT = {"pages": 12, "characters": 48_000, "text_sha256": "0" * 64, "flags": [], "source": "arxiv.org"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=20_000)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--group", type=int, default=25)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--turnovers", type=int, default=1_000_000)
    parser.add_argument("--relaxed", action="store_true", help="commits are not flushed to the disk")
    parser.add_argument("--without-sqlite", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PostgresServer(Path(folder) / "server", durable=True) as server:
        if asked.relaxed:
            with connected(server.url()) as connection:
                connection.execute("ALTER SYSTEM SET synchronous_commit = off")
                connection.execute("SELECT pg_reload_conf()")
        if asked.rows:
            measure_rows(server, Path(folder), asked.rows, asked.turnovers, asked.group)
            return
        for shards in asked.shards:
            engines: dict[str, StoreEngine] = {
                "PostgreSQL": new_postgres(server, Path(folder), shards, asked.papers)[0]
            }
            if not asked.without_sqlite:
                engines["SQLite"] = new_sqlite(Path(folder) / f"sqlite-{shards}", shards, asked.papers)
            rates = {name: rate(engine, shards, asked.papers, asked.group) for name, engine in engines.items()}
            print(f"{shards} shards: " + ", ".join(f"{name} {each:,.0f} papers/s" for name, each in rates.items()))


def new_postgres(server: PostgresServer, folder: Path, shards: int, papers: int) -> tuple[StoreEngine, str]:
    """A new database full of waiting papers, and its URL."""
    url = server.create_database(f"bench_{time.monotonic_ns()}")
    return full(DataFolder(folder / "node", url, None, "node-1"), shards, papers), url


def new_sqlite(folder: Path, shards: int, papers: int) -> StoreEngine:
    """A new data folder full of waiting papers."""
    return full(DataFolder(folder), shards, papers)


def full(folder: DataFolder, shards: int, papers: int) -> StoreEngine:
    """Adds papers as people do."""
    engine = engine_of(folder)
    with engine.open_ledger(Layout(WORKERS, shards)) as ledger:
        ledger.add(f"24{number:08}" for number in range(papers))
    return engine


def rate(engine: StoreEngine, shards: int, papers: int, group: int) -> float:
    """Papers a second, claimed and recorded, of all shards together."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(shards, mp_context=context) as pool:
        starts_at = time.time() + 1.0 + 0.5 * shards
        works = [pool.submit(run_shard, engine, shard, group, papers // shards, starts_at) for shard in range(shards)]
        done = [work.result() for work in works]
    return sum(count for count, _, _ in done) / (max(end for _, _, end in done) - min(begin for _, begin, _ in done))


def run_shard(engine: StoreEngine, shard: int, group: int, papers: int, starts_at: float) -> tuple[int, float, float]:
    """Claims and ends papers; returns how many, when it began and when it ended."""
    return asyncio.run(turn_over(engine, shard, group, papers, starts_at))


async def turn_over(
    engine: StoreEngine, shard: int, group: int, papers: int, starts_at: float = 0.0
) -> tuple[int, float, float]:
    """The same in a loop: one group is ended while the next is claimed, as in a shard."""
    done = 0
    async with engine.open_store(shard, 300.0, group=group) as store:
        await asyncio.sleep(max(0.0, starts_at - time.time()))
        begun = time.time()
        claims = await store.claim(PREP, group)
        while claims and done < papers:
            ends = [store.finish(claim, completed(PREP, RESULT)) for claim in claims]
            claims, written = await asyncio.gather(store.claim(PREP, group), asyncio.gather(*ends))
            assert all(written)
            done += len(written)
        return done, begun, time.time()


def measure_rows(server: PostgresServer, folder: Path, rows: int, turnovers: int, group: int) -> None:
    """Claims among few papers and among many, in turn, before and after many turnovers; and what counting costs."""
    with timed(f"add {rows:,} papers"):
        many, url = new_postgres(server, folder, 2, rows)
    compare_claims(server, folder, many, group)
    measure_counts(url)
    measure_status(url, folder)
    for part in range(1, 5):
        reached = rate(many, 2, turnovers // 4, group)
        print(f"{part * turnovers // 4:,} turnovers: {reached:,.0f} papers/s", flush=True)
        compare_claims(server, folder, many, group)
    measure_counts(url)
    measure_status(url, folder)


def measure_counts(url: str) -> None:
    """A count of all papers, one that takes what the last one found, and what the tables weigh."""
    with connected(url) as connection:
        with timed("a count"):
            counting.count(connection, max_age=0.0)
        with timed("the next count"):
            counting.count(connection)
        row = connection.execute("SELECT pg_total_relation_size('papers') AS size").fetchone()
    print(f"papers with indexes: {row['size'] / 1e6 if row else 0:,.0f} MB")


def measure_status(url: str, folder: Path) -> None:
    """The command `status`, from start to exit: when all must be counted again, and soon after."""
    with connected(url) as connection:
        counting.forget_counts(connection)
    variables = {"RPA_V2_STORE": url, "RPA_V2_NODE": "node-1", "RPA_V2_DATA_DIR": str(folder / "node")}
    for when in ("that counts again", "soon after"):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "rpa_shard", "status"]
        subprocess.run(command, env=os.environ | variables, stdout=subprocess.DEVNULL, check=True)
        print(f"a status {when}: {time.perf_counter() - begun:.2f} s", flush=True)


def compare_claims(server: PostgresServer, folder: Path, many: StoreEngine, group: int) -> None:
    """The median times of claims among 10,000 papers and among many, in turn, so that both meet the same machine."""
    few, _ = new_postgres(server, folder, 2, 20_000)

    async def claims() -> tuple[list[float], list[float]]:
        times: tuple[list[float], list[float]] = ([], [])
        async with few.open_store(1, 300.0, group=group) as first, many.open_store(1, 300.0, group=group) as second:
            for _ in range(300):
                for store, found in zip((first, second), times, strict=True):
                    begun = time.perf_counter()
                    assert len(await store.claim(PREP, group)) == group
                    found.append(1000 * (time.perf_counter() - begun))
        return times

    small, large = map(statistics.median, asyncio.run(claims()))
    many.reclaim(1, {})
    print(
        f"a claim of {group}: {small:.2f} ms of 10,000 papers, {large:.2f} ms of many: {large / small:.2f}", flush=True
    )


@contextmanager
def timed(what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    main()
