"""Repairing a data folder: which shard files are damaged, what papers have files, what could not be saved.

Guarantee: refuses while a run is on; every damaged file is kept before it is replaced, a damaged catalogue is moved
aside, and what is told as lost is all that may be lost. Limit: the number of papers that
nobody knows any more is known only where a run has told how many there were.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rpa_shard.ipc.run_status import read_status
from rpa_shard.model.arxiv_id import InvalidIdError, parse
from rpa_shard.phases.prep.artifacts import files_of, read_finished
from rpa_shard.phases.prep.pipeline import row_result
from rpa_shard.store.folder import DataFolder, Manifest, StoreError
from rpa_shard.store.sqlite.catalogue import open_catalogue
from rpa_shard.store.sqlite.repair.rebuild import (
    CUT_SHORT,
    Known,
    Repaired,
    find_damage,
    finish,
    ids_in,
    repair_file,
    shard_numbers,
)
from rpa_shard.store.sqlite.shard_file import DamagedFileError


@dataclass(slots=True)
class Repairs:
    """What `repair` did. `expected` is what the last run said of each damaged file: how many papers it had."""

    whole: list[Path] = field(default_factory=list)
    repaired: list[Repaired] = field(default_factory=list)
    finished: list[Path] = field(default_factory=list)
    catalogue: Path | None = None
    expected: dict[Path, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing may have been lost."""
        return self.catalogue is None and not any(self._may_lack(each) for each in self.repaired)

    def _may_lack(self, done: Repaired) -> bool:
        expected = self.expected.get(done.path)
        return done.papers < expected if expected is not None else bool(done.losses.pages or done.losses.records)

    def lines(self) -> list[str]:
        """For a terminal."""
        shown = [f"{path}: a repair that was cut short is finished" for path in self.finished]
        for each in self.repaired:
            shown += self._lines_of(each)
        if self.catalogue is not None:
            shown.append(f"the catalogue was damaged and is now {self.catalogue}: `add --tar` and `--metadata` again")
        if any(self._may_lack(each) for each in self.repaired):
            shown.append("papers that waited, and that nothing knows any more, are missing: `add --file` your lists")
            shown.append("again, what is known is not repeated; then `verify` and `run`")
        elif self.repaired:
            shown.append("nothing is missing: `verify` checks it, `run` goes on")
        if not (self.repaired or self.finished or self.catalogue):
            shown.append(f"nothing to repair: {len(self.whole)} shard files are whole")
        return shown

    def _lines_of(self, done: Repaired) -> list[str]:
        lost, expected = done.losses, self.expected.get(done.path)
        known = f", and the last run knew {expected}" if expected is not None else ""
        return [
            f"{done.path}: {done.damage}",
            f"  kept as  {done.kept_as or '- (there was nothing)'}",
            f"  read     {done.whole} papers as they were; {lost.pages} of {lost.of_pages} pages and {lost.records} "
            "records could not be read",
            f"  restored {done.without_row} by an index or their history, {done.from_files} by their files",
            f"  now      {done.papers} papers{known}",
        ]


def repair(folder: DataFolder, say: Callable[[str], None]) -> Repairs:
    """Checks every file of the folder's store and rebuilds those that are damaged. Raises StoreError."""
    manifest = folder.read_manifest()
    if manifest is None:
        raise StoreError(f"no papers in {folder.root} yet, so nothing to repair")
    with folder.run_lock(), folder.exclusive():
        return _repair(folder, manifest, say)


def _repair(folder: DataFolder, manifest: Manifest, say: Callable[[str], None]) -> Repairs:
    done = Repairs()
    damage: dict[int, str] = {}
    for shard in shard_numbers(folder, manifest):
        path = folder.shard_file(shard)
        found = find_damage(path)
        if found == CUT_SHORT:
            finish(path)
            done.finished.append(path)
            found = find_damage(path)
        if found is None:
            done.whole.append(path)
        else:
            say(f"{path}: {found}")
            damage[shard] = found
    if damage:
        known = list(papers_with_files(folder.papers))
        elsewhere = {paper_id for path in done.whole + done.finished for paper_id in ids_in(path)}
        done.expected = _expected(folder, manifest, damage)
        for shard, found in damage.items():
            done.repaired.append(repair_file(folder, manifest, shard, found, known, elsewhere))
    done.catalogue = _put_catalogue_aside(folder)
    return done


def papers_with_files(papers: Path) -> Iterator[Known]:
    """Papers of which there are files: whole text and record, or a PDF with an arXiv id for a name."""
    for record in papers.rglob("*.json"):
        known = _by_record(papers, record)
        if known is not None:
            yield known
    for pdf in papers.rglob("*.pdf"):
        known = _by_name(papers, pdf)
        if known is not None:
            yield known


def _by_record(papers: Path, path: Path) -> Known | None:
    try:
        paper = parse(json.loads(path.read_bytes())["id"])
        files = files_of(papers, paper)
        found = read_finished(files, paper.canonical) if files.record == path else None
        if found is None:
            return None
        record, content = found
        return Known(paper.canonical, row_result(record, content, pdf_kept=files.pdf.exists()) | {"attempts": 1})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _by_name(papers: Path, path: Path) -> Known | None:
    """A paper that was fetched and not parsed, or refused by the engines: it is worth another run."""
    stem = path.name.removesuffix(".pdf").removesuffix(".bad")
    try:
        paper = parse(stem.replace("_", "/"))
    except InvalidIdError:
        return None
    files = files_of(papers, paper)
    return Known(paper.canonical, None) if files.pdf.with_suffix("") == path.with_name(stem) else None


def _expected(folder: DataFolder, manifest: Manifest, damage: dict[int, str]) -> dict[Path, int]:
    """How many papers the last run knew in each damaged file, if the shards are still the same."""
    status = read_status(folder.status_file)
    if status is None or status["shard_count"] != manifest.layout.shards or manifest.moving_to is not None:
        return {}
    counts = {shard["number"]: sum(shard["by_status"].values()) for shard in status["shards"]}
    return {folder.shard_file(shard): counts[shard] for shard in damage if counts.get(shard)}


def _put_catalogue_aside(folder: DataFolder) -> Path | None:
    try:
        with open_catalogue(folder) as catalogue:
            if catalogue is not None:
                catalogue.check()
        return None
    except DamagedFileError:
        aside = folder.damaged / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns()}"
        aside.mkdir(parents=True)
        name = folder.catalogue_file.name
        for each in (name, f"{name}-wal", f"{name}-shm"):
            if folder.catalogue_file.with_name(each).exists():
                folder.catalogue_file.with_name(each).replace(aside / each)
        return aside / name
