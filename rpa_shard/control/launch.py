"""Starting a run: the run's lock, orphans of a killed run, a resize, and then the supervisor.

Guarantee: a folder has one run at a time; shards that a killed supervisor left are waited for, not raced; the layout
matches the settings before any shard starts. Limit: one machine; network file systems are refused when the store is
made.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from rpa_shard.config.descriptors import allow_descriptors
from rpa_shard.config.errors import SettingsError
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.factory import governors_for
from rpa_shard.control.nodes.launching import joined
from rpa_shard.control.placement.factory import placement_for
from rpa_shard.control.reclaim import reclaim_from
from rpa_shard.control.supervisor import RunEnd, Supervisor, Watcher
from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.ipc.run_status import RunStatus, read_status
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.model.phase import Phase, outstanding
from rpa_shard.phases.registry import BUILT_IN_PHASES, PhaseRegistry
from rpa_shard.store.artifacts.factory import refuse_unusable
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.system.logs import Console, log_to

log = logging.getLogger(__name__)

# How long orphans may take to exit after their own drain deadline.
ORPHAN_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05


def launch(
    settings: Settings,
    *,
    daemon: bool,
    limit: int | None = None,
    say: Callable[[str], None],
    before_work: Callable[[], None] = lambda: None,
    watchers: Sequence[Watcher] = (),
    console: Console | None = None,
    registry: PhaseRegistry = BUILT_IN_PHASES,
) -> RunEnd | None:
    """Runs until all papers are done; None if nothing is queued. `say` shows messages to a person before the work.

    With a `limit` it takes no more papers than that from the queue, each once, and ends when it has.
    `before_work` is called once nothing stands in the way of the work. `watchers` see every status; `console` says what
    standard error shows of the log. Raises SettingsError, StoreError
    (FolderBusyError if another run is working in the folder).
    """
    allow_descriptors(settings)
    definitions = registry.chosen(settings.run_phases)
    asking = tuple(each.phase for each in definitions if each.asks_models)
    if asking:
        refuse_unknown_models(settings, asking)
    folder = DataFolder.of(settings)
    target = Layout(settings.workers, settings.shard_count)
    engine_of(folder).create(target)
    _make_root(folder)
    with (
        _run_lock(folder.run, settings.drain_seconds + ORPHAN_GRACE_SECONDS, say),
        joined(settings, folder) as member,
    ):
        _resize(folder, target, say)
        folder.run.resize_request.unlink(missing_ok=True)  # meant for an earlier run
        refuse_unwritable(folder)
        refuse_unusable(folder, say)
        folder.remove_half_written()
        with open_ledger(folder) as ledger:
            if not daemon and not outstanding(ledger.counts().by_status, settings.run_phases):
                return None
            for definition in definitions:
                definition.refuse(settings, ledger, limit)
        before_work()
        log_to(folder.run.log_file("supervisor"), "supervisor", console)
        governors = governors_for(settings, folder, member, console)
        placement = placement_for(folder, registry, console, governors.descriptor)
        end = Supervisor(
            settings, placement, governors, daemon=daemon, limit=limit, watchers=watchers, asking=asking
        ).run()
        folder.remove_half_written()
        return end


def refuse_unknown_models(settings: Settings, asking: Collection[Phase]) -> None:
    """Raises SettingsError if nothing says which models are asked, a key cannot be read, or a price is not known."""
    if not settings.llm_endpoints:
        names = ", ".join(phase.name for phase in asking)
        raise SettingsError(
            f"RPA_V2_LLM_ENDPOINTS: no model is named, but this run asks one ({names}): "
            "`http://127.0.0.1:8000/v1 models=NAME`"
        )
    for model in settings.llm_endpoints:
        if model.key is not None:
            model.key.read(os.environ)
        if model.price is None and settings.llm_budget.micro_usd_per_day is not None:
            raise SettingsError(
                f"RPA_V2_LLM_BUDGET={settings.llm_budget}: needs to know the price of {model.name}: add price=IN/OUT "
                "to RPA_V2_LLM_ENDPOINTS, in dollars for a million tokens (price=0/0 if it costs nothing)"
            )


def _make_root(folder: DataFolder) -> None:
    """Makes the folder itself, where the rows are elsewhere. Raises StoreError."""
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder.root} cannot be made: {error.strerror}") from None


def refuse_unwritable(folder: DataFolder) -> None:
    """Raises StoreError for a part of the folder that leads nowhere or may not be written: a run writes there."""
    for part in (folder.papers, folder.run.status_file.parent):
        try:
            part.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{part} cannot be used: {error.strerror}") from None
        if not os.access(part, os.W_OK):
            raise StoreError(f"{part} may not be written, and a run writes there: see its owner and its file system")


@contextmanager
def _run_lock(run: RunDirectory, patience_seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Takes the run lock; waits until the shards of a killed supervisor have drained, but not for a living run."""
    with ExitStack() as held:
        give_up = time.monotonic() + patience_seconds
        said = False
        while not _is_ours(run, held):
            status = read_status(run.status_file)
            if status is not None and status.is_alive:
                raise FolderBusyError(f"another run (process {status.pid}) is working in {run.root}")
            if time.monotonic() > give_up + ORPHAN_GRACE_SECONDS:
                raise FolderBusyError(f"a process of a killed run is still working in {run.root}: end it by hand")
            _kill_orphans(status, say, all_of_them=time.monotonic() > give_up)
            if not said:
                say("waiting for the shards of a killed run to drain")
                said = True
            time.sleep(_POLL_SECONDS)
        yield


def _is_ours(run: RunDirectory, held: ExitStack) -> bool:
    try:
        held.enter_context(run.run_lock())
    except FolderBusyError:
        return False
    return True


def _kill_orphans(status: RunStatus | None, say: Callable[[str], None], *, all_of_them: bool) -> None:
    """Kills shards of a dead run that are stopped, since they would never drain; in the end also stuck ones."""
    for shard in status.shards if status is not None else ():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if not shard.is_alive:
                continue
            if all_of_them or psutil.Process(shard.pid).status() == psutil.STATUS_STOPPED:
                say(f"shard {shard.number} of a killed run (process {shard.pid}) does not drain: killing it")
                os.kill(shard.pid, signal.SIGKILL)


def _resize(folder: DataFolder, target: Layout, say: Callable[[str], None]) -> None:
    engine = engine_of(folder)
    stored = engine.stored_layout()
    assert stored is not None, "the store has been made"
    if stored.layout == target and stored.moving_to is None:
        return
    if stored.moving_to is None:
        for shard in range(stored.layout.shards):
            reclaim_from(folder, shard)
    say(f"resizing from {stored.layout.shards} to {target.shards} shards ({target.workers} workers)")
    with engine.layout_lock():
        say(f"moved {engine.reshard(target)} papers")


def log_folder(settings: Settings) -> Path:
    """Where a run writes its log lines."""
    return DataFolder.of(settings).run.log_file("").parent
