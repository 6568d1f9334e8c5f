"""Real processes die: finished work stays, the rest is done, nothing is done twice."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rpa_shard.ipc.run_status import RunState
from rpa_shard.model.phase import Status
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.hostile_papers import heavy_page
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.pdf_writer import Page, write_pdf
from rpa_shard.testing.sample_papers import Collection, demo_collection, write_collection
from tests.rig import Rig, in_use, wait_for

PAPERS = 700
PREPPED = {"prepped": PAPERS - 2, "failed": 2}


@pytest.fixture(scope="module")
def large_collection() -> Collection:
    return demo_collection(PAPERS)


@pytest.fixture(scope="module")
def large_mirror(tmp_path_factory: pytest.TempPathFactory, large_collection: Collection) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("large-mirror")
    write_collection(folder, large_collection)
    with MirrorProcess(folder) as process:
        yield process.url


@pytest.fixture
def busy(rig: Rig, large_mirror: str, large_collection: Collection) -> Rig:
    """A rig with enough queued that a death always comes in the middle."""
    rig.environment["RPA_V2_SOURCES"] = f"{large_mirror}/pdf/{{id}}"
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(large_collection.pdfs)
    return rig


def done_in(log: str) -> list[str]:
    return re.findall(r"PREP DONE arxiv_id=(\S+)", log)


def assert_nothing_lost_or_repeated(rig: Rig) -> None:
    assert rig.by_status() == PREPPED
    with open_ledger(rig.folder) as ledger:
        for paper in ledger.papers():
            events = [line.event for line in ledger.history(paper.paper_id)]
            assert events.count("prepped") + events.count("failed") == 1, paper.paper_id
            if paper.status == "prepped":
                # A death costs a paper nothing, except the one that was inside the engine.
                assert paper.results["prep"]["attempts"] == 1 + events.count("suspected"), paper.paper_id
    code, output, _ = rig.run("verify")
    assert code == 0, output
    rig.assert_nothing_left_behind()


def test_a_shard_is_killed_in_the_middle(busy: Rig) -> None:
    run = busy.start("run")
    victims = busy.running_shards(2)
    wait_for(lambda: busy.done_files() > 100, "a hundred papers")
    os.kill(victims[0], signal.SIGKILL)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert "died: signal SIGKILL" in errors
    done = Counter(done_in(errors))
    assert max(done.values()) == 1
    assert_nothing_lost_or_repeated(busy)


def test_the_supervisor_is_killed_and_the_run_started_again(busy: Rig) -> None:
    first = busy.start("run")
    shards = busy.running_shards(2)
    wait_for(lambda: busy.done_files() > 100, "a hundred papers")
    first.kill()
    second = busy.start("run")
    _, first_errors = first.communicate(timeout=60)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1, errors
    assert not any(psutil.pid_exists(pid) for pid in shards), "shards without a supervisor end"
    assert not set(done_in(first_errors)) & set(done_in(errors)), "nothing finished is done again"
    assert_nothing_lost_or_repeated(busy)


def test_everything_is_killed_at_once(busy: Rig) -> None:
    run = busy.start("run")
    shards = busy.running_shards(2)
    wait_for(lambda: busy.done_files() > 100, "a hundred papers")
    for pid in (run.pid, *shards):
        os.kill(pid, signal.SIGKILL)
    _, first_errors = run.communicate(timeout=60)
    assert busy.by_status()["prepping"] > 0, "killed in the middle"
    code, output, _ = busy.run("status")
    assert code == 0
    assert "was killed" in output
    _, _, errors = busy.run("run", SHARD_COUNT="3")
    assert not set(done_in(first_errors)) & set(done_in(errors))
    assert_nothing_lost_or_repeated(busy)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_a_run(busy: Rig, told: signal.Signals) -> None:
    run = busy.start("run")
    busy.running_shards(2)
    wait_for(lambda: busy.done_files() > 100, "a hundred papers")
    run.send_signal(told)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 128 + told, errors
    assert "prepping" not in busy.by_status(), "everything was finished or handed back"
    assert busy.by_status()["pending"] > 0
    assert "pending" in output
    busy.assert_nothing_left_behind()
    busy.run("run")
    assert_nothing_lost_or_repeated(busy)


def test_a_second_signal_stops_a_run_at_once(rig: Rig, tmp_path: Path) -> None:
    heavy = tmp_path / "heavy.pdf"
    heavy.write_bytes(heavy_page())
    rig.run("add", str(heavy))
    run = rig.start("run")
    wait_for(lambda: any(in_use(shard, "parsing") for shard in rig.shards()), "extraction")
    run.send_signal(signal.SIGTERM)
    wait_for(lambda: rig.state() is RunState.STOPPING, "the drain")
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=60) == 143
    assert rig.by_status() == {"prepping": 1}
    rig.assert_nothing_left_behind()


def test_a_paper_past_its_deadline_runs_again_alone_and_then_fails(rig: Rig, tmp_path: Path) -> None:
    heavy = tmp_path / "heavy.pdf"
    heavy.write_bytes(heavy_page())
    rig.run("add", str(heavy), "2401.00001", "2401.00002")
    code, _, errors = rig.run("run", EXTRACT_DEADLINE_SECONDS="0.5")
    assert code == 1, errors
    assert "passed its deadline" in errors
    assert rig.by_status() == {"prepped": 2, "failed": 1}, "no other paper suffers"
    assert rig.rows()[heavy.as_uri()].failure == "extract_timeout"
    assert rig.events(heavy.as_uri()) == ["suspected", "failed"]
    rig.assert_nothing_left_behind()


def test_a_paper_that_kills_a_process_of_its_own_is_poison(rig: Rig, tmp_path: Path) -> None:
    heavy = tmp_path / "heavy.pdf"
    heavy.write_bytes(heavy_page())
    rig.run("add", str(heavy), "2401.00001")
    run = rig.start("run", EXTRACT_CHILD_MEMORY_BYTES=str(256 * 2**20))

    def extracting() -> int:
        shards = rig.shards()
        return next((shard.pid for shard in shards if in_use(shard, "parsing")), 0)

    os.kill(wait_for(extracting, "the heavy paper in its engine"), signal.SIGKILL)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    row = rig.rows()[heavy.as_uri()]
    assert row.failure == "poison"
    assert "died of SIG" in (row.detail or "")
    assert rig.events(heavy.as_uri()) == ["interrupted", "failed"], "the first death was not its doing"
    rig.assert_nothing_left_behind()


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_a_paper_whose_processes_are_killed_from_outside_is_not_blamed(rig: Rig, tmp_path: Path, pool: str) -> None:
    """Shards and children die of SIGKILL repeatedly, as on a machine that is reclaimed."""
    heavy = tmp_path / "heavy.pdf"
    # Many pages, each heavy for its size.
    heavy.write_bytes(write_pdf([Page(operators="BT /F1 1 Tf " + "(abcd) Tj " * 6_000 + "ET")] * 150))
    rig.run("add", str(heavy))
    run = rig.start("run", PREP_EXTRACT_POOL=pool, CRASH_LOOP_DEATHS="100", EXTRACT_SLOW_SECONDS="60")

    def working_child() -> psutil.Process | None:
        try:
            processes = psutil.Process(run.pid).children(recursive=True)
            children = [each for each in processes if "rpa_shard.extract.child" in each.cmdline()]
            return next((each for each in children if each.cpu_times().user > 0.3), None)
        except psutil.Error:
            return None

    def kill_shard_at_work() -> bool:
        working = (shard for shard in rig.shards() if in_use(shard, "parsing") or in_use(shard, "slow"))
        with suppress(StopIteration, ProcessLookupError):  # the last report may be that of a shard that is gone
            os.kill(next(working).pid, signal.SIGKILL)
            return True
        return False

    wait_for(kill_shard_at_work, "the paper in a shard")
    for _ in range(4):
        wait_for(working_child, "the paper in a child").kill()
    wait_for(kill_shard_at_work, "the paper in a shard")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    row = rig.rows()[heavy.as_uri()]
    assert (row.status, row.results["prep"]["attempts"]) == (Status.PREPPED, 1), "no attempt was charged"
    assert {line.failure for line in rig.history(heavy.as_uri())} <= {None, "interrupted"}
    rig.assert_promise_kept([heavy.as_uri()])


def test_a_shard_that_dies_at_its_start_stops_the_run_with_the_cause(rig: Rig) -> None:
    rig.run("add", "2401.00001")
    rig.environment["RPA_SHARD_FAILPOINTS"] = "open_store=EIO"
    code, _, errors = rig.run("run", CRASH_LOOP_DEATHS="3")
    assert code == 3
    assert "stopped: shards died 4 times within a minute, last: exit code 1" in errors
    assert rig.by_status() == {"pending": 1}


def test_a_stuck_shard_is_killed_and_started_again(busy: Rig) -> None:
    run = busy.start("run", SHARD_SILENCE_SECONDS="2")
    victims = busy.running_shards(2)
    os.kill(victims[0], signal.SIGSTOP)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert "silent for more than 2 s" in errors
    assert_nothing_lost_or_repeated(busy)


def test_an_extraction_child_is_killed(rig: Rig) -> None:
    papers = ("2401.00001", "2401.00003")
    rig.run("add", *papers)
    rig.arm("mid_extraction=stop")
    run = rig.start("run", PREP_EXTRACT_POOL="process")

    def child() -> psutil.Process | None:
        processes = psutil.Process(run.pid).children(recursive=True)
        children = [each for each in processes if "rpa_shard.extract.child" in each.cmdline()]
        return next((each for each in children if each.status() == psutil.STATUS_STOPPED), None)

    wait_for(child, "a child in the middle of a paper").kill()
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert rig.by_status() == {"prepped": 2}, "the second attempt, alone, succeeds"
    assert sorted(map(rig.events, papers)) == [["postponed", "prepped"], ["prepped"]]
    rig.assert_nothing_left_behind()
