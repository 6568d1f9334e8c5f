"""Parts of the data folder on other file systems: a run, a kill, repair, resize, an upgrade, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rpa_shard.control.disk_watch import DiskWatch
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.errors import StoreError
from rpa_shard.phases.files import files_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.shard_file import SHARD_FORMAT
from rpa_shard.system.file_systems import refuse_network_file_system
from rpa_shard.system.files import TEMPORARIES
from rpa_shard.testing.sample_papers import Collection
from tests.old_folder import FORMAT_1, LAYOUT, version_of
from tests.rig import Rig, wait_for

SHARED_MEMORY = Path("/dev/shm")  # a file system of its own nearly everywhere
ALL_FAILED_PAPERS = 2


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than `tmp_path`."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


def link(part: Path, elsewhere: Path) -> Path:
    """Moves a part of a data folder elsewhere, or makes it there, and leaves a link."""
    target = elsewhere / part.name
    if part.exists():
        shutil.move(part, target)
    else:
        target.mkdir()
    part.parent.mkdir(parents=True, exist_ok=True)
    part.symlink_to(target)
    return target


def assert_done(rig: Rig, collection: Collection) -> None:
    assert rig.by_status() == {"prepped": len(collection.pdfs) - ALL_FAILED_PAPERS, "failed": ALL_FAILED_PAPERS}
    assert {row.failure for row in rig.rows().values()} == {None, "bad_pdf", "not_found"}
    rig.assert_promise_kept(collection.pdfs)
    assert list(rig.root.rglob(TEMPORARIES)) == [], "nor the folders of half-written files"


@pytest.mark.parametrize("part", ["papers", "papers/2401", "shards", "run"])
def test_a_run_with_a_part_elsewhere(queued: Rig, collection: Collection, elsewhere: Path, part: str) -> None:
    link(queued.root / part, elsewhere)
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert "Traceback" not in errors
    assert_done(queued, collection)
    assert not list(elsewhere.rglob(TEMPORARIES))
    assert queued.run("verify")[0] == 0
    broken = next(row.paper_id for row in queued.rows().values() if row.failure == "bad_pdf")
    assert files_of(queued.folder.papers, parse(broken)).pdf.with_suffix(".bad.pdf").exists()


@pytest.mark.parametrize("point", ["mid_download", "sync_artifact"])
def test_what_a_killed_run_leaves_elsewhere_goes_away(
    queued: Rig, collection: Collection, elsewhere: Path, point: str
) -> None:
    link(queued.root / "papers", elsewhere)
    for month in ("2401", "9901"):
        (half := queued.folder.papers / month / TEMPORARIES).mkdir(parents=True)
        (half / "shard-007.1-1.pdf").touch()
    assert len(queued.folder.half_written_files()) == 2
    queued.arm(f"{point}=kill")
    assert queued.run("run")[0] == 1
    queued.disarm()
    assert_done(queued, collection)


def test_a_shard_that_starts_again_removes_only_what_was_its_own(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    for place in ("2401", "url/0f", "file/a0"):
        (half := folder.papers / place / TEMPORARIES).mkdir(parents=True)
        for writer in ("shard-001", "shard-0010"):
            (half / f"{writer}.7-1.pdf").touch()
    folder.remove_half_written("shard-001")
    assert {each.name for each in folder.half_written_files()} == {"shard-0010.7-1.pdf"}
    folder.remove_half_written()
    assert folder.half_written_files() == []
    assert list(tmp_path.rglob(TEMPORARIES)) == []


def test_repair_and_resize_elsewhere(queued: Rig, collection: Collection, elsewhere: Path) -> None:
    for part in ("shards", "papers/2401"):
        link(queued.root / part, elsewhere)
    queued.run("run")
    code, _, errors = queued.run("run", SHARD_COUNT="3")
    assert code == 1, errors
    damaged = SQLiteFiles(queued.root).shard_file(1)
    damaged.write_bytes(b"nothing" * 1000)
    _, output, errors = queued.run("repair")
    assert "from their files" in output, output + errors
    before = {paper_id for paper_id, row in queued.rows().items() if row.status == "prepped"}
    assert len(before) == len(collection.pdfs) - ALL_FAILED_PAPERS, "all of them have files, also behind the link"
    assert len(list((queued.root / "damaged").rglob("shard-001.sqlite3"))) == 1


def test_a_damaged_catalogue_behind_a_link(queued: Rig, elsewhere: Path) -> None:
    target = elsewhere / "there.sqlite3"
    target.write_bytes(b"nothing" * 1000)
    catalogue = SQLiteFiles(queued.root).catalogue_file
    catalogue.symlink_to(target)
    code, output, errors = queued.run("repair")
    assert code == 1, output + errors  # it is complete but for the catalogue
    (kept,) = (queued.root / "damaged").rglob("catalogue.sqlite3")
    assert kept.read_bytes() == b"nothing" * 1000
    assert not target.exists()


@pytest.mark.parametrize("part", ["shards", "before-upgrade", "papers"])
def test_an_upgrade_elsewhere(tmp_path: Path, elsewhere: Path, part: str) -> None:
    root = tmp_path / "data"
    shutil.copytree(FORMAT_1, root)
    link(root / part, elsewhere)
    with open_ledger(DataFolder(root)) as ledger:
        assert ledger.layout == LAYOUT
    files = SQLiteFiles(root)
    assert [version_of(files.shard_file(shard)) for shard in range(2)] == [SHARD_FORMAT] * 2
    assert len(list(files.before_upgrade(1).glob("*.sqlite3"))) == 2


@pytest.mark.parametrize("part", ["papers", "run"])
def test_a_part_that_leads_nowhere_is_one_line(queued: Rig, part: str) -> None:
    (queued.root / part).symlink_to("/nowhere/at/all")
    code, _, errors = queued.run("run")
    assert (code, errors) == (2, f"rpa-shard: {queued.root / part} cannot be used: File exists\n")
    assert queued.by_status() == {"pending": 60}


def test_an_export_elsewhere(queued: Rig, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(elsewhere / "papers.jsonl")
    long = "n" * 247 + ".parquet"
    for out in (elsewhere / "papers.jsonl.zst", tmp_path / "link.jsonl", elsewhere / long):
        assert queued.run("export", "--out", str(out))[0] == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert sorted(each.name for each in elsewhere.iterdir()) == sorted([long, "papers.jsonl", "papers.jsonl.zst"])
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        assert queued.run("export", "--format", "jsonl", "--out", str(tmp_path / "pipe"))[0] == 0
        assert len(reader.communicate(timeout=60)[0].splitlines()) == 60
    assert (tmp_path / "pipe").is_fifo(), "a pipe or a device is written to, not replaced"


def test_every_disk_is_watched(tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.papers.mkdir(parents=True)
    assert folder.disks() == [folder.root]
    link(folder.papers / "2401", elsewhere)
    assert folder.disks() == [folder.root, folder.papers / "2401"]
    free = {folder.root: 1000, folder.papers / "2401": 400}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, free[path]))
    watch = DiskWatch(folder.disks(), 500)
    assert watch.look()
    assert watch.paused
    free[folder.papers / "2401"] = 900
    free[folder.root] = 300
    assert not watch.look(), "now the other one is short"
    free[folder.root] = 900
    assert watch.look()


def test_a_run_pauses_when_the_disk_of_the_papers_is_short(queued: Rig, tmp_path: Path) -> None:
    papers = queued.root / "papers"
    papers.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", papers], capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        (papers / "filler").write_bytes(bytes(3_000_000))
        queued.errors_to = tmp_path / "errors"
        run = queued.start("run", MIN_FREE_BYTES="2000000")
        wait_for(lambda: (status := queued.status()) is not None and status.paused, "the pause")
        (papers / "filler").unlink()
        assert run.wait(timeout=60) == 1
        assert f"free for {papers}" in (tmp_path / "errors").read_text()
        assert queued.by_status() == {"prepped": 58, "failed": 2}
    finally:
        queued.end()
        subprocess.run(["umount", papers], check=True)


def test_a_part_on_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows must not lie there, also behind a link; papers may."""
    far = tmp_path / "far"
    far.mkdir()
    folder = DataFolder(tmp_path / "data")
    monkeypatch.setattr(
        psutil,
        "disk_partitions",
        lambda all: [Mount("/", "ext4"), Mount(str(far), "nfs4")],
    )
    link(folder.papers, far)
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add(["2401.00001"])
    other = DataFolder(tmp_path / "other")
    link(other.root / "shards", far)
    with pytest.raises(StoreError, match="shards is on a network file system"), open_ledger(other, Layout(200, 2)):
        pass
    (tmp_path / "all").symlink_to(far)
    with pytest.raises(StoreError, match="all is on a network file system"):
        refuse_network_file_system(tmp_path / "all")


class Mount:
    def __init__(self, mountpoint: str, fstype: str) -> None:
        self.mountpoint, self.fstype = mountpoint, fstype
