"""Folders of older formats: opened, upgraded after a copy of each file, with nothing lost."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from rpa_shard.maintain.verify import verify
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.salvage.rows import COLUMNS
from rpa_shard.store.sqlite.shard_file import open_shard_file
from rpa_shard.testing.sample_papers import demo_collection
from tests.old_folder import (
    FORMAT_1,
    LAYOUT,
    assert_history_kept,
    assert_upgraded,
    copies,
    new_rows,
    old_history,
    old_rows,
    select,
    shard_files,
    version_of,
)
from tests.rig import Rig


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A copy of the folder of format 1, which a test may change."""
    shutil.copytree(FORMAT_1, tmp_path / "data")
    return DataFolder(tmp_path / "data")


def test_the_folder_holds_papers_in_every_state() -> None:
    states = Counter((row["status"], row["failure"], bool(row["suspect"])) for row in old_rows().values())
    assert states == {
        ("prepped", None, False): 6,
        ("pending", None, False): 1,
        ("pending", None, True): 1,
        ("pending", "server_error", False): 2,
        ("prepping", None, False): 1,
        ("failed", "bad_pdf", False): 1,
        ("failed", "not_found", False): 1,
        ("failed", "network", False): 1,
        ("failed", "poison", True): 1,
    }
    events = {line["event"] for line in old_history()}
    assert events == {"prepped", "failed", "postponed", "suspected", "released", "retried", "requeued", "repaired"}


def test_every_paper_is_as_it_was(folder: DataFolder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert_upgraded(folder)
    (said,) = caplog.messages
    assert str(copies(folder)) in said
    assert "\n" not in said
    assert not list(folder.root.glob("shards/*.breadcrumb"))
    caplog.clear()
    assert_upgraded(folder)
    assert not caplog.messages, "once is enough"


def test_history_is_as_it_was_and_names_phases(folder: DataFolder) -> None:
    assert_history_kept(folder)


def test_an_upgraded_file_is_built_as_a_new_one(folder: DataFolder, tmp_path: Path) -> None:
    new_rows(folder)
    open_shard_file(tmp_path / "new.sqlite3", create=True).close()
    query = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    upgraded, new = (
        [{name: " ".join((value or "").split()) for name, value in row.items()} for row in select(path, query)]
        for path in (shard_files(folder)[0], tmp_path / "new.sqlite3")
    )
    assert upgraded == new
    assert tuple(select(shard_files(folder)[0], "SELECT * FROM papers LIMIT 1")[0]) == COLUMNS


def test_copies_of_the_old_files_are_kept(folder: DataFolder) -> None:
    """Including what was only in the log: the process died before it was written back."""
    path = shard_files(folder)[0]
    log = path.with_name(path.name + "-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE papers SET priority = 7")
        left = path.read_bytes(), log.read_bytes()
    path.write_bytes(left[0])
    log.write_bytes(left[1])
    assert {row["priority"] for row in new_rows(folder).values()} == {0, 7}
    assert sorted(each.name for each in copies(folder).iterdir()) == [
        "manifest.json",
        "shard-000.sqlite3",
        "shard-001.sqlite3",
    ]
    assert (copies(folder) / "manifest.json").read_bytes() == (FORMAT_1 / "manifest.json").read_bytes()
    kept = old_rows(copies(folder))
    for paper_id, row in old_rows().items():
        in_log = LAYOUT.shard_of(paper_id) == 0
        assert kept[paper_id] == row | ({"priority": 7} if in_log else {})
    assert [version_of(copies(folder) / path.name) for path in shard_files(folder)] == [1, 1]


def test_files_and_store_agree_and_metadata_is_there(folder: DataFolder) -> None:
    with open_ledger(folder) as ledger:
        found = verify(folder, ledger)
        assert ledger.leases().incoherent == 0
    assert found.clean
    assert found.files == 18
    with engine_of(folder).open_catalogue() as catalogue:
        assert catalogue is not None
        metadata = catalogue.metadata("2401.00001")
        assert metadata is not None
        assert metadata["title"] == "Tide gauges as slow clocks"
        assert catalogue.whereabouts("2401.00009").tar_url == "tar:///archives/pdf_2401.tar#offset=512&size=5000"


def test_failed_papers_can_be_sent_back(folder: DataFolder) -> None:
    failed = {each for each, row in old_rows().items() if row["status"] == "failed"}
    with open_ledger(folder) as ledger:
        assert set(ledger.retry()) == failed
        for paper_id in failed:
            row = ledger.paper(paper_id)
            assert row is not None
            assert (row.status, row.attempts, row.failed_phase) == (PREP.from_status, 0, None)
            assert row.suspect == old_rows()[paper_id]["suspect"]


def test_a_run_finishes_it(rig: Rig) -> None:
    shutil.copytree(FORMAT_1, rig.root)
    code, _, errors = rig.run("run")
    assert code == 1, errors
    assert "was upgraded" in errors
    assert rig.by_status() == {"prepped": 10, "failed": 5}, "the mirror has not got the one that was added last"
    assert rig.run("retry", "--reason", "network")[0] == 0
    assert rig.run("run")[0] == 1
    assert rig.by_status() == {"prepped": 11, "failed": 4}
    rig.assert_promise_kept([*demo_collection(14).pdfs, "2401.00061"])


@pytest.mark.parametrize("target", [Layout(200, 3), Layout(40, 2), Layout(200, 1)])
def test_a_move_that_was_cut_short_is_upgraded_and_finished(folder: DataFolder, target: Layout) -> None:
    files = SQLiteFiles(folder.root)
    files.manifest_file.write_text(
        files.manifest_file.read_text().replace("null", f'{{"workers": {target.workers}, "shards": {target.shards}}}')
    )
    assert engine_of(folder).create(target) == StoredLayout(LAYOUT, moving_to=target)
    engine_of(folder).reshard(target)
    with open_ledger(folder) as ledger:
        rows = {row.paper_id: row for row in ledger.papers()}
    assert rows.keys() == old_rows().keys()
    for paper_id, row in rows.items():
        assert (row.worker, row.shard) == (target.worker_of(paper_id), target.shard_of(paper_id))
        assert (row.status, row.attempts) == (old_rows()[paper_id]["status"], old_rows()[paper_id]["attempts"])


def test_an_old_copy_that_is_put_back_is_upgraded_too(folder: DataFolder) -> None:
    new_rows(folder)
    shutil.copy(FORMAT_1 / "shards" / "shard-001.sqlite3", shard_files(folder)[1])
    assert engine_of(folder).create(LAYOUT) == StoredLayout(LAYOUT)
    assert_upgraded(folder)
    shutil.copy(FORMAT_1 / "shards" / "shard-000.sqlite3", shard_files(folder)[0])
    assert_upgraded(folder)


def test_a_folder_that_the_older_version_was_making(folder: DataFolder) -> None:
    SQLiteFiles(folder.root).manifest_file.unlink()
    assert engine_of(folder).create(LAYOUT) == StoredLayout(LAYOUT)
    assert_upgraded(folder)
