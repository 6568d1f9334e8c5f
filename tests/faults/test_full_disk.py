"""A full disk pauses the run, which resumes by itself; nothing half-written stays."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rpa_shard.control.disk_watch import DiskWatch
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_pause_begins_and_ends_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter((1000, 499, 400, 510, 540, 551, 500, 499))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 0, next(free)))
    watch = DiskWatch([tmp_path], 500)
    seen = [(watch.look(), watch.paused) for _ in range(8)]
    assert [paused for _, paused in seen] == [False, True, True, True, True, False, False, True]
    assert [changed for changed, _ in seen] == [False, True, False, False, False, True, False, True]


@pytest.fixture
def small_disk(rig: Rig, tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB under the rig's data folder."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("may not mount a small file system here")
    rig.root = disk / "data"
    rig.environment["RPA_V2_DATA_DIR"] = str(rig.root)
    yield disk
    rig.end()
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    filler = disk / "filler"
    with filler.open("wb") as file:

        def filled() -> bool:
            free = shutil.disk_usage(disk).free
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, free - leave_bytes))
            except OSError:  # the run wrote in between
                return False
            return True

        wait_for(filled, "a full disk")
    return filler


def assert_all_well(rig: Rig) -> None:
    assert rig.by_status() == {"prepped": 58, "failed": 2}
    prepped = [row for row in rig.rows().values() if row.status == "prepped"]
    assert all(row.results["prep"]["attempts"] == 1 for row in prepped), "waiting for room burns no attempt"
    assert rig.run("verify")[0] == 0
    rig.assert_nothing_left_behind()


def test_a_run_pauses_while_there_is_little_room(rig: Rig, small_disk: Path, collection: Collection) -> None:
    rig.run("add", "2401.00001")
    errors = rig.errors_to = small_disk.parent / "errors"
    daemon = rig.start("run", "--daemon", MIN_FREE_BYTES="3000000")
    wait_for(lambda: rig.by_status() == {"prepped": 1}, "the first paper")
    rig.errors_to = None
    filler = fill(small_disk, 2_000_000)
    wait_for(lambda: (status := rig.status()) is not None and status.paused, "the pause")
    rig.run("add", *collection.pdfs)
    assert rig.by_status() == {"prepped": 1, "pending": 59}
    filler.unlink()
    wait_for(lambda: rig.by_status().get("pending") is None and not rig.by_status().get("prepping"), "all papers")
    daemon.terminate()
    assert daemon.wait(timeout=60) == 143
    assert errors.read_text().count("paused: ") == 1
    assert errors.read_text().count("enough space again") == 1
    assert_all_well(rig)


@pytest.mark.parametrize("leave_bytes", [0, 100_000])
def test_a_disk_that_fills_up_under_the_run(
    rig: Rig, small_disk: Path, collection: Collection, leave_bytes: int
) -> None:
    errors = rig.errors_to = small_disk.parent / "errors"
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(collection.pdfs)
    # The first window of a policy is waited for, with all papers claimed: time enough to fill the disk.
    knobs = {"MIN_FREE_BYTES": "0", "HOST_POLICY": "127.0.0.1=1000/3@100"}
    run = rig.start("run", **knobs)
    rig.errors_to = None
    wait_for(lambda: rig.by_status() == {"prepping": 60}, "all papers claimed")
    filler = fill(small_disk, leave_bytes)
    wait_for(lambda: "the disk is full" in errors.read_text() or "disk_full" in errors.read_text(), "the full disk met")
    filler.unlink()
    assert run.wait(timeout=60) == 1, errors.read_text()
    assert "Traceback" not in errors.read_text()
    assert_all_well(rig)


def test_a_start_on_a_full_disk_is_one_line(rig: Rig, small_disk: Path) -> None:
    rig.run("add", "2401.00001")
    fill(small_disk, 0)
    code, _, errors = rig.run("run")
    assert code == 2
    assert errors.splitlines()[-1].startswith("rpa-shard: ")
    assert "full" in errors.splitlines()[-1] or "space" in errors.splitlines()[-1]
