"""Repairing all files of the SQLite engine: finds damage, rebuilds shard files, moves a damaged catalogue aside.

Guarantee: every damaged file is kept before it is replaced, a damaged catalogue is moved aside, and files that are
intact are not touched. Limit: the caller holds the run lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rpa_shard.store.layout import StoredLayout
from rpa_shard.store.repairs import KnownPaper, RepairReport
from rpa_shard.store.sqlite.catalogue import open_catalogue
from rpa_shard.store.sqlite.companions import with_companions
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.salvage.aside import move_aside, new_folder_aside
from rpa_shard.store.sqlite.salvage.rebuild import CUT_SHORT, find_damage, finish, ids_in, repair_file
from rpa_shard.store.sqlite.shard_file import DamagedFileError


def repair_folder(
    files: SQLiteFiles,
    stored: StoredLayout,
    known: Callable[[], Iterable[KnownPaper]],
    expected: Mapping[int, int],
    say: Callable[[str], None],
) -> RepairReport:
    """Checks every file and rebuilds those that are damaged. Raises StoreError."""
    report = RepairReport()
    damage: dict[int, str] = {}
    for shard in files.shard_numbers(stored):
        path = files.shard_file(shard)
        found = find_damage(path)
        if found == CUT_SHORT:
            finish(path)
            report.finished.append(path)
            found = find_damage(path)
        if found is None:
            report.intact.append(path)
        else:
            say(f"{path}: {found}")
            damage[shard] = found
    if damage:
        papers = list(known())
        elsewhere = {paper_id for path in report.intact + report.finished for paper_id in ids_in(path)}
        for shard, found in damage.items():
            repaired = repair_file(files, stored, shard, found, papers, elsewhere)
            repaired.expected = expected.get(shard) if stored.moving_to is None else None
            report.repaired.append(repaired)
    report.catalogue = _put_catalogue_aside(files)
    return report


def _put_catalogue_aside(files: SQLiteFiles) -> Path | None:
    try:
        with open_catalogue(files) as catalogue:
            if catalogue is not None:
                catalogue.check()
        return None
    except DamagedFileError:
        aside = new_folder_aside(files)
        for each in with_companions(files.catalogue_file):
            if each.exists():
                move_aside(each, aside)
        return aside / files.catalogue_file.name
