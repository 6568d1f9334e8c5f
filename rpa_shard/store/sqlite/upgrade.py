"""Upgrading the files of a data folder of an older format, after a copy of each.

Guarantee: every file is checked before anything is changed, and every file that will change is copied durably before
the first one does; a file changes in one transaction, and the manifest names the new format last. Killed at any point
and run again, the upgrade finishes. Opening the store upgrades it, but not while a run or another command works in the
folder. Limit: the only way back is to put the copies in their places.
"""

from __future__ import annotations

import filecmp
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.layout import StoredLayout
from rpa_shard.store.sqlite.companions import remove_with_companions
from rpa_shard.store.sqlite.files import MANIFEST_FORMAT, SQLiteFiles
from rpa_shard.store.sqlite.queries import migration
from rpa_shard.store.sqlite.shard_file import (
    SHARD_FILE,
    damaged,
    damaged_because,
    identity_of,
    open_shard_file,
    open_to_read,
    transaction_on,
)
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import PART_ENDING, make_folder_durably, replace_file, sync_file, sync_folder

log = logging.getLogger(__name__)


def upgrade_if_older(files: SQLiteFiles) -> None:
    """Upgrades the folder if any file of it has an older format. Raises StoreError.

    The caller holds neither the run lock nor the layout lock.
    """
    if files.read_manifest() is None:
        return
    with files.shared():
        older = _has_older_files(files)
    if older:
        with _nobody_else(files):
            # Another program may have done it meanwhile.
            if _has_older_files(files):
                _upgrade(files)


def _has_older_files(files: SQLiteFiles) -> bool:
    """Whether the manifest or a shard file is older; a shard file may have been restored from an old copy."""
    stored, version = files.read_manifest(), files.stored_format()
    if stored is None or version is None:
        return False
    return version < MANIFEST_FORMAT or any(_is_older(files.shard_file(shard)) for shard in files.shard_numbers(stored))


def _is_older(path: Path) -> bool:
    """Whether it is a shard file of an older format; an unreadable file is reported when it is opened."""
    try:
        with closing(open_to_read(path)) as connection:
            application, version = identity_of(connection)
    except sqlite3.Error:
        return False
    return application == SHARD_FILE.application_id and version < SHARD_FILE.format


@contextmanager
def _nobody_else(files: SQLiteFiles) -> Iterator[None]:
    try:
        with RunDirectory(files.root).run_lock(), files.exclusive():
            yield
    except FolderBusyError:
        raise FolderBusyError(
            f"{files.root} has an older format, and a run of an older version, a repair or an upgrade is working in "
            "it: wait for it to end, then try again"
        ) from None


def _upgrade(files: SQLiteFiles) -> None:
    stored, version = files.read_manifest(), files.stored_format()
    assert stored is not None
    assert version is not None
    formats = {path: _checked_format(path) for path in map(files.shard_file, files.shard_numbers(stored))}
    older = {path: number for path, number in formats.items() if number < SHARD_FILE.format}
    kept = files.before_upgrade(min([version, *older.values()]))
    try:
        if version < MANIFEST_FORMAT:
            _keep_manifest(files, files.before_upgrade(version))
        for path, number in older.items():
            _keep(path, files.before_upgrade(number))
            reach("upgrade_copied")
        for path in older:
            _migrate(path, stored)
        _remove_old_breadcrumbs(files)
    except OSError as error:
        raise StoreError(f"{files.root} cannot be upgraded: {error}; nothing is lost") from None
    reach("upgrade_manifest")
    files.write_manifest(stored)
    log.warning("%s was upgraded to format %d; copies of the old files are in %s", files.root, MANIFEST_FORMAT, kept)


def _checked_format(path: Path) -> int:
    """The format of a shard file, which is checked completely. Raises StoreError, also for a damaged one."""
    with closing(open_shard_file(path, older=True)) as connection:
        _, version = identity_of(connection)
        if version < SHARD_FILE.format:
            try:
                (found, *_) = connection.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.Error as error:
                raise damaged(path, error) from None
            if found != "ok":
                raise damaged_because(path, str(found))
    return version


def _keep_manifest(files: SQLiteFiles, folder: Path) -> None:
    make_folder_durably(folder)
    replace_file(folder / files.manifest_file.name, files.manifest_file.read_bytes())


def _keep(path: Path, folder: Path) -> None:
    """Copies a shard file and the content of its log, durably; an earlier copy with other content is kept as well."""
    make_folder_durably(folder)
    copy = folder / path.name
    part = copy.with_name(copy.name + PART_ENDING)
    remove_with_companions(part)
    try:
        with closing(open_shard_file(path, older=True)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        sync_file(part)
        if copy.exists() and filecmp.cmp(part, copy, shallow=False):
            return
        if copy.exists():
            copy.replace(copy.with_name(f"{copy.stem}-{copy.stat().st_mtime_ns}{copy.suffix}"))
        part.replace(copy)
        sync_folder(folder)
    except sqlite3.Error as error:
        raise damaged(part, error) from None
    finally:
        remove_with_companions(part)


def _migrate(path: Path, stored: StoredLayout) -> None:
    """Upgrades one file to the current format."""
    with closing(open_shard_file(path, older=True)) as connection:
        # During a move to another number of workers, the move itself updates the shard keys.
        connection.create_function("worker_of", 1, stored.layout.worker_of, deterministic=True)
        with transaction_on(connection, path):
            _, version = identity_of(connection)
            for number in range(version + 1, SHARD_FILE.format + 1):
                try:
                    for statement in migration(number):
                        connection.execute(statement)
                except sqlite3.IntegrityError as error:
                    raise damaged_because(path, str(error)) from None
            reach("upgrade_file")


def _remove_old_breadcrumbs(files: SQLiteFiles) -> None:
    """Format 1 kept them beside the shard files."""
    for path in files.shard_file(0).parent.glob("shard-*.breadcrumb"):
        path.unlink(missing_ok=True)
