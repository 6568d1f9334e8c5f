"""Signals of the corpus: neighbours, citations, bounds on what is read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.phases.signals.counting import count_again, must_count_again
from rpa_shard.phases.signals.index import (
    PAPERS,
    IndexedPaper,
    add_papers,
    fact,
    forget_papers,
    known,
    open_index,
    shorten_log,
)
from rpa_shard.phases.signals.queries import names, query
from rpa_shard.phases.signals.reader import CITES, NEIGHBOURS, SignalsReader
from rpa_shard.phases.signals.signals import Neighbour, Signals
from rpa_shard.phases.signals.stop_words import EMPTY_WORDS
from rpa_shard.phases.signals.terms import MAX_RANKED, MAX_TERMS, choose_terms, words_of

ABSTRACT = "We study how perovskites degrade under illumination."


def paper(number: int, title: str, abstract: str = "", cited: tuple[str, ...] = ()) -> IndexedPaper:
    paper_id = f"2401.{number:05}"
    return IndexedPaper(
        paper_id=paper_id, row_id=paper_id, record_sha256="0" * 64, title=title, abstract=abstract,
        categories="cs.LG", cited=cited,
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signals.sqlite3"


@pytest.fixture
def index(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_index(path, create=True)) as connection:
        yield connection


@pytest.fixture
def reader(path: Path, index: sqlite3.Connection) -> Iterator[SignalsReader]:
    with closing(SignalsReader(path, seconds=60.0)) as found:
        yield found


def test_neighbours_share_rare_words(index: sqlite3.Connection, reader: SignalsReader) -> None:
    about = paper(1, "Perovskites", ABSTRACT)
    add_papers(
        index,
        [about, paper(2, "Illumination of Perovskites"), paper(3, "Perovskites in space"), paper(4, "Whales study")],
    )
    found = reader.read("2401.00001v3", about.title, about.abstract)
    assert [each.paper_id for each in found.neighbours] == ["2401.00002", "2401.00003"]
    assert (found.corpus_papers, found.complete) == (4, True)


def test_a_paper_that_is_not_indexed_has_neighbours_too(index: sqlite3.Connection, reader: SignalsReader) -> None:
    add_papers(index, [paper(2, "Illumination of Perovskites")])
    found = reader.read("2401.00001", "Perovskites", ABSTRACT)
    assert found.neighbours == (Neighbour("2401.00002", "Illumination of Perovskites"),)


def test_no_more_neighbours_than_are_of_use(index: sqlite3.Connection, reader: SignalsReader) -> None:
    add_papers(index, [paper(number, f"Perovskites {number}") for number in range(1, 40)])
    add_papers(index, [paper(50 + number, "Perovskites again") for number in range(5)])
    found = reader.read("2401.00001", "Perovskites 1", "")
    assert len(found.neighbours) == NEIGHBOURS
    assert len({each.title for each in found.neighbours}) == NEIGHBOURS


def test_citations_both_ways(index: sqlite3.Connection, reader: SignalsReader) -> None:
    cited = tuple(f"2401.{number:05}" for number in range(2, 20))
    add_papers(index, [paper(1, "A", cited=("2401.00001", "0801.0001", *cited))])
    add_papers(index, [paper(number, f"Cited {number}", cited=("2401.00001",)) for number in range(2, 20)])
    found = reader.read("2401.00001", "A", "")
    assert found.cited_by == 18
    assert [each.title for each in found.cites] == [f"Cited {number}" for number in range(2, 2 + CITES)]
    assert reader.read("0801.0001", "unknown", "").cited_by == 1


def test_a_paper_is_indexed_again_and_forgotten(index: sqlite3.Connection, reader: SignalsReader) -> None:
    add_papers(index, [paper(1, "Perovskites", cited=("2401.00002",)), paper(2, "Whales")])
    add_papers(index, [replace(paper(1, "Sharks"), record_sha256="1" * 64)])
    assert reader.read("2401.00009", "Perovskites", "").neighbours == ()
    assert [each.title for each in reader.read("2401.00009", "Sharks", "").neighbours] == ["Sharks"]
    assert reader.read("2401.00002", "Whales", "").cited_by == 0
    numbers = [each.number for each in known(index, ["2401.00001", "2401.00002"]).values()]
    forget_papers(index, numbers)
    assert reader.read("2401.00009", "Sharks", "Whales") == Signals()
    # The full-text index and the papers agree.
    index.execute("INSERT INTO texts (texts, rank) VALUES ('integrity-check', 1)")
    assert fact(index, PAPERS) == 0


def test_when_time_is_over_what_was_found_is_given(path: Path, index: sqlite3.Connection) -> None:
    add_papers(index, [paper(number, f"Perovskites {number}", cited=("2401.00001",)) for number in range(1, 400)])
    with closing(SignalsReader(path, seconds=0.0)) as reader:
        found = reader.read("2401.00001", "Perovskites", ABSTRACT)
        assert (found.complete, found.neighbours, found.corpus_papers) == (False, (), 399)
        assert found == reader.read("2401.00001", "Perovskites", ABSTRACT)


def test_an_index_that_is_not_there_or_damaged_is_no_error(path: Path) -> None:
    with closing(SignalsReader(path)) as reader:
        assert reader.read("2401.00001", "Perovskites", ABSTRACT) == Signals()
        assert reader.tags() == ()
        path.write_bytes(b"no database " * 1000)
        assert reader.read("2401.00001", "Perovskites", ABSTRACT) == Signals(complete=False)


def test_a_new_file_is_read_in_place_of_the_one_before(path: Path, reader: SignalsReader) -> None:
    assert reader.read("2401.00001", "Whales", "").corpus_papers == 0
    path.rename(path.with_name("old"))
    with closing(open_index(path, create=True)) as index:
        add_papers(index, [paper(1, "Whales")])
    assert reader.read("2401.00001", "Whales", "").corpus_papers == 1


def test_a_long_log_is_emptied(path: Path, index: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    add_papers(index, [paper(1, "Whales")])
    log = path.with_name(path.name + "-wal")
    shorten_log(index, path)
    assert log.stat().st_size
    monkeypatch.setattr("rpa_shard.phases.signals.index.MAX_LOG_BYTES", 0)
    shorten_log(index, path)
    assert not log.stat().st_size


def test_common_words_and_tags_are_counted_as_the_index_grows(
    index: sqlite3.Connection, reader: SignalsReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rpa_shard.phases.signals.counting.COMMON_PAPERS", 5)
    monkeypatch.setattr("rpa_shard.phases.signals.counting.ABSTRACT_EVERY", 1)
    monkeypatch.setattr("rpa_shard.phases.signals.counting.LEAST_TAGS", 3)
    add_papers(index, [paper(number, f"Quantum Whales {'Sharks' * (number % 2)}") for number in range(1, 11)])
    assert must_count_again(index)
    count_again(index, lambda: None)
    assert not must_count_again(index)
    assert reader.tags() == ("machine learning", "quantum whales", "quantum whales sharks")
    assert reader.read("2401.99999", "Quantum Whales", "").neighbours == ()
    assert len(reader.read("2401.99999", "Quantum Sharks", "").neighbours) == 1
    add_papers(index, [paper(11, "Krill")])
    assert not must_count_again(index)
    add_papers(index, [paper(number, "Krill") for number in range(12, 20)])
    assert must_count_again(index)


def test_a_small_corpus_gives_no_list_of_tags(index: sqlite3.Connection, reader: SignalsReader) -> None:
    add_papers(index, [paper(number, "Quantum Whales") for number in range(1, 11)])
    count_again(index, lambda: None)
    assert reader.tags() == ()


# Steps of plans that read from end to end. Of full-text tables it is said how they are read: by a match (M), or by a
# word (1), and not completely (0).
SCANS = re.compile(r"SCAN (?!json_each|nearest|texts VIRTUAL TABLE INDEX \d+:r?M|words VIRTUAL TABLE INDEX 1:)")
# Read completely, but not for a paper; or one row at an end of the table.
WHOLE_TABLES = {"forget_common_words", "forget_tags", "tags"}


@pytest.mark.parametrize("name", [each for each in names() if each != "schema" and each not in WHOLE_TABLES])
def test_no_query_reads_the_corpus(index: sqlite3.Connection, name: str) -> None:
    sql = query(name)
    parameters = dict.fromkeys(re.findall(r":(\w+)", sql))
    plan = [step["detail"] for step in index.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert [step for step in plan if SCANS.search(step)] == []
    assert name == "add_tags" or not [step for step in plan if "TEMP B-TREE" in step]


# The choice of words.


def test_words_tell_papers_apart() -> None:
    found = words_of("Étude of a Novel Approach", "see https://x.org/abc 2024 GPT-4o, gpt; the étude")
    assert found == ("etude", "gpt")


def test_the_rarest_words_come_first() -> None:
    counts = {"common": 500, "rare": 2, "own": 1, "rarer": 2, "missing": 0}
    assert choose_terms(counts, at_least=2) == ("rare", "rarer", "common")
    assert choose_terms(counts, at_least=1)[0] == "own"


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 2 * MAX_RANKED), max_size=40))
def test_what_is_ranked_is_bounded(counts: dict[str, int]) -> None:
    chosen = choose_terms(counts, at_least=1)
    assert len(chosen) <= MAX_TERMS
    assert len(chosen) <= 1 or sum(counts[word] for word in chosen) <= MAX_RANKED
    left = [counts[word] for word in counts if word not in chosen and counts[word] >= 1]
    assert not chosen or not left or max(counts[word] for word in chosen) <= min(left)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_can_be_searched_for(title: str, abstract: str) -> None:
    words = words_of(title, abstract)
    assert len(set(words)) == len(words)
    assert not set(words) & EMPTY_WORDS
    assert all('"' not in word for word in words)
