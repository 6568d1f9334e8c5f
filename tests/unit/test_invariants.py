"""What must hold, held against histories and folders that break it: a check that finds nothing proves nothing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.chaos.harness import Plan, Report, lines
from rpa_shard.chaos.invariants import (
    MEANING,
    Violation,
    account_of,
    accounts,
    artifacts,
    budget,
    changed_results,
    known_results,
    leases,
    leftovers,
    lost_papers,
    repeated,
)
from rpa_shard.chaos.schedule import RESIZE_POINTS, SHARD_POINTS, Schedule
from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.model.phase import PREP, Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.store import SQLiteStore
from rpa_shard.system.failpoints import parse
from rpa_shard.testing.arrivals import Arrival, read_arrivals

ID = "2401.00001"
PREPPED = PaperRow(
    ID, 0, 0, Status.PREPPED, 0, 0.0, None, None, False, None, None, {"prep": {"attempts": 1}}, 0.0, 0.0
)  # fmt: skip


def history(*events: str) -> list[HistoryLine]:
    """Lines from words such as `postponed/network`."""
    parts = (event.partition("/") for event in events)
    return [HistoryLine(float(at), event, 1, failure or None, None) for at, (event, _, failure) in enumerate(parts)]


def prepped(attempts: int) -> PaperRow:
    return replace(PREPPED, results={"prep": {"attempts": attempts}})


def in_state(status: Status, attempts: int) -> PaperRow:
    return replace(PREPPED, status=status, attempts=attempts, results={})


@pytest.mark.parametrize(
    ("row", "events"),
    [
        (prepped(1), ["prepped"]),
        (prepped(1), ["reclaimed", "released", "postponed/rate_limited", "postponed/disk_full", "prepped"]),
        (prepped(3), ["postponed/network", "suspected", "prepped"]),
        (prepped(1), ["postponed/network", "failed/network", "retried", "prepped"]),
        (prepped(2), ["prepped", "requeued", "postponed/timeout", "prepped"]),
        (in_state(Status.FAILED, 2), ["suspected", "failed/poison"]),
        (in_state(Status.PENDING, 0), []),
        (in_state(Status.PENDING, 1), ["postponed/network", "reclaimed"]),
        (in_state(Status.PREPPING, 2), ["postponed/network"]),
    ],
)
def test_accounts_that_are_right(row: PaperRow, events: list[str]) -> None:
    assert list(account_of(row, history(*events))) == []


@pytest.mark.parametrize(
    ("row", "events", "broken"),
    [
        (prepped(1), ["prepped", "prepped"], "I4"),
        (prepped(1), ["prepped", "reclaimed"], "I4"),
        (in_state(Status.FAILED, 1), ["failed/network", "postponed/network"], "I4"),
        (prepped(2), ["prepped"], "I5"),
        (prepped(1), ["postponed/network", "prepped"], "I5"),
        (prepped(2), ["postponed/rate_limited", "prepped"], "I5"),
        (in_state(Status.PENDING, 1), ["reclaimed"], "I5"),
        (in_state(Status.PREPPING, 0), [], "I5"),
    ],
)
def test_accounts_that_are_wrong(row: PaperRow, events: list[str], broken: str) -> None:
    assert broken in {violation.invariant for violation in account_of(row, history(*events))}


async def test_a_folder_that_lost_and_left_things(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(200, 1)) as ledger:
        ledger.add([ID, "2401.00002"])
        assert lost_papers(ledger, [ID, "2401.00002"]) == []
        assert lost_papers(ledger, [ID, "2401.00009"]) == [Violation("I1", "2401.00009 has vanished")]
        assert leases(ledger) == []
        assert leftovers(folder) == []
        async with SQLiteStore.open(SQLiteFiles(folder.root).shard_file(0), 60) as store:
            (claim,) = await store.claim(PREP, 1)
            assert [each.invariant for each in leases(ledger)] == ["I2"]
            result: dict[str, Any] = {"text_bytes": 1, "record_bytes": 1, "text_sha256": "x", "record_sha256": "y"}
            await store.finish(claim, completed(PREP, {**result, "pdf_kept": False, "attempts": 1}))
        assert [each.invariant for each in artifacts(ledger)] == ["I3", "I3"], "text and record are missing"
        assert accounts(ledger) == []
        assert known_results(ledger) == {claim.paper_id: "y"}
    (folder.root / "tmp" / "shard-000").mkdir(parents=True)
    (folder.root / "tmp" / "shard-000" / "1-1.pdf").touch()
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={"RPA_V2_DATA_DIR": str(folder.root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert {each.what for each in leftovers(folder)} == {
        f"process {child.pid} still runs",
        "tmp/shard-000/1-1.pdf was left",
    }
    child.communicate()


def test_a_result_that_changed() -> None:
    assert changed_results({ID: "x"}, {ID: "x", "2401.00002": "z"}) == []
    assert changed_results({ID: "x"}, {ID: "y"}) == [Violation("I3", f"{ID}: its result has changed")]
    assert changed_results({ID: "x"}, {}) == [Violation("I3", f"{ID}: its result has changed")]


POLICY = HostPolicy("h", 2, 1.0, 4)


def arrivals(*times: float, late: float = 0.0) -> list[Arrival]:
    return [Arrival(at, ID, late) for at in times]


def test_budgets() -> None:
    assert budget(arrivals(0, 0, 1, 1, 2, 2.5), POLICY) == []
    assert [each.invariant for each in budget(arrivals(0, 0.5, 0.9), POLICY)] == ["I7"]
    assert budget(arrivals(0, 0.5, 0.9, late=0.1), POLICY) == [], "the first may have waited for the mirror"


@given(st.lists(st.floats(0, 100), max_size=30).map(sorted), st.integers(1, 5), st.floats(0.1, 20))
def test_a_budget_is_broken_just_where_a_window_holds_too_many(
    times: list[float], requests: int, window: float
) -> None:
    found = budget(arrivals(*times), HostPolicy("h", requests, window, 1))
    too_many = any(sum(begin <= at < begin + window for at in times) > requests for begin in times)
    assert bool(found) == too_many


def test_what_was_fetched_again() -> None:
    asked = arrivals(1.0, 3.0)
    assert repeated(asked, {ID: 2.0}) == [ID]
    assert repeated(asked, {ID: 4.0}) == []
    assert repeated(asked, {}) == []


def test_arrivals_are_written_and_read(tmp_path: Path) -> None:
    arrival = Arrival(1.5, ID, 0.25, "reset", "bytes=5-")
    (tmp_path / "log").write_text(arrival.as_line() * 2)
    assert read_arrivals(tmp_path / "log") == [arrival, arrival]
    assert read_arrivals(tmp_path / "none") == []


def test_a_seed_draws_the_same_again() -> None:
    def drawn(seed: int) -> list[object]:
        schedule = Schedule(seed)
        return [(schedule.blow(), schedule.share(), schedule.start(armed=True)) for _ in range(50)]

    assert drawn(7) == drawn(7) != drawn(8)


def test_every_point_is_drawn_and_can_be_read() -> None:
    schedule = Schedule(1)
    armed = [next(iter(parse(schedule.start(armed=True).failpoints))) for _ in range(500)]
    assert set(armed) == {*SHARD_POINTS, *RESIZE_POINTS, "write_artifact"}
    assert schedule.start(armed=False).failpoints == ""


def test_the_table_says_what_is_broken() -> None:
    report = Report(
        Plan(seed=7, papers=10), violations=[Violation("I1", "x has vanished"), Violation("I7", "too fast")]
    )
    shown = "\n".join(lines(report))
    assert shown.endswith("seed               7")
    assert "I1  BROKEN 1 times" in shown
    assert "I7  BROKEN 1 times" in shown
    assert shown.count("  holds ") == len(MEANING) - 2
    assert "lost               1" in shown
