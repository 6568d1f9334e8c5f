"""Nodes whose shards send requests to a governed host, for tests of the governors of many machines."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.reaching.relay import Relay
from rpa_shard.control.governors.reaching.remote import Agent, RemoteGovernors
from rpa_shard.control.governors.serving.candidacy import Candidacy, OpenCluster
from rpa_shard.control.governors.serving.service import Service
from rpa_shard.control.nodes.agent import ForkedAgent, starter
from rpa_shard.control.nodes.launching import Member
from rpa_shard.fetch.permits import Permits
from rpa_shard.ipc.calls import CallMessage
from rpa_shard.ipc.messages import (
    HostDoubted,
    HostStates,
    NoPdfNoted,
    PermitMessage,
    PermitsGranted,
    ToShard,
)
from rpa_shard.ipc.node_messages import NodeMessage
from rpa_shard.model.failure import PaperError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster
from rpa_shard.store.lease_validity import LeaseValidity

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0
TURN_SECONDS = 0.005


class Server:
    """An HTTP server that notes when each request arrives."""

    def __init__(self) -> None:
        self.port = 0
        # How long an answer takes.
        self.seconds = 0.01
        self.arrivals: list[float] = []
        self.most_at_a_time = 0
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def get(self) -> int:
        """One request, from beginning to end; its status."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._answer(reader, writer)
        except (OSError, EOFError):
            pass  # the client has left
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.arrivals.append(asyncio.get_running_loop().time())
        self._open += 1
        self.most_at_a_time = max(self.most_at_a_time, self._open)
        await asyncio.sleep(self.seconds)
        self._open -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def busiest(self, seconds: float) -> int:
        """How many requests arrived within some span of so many seconds, at most."""
        times = sorted(self.arrivals)
        return max((sum(1 for other in times if each <= other < each + seconds) for each in times), default=0)

    def quiet_seconds(self) -> float:
        """How long ago the last request arrived."""
        return asyncio.get_running_loop().time() - self.arrivals[-1]

    def longest_pause(self) -> float:
        """The longest time without an arrival between two."""
        times = sorted(self.arrivals)
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


class Node:
    """One node: the governors as its supervisor sees them, and shards with workers that send requests."""

    def __init__(self, settings: Settings, start: Callable[[], Agent], shards: int = 2) -> None:
        self.settings = settings
        self.agents: list[Agent] = []
        self.governors = RemoteGovernors(settings, lambda: self._started(start))
        governed = [policy.host for policy in settings.host_policies]
        self.permits = [Permits(governed, self._link(number), LeaseValidity(300.0)) for number in range(shards)]
        self.sent: defaultdict[int, list[ToShard]] = defaultdict(list)
        self.answered = 0
        self._has_left = False

    def _started(self, start: Callable[[], Agent]) -> Agent:
        self.agents.append(start())
        return self.agents[-1]

    def _link(self, number: int) -> Callable[[PermitMessage | CallMessage], None]:
        return lambda message: self.governors.handle(number, message)

    def send(self, number: int, message: ToShard) -> None:
        self.sent[number].append(message)
        if isinstance(message, PermitsGranted | HostStates | HostDoubted | NoPdfNoted):
            self.permits[number].handle(message)

    @property
    def pid(self) -> int:
        """The agent's process."""
        agent = self.agents[-1]
        assert isinstance(agent, ForkedAgent)
        return agent.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def run(self) -> None:
        """As a supervisor does, until it leaves."""
        while not self._has_left:
            self.act()
            await asyncio.sleep(TURN_SECONDS)

    def leave(self) -> None:
        """As a run that ends."""
        self._has_left = True
        self.governors.close()

    def act(self) -> None:
        self.governors.act(range(len(self.permits)), self.send)

    async def work(self, shard: int, server: Server) -> None:
        """One worker, without end."""
        while True:
            with suppress(PaperError, OSError):
                async with self.permits[shard].permit(HOST) as permit:
                    await server.get()
                    permit.answered()
                    self.answered += 1


@asynccontextmanager
async def working(nodes: list[Node], server: Server, workers: int = 4) -> AsyncIterator[None]:
    """All shards of all nodes send as many requests as they may."""
    tasks = [asyncio.create_task(node.run()) for node in nodes]
    for node in nodes:
        for shard in range(len(node.permits)):
            tasks += [asyncio.create_task(node.work(shard, server)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for node in nodes:
            node.governors.close()


async def until(condition: Callable[[], object]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(TURN_SECONDS)


def settings_of(root: Path, name: str, policy: HostPolicy, lease_seconds: float, store: str | None = None) -> Settings:
    """A node's settings."""
    return Settings(
        data_dir=root / name,
        node=name,
        host_policies=(policy,),
        governor_lease_seconds=lease_seconds,
        node_lease_seconds=lease_seconds,
        store=store,
    )


def forked(settings: Settings) -> Node:
    """A node whose agent is a process, over the database of its settings."""
    folder = DataFolder.of(settings)
    (folder.root / "run").mkdir(parents=True, exist_ok=True)
    (folder.root / "logs").mkdir(exist_ok=True)
    with open_cluster(folder) as cluster:
        member = Member(cluster.join(settings.node, HOST, settings.node_lease_seconds), HOST)
    return Node(settings, starter(settings, folder, member, None))


class ThreadAgent:
    """An agent without a process: its parts run in a thread. `stop` is what killing it would be."""

    def __init__(self, settings: Settings, open_cluster: OpenCluster) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._link = ForkedAgent(0, ours)
        self.service = Service()
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, args=(settings, open_cluster, theirs), daemon=True)
        self._thread.start()

    def _main(self, settings: Settings, open_cluster: OpenCluster, control: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run(settings, open_cluster, control))

    async def _run(self, settings: Settings, open_cluster: OpenCluster, control: socket.socket) -> None:
        streams = await asyncio.open_unix_connection(sock=control)
        await self.service.start(HOST)
        parts = (
            Relay(settings, streams, open_cluster).run(),
            Candidacy(settings, self.service, f"{HOST}:{self.service.port}", open_cluster).run(),
            self._stop.wait(),
        )
        tasks = [asyncio.ensure_future(part) for part in parts]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self.service.stop()
        streams[1].close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def hang_up(self) -> None:
        """Ends the connections of the nodes that it serves."""
        self._loop.call_soon_threadsafe(self._end_connections)

    def _end_connections(self) -> None:
        for task in self.service._tasks:
            task.cancel()

    def descriptor(self) -> int | None:
        return self._link.descriptor()

    def send(self, message: NodeMessage) -> bool:
        return self._link.send(message)

    def receive(self) -> list[NodeMessage] | None:
        return self._link.receive()

    def end(self) -> None:
        self._link._is_open = False
        self._link._socket.close()
        self._thread.join()
