"""A shard that lost its leases changes nothing; signals, hang-ups and orphans at each stage of a paper."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.observe.health import Level, check_folder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.shard_file import open_shard_file
from rpa_shard.store.sqlite.store import SQLiteStore
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, write_collection
from tests.rig import Rig, in_use, wait_for

DONE = {"prepped": 58, "failed": 2}
# The first window of a policy is waited for, with all papers claimed: time to do things to the run meanwhile.
WAITING = "127.0.0.1=1000/3@100"


@pytest.fixture
def one_shard(rig: Rig, collection: Collection) -> Rig:
    with open_ledger(rig.folder, Layout(200, 1)) as ledger:
        ledger.add(collection.pdfs)
    rig.environment["RPA_V2_SHARD_COUNT"] = "1"
    return rig


@contextmanager
def stopped(pid: int, shard_file: Path) -> Iterator[None]:
    """Stops a shard, but not inside a transaction, where it would block all others from the file."""

    def stop() -> bool:
        os.kill(pid, signal.SIGSTOP)
        with closing(open_shard_file(shard_file)) as connection:
            connection.execute("PRAGMA busy_timeout = 100")
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except Exception:
                os.kill(pid, signal.SIGCONT)
                return False
        return True

    wait_for(stop, "the shard stopped between two transactions")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_shard_that_wakes_up_after_its_leases_are_gone_changes_nothing(
    one_shard: Rig, collection: Collection
) -> None:
    run = one_shard.start(
        "run", HOST_POLICY=WAITING, LEASE_TTL_SECONDS="1", LEASE_RENEW_SECONDS="0.9", SHARD_SILENCE_SECONDS="600"
    )
    (pid,) = one_shard.running_shards(1)
    wait_for(lambda: one_shard.by_status() == {"prepping": 60}, "all papers claimed")
    path = SQLiteFiles(one_shard.folder.root).shard_file(0)

    async def another_holder() -> None:
        async with SQLiteStore.open(path, 300) as store:
            for claim in await store.claim(PREP, 60):
                assert await store.finish(claim, failed(PREP, Failure.LEGAL, "by another holder"))

    with stopped(pid, path):
        wait_for(lambda: leases_ran_out(one_shard), "leases past their time")
        assert one_shard.engine.reclaim(0, {}) == 60
        asyncio.run(another_holder())
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert errors.count("lost_lease arxiv_id=") >= 60
    assert "PREP DONE" not in errors
    status = one_shard.status()
    assert status is not None
    assert status.work.lost_leases == 60
    rows = one_shard.rows()
    assert {row.failure for row in rows.values()} == {"legal"}, "nothing was overwritten"
    assert all(one_shard.events(each) == ["reclaimed", "failed"] for each in collection.pdfs)


def leases_ran_out(rig: Rig) -> bool:
    with open_ledger(rig.folder) as ledger:
        return ledger.leases().expired == 60


def test_a_stopped_shard_is_reported_as_stuck_and_replaced(one_shard: Rig, collection: Collection) -> None:
    run = one_shard.start("run", HOST_POLICY=WAITING, SHARD_SILENCE_SECONDS="8")
    (pid,) = one_shard.running_shards(1)
    wait_for(lambda: one_shard.by_status() == {"prepping": 60}, "all papers claimed")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: one_shard.shards()[0].state is ShardState.STUCK, "stuck")
    levels = {check.name: check.level for check in check_folder(one_shard.root)}
    assert levels["shards"] is Level.CRITICAL, "its process lives, its loop does not turn"
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert "silent for more than 8 s" in errors
    output = one_shard.run("status")[1]
    assert "death     shard 0 at " in output
    assert "papers of dead shards went back to the queue" in output
    one_shard.assert_promise_kept(collection.pdfs)


def test_a_stopped_orphan_does_not_keep_the_next_run_waiting(one_shard: Rig, collection: Collection) -> None:
    first = one_shard.start("run", HOST_POLICY=WAITING)
    (pid,) = one_shard.running_shards(1)
    os.kill(pid, signal.SIGSTOP)
    first.kill()
    first.wait(timeout=60)
    code, _, errors = one_shard.run("run")
    assert code == 1, errors
    assert f"shard 0 of a killed run (process {pid}) does not drain: killing it" in errors
    assert one_shard.by_status() == DONE
    one_shard.assert_promise_kept(collection.pdfs)


def test_a_shard_over_its_memory_is_replaced_and_no_paper_suffers(rig: Rig, collection: Collection) -> None:
    # Without the broken paper: the second engine, which only it needs, takes as much memory as everything else.
    papers = [each for each in collection.pdfs if each != "2401.00004"]
    rig.run("add", papers[0])
    daemon = rig.start("run", "--daemon")
    rig.running_shards(2)
    wait_for(lambda: rig.by_status() == {"prepped": 1}, "a first paper")
    empty_bytes = max(shard.peak.rss_bytes for shard in rig.shards())
    daemon.terminate()
    daemon.communicate(timeout=60)
    rig.run("add", *papers)
    # Replaced from 80 % of the budget on, and killed past all of it: so this is always the one and never the other.
    budget = str(int(empty_bytes * 1.24))
    code, _, errors = rig.run("run", SHARD_MEMORY_BYTES=budget, HOST_POLICY="127.0.0.1=8/0.2@8")
    assert code == 1, errors
    assert "MB: it drains and is replaced" in errors
    assert "is replaced by a fresh process" in errors
    assert "died" not in errors
    assert all(row.results["prep"]["attempts"] == 1 for row in rig.rows().values() if row.status == "prepped")
    assert rig.by_status() == {"prepped": 58, "failed": 1}
    rig.assert_promise_kept(papers)


def test_a_crash_loop_keeps_what_the_other_shards_did(queued: Rig, collection: Collection) -> None:
    run = queued.start("run", CRASH_LOOP_DEATHS="2", HOST_POLICY="127.0.0.1=2/0.3@8")
    queued.running_shards(2)
    wait_for(lambda: queued.done_files() > 3, "some papers")
    killed: set[int] = set()

    def kill_it_whenever_it_comes() -> bool:
        for shard in queued.shards():
            if shard.number == 0 and shard.pid not in killed and psutil.pid_exists(shard.pid):
                os.kill(shard.pid, signal.SIGKILL)
                killed.add(shard.pid)
        return run.poll() is not None

    wait_for(kill_it_whenever_it_comes, "the end of the run")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 3, errors
    assert "stopped: shards died 3 times within a minute, last: signal SIGKILL" in errors
    assert queued.by_status()["prepped"] > 3
    assert queued.run("run")[0] == 1
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("stage", ["waiting for a permit", "downloading"])
def test_a_signal_at_each_stage(
    one_shard: Rig, collection: Collection, tmp_path: Path, stage: str, told: signal.Signals
) -> None:
    write_collection(tmp_path / "stalling", collection)
    with MirrorProcess(tmp_path / "stalling", "stall*always") as mirror:
        source = f"{mirror.url}/pdf/{{id}}"
        if stage == "downloading":
            run = one_shard.start("run", SOURCES=source)
            wait_for(lambda: any(in_use(shard, "download") for shard in one_shard.shards()), stage)
        else:
            run = one_shard.start("run", SOURCES=source, HOST_POLICY="127.0.0.1=1/600@1")
            wait_for(lambda: any(shard.report.held for shard in one_shard.shards()), stage)
        run.send_signal(told)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 128 + told, errors
    rows = one_shard.rows().values()
    assert {row.status for row in rows if row.failure != "not_found"} == {"pending"}
    assert {row.attempts for row in rows if row.status == "pending"} == {0}, "a shutdown costs no attempt"
    one_shard.assert_promise_kept(collection.pdfs)


def test_the_terminal_is_closed(one_shard: Rig, collection: Collection) -> None:
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    run = subprocess.Popen(
        [sys.executable, "-m", "rpa_shard", "run"],
        env=one_shard.environment | {"RPA_V2_HOST_POLICY": "127.0.0.1=2/0.2@2"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=own_terminal,
    )
    os.close(slave)
    one_shard.running_shards(1)
    wait_for(lambda: one_shard.done_files() > 1, "some papers")
    os.close(master)
    assert run.wait(timeout=60) == 128 + signal.SIGHUP
    log = (one_shard.root / "logs" / "supervisor.log").read_text()
    assert "SIGHUP: draining" in log
    assert "Traceback" not in log
    assert "prepping" not in one_shard.by_status()
    assert one_shard.run("run")[0] == 1
    assert one_shard.by_status() == DONE
    one_shard.assert_promise_kept(collection.pdfs)


def test_the_parent_shell_is_gone(one_shard: Rig, collection: Collection) -> None:
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"{sys.executable} -m rpa_shard run & wait"],
        env=one_shard.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    one_shard.running_shards(1)
    shell.kill()
    shell.wait()
    wait_for(lambda: one_shard.state() is RunState.ENDED, "the end of the run")
    assert one_shard.by_status() == DONE, "it went on by itself"
    one_shard.assert_promise_kept(collection.pdfs)
