"""Damaged shard files: every command names them, and `repair` copies them and saves what can be saved."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.cli import main
from rpa_shard.extract.runner import make
from rpa_shard.maintain.repair import repair
from rpa_shard.maintain.verify import verify
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP
from rpa_shard.phases.files import files_of
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.store.catalogue import Member
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.outcome import Outcome, completed, failed, postponed, suspected
from rpa_shard.store.repairs import Losses, RepairedFile, RepairReport
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.salvage import rebuild
from rpa_shard.store.sqlite.salvage.pages import records_of
from rpa_shard.store.sqlite.salvage.rows import COLUMNS
from tests.finished import write_finished

PAPERS, DONE = 600, 100
PAGE_BYTES = 4096
IDS = [f"2401.{number:05}" for number in range(1, PAPERS + 1)]
LONG = "https://example.org/" + "long/" * 192 + "notes.pdf"


def write_paper(folder: DataFolder, paper_id: str) -> dict[str, Any]:
    """The files of a paper that is done; its row's result."""
    files = files_of(folder.papers, parse(paper_id))
    pages = (Page(paper_id),)
    extraction = make(Document(pages, "pdfium", "5"), measure(pages))
    return {**write_finished(files, paper_id, extraction), "attempts": 1}


def end_of(folder: DataFolder, number: int, claim: Claim) -> Outcome | None:
    """How the claim with this number ends, so that every state occurs; None leaves it held."""
    if number < DONE:
        return completed(PREP, write_paper(folder, claim.paper_id))
    if number < DONE + 20:
        return failed(PREP, Failure.BAD_PDF, "pdfium: " + "no pages, " * 30)
    if number < DONE + 30:
        return postponed(PREP, Failure.NETWORK, "refused", 60, charged=True, suspect=False)
    return suspected(PREP, "died", charged=True) if number < DONE + 35 else None


async def fill(folder: DataFolder) -> None:
    async with engine_of(folder).open_store(0, 300) as store:
        claims = await store.claim(PREP, DONE + 40)
        ends = {claim: end_of(folder, number, claim) for number, claim in enumerate(claims)}
        await asyncio.gather(*(store.finish(claim, end) for claim, end in ends.items() if end is not None))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """Two shard files; in the first one papers are in every state, and one has an id longer than a page holds."""
    made = DataFolder(tmp_path_factory.mktemp("template"))
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add([*IDS, LONG])
        assert ledger.layout.shard_of(LONG) == 0
    asyncio.run(fill(made))
    return made


@pytest.fixture
def folder(template: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of the template, which a test may damage."""
    shutil.copytree(template.root, tmp_path / "data")
    return DataFolder(tmp_path / "data")


def rows_of(folder: DataFolder) -> dict[str, PaperRow]:
    with open_ledger(folder) as ledger:
        return {row.paper_id: row for row in ledger.papers()}


def page_count(path: Path) -> int:
    return path.stat().st_size // PAGE_BYTES


def overwrite(path: Path, page: int, content: bytes = bytes(PAGE_BYTES)) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(content)


def overwrite_some_row_page(path: Path) -> None:
    """The page in the middle of those that hold rows."""
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT pageno FROM dbstat WHERE name = 'papers' AND pagetype = 'leaf'").fetchall()
    connection.close()
    overwrite(path, found[len(found) // 2][0] - 1, b"\xa5" * PAGE_BYTES)


def spoil_a_row(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE papers SET results = 'x' WHERE id = (SELECT min(id) FROM papers)")
    connection.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "half a page": lambda path: os.truncate(path, PAGE_BYTES // 2),
    "first page": lambda path: overwrite(path, 0),
    "second page": lambda path: overwrite(path, 1),
    "row page": overwrite_some_row_page,
    "tail": lambda path: overwrite(path, page_count(path) * 3 // 4, bytes(path.stat().st_size // 4)),
    "empty": lambda path: os.truncate(path, 0),
    "no database": lambda path: path.write_bytes(b"something else entirely\n" * 1000),
    "missing": lambda path: path.unlink(),
    "a row": spoil_a_row,
}
# Damage that loses no waiting paper: rows, indexes and history are elsewhere in the file.
LOSES_NOTHING = {"first page", "second page", "row page"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_can_be_saved_is_saved(folder: DataFolder, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = rows_of(folder)
    path, other = SQLiteFiles(folder.root).shard_file(0), SQLiteFiles(folder.root).shard_file(1)
    untouched = other.read_bytes()
    DAMAGES[damage](path)
    spoiled = path.read_bytes() if path.exists() else None

    done = repair(folder, print)

    (repaired,) = done.repaired
    assert capsys.readouterr().out.startswith(f"{path}: ")
    assert repaired.path == path
    assert (repaired.kept_as.read_bytes() if repaired.kept_as else None) == spoiled
    assert other.read_bytes() == untouched
    after = rows_of(folder)
    assert after.keys() <= before.keys()
    assert repaired.papers == sum(1 for row in after.values() if row.shard == 0)
    for paper_id, row in before.items():
        if row.status == "prepped" or row.shard == 1:
            assert after[paper_id].status == row.status, "what is done, or in another file, stays so"
    if damage in LOSES_NOTHING:
        assert after.keys() == before.keys()
        reasons = {each: row.failure for each, row in before.items() if row.status == "failed"}
        assert {each: row.failure for each, row in after.items() if row.status == "failed"} == reasons
        suspects = {each for each, row in before.items() if row.suspect}
        assert {each for each, row in after.items() if row.suspect} == suspects
    with open_ledger(folder) as ledger:
        assert ledger.leases().incoherent == 0
        assert verify(folder, ledger).clean
        assert ledger.add(before) == (len(before) - len(after), len(after))
    assert repair(folder, print).repaired == [], "once is enough"


@pytest.mark.parametrize("damage", ["first page", "row page"])
def test_rows_that_can_be_read_are_as_they_were(folder: DataFolder, damage: str) -> None:
    before = rows_of(folder)
    with open_ledger(folder) as ledger:
        history = {each: ledger.history(each) for each in before}
    DAMAGES[damage](SQLiteFiles(folder.root).shard_file(0))
    (repaired,) = repair(folder, print).repaired
    after = rows_of(folder)
    same = [each for each, row in after.items() if row == before[each]]
    assert len(same) == len(before) - (repaired.without_row + repaired.from_files)
    assert repaired.without_row + repaired.from_files < (1 if damage == "first page" else 40)
    if damage == "first page":
        with open_ledger(folder) as ledger:
            assert {each: ledger.history(each) for each in before} == history


@pytest.mark.parametrize("damage", ["first page", "row page", "half"])
def test_papers_that_are_to_be_made_again(folder: DataFolder, damage: str) -> None:
    """They still are, where their rows can be read; otherwise they are what their files say."""
    done = [each for each, row in rows_of(folder).items() if row.status == "prepped"]
    with open_ledger(folder) as ledger:
        ledger.redo([Target(each) for each in done])
    before = rows_of(folder)
    assert all(before[each].outdated_before is not None for each in done)
    DAMAGES[damage](SQLiteFiles(folder.root).shard_file(0))
    repair(folder, print)
    after = rows_of(folder)
    for paper_id in done:
        row = after[paper_id]
        assert row == before[paper_id] or row.outdated_before is None, paper_id
        assert row.status in ("pending", "prepped")
    if damage == "first page":
        assert {each: after[each] for each in done} == {each: before[each] for each in done}
    with open_ledger(folder) as ledger:
        assert verify(folder, ledger).clean


def test_what_is_only_in_the_log_is_saved(folder: DataFolder, tmp_path: Path) -> None:
    """The process died before the log was written back, and then the file was damaged."""
    path = SQLiteFiles(folder.root).shard_file(0)
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE papers SET priority = 7 WHERE status = 'pending'")
        connection.execute("BEGIN")
        connection.execute("UPDATE papers SET priority = 8 WHERE status = 'pending'")
        connection.execute("PRAGMA cache_spill = 1")
        copies = [each.read_bytes() for each in (path, path.with_name(path.name + "-wal"))]
        connection.execute("ROLLBACK")
    connection.close()
    path.write_bytes(copies[0])
    path.with_name(path.name + "-wal").write_bytes(copies[1])
    overwrite(path, 0)
    overwrite(path, 3)
    (repaired,) = repair(folder, print).repaired
    assert repaired.kept_as is not None
    assert repaired.kept_as.with_name(path.name + "-wal").read_bytes() == copies[1]
    waiting = [row for row in rows_of(folder).values() if row.shard == 0 and row.status == "pending"]
    assert {row.priority for row in waiting} == {7}


def priorities(path: Path, losses: Losses) -> set[object]:
    """The priorities in all rows that can be read."""
    place = COLUMNS.index("priority")
    return {each.values[place] for each in records_of(path, losses) if len(each.values) == len(COLUMNS)}


def test_a_log_that_was_torn_counts_up_to_its_last_commit(folder: DataFolder) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    log = path.with_name(path.name + "-wal")
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE papers SET priority = 1")
        first = log.stat().st_size
        connection.execute("UPDATE papers SET priority = 2")
        content, torn = path.read_bytes(), log.read_bytes()
    connection.close()
    for kept, priority in ((len(torn), 2), (len(torn) - 10, 1), (first, 1), (first - 10, 0), (40, 0), (10, 0)):
        path.write_bytes(content)
        log.write_bytes(torn[:kept])
        losses = Losses()
        assert priorities(path, losses) == {priority}, kept
        assert (losses.pages, losses.records) == (0, 0)
    log.write_bytes(b"\x01" * len(torn))
    assert priorities(path, Losses()) == {0}, "another file's log"


def test_papers_that_have_files_are_known_without_a_store(folder: DataFolder) -> None:
    before = rows_of(folder)
    fetched = next(each for each, row in before.items() if row.status == "pending" and row.shard == 0)
    refused = next(each for each, row in before.items() if row.status == "failed")
    for paper_id, ending in ((fetched, ".pdf"), (refused, ".bad.pdf")):
        files_of(folder.papers, parse(paper_id)).pdf.with_suffix(ending).write_bytes(b"%PDF-")
    broken = next(each for each, row in before.items() if row.status == "prepped")
    files_of(folder.papers, parse(broken)).text.write_text("other")
    (folder.papers / "2401" / "notes.json").write_text("[]")
    (folder.papers / "2401" / "notes.pdf").write_bytes(b"")
    SQLiteFiles(folder.root).shard_file(0).unlink()
    done = repair(folder, print)
    after = rows_of(folder)
    states = {each: row.status for each, row in after.items() if row.shard == 0}
    assert len(states) == DONE + 2 == done.repaired[0].from_files
    assert (states[fetched], states[refused], states[broken]) == ("pending", "pending", "pending")
    with open_ledger(folder) as ledger:
        assert [line.event for line in ledger.history(fetched)] == ["repaired"]


@pytest.mark.parametrize("cut_bytes", [1, PAGE_BYTES, 10 * PAGE_BYTES])
def test_what_may_be_lost_is_reported(folder: DataFolder, cut_bytes: int) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    os.truncate(path, page_count(path) // 2 * PAGE_BYTES - cut_bytes)
    done = repair(folder, print)
    assert not done.complete
    text = "\n".join(done.lines())
    assert "`add --file` your lists" in text
    assert "pages" in text


def test_the_last_run_knows_how_many_there_were(folder: DataFolder) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    repaired = RepairedFile(path, "x", intact=3, losses=Losses(pages=1), expected=3)
    done = RepairReport(repaired=[repaired])
    assert done.complete
    assert "the last run counted 3" in "\n".join(done.lines())
    repaired.expected = 4
    assert not done.complete


def test_nothing_is_repaired_during_a_run_or_without_damage(folder: DataFolder) -> None:
    with folder.run.run_lock(), pytest.raises(FolderBusyError):
        repair(folder, print)
    done = repair(folder, print)
    assert done.complete
    assert done.lines() == ["nothing to repair: 2 shard files are intact"]
    assert not SQLiteFiles(folder.root).damaged.exists()
    with pytest.raises(StoreError, match="nothing to repair"):
        repair(DataFolder(folder.root / "none"), print)


class KilledError(BaseException):
    pass


@pytest.mark.parametrize("point", ["repair_written", "repair_ready", "repair_log_gone"])
def test_a_repair_that_is_cut_short_is_run_again(
    folder: DataFolder, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(folder)
    overwrite(SQLiteFiles(folder.root).shard_file(0), 0)

    def die(name: str) -> None:
        if name == point:
            raise KilledError

    monkeypatch.setattr(rebuild, "reach", die)
    with pytest.raises(KilledError):
        repair(folder, print)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="rpa-shard repair") as caught:
        rows_of(folder)
    assert str(SQLiteFiles(folder.root).shard_file(0)) in str(caught.value)
    done = repair(folder, print)
    assert done.complete
    assert rows_of(folder) == before
    assert "\n".join(done.lines())


def test_a_disk_without_room_leaves_it_as_it_was(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    overwrite(SQLiteFiles(folder.root).shard_file(0), 0)
    spoiled = SQLiteFiles(folder.root).shard_file(0).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(StoreError, match="No space left"):
        repair(folder, print)
    assert SQLiteFiles(folder.root).shard_file(0).read_bytes() == spoiled


def test_a_move_that_was_cut_short_is_repaired_too(folder: DataFolder) -> None:
    before = rows_of(folder)
    SQLiteFiles(folder.root).write_manifest(StoredLayout(Layout(200, 2), moving_to=Layout(200, 3)))
    overwrite(SQLiteFiles(folder.root).shard_file(1), 0)
    assert repair(folder, print).complete
    SQLiteFiles(folder.root).write_manifest(StoredLayout(Layout(200, 2)))
    assert rows_of(folder) == before


def test_a_row_that_another_file_has_is_not_made_twice(folder: DataFolder) -> None:
    """A free page still holds rows that were moved away, or a copy was put back by hand."""
    before = rows_of(folder)
    connection = sqlite3.connect(SQLiteFiles(folder.root).shard_file(0))
    connection.execute("ATTACH ? AS other", (str(SQLiteFiles(folder.root).shard_file(1)),))
    connection.execute("INSERT INTO main.papers SELECT * FROM other.papers")
    connection.commit()
    connection.close()
    overwrite(SQLiteFiles(folder.root).shard_file(0), 0)
    repair(folder, print)
    assert rows_of(folder) == before


def test_free_pages_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(number, "x" * 500) for number in range(2000)])
        connection.execute("DELETE FROM t WHERE a > 100")
    connection.close()
    losses = Losses()
    found = {record.values[0] for record in records_of(path, losses) if record.row_number and len(record.values) == 2}
    assert found == set(range(101))
    assert losses.pages == 0


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    values = [
        None,
        0,
        1,
        -1,
        127,
        2**15,
        -(2**23),
        2**31,
        2**40,
        -(2**62),
        1.5,
        "é" * 3,
        b"\x00",
        "y" * 9000,
        b"z" * 5000,
    ]
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, v) WITHOUT ROWID")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(f"{n:03}", value) for n, value in enumerate(values)])
    connection.close()
    losses = Losses()
    found = {r.values[0]: r.values[1] for r in records_of(path, losses) if r.row_number is None and len(r.values) == 2}
    assert [found[f"{n:03}"] for n in range(len(values))] == values
    assert (losses.pages, losses.records) == (0, 0)


def test_a_damaged_catalogue_is_put_aside(folder: DataFolder, tmp_path: Path) -> None:
    with engine_of(folder).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_members(tmp_path / "a.tar", [Member("2401.00001", 512, 100)])
    assert repair(folder, print).catalogue is None
    os.truncate(SQLiteFiles(folder.root).catalogue_file, 5000)
    done = repair(folder, print)
    assert done.catalogue is not None
    assert done.catalogue.stat().st_size == 5000
    assert "`add --tar`" in "\n".join(done.lines())
    assert not SQLiteFiles(folder.root).catalogue_file.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_command_names_the_file_and_the_way_out(
    folder: DataFolder, damage: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[damage](SQLiteFiles(folder.root).shard_file(0))
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(folder.root))
    monkeypatch.setenv("RPA_V2_SHARD_COUNT", "3")
    codes = {}
    for command in (
        "status",
        "verify",
        f"show {LONG}",
        "retry",
        "plan",
        f"export --out {folder.root}/x.jsonl",
        f"add {LONG}",
    ):
        codes[command] = main(command.split())
        errors = capfd.readouterr().err
        assert "Traceback" not in errors
        if codes[command] == 2:
            (line,) = errors.splitlines()
            assert str(SQLiteFiles(folder.root).shard_file(0)) in line
            assert "rpa-shard repair" in line
    assert 2 in codes.values()
    if damage not in {"row page", "a row", "tail", "half"}:
        assert set(codes.values()) == {2}, "only damage deep inside may go unnoticed"
