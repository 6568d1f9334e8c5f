"""The files by which a run communicates: its status, its locks, its logs, requests to it.

Guarantee: one run at a time works in a folder, even while shards of a killed run still drain, because every shard
inherits the run's lock. Limit: the lock is `flock`, so it works on one machine only; asking for a path creates nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.errors import FolderBusyError
from rpa_shard.system.files import PART_ENDING
from rpa_shard.system.locks import lock_now


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The run's own files in the data folder at `root`."""

    root: Path

    @property
    def status_file(self) -> Path:
        """The run's status, written once a second."""
        return self.root / "run" / "status.json"

    @property
    def governor_file(self) -> Path:
        """What a run knows of hosts that limited or refused it, for the next run."""
        return self.root / "run" / "governor.json"

    @property
    def models_file(self) -> Path:
        """What a run knows of the models that it asks, for the next run."""
        return self.root / "run" / "models.json"

    @property
    def spending_file(self) -> Path:
        """What models took today, on disk even after a loss of power."""
        return self.root / "run" / "spending.json"

    @property
    def reopen_folder(self) -> Path:
        """One empty file for each host that a person has asked to reopen."""
        return self.root / "run" / "reopen"

    @property
    def resize_request(self) -> Path:
        """Holds the number of shards that a person has asked for."""
        return self.root / "run" / "resize"

    @property
    def incarnation_file(self) -> Path:
        """Which incarnation of its node the run is, where several machines share a database."""
        return self.root / "run" / "incarnation"

    @property
    def old_temporaries(self) -> Path:
        """Where earlier versions kept half-written files of papers; what one of them left may be removed."""
        return self.root / "tmp"

    def breadcrumb_file(self, shard: int) -> Path:
        """Names the paper that a shard is parsing."""
        return self.root / "run" / f"shard-{shard:03d}.breadcrumb"

    def log_file(self, name: str) -> Path:
        """The log of the process called `name`."""
        return self.root / "logs" / f"{name}.log"

    @contextmanager
    def run_lock(self) -> Iterator[None]:
        """Held by a run and by each of its shards until the last of them ends. Raises FolderBusyError."""
        with lock_now(self.root / "run.lock") as locked:
            if not locked:
                raise FolderBusyError(f"another run is working in {self.root}")
            yield

    def half_written_files(self) -> list[Path]:
        """The run's own files that a killed process left unfinished."""
        old = [path for path in self.old_temporaries.rglob("*") if path.is_file()]
        return old + [path for folder in self._own_folders() for path in folder.glob(f".*{PART_ENDING}")]

    def remove_half_written(self) -> None:
        """Removes the run's own unfinished files of processes that have died; the run's lock must be held."""
        shutil.rmtree(self.old_temporaries, ignore_errors=True)
        for folder in self._own_folders():
            for path in folder.glob(f".*{PART_ENDING}"):
                pid = path.name.split(".")[-2]
                if not (pid.isdigit() and _is_running(int(pid))):
                    path.unlink(missing_ok=True)

    def _own_folders(self) -> tuple[Path, ...]:
        return self.root, self.status_file.parent


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
