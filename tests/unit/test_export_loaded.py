"""Exports as other programs load them: pandas, DuckDB, pyarrow, networkx, pybtex."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import networkx
import pandas
import pyarrow.dataset
import pybtex.database
import pytest

from rpa_shard.observe.export import export, order
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from tests.corpus import (
    BROKEN,
    EDGES,
    EDGES_FROM_ELSEWHERE,
    ELSEWHERE,
    LOCAL,
    PLAIN,
    REFERENCES,
    VERSIONED,
    make_corpus,
)

# Ids are text, although many look like numbers (docs/record.md).
TEXT_COLUMNS = dict.fromkeys(("id", "arxiv_id", "citing_id", "paper_id"), "str")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export of each kind."""
    root: Path = tmp_path_factory.mktemp("exports")
    folder = DataFolder(root / "data")
    make_corpus(folder)
    with open_ledger(folder) as ledger:

        def write(name: str, **options: Any) -> None:
            export(folder, ledger.papers(), order(root / name, **options))

        for ending in ("parquet", "csv", "jsonl"):
            write(f"records.{ending}")
            write(f"references.{ending}", what="references")
            write(f"works.{ending}", what="bibliography")
            write(f"many.{ending}", what="references", shard_size=4)
            write(f"some.{ending}", shard_size=2)
        for what in ("references", "bibliography", "papers"):
            write(f"{what}.bib", what=what)
            write(f"{what}.json", what=what, format="csl-json")
        write("packed.csv.gz", what="references")
        write("packed.jsonl.gz", what="references")
    return root


def frame(exports: Path, name: str, ending: str) -> Any:
    path = exports / f"{name}.{ending}"
    if ending == "parquet":
        return pandas.read_parquet(path)
    if ending == "csv":
        return pandas.read_csv(path, dtype=TEXT_COLUMNS)
    return pandas.read_json(path, lines=True, dtype=TEXT_COLUMNS)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_references_join_records_in_pandas(exports: Path, ending: str) -> None:
    references, records = frame(exports, "references", ending), frame(exports, "records", ending)
    known = records[records.arxiv_id.notna()]
    edges = references.merge(known, on="arxiv_id", suffixes=("", "_cited"))
    assert set(zip(edges.citing_id, edges.arxiv_id, strict=True)) == EDGES | EDGES_FROM_ELSEWHERE
    own = references.merge(records, left_on="paper_id", right_on="id", suffixes=("", "_of_paper"))
    assert len(own) == len(references) == sum(map(len, REFERENCES.values()))
    assert dict(zip(own.paper_id, own.citing_id, strict=True)) == {
        VERSIONED: "2401.00001",
        PLAIN: PLAIN,
        LOCAL: "2401.00002",
        ELSEWHERE: ELSEWHERE,
    }


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_references_join_records_in_duckdb(exports: Path, ending: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = 1; SET temp_directory = '{exports}'")

        def table(name: str, texts: str) -> str:
            path = exports / f"{name}.{ending}"
            if ending == "csv":
                return f"read_csv('{path}', types = {{{texts}}})"
            return f"'{path}'"

        cited = table("records", "'id': 'VARCHAR', 'arxiv_id': 'VARCHAR'")
        citing = table("references", "'arxiv_id': 'VARCHAR', 'citing_id': 'VARCHAR', 'paper_id': 'VARCHAR'")
        found = connection.execute(
            f"SELECT DISTINCT citing_id, arxiv_id FROM {citing} AS citing JOIN {cited} AS cited USING (arxiv_id)"
        ).fetchall()
    assert set(found) == EDGES | EDGES_FROM_ELSEWHERE


@pytest.mark.parametrize(("name", "rows"), [("many", 11), ("some", 5)])
@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_set_is_one_table_in_duckdb(exports: Path, name: str, rows: int, ending: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = 1; SET temp_directory = '{exports}'")
        (found,) = connection.execute(f"SELECT count(*) FROM '{exports}/{name}-*.{ending}'").fetchall()
    assert found == (rows,)


def test_a_set_of_parquet_has_one_schema(exports: Path) -> None:
    for name, whole in (("many", "references"), ("some", "records")):
        paths = sorted(exports.glob(f"{name}-*.parquet"))
        data = pyarrow.dataset.dataset(paths)
        one = pyarrow.dataset.dataset(exports / f"{whole}.parquet")
        assert data.schema == one.schema
        assert data.to_table() == one.to_table()
        assert len(pandas.concat(map(pandas.read_parquet, paths))) == data.count_rows()


def test_every_format_has_the_same_rows(exports: Path) -> None:
    for name in ("references", "works"):
        rows = [json.loads(line) for line in (exports / f"{name}.jsonl").read_text().splitlines()]
        assert pyarrow.dataset.dataset(exports / f"{name}.parquet").to_table().to_pylist() == rows
        with (exports / f"{name}.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        assert list(table[0]) == list(rows[0])
        for scalar in ("raw", "year", "arxiv_id"):
            texts = ["" if row[scalar] is None else str(row[scalar]) for row in rows]
            assert [each[scalar].removeprefix("'") for each in table] == texts
        assert [each["authors"] for each in table] == ["; ".join(row["authors"]) for row in rows]


def test_moments_are_timestamps(exports: Path) -> None:
    schema = pyarrow.dataset.dataset(exports / "records.parquet").schema
    assert [str(schema.field(name).type) for name in ("fetched_at", "extracted_at", "rpa_shard_version")] == [
        "timestamp[ms, tz=UTC]",
        "timestamp[ms, tz=UTC]",
        "string",
    ]
    records = frame(exports, "records", "parquet")
    assert str(records.fetched_at.dtype) == "datetime64[ms, UTC]"


def test_records_in_a_spreadsheet(exports: Path) -> None:
    records = frame(exports, "records", "csv").set_index("id")
    assert list(records.columns[:2]) == ["arxiv_id", "arxiv_version"]
    assert "text" not in records
    assert (records.references_count[VERSIONED], records.failure_reason[BROKEN]) == (4, "bad_pdf")
    assert records.metadata_categories[VERSIONED] == "cs.LG math.CO"
    formula = frame(exports, "references", "csv").raw[lambda raw: raw.str.contains("SUM")]
    assert list(formula) == ["'=SUM(A1) by a mad author"]


def test_packed_files(exports: Path) -> None:
    assert len(pandas.read_csv(exports / "packed.csv.gz")) == 11
    assert len(pandas.read_json(exports / "packed.jsonl.gz", lines=True)) == 11


def test_a_graph_in_networkx(exports: Path) -> None:
    references = frame(exports, "references", "parquet").dropna(subset="arxiv_id")
    graph = networkx.from_pandas_edgelist(references, "citing_id", "arxiv_id", create_using=networkx.DiGraph)
    papers = {"2401.00001", "2401.00002", PLAIN, ELSEWHERE}
    assert set(graph.subgraph(papers).edges) == EDGES | EDGES_FROM_ELSEWHERE
    assert max(graph.in_degree, key=lambda each: each[1])[0] in {"2401.00001", "2401.00002"}


def test_the_bibliography_counts_each_work_once(exports: Path) -> None:
    works = frame(exports, "works", "parquet").set_index("key")
    assert sorted(works.loc["arXiv:2401.00001"].cited_by) == ["2401.00002", PLAIN]
    ships = works.loc["arXiv:2401.00055"]
    assert (ships.title, list(ships.authors), ships.year, ships.cited_by_count) == ("Ships", ["C. Weir"], 1991, 2)
    assert works.loc["arXiv:2401.00001"].title == r"On $\alpha_1$ & the 100% Erdős--Rényi graph"


@pytest.mark.parametrize(("name", "entries"), [("references", 11), ("bibliography", 7), ("papers", 5)])
def test_bibtex_in_pybtex(exports: Path, name: str, entries: int) -> None:
    read = pybtex.database.parse_file(str(exports / f"{name}.bib"), "bibtex")
    items = json.loads((exports / f"{name}.json").read_text())
    assert len(read.entries) == len(items) == entries
    assert [each["id"] for each in items] == list(read.entries)


def test_a_paper_to_cite(exports: Path) -> None:
    entry = pybtex.database.parse_file(str(exports / "papers.bib"), "bibtex").entries[f"arXiv:{VERSIONED}"]
    assert dict(entry.fields) == {
        "title": r"On $\alpha_1$ \& the 100\% Erdős--Rényi graph",
        "year": "2024",
        "doi": "10.5555/graph_1",
        "eprint": "2401.00001v2",
        "archiveprefix": "arXiv",
        "primaryclass": "cs.LG",
        "url": "https://arxiv.org/abs/2401.00001v2",
    }
    names = [(each.last_names, each.lineage_names) for each in entry.persons["author"]]
    assert names == [
        (["{The ATLAS Collaboration}"], []),
        (["Aäd"], []),
        (["Cruz"], ["Jr."]),
        (["Li"], []),
    ]
