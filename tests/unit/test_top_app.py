"""The app of `top`: keys, sizes, and a folder in which runs begin and end while it looks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_status import RunState, RunStatus, write_status
from rpa_shard.ipc.shard_report import FailedAttempt
from rpa_shard.observe import source as folder_source
from rpa_shard.observe.top import app as top_app
from rpa_shard.observe.top.app import Canvas, Top
from rpa_shard.observe.top.lists import Order
from rpa_shard.observe.top.source import NoRunError, Source
from rpa_shard.observe.top.text import plain
from rpa_shard.observe.top.view import Tab
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from tests.statuses import account, run_status, shard_report, shard_status

SIZES = [(80, 24), (40, 24), (200, 50)]
PAPERS = ["2401.00001", "2401.00002"]


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(4, 1)) as ledger:
        ledger.add([*PAPERS, "2401.00003"])
    return made


@pytest.fixture
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_app, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(folder_source, "RECOUNT_SECONDS", 0.0)


def settings_of(folder: DataFolder) -> Settings:
    return Settings.from_environment({"RPA_V2_DATA_DIR": str(folder.root)})


def source_of(folder: DataFolder, **changes: Any) -> Source:
    """What looks at the folder, in which a run has just written its status."""
    write_status(folder.run.status_file, a_run(**changes))
    return Source(folder, settings_of(folder))


def a_run(**changes: Any) -> RunStatus:
    failed = FailedAttempt(time.time(), "2401.00003", "prep", 1, "not_found", "HTTP 404", True)
    return run_status(**{"failures": (failed,)} | changes)


def shown(app: Top) -> str:
    return "\n".join(plain(each) for each in app.query_one(Canvas).lines)


async def until(pilot: Pilot[int], holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, shown_of(pilot)
        await pilot.pause(0.01)


def shown_of(pilot: Pilot[int]) -> str:
    assert isinstance(pilot.app, Top)
    return shown(pilot.app)


@pytest.mark.parametrize("size", SIZES)
async def test_keys(folder: DataFolder, size: tuple[int, int]) -> None:
    source = source_of(folder)
    app = Top(source, source.look())
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "58 %" in shown(app))
        for key, tab in zip("234561", [*list(Tab)[1:], Tab.ALL], strict=True):
            await pilot.press(key)
            assert app.view.tab is tab
        await pilot.press("tab", "shift+tab", "s")
        assert (app.view.tab, app.view.order) == (Tab.ALL, Order.STAGE)
        await pilot.press("question_mark")
        assert "Keys" in shown(app)
        await pilot.press("escape", "down", "enter")
        await until(pilot, lambda: "status    pending" in shown(app))
        assert "2401.00002" in shown(app)
        await pilot.press("escape", "up", "end", "enter")
        await until(pilot, lambda: "paper     2401.00003" in shown(app))
        await pilot.press("q")
    assert app.return_value == 0


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+d"])
async def test_keys_that_leave(folder: DataFolder, key: str) -> None:
    source = source_of(folder)
    app = Top(source, source.look())
    async with app.run_test() as pilot:
        await pilot.press(key)
    assert app.return_value == 0


@pytest.mark.usefixtures("looks_often")
async def test_only_what_has_changed_is_drawn_again(folder: DataFolder) -> None:
    source = source_of(folder)
    app = Top(source, source.look())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "58 %" in shown(app))
        canvas = app.query_one(Canvas)
        before = list(canvas.strips)
        write_status(folder.run.status_file, a_run(account=account(text="59 % · now")))
        await until(pilot, lambda: "59 %" in shown(app))
        same = [at for at, strip in enumerate(canvas.strips) if any(strip is each for each in before)]
        assert len(same) > 15


@pytest.mark.usefixtures("looks_often")
async def test_a_run_ends_another_begins_and_the_terminal_is_resized(folder: DataFolder) -> None:
    source = source_of(folder)
    app = Top(source, source.look())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "running for" in shown(app))
        write_status(folder.run.status_file, a_run(state=RunState.ENDED))
        await until(pilot, lambda: "the last ended" in shown(app))
        # What the store says, not what the run said last.
        assert "0 % · 0 done · 3 queued" in shown(app)
        with open_ledger(folder) as ledger:
            ledger.add(["2401.00004"])
        await until(pilot, lambda: "4 queued" in shown(app))
        shards = tuple(shard_status(number=number, report=shard_report(workers=("slow",) * 4)) for number in range(50))
        write_status(folder.run.status_file, a_run(shards=shards, shard_count=50, seconds=2.0))
        await until(pilot, lambda: "running for 2 s" in shown(app))
        await pilot.resize_terminal(40, 20)
        await until(pilot, lambda: len(app.query_one(Canvas).lines) == 20)
        assert max(map(len, shown(app).splitlines())) <= 40
        shutil.rmtree(folder.root)
        await until(pilot, lambda: "No such file" in shown(app))


@pytest.mark.usefixtures("looks_often")
async def test_a_defect_is_not_hidden(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of(folder)
    app = Top(source, source.look())

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(source, "look", broken)
    with pytest.raises(ZeroDivisionError):
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.return_code)


# Where the figures come from


def test_there_is_nothing_to_watch_before_the_first_run(folder: DataFolder, tmp_path: Path) -> None:
    for root in (folder.root, tmp_path / "nowhere"):
        with pytest.raises(
            NoRunError, match=r"no run was ever made in \S+: start one with rpa-shard run, then watch it"
        ):
            Source(DataFolder(root), settings_of(folder)).look()
    assert not (tmp_path / "nowhere").exists()


def test_a_look_changes_nothing_in_the_folder(folder: DataFolder) -> None:
    source = source_of(folder, state=RunState.ENDED)
    before = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*") if path.is_file()}
    source.look()
    assert source.paper(PAPERS[0])[0] == f"paper     {PAPERS[0]}"
    after = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*") if path.is_file()}
    assert {path: at for path, at in after.items() if before.get(path) != at} == {}


def test_a_killed_run_is_not_on(folder: DataFolder) -> None:
    watched = source_of(folder, pid=2**22 + 1).look()
    assert not watched.on
    assert watched.account.queued == 3


def test_a_store_that_cannot_be_read_is_a_problem_not_an_end(folder: DataFolder) -> None:
    source = source_of(folder, state=RunState.ENDED)
    for path in folder.root.rglob("*.sqlite3"):
        path.write_bytes(b"nonsense" * 1000)
    watched = source.look()
    assert watched.problem
    assert watched.account.text == account().text


def test_a_status_of_another_version_is_a_problem(folder: DataFolder) -> None:
    source = source_of(folder)
    source.look()
    folder.run.status_file.write_text('{"format": 99}')
    assert "another version" in source.look().problem
    assert "another version" in source.look().problem
    folder.run.status_file.unlink()
    watched = source.look()
    assert (watched.on, watched.problem) == (True, "status.json: No such file or directory"), "what was known stays"
    write_status(folder.run.status_file, a_run())
    assert source.look().problem == ""


def test_a_slow_count_is_made_less_often(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_source, "RECOUNT_SECONDS", 3600.0)
    source = source_of(folder, state=RunState.ENDED)
    assert source.look().account.queued == 3
    with open_ledger(folder) as ledger:
        ledger.add(["2401.00004"])
    assert source.look().account.queued == 3
    write_status(folder.run.status_file, a_run(state=RunState.ENDED, seconds=7.0))
    assert source.look().account.queued == 4


def test_an_unknown_paper_is_one_line(folder: DataFolder) -> None:
    assert source_of(folder).paper("2401.99999") == ["2401.99999 was never added: rpa-shard add 2401.99999"]
