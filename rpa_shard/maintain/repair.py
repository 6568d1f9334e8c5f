"""Repairing a data folder: the store from what can be read, and from the papers' own files.

Guarantee: refuses during a run; every damaged file is kept before it is replaced, and everything that may be lost is
reported. Limit: the engine rebuilds the rows (`StoreEngine.repair`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rpa_shard.ipc.run_status import read_status
from rpa_shard.model.arxiv_id import InvalidIdError, from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.phases.finished import FETCHING_PHASE, files_of, read_finished, row_result
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of
from rpa_shard.store.layout import StoredLayout
from rpa_shard.store.repairs import KnownPaper, RepairReport


def repair(folder: DataFolder, say: Callable[[str], None]) -> RepairReport:
    """Checks every file of the folder's store and rebuilds those that are damaged. Raises StoreError."""
    engine = engine_of(folder)
    stored = engine.stored_layout()
    if stored is None:
        raise StoreError(f"no papers in {folder.root} yet, so nothing to repair")
    with folder.run.run_lock(), engine.layout_lock():
        return engine.repair(lambda: papers_with_files(folder), _expected(folder, stored), say)


def papers_with_files(folder: DataFolder) -> Iterator[KnownPaper]:
    """Papers that have files: complete text and record, or a PDF named by an arXiv id."""
    for ending, known_by in ((".json", _by_record), (".pdf", _by_name)):
        for each in folder.paper_folders():
            for path in each.glob(f"*{ending}"):
                known = known_by(folder.papers, path)
                if known is not None:
                    yield known


def _by_record(papers: Path, path: Path) -> KnownPaper | None:
    try:
        paper = from_canonical(json.loads(path.read_bytes())["id"])
        files = files_of(papers, paper)
        found = read_finished(files, paper.canonical) if files.record == path else None
        if found is None:
            return None
        record, content = found
        result = row_result(record, content, pdf_kept=files.pdf.exists()) | {"attempts": 1}
        return KnownPaper(paper.canonical, FETCHING_PHASE, result)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _by_name(papers: Path, path: Path) -> KnownPaper | None:
    """A paper that was fetched but not parsed, or that the engines refused: it is worth another run."""
    stem = path.name.removesuffix(".pdf").removesuffix(".bad")
    try:
        paper = from_canonical(stem.replace("_", "/"))
    except InvalidIdError:
        return None
    files = files_of(papers, paper)
    is_it = files.pdf.with_suffix("") == path.with_name(stem)
    return KnownPaper(paper.canonical, FETCHING_PHASE, None) if is_it else None


def _expected(folder: DataFolder, stored: StoredLayout) -> Mapping[int, int]:
    """How many papers the last run counted in each shard, if the shards are still the same."""
    status = read_status(folder.run.status_file)
    if status is None or status.shard_count != stored.layout.shards:
        return {}
    counts = {shard.number: sum(shard.report.by_status.values()) for shard in status.shards}
    return {shard: count for shard, count in counts.items() if count}
