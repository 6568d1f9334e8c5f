"""Finding papers among many: pages of a list in every engine, titles in every catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from rpa_shard.model.errors import FolderBusyError, TooSlowError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP, Status
from rpa_shard.store.catalogue import NoTitleIndexError, PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed
from rpa_shard.store.protocol import Ledger, StoreEngine
from rpa_shard.store.rows import PlaceInList
from rpa_shard.store.selection import Selection
from rpa_shard.store.sqlite import listing
from rpa_shard.store.sqlite.catalogue import match_of
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.shard_file import identity_of

LAYOUT = Layout(40, 3)
IDS = [f"2401.{number:05}" for number in range(1, 31)] + [f"2402.{number:05}" for number in range(1, 11)]


def all_pages(ledger: Ledger, limit: int, **wanted: object) -> list[str]:
    """The ids of a list, read page by page."""
    found: list[str] = []
    after: PlaceInList | None = None
    while page := ledger.page_of_papers(after=after, limit=limit, **wanted):  # type: ignore[arg-type]
        assert len(page) <= limit
        found += [row.paper_id for row in page]
        after = page[-1].place
    return found


async def with_failures(engine: StoreEngine) -> dict[str, Failure]:
    """Queues all papers, two thirds of them with a higher priority, and lets every fifth of each shard fail."""
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS[::3], priority=1)
        ledger.add(reversed(IDS), priority=5)
    reasons = {}
    for shard in range(LAYOUT.shards):
        async with engine.open_store(shard, 300.0) as store:
            for number, claim in enumerate(await store.claim(PREP, 100)):
                if number % 5 == 0:
                    failure = (Failure.NOT_FOUND, Failure.BAD_PDF)[number % 2]
                    reasons[claim.paper_id] = failure
                    await store.finish(claim, failed(PREP, failure, "x"))
    return reasons


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_of_a_list(engine: StoreEngine, limit: int) -> None:
    reasons = await with_failures(engine)
    with engine.open_ledger() as ledger:
        assert all_pages(ledger, limit) == sorted(IDS)
        assert all_pages(ledger, limit, id_prefix="2402") == IDS[30:]
        assert all_pages(ledger, limit, id_prefix="2403") == []
        for reason in set(reasons.values()):
            expected = sorted(each for each, why in reasons.items() if why == reason)
            assert all_pages(ledger, limit, reason=reason) == expected
            assert all_pages(ledger, limit, reason=reason, status=Status.FAILED) == expected
            in_month = [each for each in expected if each.startswith("2402")]
            assert all_pages(ledger, limit, reason=reason, id_prefix="2402") == in_month
            assert all_pages(ledger, limit, reason=reason, status=Status.PENDING) == []
        assert sorted(all_pages(ledger, limit, status=Status.FAILED)) == sorted(reasons)
        assert all_pages(ledger, limit, status=Status.DONE) == []


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_list_by_status_is_in_the_order_of_claims(engine: StoreEngine, limit: int) -> None:
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS[:9], priority=-2)
        ledger.add(IDS[20:29], priority=7)
        ledger.add(IDS[9:20])
        found = all_pages(ledger, limit, status=Status.PENDING)
        rows = [row for row in map(ledger.paper, found) if row is not None]
        assert sorted(found) == IDS[:29]
        assert [row.priority for row in rows] == [7] * 9 + [0] * 11 + [-2] * 9
        order = [(-row.priority, row.next_attempt_at, row.paper_id) for row in rows]
        assert all(one < other for one, other in pairwise(order))
        assert sorted(all_pages(ledger, limit, status=Status.PENDING, id_prefix="2401.0000")) == IDS[:9]


def paper(paper_id: str, title: str) -> PaperMetadata:
    return PaperMetadata(paper_id, title, "A", "abstract", "cs.LG", None, 1)


def found(engine: StoreEngine, text: str, after: int = 0, limit: int = 100) -> list[str]:
    with engine.open_catalogue() as catalogue:
        assert catalogue is not None
        return [each.paper_id for each in catalogue.find_titles(text, after, limit)]


@pytest.fixture
def titled(engine: StoreEngine) -> StoreEngine:
    engine.create(LAYOUT)
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata([paper("2401.00001", "Deep Learning of tides"), paper("2401.00002", "Tides and clocks")])
        catalogue.add_metadata([paper("2401.00003", "A deep sea"), paper("2401.00001", "Deep learning of tides")])
    return engine


def test_titles_are_found_by_their_words(titled: StoreEngine) -> None:
    assert found(titled, "deep") == ["2401.00001", "2401.00003"]
    assert found(titled, "TIDES deep") == ["2401.00001"]
    assert found(titled, "deep learn") == ["2401.00001"], "the last word may be the beginning of one"
    assert found(titled, "dee tides") == [], "but no other word"
    assert found(titled, "d") == [], "one letter begins too many words"
    assert found(titled, "a") == ["2401.00003"]
    assert found(titled, "") == found(titled, ' "*- ') == []
    with titled.open_catalogue() as catalogue:
        assert catalogue is not None
        assert [catalogue.title(each) for each in ("2401.00002", "2401.00002v3", "2412.00001")] == [
            "Tides and clocks",
            "Tides and clocks",
            None,
        ]


def test_titles_come_in_pages(titled: StoreEngine) -> None:
    with titled.open_catalogue() as catalogue:
        assert catalogue is not None
        (first,) = catalogue.find_titles("deep", 0, 1)
        (second,) = catalogue.find_titles("deep", first.number, 5)
        assert (first.title, second.title) == ("Deep learning of tides", "A deep sea")
        assert catalogue.find_titles("deep", second.number, 5) == []


def test_a_new_title_replaces_the_old_one(titled: StoreEngine) -> None:
    again = [paper("2401.00002", "Rivers"), paper("2401.00004", "Lakes"), paper("2401.00004", "Brooks")]
    with titled.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata(again)
    assert found(titled, "clocks") == found(titled, "lakes") == []
    assert found(titled, "rivers") == ["2401.00002"]
    assert found(titled, "brooks") == ["2401.00004"]
    assert found(titled, "tides") == ["2401.00001"]


@pytest.mark.parametrize(
    "text", ['"', "deep OR clocks", "title:deep", "NEAR(deep sea)", "deep*", "^a -b", "'; x", "\0"]
)
def test_what_is_looked_for_is_never_taken_for_an_operator(titled: StoreEngine, text: str) -> None:
    assert set(found(titled, text)) <= {"2401.00001", "2401.00003"}
    assert "2401.00002" not in found(titled, text)


def test_words_are_quoted() -> None:
    assert match_of('deep AND "sea') == '"deep" "AND" "sea"*'
    assert match_of("x_y 3 é") == '"x" "y" "3" "é"'
    assert match_of("cafe\u0301") == '"café"*'
    assert match_of("— … \0") == ""


def older(path: Path) -> None:
    """Makes the catalogue one of version 1."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (
            "DROP TABLE titles",
            "DROP TABLE category_names",
            "DROP TABLE category_index",
            "ALTER TABLE metadata RENAME TO newer",
            "CREATE TABLE metadata (id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL, authors TEXT NOT NULL, "
            "abstract TEXT NOT NULL, categories TEXT NOT NULL, doi TEXT, version INTEGER NOT NULL) STRICT",
            "INSERT INTO metadata SELECT id, title, authors, abstract, categories, doi, version FROM newer",
            "DROP TABLE newer",
            "PRAGMA user_version = 1",
        ):
            connection.execute(statement)


def without_categories(path: Path) -> None:
    """Makes the catalogue one of version 2."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for name in ("category_names", "category_index"):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("PRAGMA user_version = 2")


@pytest.fixture
def sqlite(tmp_path: Path) -> StoreEngine:
    engine = engine_of(DataFolder(tmp_path / "data"))
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS)
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata([paper("2401.00001", "Deep tides"), paper("2401.00002", "Clocks")])
    return engine


def test_an_older_catalogue_is_upgraded_when_it_is_written(sqlite: StoreEngine, tmp_path: Path) -> None:
    path = SQLiteFiles(tmp_path / "data").catalogue_file
    older(path)
    reader = sqlite.catalogue_reader()
    with sqlite.open_catalogue() as catalogue:
        assert catalogue is not None
        with pytest.raises(NoTitleIndexError, match="cannot be searched yet"):
            catalogue.find_titles("deep", 0, 10)
        assert catalogue.title("2401.00001") == "Deep tides"
        with sqlite.open_catalogue(create=True) as writing:
            assert writing is not None
            writing.add_metadata([paper("2401.00002", "Rivers")])
        assert [each.title for each in catalogue.find_titles("deep", 0, 10)] == ["Deep tides"], "for one that is open"
    assert found(sqlite, "clocks") == []
    assert found(sqlite, "rivers") == ["2401.00002"]
    assert reader.whereabouts("2401.00002").version == "1"
    reader.close()
    with closing(sqlite3.connect(path)) as connection:
        assert identity_of(connection)[1] == 3
        for index in ("titles", "category_index"):  # raises if it is wrong
            connection.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")


@pytest.mark.parametrize("make_older", [older, without_categories])
def test_categories_are_indexed_by_the_upgrade(
    sqlite: StoreEngine, tmp_path: Path, make_older: Callable[[Path], None]
) -> None:
    path = SQLiteFiles(tmp_path / "data").catalogue_file
    make_older(path)
    by_category = Selection(categories=("cs.LG",))
    with sqlite.open_ledger() as ledger, pytest.raises(NoTitleIndexError, match=r"^categories cannot be searched yet"):
        list(ledger.select(by_category))
    with sqlite.open_catalogue(create=True):
        pass  # as `add --metadata` does
    with sqlite.open_ledger() as ledger:
        assert sorted(row.paper_id for row in ledger.select(by_category)) == ["2401.00001", "2401.00002"]
        assert [row.paper_id for row in ledger.select(Selection(words="clocks"))] == ["2401.00002"]


def test_many_ids_that_begin_alike(sqlite: StoreEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether few or many ids begin so decides how they are found, not in which order."""
    with sqlite.open_ledger() as ledger:
        ledger.add([f"2403.{number:05}" for number in range(1, 9)], priority=3)
        few = all_pages(ledger, 4, status=Status.PENDING, id_prefix="240")
        monkeypatch.setattr(listing, "SMALL_RANGE_ROWS", 3)
        assert all_pages(ledger, 4, status=Status.PENDING, id_prefix="240") == few
        assert few == all_pages(ledger, 4, status=Status.PENDING)


def test_reading_ends_when_its_time_is_over(
    sqlite: StoreEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, seconds=60.0) as ledger:
        assert len(ledger.page_of_papers(limit=100)) == len(IDS)
    with closing(sqlite3.connect(SQLiteFiles(folder.root).shard_file(0))) as connection, connection:
        connection.executemany(
            "INSERT INTO papers (id, worker, priority, status, next_attempt_at, added_at, changed_at) "
            "VALUES (?, 0, 0, 'pending', 0, 0, 0)",
            [(f"2501.{number:05}",) for number in range(20_000)],
        )
    monkeypatch.setattr(listing, "SMALL_RANGE_ROWS", 0)
    slow: Callable[[Ledger], object] = lambda ledger: ledger.page_of_papers(  # noqa: E731
        status=Status.PENDING, id_prefix="x", limit=1
    )
    with open_ledger(folder, seconds=60.0) as ledger:
        assert slow(ledger) == []
    with open_ledger(folder, seconds=0.0) as ledger, pytest.raises(TooSlowError, match="takes too long"):
        slow(ledger)


def test_reading_with_a_time_limit_does_not_wait_for_a_resize(sqlite: StoreEngine, tmp_path: Path) -> None:
    with (
        sqlite.layout_lock(),
        pytest.raises(FolderBusyError, match="is changing"),
        open_ledger(DataFolder(tmp_path / "data"), seconds=1.0),
    ):
        raise AssertionError("must not be reached")
