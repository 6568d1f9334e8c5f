"""What a person or a program sees of a run while it lasts: a bar, lines, or JSON.

Guarantee: starts no thread, so starting processes stays safe; a terminal or a pipe that is closed ends what is shown,
not the run. All of them show the account of the run's status. Limit: the status is up to a second old.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from rpa_shard.control.sentences import in_columns, with_commas
from rpa_shard.ipc.account import Account, Limit
from rpa_shard.ipc.run_status import RunState, RunStatus
from rpa_shard.observe.announcements import Announcer
from rpa_shard.system.logs import PROGRESS
from rpa_shard.system.program import program

if TYPE_CHECKING:
    from tqdm import tqdm

LINE_SECONDS = 30.0
# The bar takes what the words leave.
BAR_COLUMNS, LEAST_BAR_COLUMNS = 24, 5

log = logging.getLogger(PROGRESS)


class Bar:
    """A bar on a terminal, and above it what begins and ends."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._shown = True
        self._announcer = Announcer()

    def __call__(self, status: RunStatus) -> None:
        if not self._shown:
            return
        try:
            self._show(status)
        except OSError:  # the terminal is gone
            self._shown, self._bar = False, None

    def _show(self, status: RunStatus) -> None:
        account = status.account
        if account.limited_by is not Limit.STARTING:
            bar = self._drawn(account, status.written_at)
            for line in self._announcer.changes(account, status.written_at):
                bar.write(f"{program()}: {line}", file=sys.stderr)
        if status.state is RunState.ENDED and self._bar is not None:
            self._bar.close()
            self._shown = False

    def _drawn(self, account: Account, now: float) -> tqdm[Any]:
        if self._bar is None:
            from tqdm import tqdm  # imported here: a run without a terminal starts faster without it

            tqdm.monitor_interval = 0  # no monitor thread
            tqdm.set_lock(threading.RLock())  # nor a semaphore shared between processes
            self._bar = tqdm(total=account.progress[1], dynamic_ncols=True, file=sys.stderr)
        bar = self._bar
        columns = _columns(sys.stderr) - 1
        text = with_commas(in_columns(account, now, columns))
        room = min(BAR_COLUMNS, columns - len(text) - 1)
        bar.bar_format = f"|{{bar:{room - 2}}}| {{desc}}" if room >= LEAST_BAR_COLUMNS else "{desc}"
        bar.n, papers = account.progress
        bar.total = max(papers, 1)
        bar.set_description_str(text)
        return bar


class Lines:
    """A line of progress now and then, in the log, and at once when everything begins or ceases to wait."""

    def __init__(self) -> None:
        self._next = 0.0
        self._waited = False

    def __call__(self, status: RunStatus) -> None:
        account, now = status.account, time.monotonic()
        waits = account.limited_by is Limit.WAITING
        ended = status.state is RunState.ENDED
        if now < self._next and waits == self._waited and not ended:
            return
        if account.limited_by is Limit.STARTING and not ended:
            return
        self._next, self._waited = now + LINE_SECONDS, waits
        log.info("%s", with_commas(account.text))


class JsonLines:
    """A JSON object a second on a stream: the account, the time, the state of the run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def __call__(self, status: RunStatus) -> None:
        if self._stream is None:
            return
        line = {"event": "progress", "at": status.written_at, "state": status.state, "seconds": status.seconds}
        line |= msgspec.to_builtins(status.account)
        try:
            print(json.dumps(line, ensure_ascii=False), file=self._stream, flush=True)
        except (OSError, ValueError):  # nobody reads it any more
            self._stream = None


def _columns(stream: TextIO) -> int:
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns
    return 80
