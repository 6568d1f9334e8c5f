"""The only place that chooses where papers' files are kept.

Guarantee: what is not always installed is loaded only where it is used. Limit: a process has one store for a URL, with
its connections; one that forks afterwards has to ask in the child.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import lru_cache

from rpa_shard.store.artifacts import ArtifactStore, ArtifactStoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import not_installed

# How the process ends that has found a store busy; as in sysexits.h.
BUSY = 75
# How long a store is waited for at the start that cannot do anything now, and how often it is asked.
BUSY_SECONDS, BUSY_PAUSE_SECONDS = 120.0, 1.0


def artifact_store_of(folder: DataFolder) -> ArtifactStore | None:
    """Where papers' files are kept; None if that is in the data folder. Raises StoreError if it cannot be used."""
    return None if folder.artifacts is None else _opened(folder.artifacts, os.getpid())


@lru_cache(maxsize=4)
def _opened(url: str, process: int) -> ArtifactStore:
    if url.startswith("file:"):
        from rpa_shard.store.artifacts.shared_folder import SharedFolder

        return SharedFolder(url)
    try:
        from rpa_shard.store.artifacts.objects import ObjectStore
    except ImportError as error:
        raise not_installed("RPA_V2_ARTIFACTS", error) from None
    return ObjectStore(url)


def refuse_unusable(folder: DataFolder, say: Callable[[str], None], patience_seconds: float = BUSY_SECONDS) -> None:
    """Raises StoreError if files cannot be created, once only, and read where artifacts are kept.

    A store that answers that it cannot do it now is waited for. It tries in a process of its own, since the caller may
    fork later.
    """
    if folder.artifacts is None:
        return
    give_up = time.monotonic() + patience_seconds
    command = [sys.executable, "-m", "rpa_shard.store.artifacts.probe", folder.artifacts]
    is_waiting = False
    while (tried := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
        said = (tried.stdout or tried.stderr).strip().splitlines()
        silent = f"{folder.artifacts} could not be tried: the process that did so ended with {tried.returncode}"
        if tried.returncode != BUSY or time.monotonic() > give_up:
            raise ArtifactStoreError(said[-1] if said else silent)
        if not is_waiting:
            say(f"{said[-1]}: waiting for it")
            is_waiting = True
        time.sleep(BUSY_PAUSE_SECONDS)
