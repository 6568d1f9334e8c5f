"""The process beside the supervisor of a node that does all that may wait for the network.

It keeps the node's membership, competes for the right to govern, serves the governors if it has it, and passes messages
between the supervisor and the node that governs.

Guarantee: it ends with the supervisor, however that ends, and holds no socket of its shards; signals to the run's
process group do not end it before. In the end it gives the right to govern up, and where it was killed, the next one
does. A part of it that breaks ends it all,
and the supervisor starts another. Limit: while there is none, nothing is sent to governed hosts.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import mmap
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.reaching.relay import Relay
from rpa_shard.control.governors.serving.candidacy import Candidacy
from rpa_shard.control.governors.serving.service import Service
from rpa_shard.control.nodes.launching import Member
from rpa_shard.control.nodes.membership import MembershipKeeper
from rpa_shard.ipc.node_messages import Lines, NodeMessage, as_line
from rpa_shard.store.cluster import Cluster
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster
from rpa_shard.system.logs import Console, log_to
from rpa_shard.system.streams import settle_streams

log = logging.getLogger(__name__)

READ_BYTES = 2**20
# What an agent has not read: one that is stopped for longer is given up.
MAX_UNSENT_BYTES = 2**24
# How long it may take to give up what it has, before it is ended by force.
END_SECONDS = 3.0
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1


class ForkedAgent:
    """The agent as the supervisor has it: see `rpa_shard.control.governors.reaching.remote.Agent`."""

    def __init__(self, pid: int, ours: socket.socket) -> None:
        self.pid = pid
        self._socket = ours
        self._lines = Lines()
        self._unsent = bytearray()
        self._is_open = True

    def descriptor(self) -> int | None:
        return self._socket.fileno() if self._is_open else None

    def send(self, message: NodeMessage) -> bool:
        self._unsent += as_line(message)
        return self._flush() and len(self._unsent) <= MAX_UNSENT_BYTES

    def receive(self) -> list[NodeMessage] | None:
        received: list[NodeMessage] = []
        while self._is_open and self._flush():
            try:
                content = self._socket.recv(READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                content = b""
            if not content:
                self._is_open = False
                break
            received += self._lines.feed(content)
        return received if received or self._is_open else None

    def end(self) -> None:
        self._is_open = False
        self._socket.close()
        give_up = time.monotonic() + END_SECONDS
        with suppress(ChildProcessError):
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > give_up:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    return
                time.sleep(_POLL_SECONDS)

    def _flush(self) -> bool:
        """Sends what can be sent now; False once the agent is gone."""
        while self._unsent:
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except BlockingIOError:
                return True
            except OSError:
                self._is_open = False
                return False
        return True


class EpochNote:
    """The last epoch that an agent of this supervisor has had, in memory that all of them share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    def note(self, epoch: int) -> None:
        """An agent has got an epoch."""
        self._memory[:8] = epoch.to_bytes(8, "little")

    def last(self) -> int:
        """Its number; 0 if there was none."""
        return int.from_bytes(self._memory[:8], "little")


def starter(
    settings: Settings, folder: DataFolder, member: Member, console: Console | None
) -> Callable[[], ForkedAgent]:
    """What starts the agent of a node; called by the supervisor, which has one thread."""
    supervisor = os.getpid()
    epochs = EpochNote()

    def start() -> ForkedAgent:
        ours, theirs = socket.socketpair()
        gc.freeze()  # these objects are shared with the child; its collector must not touch them
        settle_streams()
        pid = os.fork()
        if pid == 0:
            _be_the_agent(
                AgentProcess(settings, folder, member, supervisor, epochs), folder, console, theirs, supervisor
            )
        gc.unfreeze()
        theirs.close()
        ours.setblocking(False)
        return ForkedAgent(pid, ours)

    return start


def _be_the_agent(
    agent: AgentProcess, folder: DataFolder, console: Console | None, control: socket.socket, supervisor: int
) -> NoReturn:
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # also while it is stopped
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        _close_sockets_but(control)
        log_to(folder.run.log_file("agent"), "agent", console)
        if os.getppid() == supervisor:
            asyncio.run(agent.run(control))
        code = 0
    except BaseException:
        log.exception("the agent broke")
    finally:
        settle_streams()
        os._exit(code)


def _close_sockets_but(kept: socket.socket) -> None:
    """Closes the supervisor's ends of its shards' sockets, which would not notice its end as long as we hold them."""
    for entry in Path("/proc/self/fd").iterdir():
        number = int(entry.name)
        with suppress(OSError):
            if number != kept.fileno() and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)


class AgentProcess:
    """The parts of an agent, from start to end."""

    def __init__(
        self, settings: Settings, folder: DataFolder, member: Member, supervisor: int, epochs: EpochNote
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._member = member
        self._supervisor = supervisor
        self._epochs = epochs

    async def run(self, control: socket.socket) -> None:
        """Until the supervisor is gone. Raises what broke."""
        reader, writer = await asyncio.open_unix_connection(sock=control)
        host, port = address_of(self._member.address)
        service = Service()
        await service.start(host, port)
        address = f"{_bracketed(host)}:{service.port}"
        opened = lambda: open_cluster(self._folder)  # noqa: E731
        epochs = self._epochs
        candidacy = Candidacy(self._settings, service, address, opened, noted=epochs.note, ended=epochs.last())
        relay = Relay(self._settings, (reader, writer), opened)
        with open_cluster(self._folder) as cluster:
            keeper = self._keeper(cluster)
            try:
                await _until_the_first_ends(relay.run(), candidacy.run(), keeper.run())
                await keeper.renew_if_due()  # publishes how the run has ended
            finally:
                await service.stop()
                writer.close()

    def _keeper(self, cluster: Cluster) -> MembershipKeeper:
        membership, run = self._member.membership, self._folder.run
        return MembershipKeeper(cluster, membership, self._settings.node_lease_seconds, run, self._supervisor)


async def _until_the_first_ends(*parts: Coroutine[object, object, None]) -> None:
    """Runs all of them until one ends; ends the others. Raises what broke."""
    running = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for each in running:
        each.cancel()
    await asyncio.wait(running)
    for each in running:
        if not each.cancelled():
            each.result()


def address_of(address: str) -> tuple[str, int]:
    """The host and the port of `HOST`, `HOST:PORT` or an IPv6 address; port 0 is any that is free."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and host and (":" not in host or host.startswith("[")):
        return host.strip("[]"), int(port)
    return address.strip("[]"), 0


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
