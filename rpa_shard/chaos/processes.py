"""The processes of a run, as they are found from outside, whoever started them.

Guarantee: only processes that were started for this data folder are named or get signals. Limit: Linux, because the
environments of other processes are read; a shard is known once the run's status names it.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import psutil

from rpa_shard.chaos.invariants import processes_of
from rpa_shard.ipc.run_status import RunStatus, read_status
from rpa_shard.store.data_folder import DataFolder

_CHILD_MODULE = "rpa_shard.extract.child"


class Processes:
    """Those of the run that works in `folder`."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder

    def status(self) -> RunStatus | None:
        """What the living run has published; None if it has not yet."""
        status = read_status(self.folder.run.status_file)
        return status if status is not None and any(each.pid == status.pid for each in self.all()) else None

    def all(self) -> list[psutil.Process]:
        """All that live."""
        return processes_of(self.folder)

    def supervisor(self) -> list[int]:
        """The process id of the supervisor, or nothing."""
        status = self.status()
        return [status.pid] if status is not None else []

    def shards(self) -> list[int]:
        """The process ids of living shards."""
        status = self.status()
        return [each.pid for each in status.shards if each.is_alive] if status is not None else []

    def children(self) -> list[int]:
        """The process ids of extraction children."""
        return [each.pid for each in self.all() if _is_child(each)]

    def beside(self) -> list[int]:
        """The process ids of what runs beside the supervisor and is no shard: what talks to other nodes."""
        status = self.status()
        if status is None:
            return []
        shards = {each.pid for each in status.shards}
        with suppress(psutil.Error):
            found = [each.pid for each in psutil.Process(status.pid).children()]
            return [each for each in found if each not in shards]
        return []

    def signal_all(self, number: signal.Signals) -> int:
        """Sends a signal to all of them; returns to how many."""
        return sum(send(each.pid, number) for each in self.all())


def send(pid: int, number: signal.Signals) -> bool:
    """Sends a signal; False if the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _is_child(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return _CHILD_MODULE in process.cmdline()
    return False
