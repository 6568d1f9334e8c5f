"""Moving papers between a data folder and a database: nothing is lost or changed, and there is one truth at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rpa_shard.maintain import migrate as migrate_module
from rpa_shard.maintain.migrate import migrate
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.moving import FOLDER
from rpa_shard.store.outcome import completed, failed, postponed
from rpa_shard.store.postgres.ledger import moving as postgres_moving
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.store.sqlite import moving as sqlite_moving
from tests.postgres import SERVER

IDS = [*(f"2401.{number:05}" for number in range(1, 13)), "hep-th/9901001v3", "https://example.org/a.pdf?q=ü"]
LAYOUT = Layout(40, 3)
POINTS = ("move_begun", "moved_page", "move_counted", "move_opened")
State = dict[str, tuple[PaperRow, list[HistoryLine]]]


class KilledError(Exception):
    """The process ends here."""


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (postgres_moving, sqlite_moving):
        monkeypatch.setattr(module, "PAGE_ROWS", 2)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    """A data folder with papers in many states."""
    made = DataFolder(tmp_path / "data", node="node-1")
    asyncio.run(fill(made))
    return made


@pytest.fixture
def url() -> Iterator[str]:
    yield SERVER.new_database()
    SERVER.drop_databases()


async def fill(folder: DataFolder) -> None:
    engine = engine_of(folder)
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS[:6], priority=3)
        ledger.add(IDS[6:], priority=-1)
        for shard in range(LAYOUT.shards):
            async with engine.open_store(shard, 300.0) as store:
                for claim in await store.claim(PREP, 100):
                    number = IDS.index(claim.paper_id)
                    result = {"pages": number, "flags": ["garbled"][: number % 2], "title": "Δ \" \\ '"}
                    wait = postponed(PREP, Failure.NETWORK, "no \U0001f600", 50.0, charged=True, suspect=True)
                    ends = (completed(PREP, result), failed(PREP, Failure.BAD_PDF, "x"), wait)
                    await store.finish(claim, ends[number % 3])
                for claim in await store.claim(ANALYZE, 2):
                    await store.finish(claim, completed(ANALYZE, {"of": claim.paper_id, "score": 0.1}))
        ledger.redo([Target(IDS[0])])
        list(ledger.retry(ids=[IDS[1]]))


def state(folder: DataFolder) -> State:
    with open_ledger(folder) as ledger:
        return {row.paper_id: (row, ledger.history(row.paper_id)) for row in ledger.papers()}


def move(folder: DataFolder, to: str) -> list[str]:
    return migrate(folder, to, lambda line: None)


def test_there_and_back_changes_nothing(folder: DataFolder, url: str) -> None:
    before = state(folder)
    in_database = replace(folder, store=url)
    lines = sum(len(history) for _, history in before.values())
    assert move(folder, url) == [
        f"14 papers and {lines} lines of history are in {_shown(url)} now",
        f"from now on set RPA_V2_STORE={url}",
    ]
    assert state(in_database) == before
    with (
        pytest.raises(StoreError, match=re.escape(f"were moved to a database: set RPA_V2_STORE={url}")),
        open_ledger(folder),
    ):
        pass
    with pytest.raises(StoreError, match="were moved to a database"):
        engine_of(folder).create(LAYOUT)
    assert move(in_database, FOLDER)[1] == "from now on work there without RPA_V2_STORE"
    assert state(folder) == before
    with pytest.raises(StoreError, match="were moved to a data folder"), open_ledger(in_database):
        pass
    with open_ledger(folder) as ledger:
        assert ledger.add([IDS[0], "2401.00099"]) == (1, 1)


def _shown(url: str) -> str:
    server, database = url.partition("@")[2].split("/")
    return f"PostgreSQL at {server}, database {database}"


@pytest.mark.parametrize("point", POINTS)
def test_a_move_may_be_cut_short_anywhere(
    folder: DataFolder, url: str, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(folder)
    there = replace(folder, store=url)
    for source, to in ((folder, url), (there, FOLDER)):
        left = [2 if point == "moved_page" else 1]

        def cut(reached: str, left: list[int] = left) -> None:
            left[0] -= reached == point
            if reached == point and not left[0]:
                raise KilledError

        with monkeypatch.context() as patches:
            patches.setattr(migrate_module, "reach", cut)
            with pytest.raises(KilledError):
                move(source, to)
        usable = [each for each in (folder, there) if can_be_used(each)]
        assert usable == ([there if to == url else folder] if point == "move_opened" else [])
        move(source, to)
        move(source, to)
        target = there if to == url else folder
        assert state(target) == before
        assert not can_be_used(source)


def can_be_used(folder: DataFolder) -> bool:
    try:
        with open_ledger(folder):
            return True
    except StoreError as error:
        assert "cut short" in str(error) or "were moved" in str(error) or "no papers" in str(error)
        return False


def test_a_database_with_other_papers_is_refused(folder: DataFolder, url: str, tmp_path: Path) -> None:
    there = replace(folder, store=url)
    with open_ledger(replace(there, root=tmp_path / "other"), LAYOUT) as ledger:
        ledger.add(["2402.00001"])
    with pytest.raises(StoreError, match="has 1 other papers"):
        move(folder, url)
    with open_ledger(folder) as ledger:
        assert ledger.counts().by_status["failed"]
    with open_ledger(there) as ledger:
        assert ledger.counts().by_status == {"pending": 1}


async def test_papers_that_are_held_stay(folder: DataFolder, url: str) -> None:
    async with engine_of(folder).open_store(0, 300.0) as store:
        held = len(await store.claim(PREP, 1)) or len(await store.claim(ANALYZE, 1))
    assert held == 1
    with pytest.raises(StoreError, match=r"1 papers of .* are held by a run that died"):
        move(folder, url)
    assert can_be_used(folder)
    with folder.run.run_lock(), pytest.raises(StoreError):
        move(folder, url)


def test_what_cannot_be_moved(folder: DataFolder, url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="are in the data folder already"):
        move(folder, FOLDER)
    with pytest.raises(StoreError, match="names another database"):
        move(replace(folder, store="postgresql://else@where/x"), url)
    with pytest.raises(StoreError, match="nothing to move"):
        move(DataFolder(tmp_path / "empty", node="node-1"), url)
    assert can_be_used(folder)
