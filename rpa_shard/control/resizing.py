"""Changing the number of shards of a run in progress: the request, and the supervisor's part.

Guarantee: a request is one small file, handled once; the last one counts. The layout lock is taken before any shard is
told to drain, so a command that reads the store delays a resize but never lengthens its pause. If it is killed at any
point, the next start finishes the move. Limit: it changes the current run only; the next start uses
`RPA_V2_SHARD_COUNT` again. Papers in an engine are waited for, as in any drain.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace

from rpa_shard.config.descriptors import allow_descriptors
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import RunState, read_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import Layout
from rpa_shard.system.files import replace_file

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 120.0


class LiveResize:
    """The supervisor's side, one resize at a time: `is_asked_for`, drain the shards, `finish`, restart, `forget`."""

    def __init__(self, folder: DataFolder) -> None:
        self._run = folder.run
        self._engine = engine_of(folder)
        self._target: Settings | None = None
        self._lock = ExitStack()
        self._begun = 0.0
        self._waiting = False

    def is_asked_for(self, settings: Settings, state: RunState) -> bool:
        """Whether a resize of the run with `settings` begins now; if so, we hold the layout lock."""
        target = self._asked_for(settings) if state is RunState.RUNNING else None
        if target is None:
            return False
        try:
            self._lock.enter_context(self._engine.layout_lock(wait=False))
        except FolderBusyError:
            if not self._waiting:
                log.warning("the resize is waiting for a command that reads the store")
            self._waiting = True
            return False
        log.info("resizing from %d to %d shards", settings.shard_count, target.shard_count)
        self._target, self._begun, self._waiting = target, time.monotonic(), False
        return True

    def finish(self) -> Settings:
        """Moves the papers, which no shard may hold; returns the run's new settings. Raises StoreError."""
        assert self._target is not None
        settings = self._target
        with self._lock:
            moved = self._engine.reshard(Layout(settings.workers, settings.shard_count))
        log.info("resized: moved %d papers, paused for %.1f s", moved, time.monotonic() - self._begun)
        return settings

    def forget(self) -> None:
        """The resize is done, or the run ended first: removes the request, unless a newer one has replaced it."""
        self._lock.close()
        if self._target is not None and self._read_request() == self._target.shard_count:
            self._run.resize_request.unlink(missing_ok=True)
        self._target = None

    def _asked_for(self, settings: Settings) -> Settings | None:
        asked = self._read_request()
        if asked is None or asked == settings.shard_count:
            self._run.resize_request.unlink(missing_ok=True)
            return None
        target = replace(settings, shard_count=asked)
        try:
            target.check()
            allow_descriptors(target)
        except SettingsError as error:
            log.error("not resized: %s", error)
            self._run.resize_request.unlink(missing_ok=True)
            return None
        return target

    def _read_request(self) -> int | None:
        try:
            return int(self._run.resize_request.read_text())
        except (FileNotFoundError, ValueError):
            return None


def resize(folder: DataFolder, shards: int) -> str:
    """Asks the current run, and waits until it has this number of shards. Raises StoreError."""
    run = folder.run
    status = read_status(run.status_file)
    if status is None or not status.is_on:
        raise StoreError(f"no run is working in {folder.root}: set RPA_V2_SHARD_COUNT={shards} and start one")
    replace_file(run.resize_request, str(shards).encode())
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE_SECONDS:
        status = read_status(run.status_file)
        if status is None or not status.is_on:
            raise StoreError("the run ended meanwhile")
        ready = sum(1 for shard in status.shards if shard.state is ShardState.READY)
        if not run.resize_request.exists() and status.state is RunState.RUNNING:
            if status.shard_count == ready == shards:
                return f"the run now has {shards} shards, after {time.monotonic() - begun:.1f} s"
            if status.shard_count != shards:
                raise StoreError(f"the run did not accept {shards} shards: see its log")
        time.sleep(POLL_SECONDS)
    raise StoreError(f"the run did not reach {shards} shards within {PATIENCE_SECONDS:.0f} s: see its log")
