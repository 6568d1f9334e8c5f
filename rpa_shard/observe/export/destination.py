"""Where an export may be written.

Guarantee: refuses a folder, a file that is there unless it may be replaced, and the data folder's own files and
folders, also through links. Limit: looks before the export begins; what another program does meanwhile is not seen.
"""

from __future__ import annotations

import re
from pathlib import Path

from rpa_shard.observe.export.files import STANDARD_OUTPUT, ExportError, files_of_set
from rpa_shard.store.data_folder import OWN_NAMES, DataFolder
from rpa_shard.system.files import real_path

# What SQLite adds to the names of its files.
_COMPANION = re.compile(r"-(?:wal|shm|journal)\Z")


def is_stream(out: Path) -> bool:
    """Whether `out` is standard output, a pipe or a device: written to, and never replaced."""
    return out == STANDARD_OUTPUT or (out.exists() and not out.is_file() and not out.is_dir())


def check_destination(out: Path, folder: DataFolder, *, force: bool, many: bool) -> None:
    """Raises ExportError if `out` must not be written; `many` for a set of files, which `out` gives the name."""
    try:
        if is_stream(out):
            return
        if out.is_dir():
            raise ExportError(f"{out} is a folder: give the name of a file in it, such as {out / 'papers.jsonl'}")
        _check_rooms(out, folder)
        existing = next(iter(files_of_set(out)), None) if many else (out if out.exists() else None)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror}") from None
    if existing is not None and not force:
        raise ExportError(f"{existing} exists: give another name, or --force to replace {'them' if many else 'it'}")


def _check_rooms(out: Path, folder: DataFolder) -> None:
    real, root = real_path(out), real_path(folder.root)
    for name in OWN_NAMES:
        room = real_path(root / name)
        if real == room or room in real.parents:
            raise _not_there(out, folder)
    if real.parent == root and (real.name.startswith(".") or _COMPANION.sub("", real.name) in OWN_NAMES):
        raise _not_there(out, folder)


def _not_there(out: Path, folder: DataFolder) -> ExportError:
    return ExportError(f"{out} belongs to the data folder {folder.root} itself: write the export elsewhere")
