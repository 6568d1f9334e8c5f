"""What commands outside a run do with papers' files where artifacts are kept elsewhere.

Guarantee: nothing is done if they are kept in the data folder; records go first, so what is left of a paper without one
is never taken for finished. Limit: the caller makes sure that nobody works on the papers meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.phases.published import versions
from rpa_shard.store.artifacts import ArtifactStore
from rpa_shard.store.artifacts.factory import artifact_store_of
from rpa_shard.store.data_folder import DataFolder

THREADS = 8


def remove_published(folder: DataFolder, paper_ids: Sequence[str]) -> int:
    """Removes all files of papers, under all names; returns how many there were. Raises ArtifactStoreError."""
    store = artifact_store_of(folder)
    if store is None:
        return 0
    with ThreadPoolExecutor(THREADS, "remove") as threads:
        return sum(threads.map(lambda each: _remove(store, from_canonical(each)), paper_ids))


def has_published_pdf(folder: DataFolder, paper: PaperId) -> bool:
    """Whether a paper's PDF is kept elsewhere. Raises ArtifactStoreError."""
    store = artifact_store_of(folder)
    return store is not None and next(versions(store, paper, "pdf"), None) is not None


def _remove(store: ArtifactStore, paper: PaperId) -> int:
    names = sorted((each.name for each in versions(store, paper)), key=lambda name: not name.endswith(".json"))
    for name in names:
        store.remove(name)
    return len(names)
