"""The run that chaos disturbs: a real one, in its own processes, started again and again.

Guarantee: only processes of this run and folder are killed; `end` leaves none of them. Limit: Linux, because the
environments of other processes are read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rpa_shard.chaos.processes import Processes, send
from rpa_shard.chaos.schedule import Start
from rpa_shard.ipc.run_status import read_status
from rpa_shard.store.data_folder import DataFolder


class RunProcess:
    """One `rpa-shard run` after the other on one folder. All its output goes to `log`."""

    def __init__(
        self, folder: DataFolder, knobs: Mapping[str, str], log: Path, command: Sequence[str] = ("run",)
    ) -> None:
        self._folder = folder
        self._processes = Processes(folder)
        self._knobs = knobs
        self._log = log
        self._command = command
        self._markers = log.with_name("failpoints")
        self._reached: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self.started = 0

    def start(self, start: Start) -> None:
        """Starts the run as drawn."""
        self._reached.clear()
        markers = self._markers = self._log.with_name("failpoints") / str(self.started)
        markers.mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_")}
        environment |= self._knobs
        environment |= {"RPA_V2_SHARD_COUNT": str(start.shards), "RPA_V2_PREP_EXTRACT_POOL": start.pool}
        if start.failpoints:
            environment |= {"RPA_SHARD_FAILPOINTS": start.failpoints, "RPA_SHARD_FAILPOINTS_ONCE": str(markers)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rpa_shard", *self._command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started += 1

    @property
    def log(self) -> Path:
        """Where its output is."""
        return self._log

    @property
    def exit_code(self) -> int | None:
        """How the last run ended; None while it lives."""
        assert self._process is not None
        return self._process.poll()

    def take_reached_points(self) -> list[str]:
        """The failpoints that have acted since the last call."""
        new = {each.name for each in self._markers.iterdir()} - self._reached
        self._reached |= new
        return sorted(new)

    def shards(self) -> list[int]:
        """The process ids of living shards."""
        return self._processes.shards() if self._is_known() else []

    def children(self) -> list[int]:
        """The process ids of extraction children."""
        return self._processes.children()

    def kill_supervisor(self) -> int:
        """Kills the supervisor; returns how many processes that killed."""
        assert self._process is not None
        if self._process.poll() is not None:
            return 0
        self._process.kill()
        self._process.wait()
        return 1

    def kill_all(self) -> int:
        """Kills every process of the run at once; returns how many there were."""
        killed = self._processes.signal_all(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        return killed

    def signal(self, number: signal.Signals) -> bool:
        """Sends a signal to the supervisor; False if there is none, or one that SIGINT would not end in order."""
        assert self._process is not None
        if number == signal.SIGINT and not self._is_known():
            return False  # while Python itself starts, it exits with 1: as if no work were left
        return self._process.poll() is None and send(self._process.pid, number)

    def _is_known(self) -> bool:
        """Whether the living run has published its status."""
        status = read_status(self._folder.run.status_file)
        return status is not None and self._process is not None and status.pid == self._process.pid

    def end(self) -> None:
        """Ends every process that is left."""
        if self._process is not None:
            self.kill_all()
