"""Starting a run: the run's lock, orphans of a killed run, a resize, and then the supervisor.

Guarantee: a folder has one run at a time; shards that a killed supervisor left are waited for, not raced; the layout
is as the knobs say before anything forks. Limit: one machine; network file systems are refused when the folder is made.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from rpa_shard.config.host_policy import ARXIV_HOST, host_of, polite_url
from rpa_shard.config.settings import Settings
from rpa_shard.config.source_names import template_of
from rpa_shard.control.progress import Progress
from rpa_shard.control.reclaim import reclaim_from
from rpa_shard.control.supervisor import RunEnd, Supervisor
from rpa_shard.ipc.run_status import is_alive, read_status
from rpa_shard.store.folder import DataFolder, FolderBusyError, Layout, StoreError
from rpa_shard.store.sqlite.ledger import make_folder, open_ledger
from rpa_shard.store.sqlite.reshard import reshard
from rpa_shard.system.logs import log_to

log = logging.getLogger(__name__)

# Beyond their own drain deadline, for orphans to be gone.
ORPHAN_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05


def launch(settings: Settings, *, daemon: bool, say: Callable[[str], None]) -> RunEnd | None:
    """Runs until all is done; None where nothing is queued. `say` tells a person what is going on.

    Raises StoreError (FolderBusyError where another run is at work).
    """
    folder = DataFolder(settings.data_dir)
    target = Layout(settings.workers, settings.shard_count)
    make_folder(folder, target)
    with _run_lock(folder, settings.drain_seconds + ORPHAN_GRACE_SECONDS, say):
        _resize(folder, target, say)
        folder.resize_request.unlink(missing_ok=True)  # meant for a run that is gone
        shutil.rmtree(folder.root / "tmp", ignore_errors=True)
        folder.remove_half_written()
        if not daemon and not _anything_to_do(folder):
            return None
        _refuse_too_many(settings, folder)
        on_terminal = sys.stderr.isatty()
        log_to(folder.log_file("supervisor") if on_terminal else None, "supervisor")
        supervisor = Supervisor(
            settings, daemon=daemon, progress=Progress(shown=on_terminal), logs_to_files=on_terminal
        )
        return supervisor.run()


@contextmanager
def _run_lock(folder: DataFolder, patience_seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """The run lock; waits for shards that a killed supervisor left to drain, but not for a living run."""
    with ExitStack() as held:
        give_up = time.monotonic() + patience_seconds
        told = False
        while not _is_ours(folder, held):
            status = read_status(folder.status_file)
            if status is not None and is_alive(status["pid"], status["created_at"]):
                raise FolderBusyError(f"another run (process {status['pid']}) is working in {folder.root}")
            if time.monotonic() > give_up + ORPHAN_GRACE_SECONDS:
                raise FolderBusyError(f"a process of a killed run still works in {folder.root}: end it by hand")
            _kill_orphans(status, say, all_of_them=time.monotonic() > give_up)
            if not told:
                say("waiting for the shards of a killed run to drain")
                told = True
            time.sleep(_POLL_SECONDS)
        yield


def _is_ours(folder: DataFolder, held: ExitStack) -> bool:
    try:
        held.enter_context(folder.run_lock())
    except FolderBusyError:
        return False
    return True


def _kill_orphans(status: Mapping[str, Any] | None, say: Callable[[str], None], *, all_of_them: bool) -> None:
    """Ends shards of a dead run that are stopped, so that they never drain; in the end those that are stuck, too."""
    for shard in status["shards"] if status is not None else ():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if not is_alive(shard["pid"], shard.get("created_at", 0.0)):
                continue
            if all_of_them or psutil.Process(shard["pid"]).status() == psutil.STATUS_STOPPED:
                say(f"shard {shard['number']} of a killed run (process {shard['pid']}) does not drain: killing it")
                os.kill(shard["pid"], signal.SIGKILL)


def _resize(folder: DataFolder, target: Layout, say: Callable[[str], None]) -> None:
    manifest = folder.read_manifest()
    assert manifest is not None
    if manifest.layout == target and manifest.moving_to is None:
        return
    layout = manifest.layout
    for shard in range(layout.shards):
        if folder.shard_file(shard).exists():
            reclaim_from(folder, shard)
    say(f"resizing from {layout.shards} to {target.shards} shards ({target.workers} workers)")
    with folder.exclusive():
        say(f"moved {reshard(folder, target)} papers")


def _anything_to_do(folder: DataFolder) -> bool:
    with open_ledger(folder) as ledger:
        by_status = ledger.counts().by_status
    return bool(by_status.get("pending") or by_status.get("prepping"))


def _refuse_too_many(settings: Settings, folder: DataFolder) -> None:
    """Raises StoreError if arXiv's own host, which is not for whole collections, would have to serve too many."""
    if host_of(polite_url(template_of(settings.sources[0]))) != ARXIV_HOST:
        return
    with open_ledger(folder) as ledger:
        papers = ledger.arxiv_papers_to_do()
        if papers > settings.arxiv_max_papers:
            # Only now: the archives may hold most of millions.
            papers = ledger.arxiv_papers_to_do(but_for_archives=True)
    if papers > settings.arxiv_max_papers:
        raise StoreError(
            f"{papers} papers from {ARXIV_HOST}, and a run fetches at most {settings.arxiv_max_papers} there: use its "
            "bulk archives (`add --tar`) or RPA_V2_SOURCES='gcs arxiv', or raise RPA_V2_ARXIV_MAX_PAPERS if it agreed"
        )


def log_folder(settings: Settings) -> Path:
    """Where a run on a terminal writes its log lines."""
    return DataFolder(settings.data_dir).log_file("").parent
