"""One shard as the supervisor sees it: a child process, a control socket, a breadcrumb.

Guarantee: the child starts from a single-threaded parent and holds no socket of its siblings, so each notices at once
when the supervisor is gone; it keeps the run's lock as long as it lives. Limit: what the shard does inside is known
from its reports only.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.messages import DRAIN, Inbox, Report, encode
from rpa_shard.ipc.run_status import born
from rpa_shard.system.logs import log_to

log = logging.getLogger(__name__)

BROKE = 1
# Telling a process's TCP sockets from others takes reading all of the machine's: 20 ms where there are a thousand.
TCP_SECONDS = 10.0
# It reports once a second; one that has not for so long does not turn its loop.
STUCK_SECONDS = 5.0


class ShardProcess:
    """A living (or just died) shard."""

    def __init__(self, number: int, pid: int, control: socket.socket) -> None:
        self.number = number
        self.pid = pid
        self.control = control
        self.report = Report("booting", None)
        self.heard_monotonic = time.monotonic()
        # Why we killed it, where we did, and whether a paper was at fault; why it broke, where it could still say so.
        self.killed_for: str | None = None
        self.killed_for_a_paper = False
        self.last_words: str | None = None
        # It was asked to end so that a fresh one takes its place.
        self.recycling = False
        # What it said besides its reports; the supervisor takes it from here.
        self.messages: list[dict[str, Any]] = []
        self._inbox = Inbox()
        self._count_tcp_at = 0.0
        self._process = psutil.Process(pid)
        self._born = born(pid)
        self._process.cpu_percent()  # the first call starts the measurement

    @classmethod
    def fork(
        cls,
        number: int,
        settings: Settings,
        log_file: Path | None,
        run: Callable[[int, Settings, socket.socket], None],
        close_in_child: Iterable[socket.socket],
    ) -> ShardProcess:
        """Starts shard `number`."""
        ours, theirs = socket.socketpair()
        gc.freeze()  # what exists now is shared with the child; its collector need not touch, and so copy, it
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _be_the_shard(number, settings, log_file, run, theirs, [ours, *close_in_child])
        gc.unfreeze()
        theirs.close()
        ours.setblocking(False)
        return cls(number, pid, ours)

    def receive(self) -> bool:
        """Takes in what the shard says; False once it has closed its end."""
        try:
            received = self.control.recv(2**20)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        for message in self._inbox.feed(received):
            self.heard_monotonic = time.monotonic()
            if message["type"] == "report":
                self.report = Report.from_message(message)
            elif message["type"] == "last_words":
                self.last_words = message["text"]
            else:
                self.messages.append(message)
        return bool(received)

    def drain(self) -> None:
        """Asks it to claim nothing more and end."""
        self.send(DRAIN)

    def send(self, message: Mapping[str, Any]) -> None:
        """Says something to it."""
        line = encode(message)
        try:
            sent = self.control.send(line)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # gone: about to be reaped
        if sent < len(line):
            # Thousands of messages wait there already, and half of one is worse than none.
            self.kill("does not listen to the supervisor")

    def recycle(self) -> None:
        """Asks it to end, so that a fresh process takes over."""
        self.recycling = True
        self.drain()

    def kill(self, reason: str, *, for_a_paper: bool = False) -> None:
        """Ends it at once; what it held is reclaimed when it is reaped."""
        self.killed_for = self.killed_for or reason
        self.killed_for_a_paper |= for_a_paper
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> str | None:
        """How it died ("signal SIGKILL", "exit code 1"), or None while it lives. A clean end is "exit code 0"."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.receive()
        self.control.close()
        code = os.waitstatus_to_exitcode(status)
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return f"{how}: {self.last_words}" if self.last_words else how

    def rss_bytes(self) -> int:
        """The memory it holds now; 0 once it is gone."""
        with suppress(psutil.Error):
            return int(self._process.memory_info().rss)
        return 0

    def measure(self) -> dict[str, Any]:
        """Its report and what the system says of it: descriptors, CPU (%), memory (bytes), threads, and now and then
        TCP sockets."""
        silent_seconds = round(time.monotonic() - self.heard_monotonic, 1)
        measured: dict[str, Any] = {"number": self.number, "pid": self.pid, **asdict(self.report)}
        measured["silent_seconds"] = silent_seconds
        if silent_seconds > STUCK_SECONDS:
            measured["state"] = "stuck"
        with suppress(psutil.Error), self._process.oneshot():
            measured |= {
                "created_at": self._born,
                "descriptors": self._process.num_fds(),
                "cpu_percent": self._process.cpu_percent(),
                "rss_bytes": self._process.memory_info().rss,
                "threads": self._process.num_threads(),
            }
            if time.monotonic() >= self._count_tcp_at:
                measured["tcp_sockets"] = len(self._process.net_connections("tcp"))
                self._count_tcp_at = time.monotonic() + TCP_SECONDS
        return measured


def describe(error: BaseException) -> str:
    """The first error inside groups of errors, on one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _be_the_shard(
    number: int,
    settings: Settings,
    log_file: Path | None,
    run: Callable[[int, Settings, socket.socket], None],
    control: socket.socket,
    to_close: Iterable[socket.socket],
) -> None:
    code = BROKE
    last = control
    try:
        signal.set_wakeup_fd(-1)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        for sock in to_close:
            sock.close()
        log_to(log_file, f"shard {number}")
        last = control.dup()
        run(number, settings, control)
        code = 0
    except BaseException as error:
        log.exception("shard %d broke", number)
        with suppress(OSError):
            last.setblocking(False)
            last.send(encode({"type": "last_words", "text": describe(error)}))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
