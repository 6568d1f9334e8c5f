"""Where damaged files go, and how they get there.

Guarantee: each repair has its own folder; a file that is moved is complete there, on disk, before it is gone here, also
if it was on another file system. Limit: they are kept until a person removes them.
"""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path

from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.system.files import make_folder_durably, real_path, sync_file, sync_folder


def new_folder_aside(files: SQLiteFiles) -> Path:
    """A new folder for damaged files."""
    aside = files.damaged / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns()}"
    make_folder_durably(aside)
    return aside


def copy_aside(path: Path, aside: Path) -> Path:
    """Copies a file into a folder, durably but for its name; returns the path of the copy."""
    copy = aside / path.name
    shutil.copy2(path, copy)
    sync_file(copy)
    return copy


def move_aside(path: Path, aside: Path) -> None:
    """Moves a file into a folder. A link stays, and what it leads to moves."""
    target = real_path(path)
    try:
        target.replace(aside / path.name)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_aside(target, aside).replace(aside / path.name)
        sync_folder(aside)
        target.unlink()
