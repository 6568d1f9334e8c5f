"""The health check: each check alone, a folder as it is read, the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.cli import main
from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.ipc.run_status import (
    Death,
    HostStatus,
    LastHour,
    ProcessFigures,
    Rates,
    RunState,
    RunStatus,
    write_status,
)
from rpa_shard.ipc.saved_hosts import save_hosts
from rpa_shard.ipc.shard_report import Gauge, LoopLag, PaperInWork, ShardState
from rpa_shard.maintain.reopen import reopen
from rpa_shard.observe.health import Check, Level, check_folder, lines, worst
from rpa_shard.observe.health.measure import FreeSpace, Measured, StoreFigures
from rpa_shard.observe.health.models import model_check
from rpa_shard.observe.health.papers import lease_check, suspect_check
from rpa_shard.observe.health.processes import lag_check, resource_check, run_check, shard_check
from rpa_shard.observe.health.progress import (
    disk_check,
    failure_check,
    paused_check,
    throughput_check,
    waiting_check,
)
from rpa_shard.observe.health.refusals import host_check
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import Counts, Leases
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.system.clock import Moment
from tests.statuses import account, host_status, run_status, shard_report, shard_status

CHECKS = {
    "run": run_check, "shards": shard_check, "waiting": waiting_check, "paused": paused_check, "hosts": host_check,
    "models": model_check, "failures": failure_check, "throughput": throughput_check, "loop lag": lag_check,
    "leases": lease_check, "papers": suspect_check, "resources": resource_check, "disk": disk_check,
}  # fmt: skip
NO_LEASES = Leases(0, 0, 0, None)
GONE: dict[str, Any] = {"born": 1.0}
ENDED: dict[str, Any] = {**GONE, "state": RunState.ENDED}
HOST = "source.example"


def measured(status: RunStatus | None = None, **changes: Any) -> Measured:
    """What is read of a healthy run of one shard, with changes."""
    run = status or run_status()
    healthy: dict[str, Any] = {
        "run": run,
        "live": run.is_on,
        "store": StoreFigures(NO_LEASES, 0, Counts()),
        "hosts": run.hosts,
        "free": FreeSpace(10**11, Path("/data")),
        "min_free_bytes": run.min_free_bytes,
    }
    return Measured(**healthy | changes)


def levels(found: Measured) -> dict[str, Level]:
    made = {name: check(found) for name, check in CHECKS.items()}
    assert all(name == check.name for name, check in made.items())
    assert all("\n" not in check.text for check in made.values())
    return {name: check.level for name, check in made.items()}


def of_shard(**changes: Any) -> dict[str, Any]:
    """The changes of a run whose only shard has these changes."""
    return {"shards": (shard_status(**changes),)}


def of_report(**changes: Any) -> dict[str, Any]:
    return of_shard(report=shard_report(**changes))


def wait(cause: Cause = Cause.HOST, papers: int = 9, **changes: Any) -> Wait:
    told: dict[str, Any] = {"subject": HOST, "since": 0.0, "until": time.time() + 300, "why": "it asked for a pause"}
    return Wait(cause=cause, papers=papers, **told | changes)


def standing_still(for_seconds: float, *waits: Wait, limited_by: Limit = Limit.WAITING, **changes: Any) -> RunStatus:
    """A run in which nothing has ended for so long."""
    waiting = sum(each.papers for each in waits)
    waits_for = account(waits=waits, waiting=waiting, limited_by=limited_by)
    still = {
        "account": waits_for,
        "progress_at": time.time() - for_seconds,
        "seconds": 1000.0,
        "rates": Rates(0, 0, 1, 0),
    }
    return run_status(**still | changes)


def test_a_healthy_run() -> None:
    assert set(levels(measured()).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        (GONE, "run", Level.CRITICAL),
        (ENDED, "run", Level.OK),
        ({**ENDED, "cause": "crash loop"}, "run", Level.CRITICAL),
        (GONE, "shards", Level.WARNING),
        (of_shard(born=1.0), "shards", Level.CRITICAL),
        (of_shard(born=1.0, state=ShardState.ENDED), "shards", Level.OK),
        (of_shard(state=ShardState.DRAINING), "shards", Level.OK),
        (of_shard(state=ShardState.STUCK), "shards", Level.CRITICAL),
        (of_shard(state=ShardState.DEAD), "shards", Level.CRITICAL),
        ({"state": RunState.RESIZING, **of_shard(born=1.0)}, "shards", Level.OK),
        ({"deaths": (Death(0, 1.0, "signal SIGKILL"),)}, "shards", Level.WARNING),
        ({"shards": ()}, "shards", Level.CRITICAL),
        (of_report(loop_lag=LoopLag(p99_seconds=0.5)), "loop lag", Level.WARNING),
        (of_report(loop_lag=LoopLag(max_seconds=6.0)), "loop lag", Level.WARNING),
        (of_report(loop_lag=LoopLag(p99_seconds=2.5)), "loop lag", Level.CRITICAL),
        ({"shards": ()}, "loop lag", Level.UNKNOWN),
        (of_report(gauges={"parsing": Gauge(13, 12)}), "resources", Level.CRITICAL),
        (of_report(gauges={"parsing": Gauge(12, 12)}), "resources", Level.OK),
        (of_shard(peak=ProcessFigures(descriptors=390)), "resources", Level.WARNING),
    ],
)
def test_what_is_wrong_with_processes(changes: dict[str, Any], check: str, level: Level) -> None:
    assert levels(measured(run_status(**changes)))[check] is level


def test_a_stale_status() -> None:
    now = Moment.now()
    stale = replace(now, unix_seconds=now.unix_seconds - 60, monotonic_seconds=now.monotonic_seconds - 60)
    assert levels(measured(run_status(written=stale)))["run"] is Level.CRITICAL
    assert levels(measured(run_status(written=stale, state=RunState.RESIZING)))["run"] is Level.OK


def test_what_is_bounded_is_shown_by_name() -> None:
    gauges = {"download": Gauge(0, 32), "extract": Gauge(3, 8)}
    shown = resource_check(measured(run_status(**of_report(gauges=gauges)))).text
    assert "threads, 0 of 32 download, 3 of 8 extract; " in shown


@pytest.mark.parametrize(
    ("leases", "gone", "level"),
    [
        (NO_LEASES, False, Level.OK),
        (Leases(3, 0, 0, 1.0), False, Level.OK),
        (Leases(3, 1, 0, 1.0), False, Level.WARNING),
        (Leases(3, 0, 0, 1.0), True, Level.WARNING),
        (Leases(3, 0, 1, 1.0), False, Level.CRITICAL),
    ],
)
def test_leases(leases: Leases, gone: bool, level: Level) -> None:
    run = run_status(**ENDED) if gone else run_status()
    assert levels(measured(run, store=StoreFigures(leases, 0, Counts())))["leases"] is level


@pytest.mark.parametrize(
    ("suspects", "by_failure", "level"),
    [(0, {}, Level.OK), (1, {}, Level.WARNING), (0, {"poison": 1}, Level.WARNING), (0, {"bad_pdf": 1}, Level.OK)],
)
def test_papers_to_look_at(suspects: int, by_failure: dict[str, int], level: Level) -> None:
    assert levels(measured(store=StoreFigures(NO_LEASES, suspects, Counts({}, by_failure))))["papers"] is level


def test_a_store_that_cannot_be_read_is_unknown() -> None:
    found = levels(measured(store=None, why_no_store="it is damaged"))
    assert (found["leases"], found["papers"]) == (Level.UNKNOWN, Level.UNKNOWN)


@pytest.mark.parametrize(
    ("run", "throughput", "waiting"),
    [
        # A reason that is told and ends by itself: a warning, once it has lasted for a minute.
        (partial(standing_still, 30, wait()), Level.OK, Level.WARNING),
        (partial(standing_still, 30, wait(), rates=Rates(0, 0.1, 1, 0)), Level.OK, Level.OK),
        (partial(standing_still, 30, wait(), seconds=40.0), Level.OK, Level.OK),
        (partial(standing_still, 61, wait()), Level.OK, Level.WARNING),
        (partial(standing_still, 100_000, wait()), Level.OK, Level.WARNING),
        (partial(standing_still, 100_000, wait(Cause.BACK_OFF, subject="network")), Level.OK, Level.WARNING),
        (partial(standing_still, 100_000, wait(until=None)), Level.OK, Level.WARNING),
        (partial(standing_still, 100, wait(Cause.RESTART, subject="shard 1")), Level.OK, Level.WARNING),
        (partial(standing_still, 100, wait(Cause.RATE), limited_by=Limit.RATE), Level.OK, Level.WARNING),
        (partial(standing_still, 100, limited_by=Limit.STARTING), Level.OK, Level.WARNING),
        # No reason.
        (partial(standing_still, 50, limited_by=Limit.NETWORK, rates=Rates(0, 0.1, 1, 0)), Level.OK, Level.OK),
        (partial(standing_still, 61, limited_by=Limit.NETWORK), Level.CRITICAL, Level.OK),
        (partial(standing_still, 61, limited_by=Limit.ENGINE), Level.CRITICAL, Level.OK),
        (partial(standing_still, 61, wait(papers=0), limited_by=Limit.NETWORK), Level.CRITICAL, Level.OK),
        # A few papers that wait do not explain for ever that all others stand still.
        (partial(standing_still, 500, wait(), limited_by=Limit.NETWORK), Level.OK, Level.WARNING),
        (partial(standing_still, 601, wait(), limited_by=Limit.NETWORK), Level.CRITICAL, Level.WARNING),
        # Those whose host refuses us have failed: they explain nothing.
        (partial(standing_still, 61, wait(Cause.REFUSAL), limited_by=Limit.NETWORK), Level.CRITICAL, Level.OK),
        # Ends of claims without a completed paper, as without a network.
        (partial(standing_still, 0, wait(Cause.BACK_OFF), limited_by=Limit.NETWORK), Level.OK, Level.WARNING),
        (partial(standing_still, 0, limited_by=Limit.NETWORK), Level.OK, Level.OK),
        # Nothing needs to end.
        (partial(standing_still, 5000, account=account(in_work=0, queued=0)), Level.OK, Level.OK),
        (partial(standing_still, 5000, state=RunState.STOPPING), Level.OK, Level.OK),
        (partial(standing_still, 5000, state=RunState.RESIZING), Level.OK, Level.OK),
        (partial(standing_still, 5000, **ENDED), Level.OK, Level.OK),
        (partial(standing_still, 5000, **GONE), Level.OK, Level.OK),
    ],
)
def test_progress(run: Callable[[], RunStatus], throughput: Level, waiting: Level) -> None:
    found = levels(measured(run()))
    assert (found["throughput"], found["waiting"]) == (throughput, waiting)


@given(
    seconds=st.floats(0, 10**6),
    waits=st.lists(
        st.builds(
            wait,
            st.sampled_from([Cause.HOST, Cause.BACK_OFF, Cause.RATE, Cause.RESTART]),
            st.integers(1, 10**6),
            until=st.none() | st.floats(0, 2 * 10**9),
        ),
        min_size=1,
    ),
    closed=st.floats(0, 86_400),
)
def test_an_obeyed_pause_is_never_critical(seconds: float, waits: list[Wait], closed: float) -> None:
    status = standing_still(seconds, *waits, hosts={HOST: host_status(closed_seconds=closed, why="HTTP 429")})
    assert Level.CRITICAL not in levels(measured(status)).values()


def test_what_stands_still_is_named() -> None:
    paper = PaperInWork("2401.00007", "prep", "parsing", 99.0, 100.0, 1)
    status = standing_still(100, limited_by=Limit.ENGINE, **of_report(in_work=(paper,)))
    assert "2401.00007 in parsing for 99 s" in throughput_check(measured(status)).text
    nothing = standing_still(100, limited_by=Limit.ENGINE, **of_report(in_work=()))
    assert "for 100 s, no reason known; 0.0 papers/s" in throughput_check(measured(nothing)).text


def test_what_waits_is_told_in_words() -> None:
    waits = [wait(papers=number, subject=f"host-{number}.example", until=None) for number in (9, 8, 7, 6)]
    status = standing_still(0, *waits, wait(Cause.RATE, 5, why="it allows 4 requests in 1 s", until=None))
    shown = waiting_check(measured(status)).text
    assert "35 of 40 open papers wait: 9 host-9.example it asked for a pause" in shown
    assert "and 1 more; 5 their turn at source.example: it allows 4 requests in 1 s" in shown


def test_at_rest_the_store_says_what_is_open() -> None:
    found = measured(run_status(**ENDED), store=StoreFigures(NO_LEASES, 0, Counts({"pending": 3000, "prepped": 4})))
    assert waiting_check(found).text == "no run is on, 3,000 papers are open"
    assert throughput_check(found).text.endswith("3,000 papers to go")
    assert waiting_check(replace(found, store=None)).text == "no run is on, 5 papers are open"


def test_a_full_disk_is_critical_and_said_once() -> None:
    full = wait(Cause.DISK, subject="/data", until=None, why="12.0 MB free for /data")
    status = standing_still(5000, full, paused=True)
    found = levels(measured(status, free=FreeSpace(12 * 10**6, Path("/data"))))
    assert (found["paused"], found["disk"], found["throughput"]) == (Level.CRITICAL, Level.CRITICAL, Level.OK)
    assert paused_check(measured(status)).text == "nothing is started: 12.0 MB free for /data"
    assert "short of room" in paused_check(measured(run_status(paused=True))).text
    assert levels(measured(run_status(paused=True, **GONE)))["paused"] is Level.OK


@pytest.mark.parametrize(
    ("free", "least", "paused", "level"),
    [
        (2_000_000_001, 500_000_000, False, Level.OK),
        (1_999_999_999, 500_000_000, False, Level.WARNING),
        (500_000_000, 500_000_000, False, Level.WARNING),
        (499_999_999, 500_000_000, False, Level.CRITICAL),
        (540_000_000, 500_000_000, True, Level.CRITICAL),  # the run stays paused until there is clearly more
        (560_000_000, 500_000_000, True, Level.WARNING),
        (10**9, 10**10, False, Level.CRITICAL),
        (0, 0, False, Level.OK),  # the knob says that a run never pauses
    ],
)
def test_disk_space_is_judged_as_the_run_does(free: int, least: int, paused: bool, level: Level) -> None:
    found = measured(run_status(paused=paused, min_free_bytes=least), free=FreeSpace(free, Path("/data")))
    assert disk_check(found).level is level
    assert disk_check(replace(found, free=None)).level is Level.UNKNOWN


REFUSES = host_status(blocked="HTTP 403: no")
CLOSED = host_status(closed_seconds=300.0, why="HTTP 429")


@pytest.mark.parametrize(
    ("hosts", "blocked", "hosts_level", "paused"),
    [
        ({}, 0, Level.OK, Level.OK),
        ({}, 5, Level.OK, Level.OK),  # of an earlier run; the host is open again
        ({HOST: host_status()}, 0, Level.OK, Level.OK),
        ({HOST: CLOSED}, 0, Level.WARNING, Level.OK),
        ({HOST: CLOSED}, 5, Level.WARNING, Level.OK),
        ({HOST: REFUSES}, 0, Level.WARNING, Level.OK),
        ({HOST: REFUSES}, 5, Level.CRITICAL, Level.CRITICAL),
        ({HOST: REFUSES, "b.example": CLOSED}, 5, Level.CRITICAL, Level.CRITICAL),
    ],
)
def test_hosts(hosts: dict[str, HostStatus], blocked: int, hosts_level: Level, paused: Level) -> None:
    failed = {"blocked": blocked} if blocked else {}
    found = levels(measured(run_status(hosts=hosts), store=StoreFigures(NO_LEASES, 0, Counts({}, failed))))
    assert (found["hosts"], found["paused"]) == (hosts_level, paused)
    by_shards = run_status(hosts=hosts, **of_report(by_failure=failed))
    assert levels(measured(by_shards, store=None))["hosts"] is hosts_level


def test_many_hosts_are_counted() -> None:
    hosts = {f"{number:02}.example": REFUSES for number in range(20)} | {HOST: CLOSED}
    shown = host_check(measured(run_status(hosts=hosts))).text
    assert "02.example (HTTP 403: no) and 17 more refuse us; no paper has failed for it" in shown
    assert f"{HOST} (HTTP 429) gets no requests for now" in shown


def test_what_a_host_says_is_shortened() -> None:
    wordy = host_status(closed_seconds=3.0, why=f"HTTP 429: {'slow down, ' * 100}")
    shown = host_check(measured(run_status(hosts={HOST: wordy}))).text
    assert len(shown) < 160
    assert "...) gets no requests" in shown


@pytest.mark.parametrize(
    ("completed", "failed", "level"),
    [
        (0, {}, Level.OK),
        (0, {"not_found": 19}, Level.OK),
        (0, {"not_found": 20}, Level.CRITICAL),
        (10, {"not_found": 9, "bad_pdf": 1}, Level.CRITICAL),
        (11, {"not_found": 9}, Level.WARNING),
        (18, {"not_found": 2}, Level.WARNING),
        (910, {"not_found": 90}, Level.OK),
        (900, {"not_found": 100}, Level.WARNING),
        (501, {"not_found": 499}, Level.WARNING),
        (500, {"not_found": 500}, Level.CRITICAL),
    ],
)
def test_failures_of_the_last_hour(completed: int, failed: dict[str, int], level: Level) -> None:
    hour = LastHour(seconds=720.0, completed=completed, failed=failed)
    assert levels(measured(run_status(last_hour=hour)))["failures"] is level


def test_failures_are_told_by_kind() -> None:
    failed = {"bad_pdf": 1, "not_found": 5, "gone": 1, "legal": 1, "poison": 1}
    hour = LastHour(seconds=720.0, completed=91, failed=failed, retried={"network": 60, "timeout": 28})
    assert failure_check(measured(run_status(last_hour=hour))).text == (
        "9 of 100 papers failed for good within 12 min (9 %): 5 not_found, 1 bad_pdf, 1 gone, 1 legal and 1 more; "
        "88 attempts to be repeated: 60 network, 28 timeout"
    )
    few = LastHour(seconds=30.0, completed=500, failed={"bad_pdf": 1})
    assert "(less than 1 %)" in failure_check(measured(run_status(last_hour=few))).text


def test_failures_of_a_run_long_ago_are_over() -> None:
    now, hour = Moment.now(), LastHour(seconds=720.0, failed={"bad_pdf": 100})
    ended = run_status(last_hour=hour, **ENDED)
    assert levels(measured(ended))["failures"] is Level.CRITICAL
    then = replace(now, unix_seconds=now.unix_seconds - 4000, monotonic_seconds=now.monotonic_seconds - 4000)
    assert levels(measured(replace(ended, written=then)))["failures"] is Level.OK


def test_fifty_shards_make_one_readable_line_each() -> None:
    states = {17: ShardState.BOOTING, 3: ShardState.STUCK, **dict.fromkeys(range(30, 36), ShardState.DRAINING)}
    shards = tuple(
        shard_status(
            number=number,
            state=states.get(number, ShardState.READY),
            peak=ProcessFigures(descriptors=390 if number == 21 else 40),
            report=shard_report(loop_lag=LoopLag(p99_seconds=0.3 if number == 4 else 0.01, max_seconds=number / 100)),
        )
        for number in range(50)
    )
    found = measured(run_status(shards=shards, shard_count=50))
    texts = {name: check(found).text for name, check in CHECKS.items()}
    assert max(map(len, texts.values())) < 420
    assert texts["shards"] == (
        "50 of 50 alive (42 ready, 6 draining: shard 30, 31, 32 and 3 more, 1 stuck: shard 3, 1 booting: shard 17)"
    )
    assert texts["loop lag"].startswith("latest of 50: shard 4 p50 0.0 p99 300.0 max 40.0 ms; shard 49 once 490.0 ms")
    assert "50 shards: 1500 descriptors, " in texts["resources"]
    assert "fullest: shard 21 30 descriptors (peak 390 of 400)" in texts["resources"]


def test_the_worst_counts_and_comes_first() -> None:
    def of(*given: Level) -> Level:
        return worst(Check("", level, "") for level in given)

    assert of() is Level.UNKNOWN
    assert of(Level.OK, Level.WARNING) is Level.WARNING
    assert of(Level.UNKNOWN, Level.WARNING) is Level.UNKNOWN
    assert of(Level.UNKNOWN, Level.CRITICAL) is Level.CRITICAL
    shown = lines([Check("a", Level.OK, "1"), Check("b", Level.CRITICAL, "2"), Check("c", Level.OK, "3")])
    assert shown == ["CRITICAL b: 2", "OK       a: 1", "OK       c: 3"]


# A folder as it is read, and the command.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A folder with a paper, in which a healthy run works."""
    made = DataFolder(tmp_path / "data")
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(made.root))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**12, 0, 10**11))
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add(["2401.00001"])
    write_status(made.run.status_file, run_status())
    return made


def found_in(folder: DataFolder) -> dict[str, Level]:
    return {check.name: check.level for check in check_folder(folder.root)}


def test_all_checks_of_a_folder(folder: DataFolder) -> None:
    assert found_in(folder) == dict.fromkeys(CHECKS, Level.OK)


def test_hosts_at_rest_are_those_that_the_next_run_will_not_ask(folder: DataFolder) -> None:
    hosts = {HOST: REFUSES, "b.example": CLOSED}
    write_status(folder.run.status_file, run_status(hosts=hosts, **ENDED))
    assert found_in(folder)["hosts"] is Level.OK
    save_hosts(folder.run.governor_file, hosts)
    assert found_in(folder)["hosts"] is Level.WARNING
    reopen(folder, [HOST])
    assert found_in(folder)["hosts"] is Level.OK


def exit_code(*arguments: str) -> int:
    """Of the command in this process."""
    try:
        return main(["health", *arguments])
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code


def test_exit_codes(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    for status, code, first in (
        (run_status(), 0, "OK       run: supervisor"),
        (run_status(hosts={HOST: CLOSED}), 1, "WARNING  hosts: source.example (HTTP 429)"),
        (run_status(paused=True), 2, "CRITICAL paused: nothing is started"),
    ):
        write_status(folder.run.status_file, status)
        assert exit_code() == code
        assert capsys.readouterr().out.startswith(first)
    assert exit_code("--json") == 2
    assert json.loads(capsys.readouterr().out)["level"] == "CRITICAL"
    other = folder.root.parent / "other"
    assert exit_code("--data-dir", str(other)) == 3
    assert capsys.readouterr().out == f"UNKNOWN  run: there is no folder {other}\n"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("no status", "UNKNOWN  run: no run has written a status below"),
        ("damaged status", "status.json cannot be read: it is damaged, or of another version of this program"),
        ("another format", "status.json cannot be read: it is damaged, or of another version of this program"),
        ("no folder", "data is no folder"),
        ("damaged store", "UNKNOWN  leases: "),
        ("a status that is a folder", "cannot be read: it is damaged"),
    ],
)
def test_what_cannot_be_read_is_unknown(
    folder: DataFolder, capsys: pytest.CaptureFixture[str], damage: str, says: str
) -> None:
    status = folder.run.status_file
    match damage:
        case "no status":
            status.unlink()
        case "damaged status":
            status.write_bytes(status.read_bytes()[:100])
        case "another format":
            write_status(status, run_status(format=1))
        case "damaged store":
            SQLiteFiles(folder.root).shard_file(0).write_bytes(b"not a database, but long enough to be one" * 100)
        case "a status that is a folder":
            status.unlink()
            status.mkdir()
        case "no folder":
            folder.root.rename(folder.root.parent / "elsewhere")
            folder.root.touch()
    assert exit_code() == 3
    assert says in capsys.readouterr().out


def test_a_disk_without_a_run_is_judged_by_the_knob(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.run.status_file.unlink()
    monkeypatch.setenv("RPA_V2_MIN_FREE_BYTES", str(10**12))
    assert exit_code() == 2
    assert "CRITICAL disk: 100.0 GB free" in capsys.readouterr().out
    assert check_folder(folder.root)[1].level is Level.OK


@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_knob_is_unknown_where_monitors_look(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    monkeypatch.setenv("RPA_V2_WORKERS", "many")
    assert exit_code(*(["--json"] if as_json else [])) == 3
    output, errors = capsys.readouterr()
    assert errors == ""
    if as_json:
        (check,) = json.loads(output)["checks"]
        assert (check["level"], check["text"][:20]) == ("UNKNOWN", "RPA_V2_WORKERS=many:")
    else:
        assert output.startswith("UNKNOWN  check: RPA_V2_WORKERS=many: must be")


def test_wrong_usage_is_unknown(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--nonsense") == 3
    assert "unrecognized arguments: --nonsense" in capsys.readouterr().err
    assert exit_code("--help") == 0


def test_the_script_does_the_same(folder: DataFolder) -> None:
    script = Path(__file__).parents[2] / "scripts" / "healthcheck.py"
    folder.run.status_file.unlink()
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(":")[0]) == (3, "UNKNOWN  run")


def test_an_account_is_shown_with_the_run() -> None:
    assert account().text in run_check(measured()).text
    assert " · " not in run_check(measured(run_status(account=Account()))).text
