"""A data folder from outside: adding, moving between shards, refusing foreign files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpa_shard.model.errors import FolderBusyError, StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout, StoredLayout
from rpa_shard.store.sqlite import reshard as reshard_module
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.queries import query
from rpa_shard.store.sqlite.shard_file import transaction_on

IDS = [f"2401.{number:05}" for number in range(1, 301)]


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add(IDS)
    return made


def contents(folder: DataFolder) -> list[str]:
    """Every paper of every shard file, after checking that it is where the layout says."""
    with open_ledger(folder) as ledger:
        rows = list(ledger.papers())
        assert all(row.shard == ledger.layout.shard_of(row.paper_id) for row in rows)
    return sorted(row.paper_id for row in rows)


def test_add_distinguishes_new_from_known(folder: DataFolder) -> None:
    with open_ledger(folder) as ledger:
        assert ledger.add([*IDS[:10], "2402.00001", "2402.00001"]) == (1, 11)
        assert ledger.counts().by_status == {"pending": 301}


def test_everything_has_its_place(folder: DataFolder) -> None:
    assert contents(folder) == IDS


@pytest.mark.parametrize("shards", [[1], [4], [1, 4, 3, 8, 2], [200, 1]])
def test_resizing_loses_and_doubles_nothing(folder: DataFolder, shards: Sequence[int]) -> None:
    for count in shards:
        engine_of(folder).reshard(Layout(200, count))
        assert contents(folder) == IDS
        assert len(list((folder.root / "shards").glob("*.sqlite3"))) == count


def test_a_change_of_workers_moves_papers_too(folder: DataFolder) -> None:
    assert engine_of(folder).reshard(Layout(40, 3)) > 0
    assert contents(folder) == IDS


def test_history_moves_along_once(folder: DataFolder) -> None:
    with open_ledger(folder) as ledger:
        for shard in range(2):
            with sqlite3.connect(SQLiteFiles(folder.root).shard_file(shard)) as connection:
                ids = [row.paper_id for row in ledger.papers() if row.shard == shard]
                line = {"now": 1.0, "event": "postponed", "phase": "prep", "attempt": 1}
                line |= {"failure": "network", "detail": "x"}
                connection.executemany(query("remember"), [{"id": each, **line} for each in ids])
            connection.close()
    engine_of(folder).reshard(Layout(200, 5))
    with open_ledger(folder) as ledger:
        assert all(len(ledger.history(each)) == 1 for each in IDS)


class KilledError(Exception):
    pass


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(survive=st.integers(0, 40), first=st.integers(1, 9), second=st.integers(1, 9))
def test_a_move_may_be_cut_short_anywhere(
    tmp_path_factory: pytest.TempPathFactory, survive: int, first: int, second: int
) -> None:
    """Stops a move at each of its database commits, then requests yet another layout."""
    folder = DataFolder(tmp_path_factory.mktemp("cut") / "data")
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add(IDS)
    commits = 0

    def counting(connection: sqlite3.Connection, path: Path) -> object:
        nonlocal commits
        commits += 1
        if commits > survive:
            raise KilledError
        return transaction_on(connection, path)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reshard_module, "transaction_on", counting)
        patched.setattr(reshard_module, "BATCH_PAPERS", 40)
        try:
            engine_of(folder).reshard(Layout(200, first))
        except KilledError:
            with pytest.raises(StoreError, match="cut short"), open_ledger(folder):
                pass
    engine_of(folder).reshard(Layout(200, second))
    assert contents(folder) == IDS
    assert SQLiteFiles(folder.root).read_manifest() == StoredLayout(Layout(200, second))


def spoil(folder: DataFolder, how: str) -> None:
    path = SQLiteFiles(folder.root).shard_file(0)
    if how == "not sqlite":
        path.write_bytes(b"something else entirely, longer than a header")
    elif how == "another program":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE x (y)")
        connection.close()
    elif how == "newer":
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    elif how == "missing":
        path.unlink()
    elif how == "truncated":
        os.truncate(path, 100)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("not sqlite", "not an SQLite file"),
        ("another program", "another program"),
        ("newer", "newer than ours"),
        ("missing", "is missing"),
        ("truncated", "is damaged .*rpa-shard repair"),
    ],
)
def test_a_file_that_we_cannot_use_is_refused_and_left_alone(folder: DataFolder, how: str, says: str) -> None:
    for leftover in SQLiteFiles(folder.root).shard_file(0).parent.glob("shard-000.sqlite3-*"):
        leftover.unlink()
    spoil(folder, how)
    path = SQLiteFiles(folder.root).shard_file(0)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StoreError, match=says) as caught, open_ledger(folder):
        pass
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"format": 1, "workers": 0, "shards": 0, "moving_to": null}', "\x00", '{"format": "x"}'],
)
def test_a_manifest_that_is_not_ours_is_refused(folder: DataFolder, text: str) -> None:
    SQLiteFiles(folder.root).manifest_file.write_text(text)
    with pytest.raises(StoreError, match="not a manifest"), open_ledger(folder):
        pass


def test_a_newer_manifest_is_refused(folder: DataFolder) -> None:
    SQLiteFiles(folder.root).manifest_file.write_text('{"format": 99, "workers": 200, "shards": 2, "moving_to": null}')
    with pytest.raises(StoreError, match="newer than ours"), open_ledger(folder):
        pass


def test_no_folder_no_papers(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no papers in"), open_ledger(DataFolder(tmp_path / "nothing")):
        pass
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used as data folder"):
        engine_of(DataFolder(tmp_path / "file" / "data")).create(Layout(200, 1))


def test_the_run_lock_is_held_until_the_last_process_ends(folder: DataFolder) -> None:
    """A child that inherited the lock holds it after its parent let go."""
    with folder.run.run_lock():
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
    try:
        with pytest.raises(FolderBusyError), folder.run.run_lock():
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with folder.run.run_lock():
        pass


def test_what_a_killed_process_left_half_written_goes_away(folder: DataFolder) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (folder.root / "run").mkdir()
    left = [folder.root / f".manifest.json.{dead.pid}.part", folder.root / "run" / ".status.json.part"]
    living = folder.root / "run" / f".resize.{os.getpid()}.part"
    for path in (*left, living):
        path.touch()
    folder.run.remove_half_written()
    assert [path.exists() for path in (*left, living)] == [False, False, True]


def test_two_programs_may_add_at_once(folder: DataFolder) -> None:
    code = (
        "import sys; from pathlib import Path; from rpa_shard.store.data_folder import DataFolder; "
        "from rpa_shard.store.factory import open_ledger; from rpa_shard.store.layout import Layout\n"
        "with open_ledger(DataFolder(Path(sys.argv[1])), Layout(200, 2)) as ledger:\n"
        "    print(*ledger.add(f'2402.{n:05}' for n in range(1, 2001)))"
    )
    command = [sys.executable, "-c", code, str(folder.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [each.communicate(timeout=60)[0].split() for each in both]
    assert sum(int(added) for added, _ in outputs) == 2000
    assert sum(int(known) for _, known in outputs) == 2000
