"""No query reads a complete table: the cost of a claim, an end or a look-up does not grow with the rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rpa_shard.store.sqlite.queries import catalogue_query, names, query
from rpa_shard.store.sqlite.shard_file import CATALOGUE_FILE, open_file, open_shard_file

_TABLE_SCAN = re.compile(r"SCAN (?:main\.|destination\.)?(?:papers|history|archives|members|metadata)\b")
# Queries that must read a complete index, and which: leases are few, and counting all papers means reading them all.
WHOLE_INDEXES = {
    "count_by_status": ["SCAN papers USING COVERING INDEX papers_to_claim"],
    "held": ["SCAN papers USING INDEX papers_leased"],
    "leases": ["SCAN papers USING INDEX papers_leased"],
    "totals": [
        "SCAN papers USING COVERING INDEX papers_to_claim",
        "SCAN papers USING INDEX papers_leased",
        "SCAN history USING COVERING INDEX history_of_paper",
    ],
    "has_members": ["SCAN members"],  # of which it reads one row
}


@pytest.fixture
def shard_file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    other, catalogue = tmp_path / "other.sqlite3", tmp_path / "catalogue.sqlite3"
    open_shard_file(other, create=True).close()
    open_file(catalogue, CATALOGUE_FILE, create=True).close()
    with closing(open_shard_file(tmp_path / "shard.sqlite3", create=True)) as connection:
        connection.execute("ATTACH ? AS destination", (str(other),))
        connection.execute("ATTACH ? AS catalogue", (str(catalogue),))
        yield connection


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_file(tmp_path / "catalogue.sqlite3", CATALOGUE_FILE, create=True)) as connection:
        yield connection


def scans(connection: sqlite3.Connection, sql: str) -> list[str]:
    """The steps of a query's plan that read a table or an index from end to end."""
    parameters = dict.fromkeys(re.findall(r":(\w+)", sql)) or (None,) * sql.count("?")
    steps = [step["detail"] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    return [step for step in steps if _TABLE_SCAN.search(step)]


@pytest.mark.parametrize("name", names("queries.sql"))
def test_queries_of_a_shard_file(shard_file: sqlite3.Connection, name: str) -> None:
    assert scans(shard_file, query(name)) == WHOLE_INDEXES.get(name, [])


@pytest.mark.parametrize(
    "name", [each for each in names("catalogue.sql") if each.partition("_")[0] not in ("schema", "upgrade")]
)
def test_queries_of_the_catalogue(catalogue: sqlite3.Connection, name: str) -> None:
    assert scans(catalogue, catalogue_query(name)) == WHOLE_INDEXES.get(name, [])


def test_a_scan_would_be_seen(shard_file: sqlite3.Connection) -> None:
    assert scans(shard_file, "SELECT * FROM papers WHERE detail = :detail") == ["SCAN papers"]
