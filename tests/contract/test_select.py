"""Choosing papers as a set: every engine gives what a plain look at every paper gives, however it finds them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.model.arxiv_id import without_version
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, PHASES, PREP, Status
from rpa_shard.store.catalogue import PaperMetadata, UnknownCategoryError
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import Outcome, completed, failed, postponed, released
from rpa_shard.store.postgres.ledger import selecting as postgres_selecting
from rpa_shard.store.protocol import Ledger, Store, StoreEngine
from rpa_shard.store.rows import PaperRow
from rpa_shard.store.selection import Selection
from rpa_shard.store.sqlite import ledger as ledger_module
from rpa_shard.store.sqlite import selecting
from tests.contract.bench import ENGINES, Clock
from tests.memory_store import MemoryEngine
from tests.postgres import emptied_engine

LAYOUT = Layout(40, 3)
IDS = [
    *(f"2401.{number:05}" for number in range(1, 13)),
    *(
        "2401.00001v2",
        "2401.00001v12",
        "2401.00013v1",
        "hep-th/9901001",
        "hep-th/9901001v3",
        "https://example.org/a.pdf",
    ),
]
NAMED = [*IDS, "2499.00001", "2401.00014v1"]
CATEGORIES = ["cs.LG", "cs.CV", "math.ST", "math-ph", "cond-mat.stat-mech", "stat.ML", "hep-th", "cs.LG stat.ML"]
WANTED_CATEGORIES = ["cs", "cs.LG", "math", "math-ph", "stat", "cond-mat", "hep-th"]
TITLES = ["Deep tides", "Tides and clocks", "A deep sea", "Clocks", "…"]
FLAGS = ["garbled", "needs_ocr", "reordered"]
REASONS = [Failure.NETWORK, Failure.NOT_FOUND]
BEGAN = 1_000_000.0


@dataclass(frozen=True)
class Fate:
    """What becomes of a paper: how its claim ends, if it is claimed."""

    kind: str
    priority: int
    at: int
    reason: Failure
    flags: list[str]
    delay: float
    category: str | None
    title: str


fates = st.builds(
    Fate,
    kind=st.sampled_from(["waits", "held", "completed", "failed", "failed later", "postponed", "released"]),
    priority=st.integers(-1, 1),
    at=st.integers(1, 5),
    reason=st.sampled_from(REASONS),
    flags=st.lists(st.sampled_from(FLAGS), max_size=2, unique=True),
    delay=st.sampled_from([0.0, 3.0, 100.0]),
    category=st.none() | st.sampled_from(CATEGORIES),
    title=st.sampled_from(TITLES),
)
collections = st.lists(fates, min_size=len(IDS), max_size=len(IDS)).map(lambda made: dict(zip(IDS, made, strict=True)))


def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


selections = st.builds(
    Selection,
    statuses=st.lists(st.sampled_from(Status), max_size=3, unique=True).map(tuple),
    reasons=some(REASONS),
    failed_phases=st.just(()) | st.lists(st.sampled_from(PHASES), max_size=2, unique=True).map(tuple),
    flags=some(FLAGS),
    since=st.none() | st.integers(0, 6).map(lambda at: BEGAN + at),
    categories=some(WANTED_CATEGORIES),
    words=st.sampled_from(["", "", "deep", "TIDES clo", "…", "a"]),
)


def outcome_of(fate: Fate) -> Outcome:
    made: Mapping[str, Callable[[], Outcome]] = {
        "completed": lambda: completed(PREP, {"flags": fate.flags}),
        "failed": lambda: failed(PREP, fate.reason, "x"),
        "failed later": lambda: completed(PREP, {"flags": fate.flags}),
        "postponed": lambda: postponed(PREP, fate.reason, "x", fate.delay, charged=True, suspect=False),
        "released": lambda: released(PREP, "x"),
    }
    return made[fate.kind]()


async def work_on(store: Store, papers: Mapping[str, Fate], clock: Clock) -> None:
    claims = {claim.paper_id: claim for claim in await store.claim(PREP, len(papers))}
    ending: list[tuple[str, Claim]] = sorted(claims.items(), key=lambda each: papers[each[0]].at)
    for paper_id, claim in ending:
        fate = papers[paper_id]
        clock.now = BEGAN + fate.at
        if fate.kind != "held":
            await store.finish(claim, outcome_of(fate))
    for claim in await store.claim(ANALYZE, len(papers)):
        fate = papers[claim.paper_id]
        later = fate.kind == "failed later"
        await store.finish(claim, failed(ANALYZE, fate.reason, "x") if later else released(ANALYZE, "x"))


def fill(engine: StoreEngine, papers: Mapping[str, Fate], clock: Clock) -> None:
    """Takes all papers to their fates."""
    with engine.open_ledger(LAYOUT) as ledger:
        for paper_id, fate in papers.items():
            if fate.kind != "waits":
                ledger.add([paper_id], fate.priority)

    async def work() -> None:
        for shard in range(LAYOUT.shards):
            clock.now = BEGAN
            async with engine.open_store(shard, 300.0, clock) as store:
                await work_on(store, papers, clock)

    asyncio.run(work())
    clock.now = BEGAN + 5
    with engine.open_ledger() as ledger:
        for paper_id, fate in papers.items():
            if fate.kind == "waits":
                ledger.add([paper_id], fate.priority)
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata(metadata_of(papers).values())


def metadata_of(papers: Mapping[str, Fate]) -> dict[str, PaperMetadata]:
    """The snapshot names no versions, and it always has something of every category that is looked for."""
    known = {
        each: PaperMetadata(each, fate.title, "A", "x", fate.category, None, 1)
        for each, fate in papers.items()
        if fate.category is not None and each == without_version(each) and "://" not in each
    }
    other = PaperMetadata("2001.00001", "Else", "A", "x", "cs.LG math.ST math-ph stat.ML cond-mat.soft hep-th", None, 1)
    return known | {other.paper_id: other}


def is_selected(row: PaperRow, wanted: Selection, metadata: Mapping[str, PaperMetadata]) -> bool:
    """The conditions, plainly."""
    known = metadata.get(without_version(row.paper_id))
    title = known.title.lower().split() if known is not None else []
    categories = known.categories.split() if known is not None else []
    words = wanted.words.replace("…", "").lower().split()
    return all(
        (
            not wanted.statuses or row.status in wanted.statuses,
            not wanted.reasons or row.failure in wanted.reasons,
            not wanted.failed_phases or row.failed_phase in [phase.name for phase in wanted.failed_phases],
            not wanted.flags or set(wanted.flags) & set(row.results.get("prep", {}).get("flags", [])),
            wanted.since is None or row.changed_at >= wanted.since,
            not wanted.categories
            or any(each == name or each.startswith(name + ".") for each in categories for name in wanted.categories),
            not wanted.words
            or (bool(words) and set(words[:-1]) <= set(title) and any(is_end(each, words[-1]) for each in title)),
        )
    )


def is_end(word: str, last: str) -> bool:
    return word == last or (len(last) > 1 and word.startswith(last))


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=25, deadline=None)
@given(papers=collections, wanted=st.lists(selections, min_size=1, max_size=12), ids=st.lists(st.sampled_from(NAMED)))
def test_what_is_selected(name: str, papers: dict[str, Fate], wanted: list[Selection], ids: list[str]) -> None:
    clock = Clock(BEGAN)
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patches:
        patches.setattr(ledger_module, "time", SimpleNamespace(time=clock))
        patches.setattr(selecting, "PAGE_IDS", 3)
        patches.setattr(postgres_selecting, "PAGE_IDS", 3)
        engine = engine_with(clock, name, Path(root) / "data")
        fill(engine, papers, clock)
        metadata = metadata_of(papers)
        with engine.open_ledger() as ledger:
            rows = {row.paper_id: row for row in ledger.papers()}
            assert rows.keys() == set(IDS)
            for each in wanted:
                expected = [paper_id for paper_id, row in rows.items() if is_selected(row, each, metadata)]
                assert sorted(row.paper_id for row in ledger.select(each)) == sorted(expected)
                assert all(row == rows[row.paper_id] for row in ledger.select(each))
                of_ids = [paper_id for paper_id in ids if paper_id in expected]
                assert [row.paper_id for row in ledger.select(each, ids)] == of_ids
                assert ledger.count_selected(each) == len(expected)
                assert ledger.count_selected(each, ids) == len(of_ids)


def engine_with(clock: Clock, name: str, root: Path) -> StoreEngine:
    """An engine of which everything happens at the time that the clock shows."""
    if name == "memory":
        return MemoryEngine(clock)
    return emptied_engine(root, clock) if name == "postgresql" else ENGINES[name](root)


async def with_every_state(engine: StoreEngine) -> None:
    """A third of the papers failed, a third prepped with a flag, a third waiting after a failure."""
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS[:12])
    for shard in range(LAYOUT.shards):
        async with engine.open_store(shard, 300.0) as store:
            for claim in await store.claim(PREP, 100):
                number = IDS.index(claim.paper_id)
                await store.finish(
                    claim,
                    (
                        failed(PREP, Failure.NETWORK, "x"),
                        completed(PREP, {"flags": ["garbled"]}),
                        postponed(PREP, Failure.NETWORK, "x", 0.0, charged=True, suspect=False),
                    )[number % 3],
                )
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata(PaperMetadata(each, "Tides", "A", "x", "cs.LG", None, 1) for each in IDS[:12])


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(selecting, "PAGE_IDS", 2)
    monkeypatch.setattr(postgres_selecting, "PAGE_IDS", 2)
    yield


SETS = {
    "all": (Selection(), 12),
    "failed": (Selection(statuses=(Status.FAILED,)), 4),
    "failed, then pending": (Selection(statuses=(Status.FAILED, Status.PENDING)), 8),
    "prepped, then pending": (Selection(statuses=(Status.PREPPED, Status.PENDING)), 8),
    "reason": (Selection(reasons=("network",)), 8),
    "failed phase": (Selection(failed_phases=(PREP,)), 4),
    "flag": (Selection(flags=("garbled",)), 4),
    "since": (Selection(since=1.0), 12),
    "category": (Selection(categories=("cs",)), 12),
    "words": (Selection(words="tides"), 12),
}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(("wanted", "papers"), SETS.values(), ids=SETS.keys())
async def test_a_caller_may_change_what_it_was_given(engine: StoreEngine, wanted: Selection, papers: int) -> None:
    """Whatever becomes of a paper, none comes twice and none is passed over."""
    await with_every_state(engine)
    found = []
    with engine.open_ledger() as ledger:
        for row in ledger.select(wanted):
            found.append(row.paper_id)
            assert list(ledger.retry(ids=[row.paper_id])) == [row.paper_id] * (row.status is Status.FAILED)
            if row.status is not Status.FAILED:
                assert ledger.requeue(row, PREP, "x")
        assert ledger.counts().by_status["pending"] >= papers
    assert len(found) == len(set(found)) == papers


@pytest.mark.usefixtures("small_pages")
async def test_a_retry_goes_through_all_pages(engine: StoreEngine) -> None:
    await with_every_state(engine)
    with engine.open_ledger() as ledger:
        expected = {row.paper_id for row in ledger.select(Selection(statuses=(Status.FAILED,)))}
        assert list(ledger.retry(Selection(statuses=(Status.PENDING, Status.PREPPED)))) == []
        assert sorted(ledger.retry(Selection(reasons=("network",)))) == sorted(expected)
        assert {row.status for row in ledger.select(ids=expected)} == {Status.PENDING}
        assert all([line.event for line in ledger.history(each)][-1] == "retried" for each in expected)


@pytest.mark.usefixtures("small_pages")
def test_ids_are_read_as_they_are_needed(engine: StoreEngine) -> None:
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS)

        def endless() -> Iterator[str]:
            while True:
                yield from IDS

        def no_end(ledger: Ledger) -> list[str]:
            return [row.paper_id for row in islice(ledger.select(ids=endless()), 40)]

        if not isinstance(engine, MemoryEngine):
            assert no_end(ledger) == (IDS * 3)[:40]


def test_conditions_on_metadata_need_a_catalogue(engine: StoreEngine) -> None:
    with engine.open_ledger(LAYOUT) as ledger:
        ledger.add(IDS)
        for wanted in (Selection(categories=("cs.LG",)), Selection(words="deep")):
            for ids in (None, IDS):
                with pytest.raises(StoreError, match=r"^no metadata of papers is known: .*`add --metadata"):
                    list(ledger.select(wanted, ids))
                with pytest.raises(StoreError, match="no metadata"):
                    ledger.count_selected(wanted, ids)
        with engine.open_catalogue(create=True) as catalogue:
            assert catalogue is not None
            catalogue.add_metadata([PaperMetadata("2401.00001", "Deep", "A", "x", "cond-mat.stat-mech", None, 1)])
        for unknown in ("stat", "mech", "cond", "cs.LG", 'x" OR "cond-mat', "", "cond-mat.", "*"):
            with pytest.raises(UnknownCategoryError, match="no paper of the metadata snapshot"):
                list(ledger.select(Selection(categories=("cond-mat", unknown))))


def test_categories_that_change(engine: StoreEngine) -> None:
    def found(name: str) -> list[str]:
        with engine.open_catalogue() as catalogue:
            assert catalogue is not None
            return [each.paper_id for each in catalogue.find_papers("", (name,), 0, 100)]

    engine.create(LAYOUT)
    with engine.open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata([PaperMetadata(each, "Tides", "A", "x", "cs.LG", None, 1) for each in IDS[:3]])
        catalogue.add_metadata([PaperMetadata(IDS[0], "Tides", "A", "x", "math.ST cs.CV", None, 1)])
        assert not catalogue.has_category("stat")
        assert catalogue.has_category("math")
        assert [each.paper_id for each in catalogue.find_papers("tid", ("cs.CV",), 0, 100)] == IDS[:1]
        assert [each.paper_id for each in catalogue.find_papers("tid", (), 0, 2)] == IDS[:2]
        assert catalogue.find_papers("…", ("cs.CV",), 0, 100) == []
        assert catalogue.matching([IDS[0] + "v4", IDS[1], "2401.00099"], "", ("math.ST",)) == {IDS[0] + "v4"}
    assert found("cs.LG") == IDS[1:3]
    assert found("cs") == IDS[:3]
    assert found("math.ST") == found("cs.CV") == IDS[:1]
    assert found("cs.cv") == [], "capital letters count"
