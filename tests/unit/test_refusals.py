"""What a store and a shard refuse, and what they report, when something is wrong."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from rpa_shard.maintain.repair import repair
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP
from rpa_shard.phases.runner import Attempt, Result, Slots
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.vitals import Counters
from rpa_shard.shard.worker import Worker, WorkerContext
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import released
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.salvage.pages import Record
from rpa_shard.store.sqlite.salvage.rows import COLUMNS, salvage
from rpa_shard.system.files import replace_file
from tests.bare_runner import BareRunner


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(8, 2)) as ledger:
        ledger.add([f"2401.{number:05}" for number in range(1, 41)])
    return made


def test_a_manifest_that_cannot_be_read(folder: DataFolder) -> None:
    SQLiteFiles(folder.root).manifest_file.unlink()
    SQLiteFiles(folder.root).manifest_file.mkdir()
    with pytest.raises(StoreError, match=r"manifest.json cannot be read: .*directory"):
        SQLiteFiles(folder.root).read_manifest()


def test_a_lock_that_cannot_be_opened(folder: DataFolder) -> None:
    (folder.root / "run.lock").mkdir()
    with pytest.raises(StoreError, match=r"run.lock cannot be opened: Is a directory"), folder.run.run_lock():
        pass


def test_a_change_of_layout_that_must_not_wait_for_readers_is_refused(folder: DataFolder) -> None:
    busy = pytest.raises(FolderBusyError, match="another command is reading")
    with SQLiteFiles(folder.root).shared(), busy, SQLiteFiles(folder.root).exclusive(wait=False):
        pass
    with SQLiteFiles(folder.root).exclusive(wait=False):
        pass


def test_a_replacement_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        replace_file(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


class Mount(NamedTuple):
    mountpoint: str
    fstype: str


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [Mount("/", "ext4"), Mount(str(tmp_path), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    with pytest.raises(StoreError, match=r"network file system \(nfs4\)"):
        engine_of(DataFolder(tmp_path / "data")).create(Layout(8, 1))
    assert not (tmp_path / "data").exists()


def test_a_resize_names_a_damaged_file(folder: DataFolder) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    with sqlite3.connect(path) as connection:
        pages = connection.execute("SELECT pageno FROM dbstat WHERE name = 'papers'").fetchall()
    connection.close()
    with path.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * 4096)
            file.write(bytes(4096))
    with pytest.raises(StoreError, match=r"shard-000.sqlite3 is damaged .*rpa-shard repair"):
        engine_of(folder).reshard(Layout(8, 3))


@pytest.mark.parametrize(("pragma", "says"), [("user_version = 99", "newer than ours"), ("application_id = 1", "")])
def test_repair_leaves_newer_files_alone_and_replaces_strange_ones(folder: DataFolder, pragma: str, says: str) -> None:
    with sqlite3.connect(SQLiteFiles(folder.root).shard_file(0)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    connection.close()
    if says:
        with pytest.raises(StoreError, match=says):
            repair(folder, print)
        assert not SQLiteFiles(folder.root).damaged.exists()
    else:
        assert [each.damage for each in repair(folder, print).repaired] == ["not a shard file"]
        with open_ledger(folder) as ledger:
            assert ledger.counts().by_status == {"pending": 40}


ROW = {
    "id": "2401.00001", "worker": 3, "priority": 0, "status": "pending", "attempts": 0, "next_attempt_at": 1.0,
    "lease_id": None, "lease_expires_at": None, "suspect": 0, "failure": None, "failed_phase": None, "detail": None,
    "results": "{}", "added_at": 1.0, "changed_at": 1.0, "outdated_before": None,
}  # fmt: skip
FAILED = {**ROW, "status": "failed", "failure": "poison", "failed_phase": "prep"}
HELD = {**ROW, "status": "wrapping", "lease_id": "lease", "lease_expires_at": 2.0}


def record(row: Mapping[str, Any]) -> Record:
    return Record(tuple(row[name] for name in COLUMNS), None)


@pytest.mark.parametrize("row", [ROW, FAILED, HELD])
def test_a_row_that_we_could_have_written_is_saved(row: Mapping[str, Any]) -> None:
    assert salvage([record(row)]).rows == {"2401.00001": row}


@pytest.mark.parametrize(
    ("row", "spoiled"),
    [
        (ROW, {"id": "no id"}), (ROW, {"id": "arXiv:2401.00001"}), (ROW, {"id": 7}), (ROW, {"worker": "x"}),
        (ROW, {"worker": None}), (ROW, {"priority": "x"}), (ROW, {"status": "lost"}), (ROW, {"status": "prepping"}),
        (ROW, {"status": "failed"}), (ROW, {"attempts": -1}), (ROW, {"next_attempt_at": "x"}),
        (ROW, {"lease_id": "lease"}), (ROW, {"lease_expires_at": 1.0}), (ROW, {"suspect": 2}),
        (ROW, {"failure": "bad luck"}), (ROW, {"failed_phase": "prep"}), (ROW, {"detail": b"x"}),
        (ROW, {"results": "[]"}), (ROW, {"results": "{"}), (ROW, {"added_at": None}),
        (FAILED, {"failure": None}), (FAILED, {"failed_phase": None}), (FAILED, {"failed_phase": "lunch"}),
        (HELD, {"lease_id": None}), (HELD, {"lease_expires_at": None}), (HELD, {"status": "analyzed"}),
    ],
)  # fmt: skip
def test_a_row_that_we_could_not_have_written_is_not_saved(row: Mapping[str, Any], spoiled: Mapping[str, Any]) -> None:
    assert salvage([record({**row, **spoiled})]).rows == {}


def test_of_two_images_of_a_row_the_later_one_counts() -> None:
    later = {**ROW, "priority": 5, "changed_at": 2.0, "outdated_before": None}
    for rows in ([ROW, later], [later, ROW]):
        assert salvage(map(record, rows)).rows["2401.00001"]["priority"] == 5


async def test_a_lost_lease_is_counted_and_logged(folder: DataFolder, caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    async with engine_of(folder).open_store(0, 300) as store:
        claims = Claims(store, counters, [PREP], 1, LeaseValidity(300.0))
        feeding, renewing = asyncio.create_task(claims.feed()), asyncio.create_task(claims.renew(0.01))
        claim = await claims.next()
        assert claim is not None
        await store.finish(claim, released(PREP, "somebody took it"))
        async with asyncio.timeout(30):
            while "found when renewing" not in caplog.text:
                await asyncio.sleep(0.01)
        assert not await claims.finish(claim, released(PREP, "done"))
        claims.close()
        renewing.cancel()
        await asyncio.gather(feeding, renewing, return_exceptions=True)
    assert counters.work({}, {}).lost_leases == 1
    assert "is thrown away" in caplog.text
    assert await claims.next() is None, "closed"


class Broken(BareRunner):
    """The runner of a phase that raises an error of this program or of the system."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        raise self._error

    def summary(self, result: Result) -> str:
        raise AssertionError("there is no result")


@pytest.mark.parametrize(
    ("error", "failure", "attempts"),
    [
        (ValueError("oops"), Failure.BUG, 1),
        (OSError(2, os.strerror(2)), Failure.BUG, 1),
        (OSError(24, os.strerror(24)), Failure.DISK_FULL, 0),
        (PaperError(Failure.NETWORK, "refused"), Failure.NETWORK, 1),
    ],
)
async def test_whatever_an_attempt_meets_it_is_settled(
    folder: DataFolder, error: Exception, failure: Failure, attempts: int
) -> None:
    async with engine_of(folder).open_store(0, 300) as store:
        claims = Claims(store, Counters(), [PREP], 1, LeaseValidity(300.0))
        worker = Worker(WorkerContext(claims, {PREP: Broken(error)}, Slots({}), Counters(), 1.0))
        feeding, working = asyncio.create_task(claims.feed()), asyncio.create_task(worker.run())
        with open_ledger(folder) as ledger:
            async with asyncio.timeout(30):
                while not (rows := [row for row in ledger.papers() if row.failure]):
                    await asyncio.sleep(0.01)
        claims.close()
        await asyncio.gather(feeding, working)
    assert (rows[0].failure, rows[0].attempts, rows[0].status) == (failure, attempts, "pending")
