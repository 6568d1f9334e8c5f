"""What the governors know of the time before them, and what they keep for the next ones.

Guarantee: what `ClusterMemory` saves is on the database's disk when the call returns, and refused once another epoch
has begun. Limit: `FileMemory` survives the death of a process; what a loss of power takes is said at `saved_hosts` and
`saved_models`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.saved_hosts import SavedHost, hosts_as_bytes, hosts_of, read_hosts, save_hosts
from rpa_shard.ipc.saved_models import (
    SavedModels,
    later_of,
    models_as_bytes,
    models_of,
    read_models,
    save_day,
    save_models,
)
from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster

log = logging.getLogger(__name__)

HOSTS = "hosts"
MODELS = "models"


class UnsavedError(Exception):
    """Something could not be saved: `place` is where, `why` is one line."""

    def __init__(self, place: str, why: str | None) -> None:
        super().__init__(f"{place} cannot be written: {why}")
        self.place = place
        self.why = why or "it failed"


class DeposedError(Exception):
    """Another epoch has begun, so nothing is saved, and nothing may be granted any more."""


class Memory(Protocol):
    """Where the governors of a run keep what the next ones must know."""

    def hosts(self) -> Sequence[SavedHost]:
        """What is known of hosts that limited or refused us."""

    def save_hosts(self, hosts: Mapping[str, HostStatus]) -> None:
        """Keeps the states of hosts. Raises UnsavedError if nothing may be granted without it, DeposedError."""

    def models(self) -> tuple[SavedModels, float] | None:
        """What is known of models and of the day's spending, and how many seconds ago it was saved."""

    def save_models(self, models: SavedModels) -> None:
        """Keeps the states of models. Raises UnsavedError, DeposedError."""

    def save_day(self, models: SavedModels) -> None:
        """Keeps what the day took, so that not even a loss of power loses it. Raises UnsavedError, DeposedError."""

    def reopen_requests(self) -> Iterator[str]:
        """Hosts that people want reopened, each once; a request is gone when the next one is taken."""


class FileMemory:
    """Keeps it in the files of a run, for the next run in the same folder."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run

    def hosts(self) -> Sequence[SavedHost]:
        return read_hosts(self._run.governor_file)

    def save_hosts(self, hosts: Mapping[str, HostStatus]) -> None:
        try:
            save_hosts(self._run.governor_file, hosts)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._run.governor_file, error.strerror)

    def models(self) -> tuple[SavedModels, float] | None:
        models, day = read_models(self._run.models_file), read_models(self._run.spending_file)
        content = later_of(models[0] if models else None, day[0] if day else None)
        return None if content is None else (content, models[1] if models else float("inf"))

    def save_models(self, models: SavedModels) -> None:
        try:
            save_models(self._run.models_file, models)
        except OSError as error:
            raise UnsavedError(str(self._run.models_file), error.strerror) from None

    def save_day(self, models: SavedModels) -> None:
        try:
            save_day(self._run.spending_file, models)
        except OSError as error:
            raise UnsavedError(str(self._run.spending_file), error.strerror) from None

    def reopen_requests(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            for request in os.scandir(self._run.reopen_folder):
                yield request.name
                Path(request.path).unlink(missing_ok=True)


class ClusterMemory:
    """Keeps it in the database that all nodes share, fenced by the epoch. `reopen` may be called by another thread."""

    def __init__(self, cluster: Cluster, epoch: int) -> None:
        self._cluster = cluster
        self._epoch = epoch
        self._requests: SimpleQueue[str] = SimpleQueue()

    def hosts(self) -> Sequence[SavedHost]:
        return hosts_remembered(self._cluster)

    def save_hosts(self, hosts: Mapping[str, HostStatus]) -> None:
        self._save(HOSTS, hosts_as_bytes(hosts))

    def models(self) -> tuple[SavedModels, float] | None:
        found = self._cluster.remembered(MODELS)
        models = None if found is None else models_of(found.content)
        return None if found is None or models is None else (models, found.age_seconds)

    def save_models(self, models: SavedModels) -> None:
        self._save(MODELS, models_as_bytes(models))

    def save_day(self, models: SavedModels) -> None:
        """All that is saved here survives a loss of power."""

    def reopen_requests(self) -> Iterator[str]:
        with suppress(Empty):
            while True:
                yield self._requests.get_nowait()

    def reopen(self, hosts: Iterable[str]) -> None:
        """People want hosts reopened; the governor is told at its next turn."""
        for host in hosts:
            self._requests.put(host)

    def _save(self, name: str, content: bytes) -> None:
        try:
            if not self._cluster.remember(self._epoch, name, content):
                raise DeposedError
        except StoreError as error:
            raise UnsavedError("the database", str(error)) from None


def hosts_remembered(cluster: Cluster) -> Sequence[SavedHost]:
    """What the governors of all nodes know of hosts that limited or refused them. Raises StoreError."""
    found = cluster.remembered(HOSTS)
    return [] if found is None else hosts_of(found.content, found.age_seconds)
