"""The store's disk fails, its file is locked, descriptors run out: the run names the file, and continues if it can."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from pathlib import Path

import pytest

from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed
from rpa_shard.store.sqlite import shard_file
from rpa_shard.store.sqlite import store as sqlite_store
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.store import SQLiteStore
from tests.rig import Rig, wait_for

# Larger than any artifact of a sample paper, smaller than the store's log becomes.
SMALL_FILES_BYTES = 100_000
# Smaller than the index of that log, which each start creates again.
TINY_FILES_BYTES = 30_000
DONE = {"prepped": 58, "failed": 2}


def limit_files(pid: int, size_bytes: int) -> None:
    """From now on writes past that size fail, for this process and those it starts."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def slow(rig: Rig) -> None:
    """Papers come one after the other, so that there is time to break things."""
    rig.environment["RPA_V2_HOST_POLICY"] = "127.0.0.1=40/1@4"


def assert_done_once(rig: Rig) -> None:
    assert rig.by_status() == DONE
    for paper_id, row in rig.rows().items():
        if row.status == "prepped":
            assert rig.events(paper_id).count("prepped") == 1
            assert row.results["prep"]["attempts"] == 1, "a failing disk burns no attempt"
    assert rig.run("verify")[0] == 0
    rig.assert_nothing_left_behind()


def test_a_disk_error_of_the_store_ends_the_shard_and_the_next_one_goes_on(queued: Rig) -> None:
    slow(queued)
    run = queued.start("run")
    victim = queued.running_shards(2)[0]
    limit_files(victim, SMALL_FILES_BYTES)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert "shard-000.sqlite3 cannot be used: disk I/O error" in errors
    assert "shard 0 died: exit code 1: StoreError: " in errors
    assert_done_once(queued)


def test_a_disk_error_that_stays_stops_the_run_with_its_cause(queued: Rig) -> None:
    slow(queued)
    queued.environment.pop("COVERAGE_PROCESS_CONFIG", None)  # whose file would reach the limit as well
    run = queued.start("run", CRASH_LOOP_DEATHS="2")
    shards = queued.running_shards(2)
    for pid in (run.pid, *shards):
        limit_files(pid, TINY_FILES_BYTES)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 3, errors
    assert "stopped: shards died 3 times within a minute, last: " in errors
    assert "cannot be used: disk I/O error" in errors.splitlines()[-1]
    assert "Traceback" not in output
    queued.run("run", HOST_POLICY="")
    assert_done_once(queued)


def test_a_file_that_is_damaged_under_a_run_stops_it_with_the_way_out(queued: Rig) -> None:
    slow(queued)
    run = queued.start("run", CRASH_LOOP_DEATHS="1")
    shards = queued.running_shards(2)
    path = SQLiteFiles(queued.folder.root).shard_file(0)
    wait_for(lambda: queued.done_files() > 3, "some papers")
    # The file is replaced under the shard, which keeps the old one open; its next process meets the new one.
    path.with_name("aside").write_bytes(b"no database at all" * 1000)
    path.with_name("aside").replace(path)
    for log in path.parent.glob("shard-000.sqlite3-*"):
        log.unlink()
    os.kill(shards[0], 9)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 3, errors
    assert f"{path} is not an SQLite file" in errors.splitlines()[-1]
    assert "`rpa-shard repair`" in errors.splitlines()[-1]
    code, output, errors = queued.run("repair")
    assert code == 1, "what waited in that file is known to nobody any more"
    assert "`add --file` your" in output, errors
    queued.run("add", *queued_ids(queued))
    queued.run("run", HOST_POLICY="")
    assert queued.by_status() == DONE
    queued.assert_nothing_left_behind()


def queued_ids(rig: Rig) -> list[str]:
    from rpa_shard.testing.sample_papers import demo_collection

    return list(demo_collection(60).pdfs)


def test_a_store_without_descriptors_is_started_again(queued: Rig, tmp_path: Path) -> None:
    queued.environment |= {
        "RPA_SHARD_FAILPOINTS": "open_store=EMFILE,write_artifact=EMFILE,before_commit=EIO@2",
        "RPA_SHARD_FAILPOINTS_ONCE": str(tmp_path),
    }
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert "died: exit code 1: OSError: [Errno 24] Too many open files" in errors
    assert "died: exit code 1: OSError: [Errno 5] Input/output error" in errors
    assert (tmp_path / "write_artifact").exists()
    assert_done_once(queued)


@pytest.mark.parametrize(
    "fault", ["write_artifact=ENOSPC", "write_artifact=EIO", "sync_artifact=EIO", "sync_folder=EIO"]
)
def test_a_disk_error_of_an_artifact_costs_no_attempt(queued: Rig, tmp_path: Path, fault: str) -> None:
    queued.environment |= {"RPA_SHARD_FAILPOINTS": fault, "RPA_SHARD_FAILPOINTS_ONCE": str(tmp_path)}
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert (tmp_path / fault.split("=")[0]).exists()
    assert "died: " not in errors
    assert "reason=disk_full" in errors
    assert_done_once(queued)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(1, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    return made


async def test_a_locked_file_is_waited_for(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program keeps the write lock for longer than SQLite itself waits."""
    monkeypatch.setattr(shard_file, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(sqlite_store, "WAIT_SECONDS", 0.05)
    async with SQLiteStore.open(SQLiteFiles(folder.root).shard_file(0), 300) as store:
        (claim,) = await store.claim(PREP, 1)
        other = sqlite3.connect(SQLiteFiles(folder.root).shard_file(0), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ending = asyncio.create_task(store.finish(claim, failed(PREP, Failure.NOT_FOUND, "gone")))
        assert await store.claim(PREP, 1) == []
        assert await store.renew([claim]) is None
        assert not ending.done()
        other.execute("COMMIT")
        other.close()
        assert await ending
        assert (await store.counts()).by_status == {"failed": 1, "pending": 1}


async def test_a_reader_that_stays_does_not_disturb(folder: DataFolder) -> None:
    reader = sqlite3.connect(SQLiteFiles(folder.root).shard_file(0), isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM papers WHERE status = 'pending'").fetchone() == (2,)
    async with SQLiteStore.open(SQLiteFiles(folder.root).shard_file(0), 300) as store:
        for claim in await store.claim(PREP, 2):
            assert await store.finish(claim, failed(PREP, Failure.NOT_FOUND, "gone"))
        assert (await store.counts()).by_status == {"failed": 2}
    assert reader.execute("SELECT count(*) FROM papers WHERE status = 'pending'").fetchone() == (2,)
    reader.close()


async def test_an_error_in_a_group_reaches_all_who_wait(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: an error that was not SQLite's ended the committing task, and all workers waited forever."""
    async with SQLiteStore.open(SQLiteFiles(folder.root).shard_file(0), 300) as store:
        claims = await store.claim(PREP, 2)

        def broken(name: str) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(sqlite_store, "reach", broken)
        ends = [store.finish(claim, failed(PREP, Failure.NOT_FOUND, "gone")) for claim in claims]
        async with asyncio.timeout(30):
            assert [type(end) for end in await asyncio.gather(*ends, return_exceptions=True)] == [OSError, OSError]
        monkeypatch.undo()
        async with asyncio.timeout(30):
            assert await store.finish(claims[0], failed(PREP, Failure.NOT_FOUND, "gone")), "the next group is written"


async def test_a_store_that_is_damaged_while_in_use_names_its_file(folder: DataFolder) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    async with SQLiteStore.open(path, 300) as store:
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA writable_schema = ON")
            other.execute(
                "UPDATE sqlite_schema SET rootpage = 9999 WHERE name LIKE 'papers%' OR name LIKE 'sqlite_auto%'"
            )
            other.execute("PRAGMA schema_version = 99")
        other.close()
        for asked in (store.claim(PREP, 1), store.counts(), store.next_attempt_at(PREP), store.reclaim_expired(())):
            with pytest.raises(StoreError, match=r"shard-000.sqlite3 is damaged .*rpa-shard repair"):
                await asked
