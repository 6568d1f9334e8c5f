"""Shards as child processes of the supervisor, each with a control socket and a breadcrumb.

Guarantee: a child starts from a single-threaded parent and holds no socket of its siblings, so each notices at once
when the supervisor is gone; it holds the run's lock for as long as it lives. Limit: one machine.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import psutil

from rpa_shard.config.settings import Settings
from rpa_shard.control.placement import DiedOf, Exited, ShardExit
from rpa_shard.ipc.breadcrumb import Crumb, read_breadcrumb
from rpa_shard.ipc.messages import Broke, FromShard, Inbox, ToShard, encode
from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.ipc.run_status import ProcessFigures
from rpa_shard.phases.registry import PhaseRegistry
from rpa_shard.shard.process import run_shard
from rpa_shard.system.logs import Console, log_to
from rpa_shard.system.memory import oom_kills
from rpa_shard.system.processes import born
from rpa_shard.system.streams import settle_streams

log = logging.getLogger(__name__)

BROKE = 1
# Counting a process's TCP sockets means reading those of the machine: 20 ms if there are a thousand.
TCP_SECONDS = 10.0
READ_BYTES = 2**20


class ForkedShard:
    """A child process that is a shard, alive or just ended."""

    def __init__(self, number: int, pid: int, control: socket.socket, breadcrumb_file: Path) -> None:
        self.number = number
        self.pid = pid
        self.control = control
        self.born = born(pid)
        self._breadcrumb_file = breadcrumb_file
        self._inbox = Inbox()
        self._process = psutil.Process(pid)
        self._process.cpu_percent()  # the first call starts the measurement
        self._tcp_sockets = 0
        self._count_tcp_at = 0.0
        self._oom_kills_before = oom_kills()
        # False once it has closed its end of the socket, or we have closed ours.
        self.is_open = True

    def poll(self) -> ShardExit | None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        killed = oom_kills() - self._oom_kills_before
        code = os.waitstatus_to_exitcode(status)
        return Exited(code) if code >= 0 else DiedOf(-code, killed)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def send(self, message: ToShard) -> bool:
        line = encode(message)
        try:
            # If it does not fit, thousands of messages are waiting already, and half a message is worse than none.
            return self.control.send(line) == len(line)
        except BlockingIOError:
            return False
        except OSError:
            return True  # gone: `poll` will report it

    def receive(self) -> list[FromShard]:
        messages: list[FromShard] = []
        while self.is_open:
            try:
                received = self.control.recv(READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                received = b""
            if not received:
                self.is_open = False
                break
            for message in self._inbox.feed(received):
                if isinstance(message, FromShard):
                    messages.append(message)
                else:
                    log.error("unexpected message from a shard: %s", message)
        return messages

    def parsing(self) -> Crumb | None:
        return read_breadcrumb(self._breadcrumb_file)

    def memory_bytes(self) -> int:
        with suppress(psutil.Error):
            return int(self._process.memory_info().rss)
        return 0

    def figures(self) -> ProcessFigures | None:
        with suppress(psutil.Error), self._process.oneshot():
            if time.monotonic() >= self._count_tcp_at:
                self._tcp_sockets = len(self._process.net_connections("tcp"))
                self._count_tcp_at = time.monotonic() + TCP_SECONDS
            return ProcessFigures(
                descriptors=self._process.num_fds(),
                tcp_sockets=self._tcp_sockets,
                cpu_percent=self._process.cpu_percent(),
                rss_bytes=self._process.memory_info().rss,
                threads=self._process.num_threads(),
            )
        return None

    def close(self) -> None:
        self.is_open = False
        self.control.close()


class ForkPlacement:
    """Forks shards that run the phases of a registry; `not_for_shards` is a descriptor of ours that they close."""

    def __init__(
        self,
        run: RunDirectory,
        registry: PhaseRegistry,
        console: Console | None,
        not_for_shards: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._run = run
        self._not_for_shards = not_for_shards
        self._registry = registry
        self._console = console
        self._shards: list[ForkedShard] = []
        # A signal writes to one end, which wakes the process waiting at the other.
        self._woken, self._wakes = socket.socketpair()
        self._previous_handler: signal.Handlers | int | Callable[[int, FrameType | None], Any] | None = signal.SIG_DFL

    def __enter__(self) -> Self:
        for end in (self._woken, self._wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self._previous_handler = signal.signal(signal.SIGCHLD, lambda *_: None)  # so that a death wakes us
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, self._previous_handler)
        self._woken.close()
        self._wakes.close()

    def start(self, number: int, settings: Settings) -> ForkedShard:
        if not self._shards:
            # Once, before the first fork: shards share the memory of what is loaded and start faster.
            for definition in self._registry.chosen(settings.run_phases):
                definition.warm_up(settings)
        ours, theirs = socket.socketpair()
        gc.freeze()  # these objects are shared with the child; its collector must not touch them, which would copy them
        settle_streams()
        pid = os.fork()
        if pid == 0:
            siblings = [shard.control for shard in self._shards if shard.is_open]
            self._be_the_shard(number, settings, theirs, [ours, *siblings, self._woken, self._wakes])
        gc.unfreeze()
        theirs.close()
        ours.setblocking(False)
        self._shards = [shard for shard in self._shards if shard.is_open]
        self._shards.append(ForkedShard(number, pid, ours, self._run.breadcrumb_file(number)))
        return self._shards[-1]

    def wait(self, seconds: float, descriptor: int | None = None) -> None:
        waiting = select.poll()
        for each in (self._woken, *(shard.control for shard in self._shards if shard.is_open)):
            waiting.register(each, select.POLLIN)
        if descriptor is not None:
            waiting.register(descriptor, select.POLLIN)
        waiting.poll(seconds * 1000)
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def _be_the_shard(
        self, number: int, settings: Settings, control: socket.socket, to_close: Iterable[socket.socket]
    ) -> NoReturn:
        code = BROKE
        last = control
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(each, signal.SIG_DFL)
            for sock in to_close:
                sock.close()
            if (other := self._not_for_shards()) is not None:
                os.close(other)
            log_to(self._run.log_file(f"shard-{number:03d}"), f"shard {number}", self._console)
            last = control.dup()
            run_shard(number, settings, self._registry, control)
            code = 0
        except BaseException as error:
            log.exception("shard %d broke", number)
            with suppress(OSError):
                last.setblocking(False)
                last.send(encode(Broke(describe(error))))
        finally:
            settle_streams()
            os._exit(code)


def describe(error: BaseException) -> str:
    """The first error inside nested exception groups, on one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return line.encode(errors="backslashreplace").decode()  # the name of a file need not be text
