"""What the SQLite engine guarantees besides the protocols: checks in the table, and concurrent readers."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from rpa_shard.store.sqlite import shard_file, store
from rpa_shard.store.sqlite.engine import SQLiteEngine


@pytest.fixture
def engine(tmp_path: Path) -> SQLiteEngine:
    made = SQLiteEngine(tmp_path / "data")
    with made.open_ledger(Layout(200, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    return made


@pytest.mark.parametrize(
    "change",
    [
        "status = 'prepping'",
        "lease_id = 'x', lease_expires_at = 1",
        "status = 'prepping', lease_id = 'x'",
        "status = 'failed', failed_phase = 'prep'",
        "status = 'failed', failure = 'bug'",
        "failed_phase = 'prep'",
        "status = 'lost'",
        "attempts = -1",
        "worker = -1",
        "suspect = 2",
        "worker = 'x'",
    ],
)
def test_a_row_that_contradicts_itself_cannot_be_written(engine: SQLiteEngine, change: str) -> None:
    with closing(sqlite3.connect(engine.files.shard_file(0))) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"UPDATE papers SET {change}")


async def test_what_is_written_is_seen_by_other_processes_for_good(engine: SQLiteEngine) -> None:
    """Regression: SQLite's locks were lost, so a reader's close took away the log that the store still wrote to."""
    read = (
        "import sys; from pathlib import Path; from rpa_shard.store.data_folder import DataFolder;"
        "from rpa_shard.store.factory import open_ledger\n"
        "with open_ledger(DataFolder(Path(sys.argv[1]))) as ledger: print(ledger.counts().by_status.get('failed', 0))"
    )
    async with engine.open_store(0, 60) as opened:
        for failed_so_far in (1, 2):
            (claim,) = await opened.claim(PREP, 1)
            assert await opened.finish(claim, failed(PREP, Failure.NOT_FOUND, "gone"))
            for _ in range(2):
                reader = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", read, str(engine.root), stdout=asyncio.subprocess.PIPE
                )
                output, _ = await reader.communicate()
                assert int(output) == failed_so_far


async def test_an_end_that_cannot_be_written_before_the_close_is_reported(
    engine: SQLiteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_file, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(engine.files.shard_file(0), isolation_level=None)) as other:
        async with engine.open_store(0, 60) as opened:
            (claim,) = await opened.claim(PREP, 1)
            other.execute("BEGIN IMMEDIATE")
            end = asyncio.ensure_future(opened.finish(claim, completed(PREP, {})))
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            with pytest.raises(StoreError, match="before it was closed"):
                await end
    with engine.open_ledger() as ledger:
        row = ledger.paper(claim.paper_id)
    assert row is not None
    assert row.lease_id == claim.lease_id, "whoever comes next takes it back"


@pytest.mark.parametrize("results", ['{"prep": 3}', '{"prep": {', "[]"])
def test_results_that_are_damaged_are_reported(engine: SQLiteEngine, results: str) -> None:
    with closing(sqlite3.connect(engine.files.shard_file(0))) as connection, connection:
        connection.execute("UPDATE papers SET results = ?", (results,))
    with engine.open_ledger() as ledger, pytest.raises(StoreError, match=r"shard-000.* is damaged \(the row of 2401"):
        list(ledger.results(PREP))
