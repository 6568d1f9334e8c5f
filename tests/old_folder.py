"""A data folder of format 1, written by the last version that used it, and what an upgrade must make of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.sqlite.files import MANIFEST_FORMAT, SQLiteFiles
from rpa_shard.store.sqlite.shard_file import SHARD_FORMAT

FORMAT_1 = Path(__file__).parent / "folders" / "format-1"
LAYOUT = Layout(200, 2)
NEW_COLUMNS = ("worker", "failed_phase", "outdated_before")


def shard_files(folder: DataFolder) -> list[Path]:
    return [SQLiteFiles(folder.root).shard_file(shard) for shard in range(2)]


def copies(folder: DataFolder) -> Path:
    return SQLiteFiles(folder.root).before_upgrade(1)


def select(path: Path, query: str) -> list[dict[str, Any]]:
    """Rows of a file; what is kept in the repository is opened so that nothing is made beside it."""
    immutable = "?immutable=1" if FORMAT_1 in path.parents else ""
    with closing(sqlite3.connect(f"{path.as_uri()}{immutable}", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def version_of(path: Path) -> int:
    (row,) = select(path, "PRAGMA user_version")
    return int(row["user_version"])


def old_rows(shards: Path = FORMAT_1 / "shards") -> dict[str, dict[str, Any]]:
    """All rows of files of format 1 by id."""
    return {row["id"]: row for path in sorted(shards.glob("*.sqlite3")) for row in select(path, "SELECT * FROM papers")}


def new_rows(folder: DataFolder) -> dict[str, dict[str, Any]]:
    """All rows by id, in our format; opens the folder as a command does."""
    with open_ledger(folder):
        pass
    return {row["id"]: row for path in shard_files(folder) for row in select(path, "SELECT * FROM papers")}


def old_history() -> list[dict[str, Any]]:
    query = "SELECT paper_id, at, event, attempt, failure, detail FROM history ORDER BY number"
    return [line for path in sorted((FORMAT_1 / "shards").glob("*.sqlite3")) for line in select(path, query)]


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` except locks and the files that SQLite creates for reading."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith((".lock", "-shm", "-wal"))
    }


def assert_upgraded(folder: DataFolder) -> None:
    """Every paper, status, attempt and result is as it was, and the new columns are as they must be."""
    before, after = old_rows(), new_rows(folder)
    assert {each: without_new_columns(row) for each, row in after.items()} == before
    for paper_id, row in after.items():
        assert row["worker"] == LAYOUT.worker_of(paper_id)
        assert row["failed_phase"] == ("prep" if row["status"] == "failed" else None)
    assert SQLiteFiles(folder.root).stored_format() == MANIFEST_FORMAT
    assert [version_of(path) for path in shard_files(folder)] == [SHARD_FORMAT] * 2


def without_new_columns(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in NEW_COLUMNS}


def assert_history_kept(folder: DataFolder) -> None:
    """Every line of history is as it was, and names its phase."""
    with open_ledger(folder) as ledger:
        after = {paper_id: ledger.history(paper_id) for paper_id in old_rows()}
    before: dict[str, list[tuple[Any, ...]]] = {paper_id: [] for paper_id in after}
    for line in old_history():
        before[line.pop("paper_id")].append(tuple(line.values()))
    for paper_id, lines in after.items():
        found = [(line.at, line.event, line.attempt, line.failure, line.detail) for line in lines]
        assert found == before[paper_id]
        assert all(line.phase == (None if line.event == "repaired" else "prep") for line in lines)
