"""The invariants, checked with histories and folders that break them: a check must find what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.chaos.invariants import (
    MEANING,
    Violation,
    account_of,
    accounts,
    artifacts,
    blamed,
    budget,
    changed_results,
    known_results,
    leases,
    leftovers,
    lost_papers,
    repeated,
)
from rpa_shard.chaos.plan import Plan
from rpa_shard.chaos.report import Report, lines
from rpa_shard.chaos.schedule import RESIZE_POINTS, SHARD_POINTS, Schedule
from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Phase, Status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, reclaimed, suspected
from rpa_shard.store.rows import HistoryLine, PaperRow
from rpa_shard.system.failpoints import parse
from rpa_shard.system.files import open_temporary, temporary_of
from rpa_shard.testing.arrivals import Arrival, read_arrivals

ID = "2401.00001"
PREPPED = PaperRow(
    paper_id=ID,
    worker=0,
    shard=0,
    priority=0,
    status=Status.PREPPED,
    attempts=0,
    next_attempt_at=0.0,
    lease_id=None,
    lease_expires_at=None,
    suspect=False,
    failure=None,
    failed_phase=None,
    detail=None,
    results={"prep": {"attempts": 1}},
    added_at=0.0,
    changed_at=0.0,
)


def history(*events: str) -> list[HistoryLine]:
    """Lines from words such as `postponed/network`, of the prep phase, or `analyze: postponed/network`."""
    return [_line(at, event) for at, event in enumerate(events)]


def _line(at: int, text: str) -> HistoryLine:
    phase, colon, rest = text.partition(": ")
    event, _, failure = (rest if colon else text).partition("/")
    return HistoryLine(float(at), event, phase if colon else PREP.name, 1, failure or None, None)


def prepped(attempts: int) -> PaperRow:
    return replace(PREPPED, results={"prep": {"attempts": attempts}})


def in_state(status: Status, attempts: int, **results: int) -> PaperRow:
    """A row in a status; `results` are the attempts of each phase that it has been through."""
    made = {phase: {"attempts": counted} for phase, counted in results.items()}
    return replace(PREPPED, status=status, attempts=attempts, results=made)


def failed_in(phase: Phase, attempts: int, **results: int) -> PaperRow:
    return replace(in_state(Status.FAILED, attempts, **results), failed_phase=phase.name, failure="network")


@pytest.mark.parametrize(
    ("row", "events"),
    [
        (prepped(1), ["prepped"]),
        (prepped(1), ["reclaimed", "released", "postponed/rate_limited", "postponed/disk_full", "prepped"]),
        (prepped(3), ["postponed/network", "suspected", "prepped"]),
        (prepped(1), ["postponed/network", "failed/network", "retried", "prepped"]),
        (prepped(2), ["prepped", "requeued", "postponed/timeout", "prepped"]),
        (failed_in(PREP, 2), ["suspected", "failed/poison"]),
        (in_state(Status.PENDING, 0), []),
        (in_state(Status.PENDING, 1), ["postponed/network", "reclaimed"]),
        (in_state(Status.PREPPING, 2), ["postponed/network"]),
        (prepped(2), ["prepped", "redo", "postponed/network", "prepped"]),
        (in_state(Status.PENDING, 0), ["postponed/network", "failed/network", "redo"]),
    ],
)
def test_accounts_that_are_right(row: PaperRow, events: list[str]) -> None:
    assert list(account_of(row, history(*events))) == []


@pytest.mark.parametrize(
    ("row", "events", "broken"),
    [
        (prepped(1), ["prepped", "prepped"], "I4"),
        (prepped(1), ["prepped", "reclaimed"], "I4"),
        (failed_in(PREP, 2), ["failed/network", "postponed/network"], "I4"),
        (prepped(2), ["prepped"], "I5"),
        (prepped(1), ["postponed/network", "prepped"], "I5"),
        (prepped(2), ["postponed/rate_limited", "prepped"], "I5"),
        (in_state(Status.PENDING, 1), ["reclaimed"], "I5"),
        (in_state(Status.PREPPING, 0), [], "I5"),
    ],
)
def test_accounts_that_are_wrong(row: PaperRow, events: list[str], broken: str) -> None:
    assert broken in {violation.invariant for violation in account_of(row, history(*events))}


@pytest.mark.parametrize(
    ("row", "events"),
    [
        (in_state(Status.ANALYZED, 0, prep=1, analyze=1), ["prepped", "analyze: analyzed"]),
        (
            in_state(Status.ANALYZED, 0, prep=2, analyze=2),
            ["postponed/timeout", "prepped", "analyze: postponed/bug", "analyze: reclaimed", "analyze: analyzed"],
        ),
        (in_state(Status.ANALYZING, 2, prep=1), ["prepped", "analyze: postponed/bug"]),
        (in_state(Status.PREPPED, 1, prep=3), ["suspected", "suspected", "prepped", "analyze: suspected"]),
        (failed_in(ANALYZE, 2, prep=1), ["prepped", "analyze: postponed/bug", "analyze: failed/bug"]),
        # Retried in its second phase: the first one's count continues.
        (in_state(Status.PREPPED, 0, prep=2),
         ["postponed/network", "prepped", "analyze: failed/bug", "analyze: retried"]),
        (in_state(Status.ANALYZED, 0, prep=2, analyze=1),
         ["postponed/network", "prepped", "analyze: failed/bug", "analyze: retried", "analyze: analyzed"]),
        # Sent back to its first phase, from the second or from the end: both counts restart.
        (in_state(Status.PENDING, 0), ["postponed/network", "prepped", "analyze: postponed/bug", "requeued"]),
        (in_state(Status.ANALYZED, 0, prep=1, analyze=1),
         ["postponed/network", "prepped", "analyze: postponed/bug", "analyze: analyzed", "requeued", "prepped",
          "analyze: analyzed"]),
        # Sent back to its second phase: the first one's count continues.
        (in_state(Status.ANALYZED, 0, prep=2, analyze=1),
         ["postponed/network", "prepped", "analyze: postponed/bug", "analyze: analyzed", "analyze: requeued",
          "analyze: analyzed"]),
        (in_state(Status.DONE, 0, prep=1, analyze=1, wrap=2),
         ["prepped", "analyze: analyzed", "wrap: postponed/bug", "wrap: done"]),
    ],
)  # fmt: skip
def test_accounts_over_several_phases_that_are_right(row: PaperRow, events: list[str]) -> None:
    assert list(account_of(row, history(*events))) == []


@pytest.mark.parametrize(
    ("row", "events", "broken"),
    [
        (in_state(Status.ANALYZED, 0, prep=1, analyze=1), ["prepped", "analyze: analyzed", "analyze: analyzed"], "I4"),
        (in_state(Status.PREPPED, 0, prep=1), ["prepped", "analyze: analyzed", "prepped"], "I4"),
        (in_state(Status.PREPPED, 0, prep=1), ["prepped", "analyze: reclaimed", "prepped"], "I4"),
        (failed_in(ANALYZE, 1, prep=1), ["prepped", "analyze: failed/bug", "analyze: reclaimed"], "I4"),
        (in_state(Status.ANALYZED, 0, prep=1, analyze=2), ["prepped", "analyze: analyzed"], "I5"),
        (in_state(Status.ANALYZED, 0, analyze=1), ["prepped", "analyze: analyzed"], "I5"),
        (in_state(Status.PREPPED, 0, prep=1), ["postponed/network", "prepped", "analyze: reclaimed"], "I5"),
        (in_state(Status.PREPPED, 1, prep=1), ["prepped", "analyze: reclaimed"], "I5"),
        (failed_in(ANALYZE, 2, prep=1), ["prepped", "analyze: failed/bug"], "I5"),
        (failed_in(WRAP, 1, prep=1, analyze=3), ["prepped", "analyze: analyzed", "wrap: failed/bug"], "I5"),
        # A retry of the second phase does not restart the count of the first.
        (in_state(Status.PREPPED, 0, prep=1),
         ["postponed/network", "prepped", "analyze: failed/bug", "analyze: retried"], "I5"),
        # And it resets only what came before it.
        (in_state(Status.PREPPED, 1, prep=1), ["prepped", "analyze: failed/bug", "analyze: retried"], "I5"),
        # Sent back to the first phase, but the second still counts what came before.
        (in_state(Status.ANALYZED, 0, prep=1, analyze=2),
         ["prepped", "analyze: postponed/bug", "requeued", "prepped", "analyze: analyzed"], "I5"),
    ],
)  # fmt: skip
def test_accounts_over_several_phases_that_are_wrong(row: PaperRow, events: list[str], broken: str) -> None:
    assert {violation.invariant for violation in account_of(row, history(*events))} == {broken}


def test_a_violation_names_its_paper_and_phase() -> None:
    row = in_state(Status.ANALYZED, 0, prep=1, analyze=2)
    (found,) = account_of(row, history("prepped", "analyze: analyzed"))
    assert found == Violation("I5", f"{ID}: analyzed after 2 attempts at analyze, by its history 1: analyzed")


async def test_who_was_blamed_for_a_death(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(1, 1)) as ledger:
        ledger.add([f"2401.{number:05}" for number in range(1, 8)])
        async with engine_of(folder).open_store(0, 60) as store:
            ends = {
                claim.paper_id: outcome
                for claim, outcome in zip(
                    await store.claim(PREP, 7),
                    [
                        suspected(PREP, "its process died while parsing it", charged=True),
                        suspected(PREP, "its process died while parsing it", charged=False),
                        reclaimed(PREP, "its process died"),
                        failed(PREP, Failure.POISON, "signal SIGSEGV"),
                        failed(PREP, Failure.EXTRACT_TIMEOUT, "too long"),
                        failed(PREP, Failure.BAD_PDF, "no pages"),
                        completed(PREP, {"attempts": 1}),
                    ],
                    strict=True,
                )
                if await store.finish(claim, outcome)
            }
        assert len(ends) == 7
        found = blamed(ledger)
    guilty = ("suspected", Failure.POISON, Failure.EXTRACT_TIMEOUT)
    expected = {paper for paper, end in ends.items() if end.event in guilty or end.failure in guilty}
    assert len(expected) == 3
    assert {each.invariant for each in found} == {"I8"}
    assert {each.what.partition(":")[0] for each in found} == expected
    assert len(found) == 3


async def test_a_folder_that_lost_and_left_things(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(200, 1)) as ledger:
        ledger.add([ID, "2401.00002"])
        assert lost_papers(ledger, [ID, "2401.00002"]) == []
        assert lost_papers(ledger, [ID, "2401.00009"]) == [Violation("I1", "2401.00009 has vanished")]
        assert leases(ledger) == []
        assert leftovers(folder) == []
        async with engine_of(folder).open_store(0, 60) as store:
            (claim,) = await store.claim(PREP, 1)
            assert [each.invariant for each in leases(ledger)] == ["I2"]
            result: dict[str, Any] = {"text_bytes": 1, "record_bytes": 1, "text_sha256": "x", "record_sha256": "y"}
            result |= {"pdf_kept": False, "attempts": 1}
            await store.finish(claim, completed(PREP, result))
        assert [each.invariant for each in artifacts(folder, ledger)] == ["I3", "I3"], "text and record are missing"
        assert accounts(ledger) == []
        assert known_results(ledger) == {(claim.paper_id, "prep"): json.dumps(result, sort_keys=True)}
    open_temporary(half := temporary_of("shard-000", folder.papers / "2401" / "2401.00009.pdf")).close()
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={"RPA_V2_DATA_DIR": str(folder.root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert {each.what for each in leftovers(folder)} == {
        f"process {child.pid} is still running",
        f"{half.relative_to(folder.root)} was left behind",
    }
    child.communicate()


def test_a_result_that_changed() -> None:
    before = {(ID, "prep"): "x", (ID, "analyze"): "y"}
    assert changed_results(before, {**before, ("2401.00002", "prep"): "z"}) == []
    changed = [Violation("I3", f"{ID}: its result of analyze has changed")]
    assert changed_results(before, {**before, (ID, "analyze"): "x"}) == changed
    assert changed_results(before, {(ID, "prep"): "x"}) == changed


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
        return [(schedule.disruption(), schedule.share(), schedule.start(armed=True)) for _ in range(50)]

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
