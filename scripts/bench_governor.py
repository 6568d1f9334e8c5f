"""How many permits a second one governor grants to many nodes, and how long a permit takes, beside a local governor.

Guarantee: real sockets over loopback, the governor in a process of its own, nodes as they send and answer; nothing is
limited by a policy. Limit: the nodes share the machine with the governor, so on few cores it is the less of both.

    python -m scripts.bench_governor [--nodes 100] [--shards 64] [--seconds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.local import LocalGovernors
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.governors.serving.governing import GoverningThread
from rpa_shard.control.governors.serving.handshake import hello
from rpa_shard.control.governors.serving.service import Service
from rpa_shard.ipc.messages import PermitReturned, PermitsGranted, PermitsWanted, RequestAnswered, ToShard
from rpa_shard.ipc.node_messages import Challenge, Lines, Of, Ping, as_line, from_line, of_shard
from rpa_shard.store.data_folder import DataFolder

HOST = "source.example"
SECRET = "known to all"  # noqa: S105
POLICY = HostPolicy(HOST, 999_999, 0.1, 99_999)
PERMITS_TIMED = 300


def settings_in(root: Path) -> Settings:
    return Settings(data_dir=root, host_policies=(POLICY,))


def govern(root: Path, told: Connection) -> None:
    """The governing node, in a process of its own."""

    async def serve() -> None:
        settings, service = settings_in(root), Service()
        await service.start("127.0.0.1")
        governing = GoverningThread(settings, 1, FileMemory(DataFolder.of(settings).run), lambda: True, time.monotonic)
        service.opens(governing, SECRET)
        told.send(service.port)
        await asyncio.to_thread(governing.run)

    asyncio.run(serve())


async def node(port: int, number: int, shards: int, until: float) -> int:
    """One node whose shards send one request after another; how many they have sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = from_line(await reader.readuntil())
    assert isinstance(asked, Challenge)
    writer.write(as_line(hello(SECRET, asked, f"node-{number}")))
    await reader.readuntil()
    writer.writelines(as_line(of_shard(shard, PermitsWanted(HOST, 1))) for shard in range(shards))
    lines, granted = Lines(), 0
    while time.monotonic() < until:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                for message in lines.feed(await reader.read(2**16)):
                    granted += _used(message, writer)
        writer.write(as_line(Ping(time.monotonic())))
    writer.close()
    return granted


def _used(message: object, writer: asyncio.StreamWriter) -> int:
    """Uses the permits of a message, and wants as many again."""
    told = message.decoded() if isinstance(message, Of) else None
    if not isinstance(message, Of) or not isinstance(told, PermitsGranted):
        return 0
    for permit in told.permits:
        writer.write(as_line(of_shard(message.shard, RequestAnswered(HOST, permit))))
        writer.write(as_line(of_shard(message.shard, PermitReturned(HOST, permit, "ok"))))
        writer.write(as_line(of_shard(message.shard, PermitsWanted(HOST, 1))))
    return len(told.permits)


async def rate(port: int, nodes: int, shards: int, seconds: float) -> float:
    until = time.monotonic() + seconds
    granted = await asyncio.gather(*(node(port, number, shards, until) for number in range(nodes)))
    return sum(granted) / seconds


async def remote_latency(port: int) -> list[float]:
    """How long a permit takes over a connection, one at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = from_line(await reader.readuntil())
    assert isinstance(asked, Challenge)
    writer.write(as_line(hello(SECRET, asked, "timed")))
    await reader.readuntil()
    taken: list[float] = []
    lines = Lines()
    while len(taken) < PERMITS_TIMED:
        begun = time.perf_counter()
        writer.write(as_line(of_shard(0, PermitsWanted(HOST, 1))))
        got = 0
        while not got:
            for message in lines.feed(await reader.read(2**16)):
                told = message.decoded() if isinstance(message, Of) else None
                if isinstance(told, PermitsGranted):
                    got = told.permits[0]
        taken.append(time.perf_counter() - begun)
        writer.write(as_line(of_shard(0, PermitReturned(HOST, got, "ok"))))
        await asyncio.sleep(0.002)
    writer.close()
    return taken


def local_latency(root: Path) -> list[float]:
    """The same by the governors inside a supervisor, without the socket to its shard."""
    settings, taken = settings_in(root), []
    governors = LocalGovernors(settings, FileMemory(DataFolder.of(settings).run))
    time.sleep(0.5)  # the first window
    for _ in range(PERMITS_TIMED):
        sent: list[ToShard] = []
        keep: Callable[[int, ToShard], None] = lambda _, message, sent=sent: sent.append(message)  # type: ignore[misc] # noqa: E731
        begun = time.perf_counter()
        governors.handle(0, PermitsWanted(HOST, 1))
        governors.act([0], keep)
        taken.append(time.perf_counter() - begun)
        for each in sent:
            if isinstance(each, PermitsGranted):
                governors.handle(0, PermitReturned(HOST, each.permits[0], "ok"))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        governing = multiprocessing.get_context("fork").Process(target=govern, args=(Path(folder) / "a", theirs))
        governing.start()
        try:
            port = ours.recv()
            time.sleep(0.5)  # the first window
            for name, taken in (
                ("over a connection", asyncio.run(remote_latency(port))),
                ("in the supervisor", local_latency(Path(folder) / "b")),
            ):
                p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
                print(f"a permit {name}: {p50 * 1000:.2f} ms (p50), {p99 * 1000:.2f} ms (p99)")
            a_second = asyncio.run(rate(port, asked.nodes, asked.shards, asked.seconds))
            print(f"{asked.nodes} nodes of {asked.shards} shards: {a_second:,.0f} permits/s")
        finally:
            governing.kill()
            governing.join()


if __name__ == "__main__":
    main()
