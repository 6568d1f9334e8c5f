"""Upgrades that are killed, run at the same time, or find newer, damaged or unusable files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rpa_shard.maintain.repair import repair
from rpa_shard.maintain.verify import verify
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.sqlite.files import MANIFEST_FORMAT, SQLiteFiles
from rpa_shard.store.sqlite.shard_file import SHARD_FORMAT
from tests.old_folder import (
    FORMAT_1,
    LAYOUT,
    assert_history_kept,
    assert_upgraded,
    contents,
    copies,
    new_rows,
    old_rows,
    select,
    shard_files,
    version_of,
    without_new_columns,
)

PAGE_BYTES = 4096


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A copy of the folder of format 1, which a test may change."""
    shutil.copytree(FORMAT_1, tmp_path / "data")
    return DataFolder(tmp_path / "data")


def status_command(folder: DataFolder, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RPA_")}
    return subprocess.run(
        [sys.executable, "-m", "rpa_shard", "status"],
        env=ours | {"RPA_V2_DATA_DIR": str(folder.root)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "point",
    [
        "upgrade_copied=kill",
        "upgrade_copied=kill@2",
        "upgrade_file=kill",
        "upgrade_file=kill@2",
        "upgrade_manifest=kill",
    ],
)
def test_killed_at_any_point_it_finishes(folder: DataFolder, point: str) -> None:
    assert status_command(folder, RPA_SHARD_FAILPOINTS=point).returncode == -9
    assert SQLiteFiles(folder.root).stored_format() == 1
    made = {path: path.stat().st_ino for path in copies(folder).glob("*.sqlite3")}
    assert made
    done = status_command(folder)
    assert done.returncode == 0, done.stderr
    assert_upgraded(folder)
    assert {path: path.stat().st_ino for path in made} == made, "a copy that is there is kept"
    assert old_rows(copies(folder)) == old_rows()
    assert not list(folder.root.rglob("*.part*"))


def test_a_copy_is_of_the_file_as_it_is_now(folder: DataFolder) -> None:
    """After an upgrade was killed, the older version may have continued to work: both states are kept."""
    assert status_command(folder, RPA_SHARD_FAILPOINTS="upgrade_copied=kill@2").returncode == -9
    with sqlite3.connect(shard_files(folder)[0]) as connection:
        connection.execute("UPDATE papers SET priority = 9")
    connection.close()
    new_rows(folder)
    (earlier,) = copies(folder).glob("shard-000-*.sqlite3")
    now = copies(folder) / "shard-000.sqlite3"
    kept = [{row["priority"] for row in select(path, "SELECT priority FROM papers")} for path in (earlier, now)]
    assert kept == [{0, 1}, {9}]


def test_two_commands_at_once_upgrade_once(folder: DataFolder) -> None:
    command = [sys.executable, "-m", "rpa_shard", "status"]
    environment = os.environ | {"RPA_V2_DATA_DIR": str(folder.root)}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0 or "wait for it to end, then try again" in errors
    assert_upgraded(folder)


def test_a_run_of_the_older_version_is_left_alone(folder: DataFolder) -> None:
    before = contents(folder.root)
    with folder.run.run_lock():
        with pytest.raises(FolderBusyError, match="wait for it to end, then try again") as caught, open_ledger(folder):
            pass
        with pytest.raises(FolderBusyError):
            engine_of(folder).create(LAYOUT)
    assert "\n" not in str(caught.value)
    assert contents(folder.root) == before
    assert_upgraded(folder)


@pytest.mark.parametrize("newer", ["manifest", "first file", "second file"])
def test_what_is_newer_is_refused_and_nothing_is_touched(folder: DataFolder, newer: str) -> None:
    if newer == "manifest":
        files = SQLiteFiles(folder.root)
        files.manifest_file.write_text(
            files.manifest_file.read_text().replace('"format": 1', f'"format": {MANIFEST_FORMAT + 1}')
        )
    else:
        with sqlite3.connect(shard_files(folder)[newer == "second file"]) as connection:
            connection.execute(f"PRAGMA user_version = {SHARD_FORMAT + 1}")
        connection.close()
    before = contents(folder.root)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"format 4, newer than ours \(3\)"), open_ledger(folder):
            pass
    assert contents(folder.root) == before


def overwrite(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def page_of_rows(path: Path) -> int:
    (row,) = select(path, "SELECT pageno FROM dbstat WHERE name = 'papers' AND pagetype = 'leaf' LIMIT 1")
    return int(row["pageno"]) - 1


@pytest.fixture(params=["first page", "row page", "half", "missing"])
def damaged(folder: DataFolder, request: pytest.FixtureRequest) -> DataFolder:
    path = shard_files(folder)[1]
    match request.param:
        case "first page":
            overwrite(path, 0)
        case "row page":
            overwrite(path, page_of_rows(path))
        case "half":
            os.truncate(path, path.stat().st_size // 2)
        case _:
            path.unlink()
    return folder


def test_damage_stops_the_upgrade_and_repair_goes_on_from_there(damaged: DataFolder) -> None:
    before = contents(damaged.root)
    with pytest.raises(StoreError, match="rpa-shard repair") as caught, open_ledger(damaged):
        pass
    assert str(shard_files(damaged)[1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert contents(damaged.root) == before, "the other file is not upgraded either"

    done = repair(damaged, print)
    assert [each.path for each in done.repaired] == [shard_files(damaged)[1]]
    assert [version_of(path) for path in shard_files(damaged)] == [1, SHARD_FORMAT]
    after = new_rows(damaged)
    for paper_id, row in old_rows().items():
        if LAYOUT.shard_of(paper_id) == 0:
            assert without_new_columns(after[paper_id]) == row
        elif row["status"] == "prepped":
            assert after[paper_id]["status"] == "prepped", "known by its files"
    with open_ledger(damaged) as ledger:
        assert verify(damaged, ledger).clean
        assert ledger.add(old_rows()) == (len(old_rows()) - len(after), len(after))


def test_repair_reads_records_of_the_older_format(folder: DataFolder) -> None:
    for path in shard_files(folder):
        overwrite(path, 0)
    done = repair(folder, print)
    assert done.complete
    assert sum(each.intact for each in done.repaired) == len(old_rows())
    assert_history_kept(folder)
    assert_upgraded(folder)


def test_a_row_that_the_new_format_cannot_hold_is_damage(folder: DataFolder) -> None:
    path = shard_files(folder)[0]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, '''pending'',', '''pending'', ''lost'',')")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE papers SET status = 'lost' WHERE id = '2401.00061'")
    with pytest.raises(StoreError, match=r"CHECK constraint.*rpa-shard repair") as caught, open_ledger(folder):
        pass
    assert "\n" not in str(caught.value)
    assert version_of(path) == 1
    assert len(select(path, "SELECT * FROM papers")) == 5
    repair(folder, print)
    assert new_rows(folder).keys() == old_rows().keys()


def test_a_disk_without_room_leaves_it_as_it_was(folder: DataFolder) -> None:
    done = status_command(folder, RPA_SHARD_FAILPOINTS="upgrade_copied=ENOSPC@2")
    assert done.returncode == 2
    assert "cannot be upgraded" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert old_rows(folder.root / "shards") == old_rows()
    assert_upgraded(folder)
