"""A run that waits says so at once: for what, how many papers, until when."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from rpa_shard.ipc.account import Account, Cause, Limit
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.mirror import MirrorProcess
from tests.rig import Rig, wait_for

IDS = [f"2401.{number:05}" for number in range(1, 31)]
TEXT = re.compile(r"\d+ %, ")


@pytest.fixture
def thirty(rig: Rig) -> Rig:
    """A rig with thirty papers queued."""
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(IDS)
    return rig


def account(rig: Rig) -> Account:
    status = rig.status()
    return status.account if status is not None else Account()


def everything_waits(rig: Rig) -> bool:
    return account(rig).limited_by is Limit.WAITING


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port of loopback that refuses connections."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        yield taken.getsockname()[1]


def test_a_host_that_asks_for_a_pause(thirty: Rig, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for paper_id in IDS:
        (shelf / f"{paper_id}.pdf").write_bytes(b"of which nobody gets anything")
    with MirrorProcess(shelf, faults="429=300*always") as source:
        run = thirty.start("run", SOURCES=f"{source.url}/pdf/{{id}}", LOG_LEVEL="warning")
        wait_for(lambda: everything_waits(thirty), "everything waits")
        found = wait_for(lambda: account(thirty).waiting == 30 and account(thirty), "all papers wait")
        hosts = [wait for wait in found.waits if wait.cause is Cause.HOST]
        assert [wait.subject for wait in hosts] == ["127.0.0.1"]
        assert "asked for a pause" in hosts[0].why
        assert hosts[0].until is not None
        assert hosts[0].until - hosts[0].since > 200
        assert found.left_seconds is not None
        assert found.left_seconds > 200
        assert "30 waiting: 127.0.0.1 asked for a pause until " in found.text
        run.terminate()
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 143
    lines = [line for line in errors.splitlines() if TEXT.search(line)]
    assert any("waiting: 127.0.0.1 asked for a pause until " in line for line in lines), errors
    assert len(lines) < 8, "not a line a second"
    status = thirty.status()
    assert status is not None
    assert status.waited[0].cause in (Cause.HOST, Cause.BACK_OFF)
    assert {wait.subject for wait in status.waited if wait.cause is Cause.HOST} == {"127.0.0.1"}


def test_no_network(thirty: Rig) -> None:
    with refusing_port() as port:
        run = thirty.start("run", SOURCES=f"http://127.0.0.1:{port}/{{id}}", RETRY_DELAY_SCALE="20")
        found = wait_for(lambda: account(thirty).waiting == 30 and account(thirty), "all papers wait")
        (wait,) = found.waits
        assert (wait.cause, wait.subject, wait.papers) == (Cause.BACK_OFF, "network", 30)
        assert found.limited_by is Limit.WAITING
        assert "30 waiting: network, next attempt at " in found.text
        run.terminate()
        run.communicate(timeout=60)


def test_a_run_without_room_starts_nothing(thirty: Rig) -> None:
    run = thirty.start("run", MIN_FREE_BYTES=str(10**15))
    found = wait_for(lambda: account(thirty).waiting == 30 and account(thirty), "it pauses")
    assert (found.waits[0].cause, found.limited_by, found.left_seconds) == (Cause.DISK, Limit.WAITING, None)
    run.terminate()
    _, errors = run.communicate(timeout=60)
    assert "paused" in errors
    assert thirty.by_status() == {"pending": 30}
    assert all(not thirty.history(paper_id) for paper_id in IDS), "nothing was claimed"


def test_progress_for_programs(thirty: Rig, tmp_path: Path) -> None:
    stats = tmp_path / "stats.json"
    code, output, _ = thirty.run("run", "--progress", "json", "--stats", str(stats))
    assert code == 1, "most of the papers are not there"
    lines = [json.loads(line) for line in output.splitlines()]
    progress = [line for line in lines if line["event"] == "progress"]
    assert [line["event"] for line in lines] == ["progress"] * len(progress) + ["summary"]
    assert (progress[-1]["state"], progress[-1]["total"]) == ("ended", 30)
    assert progress[-1]["done"] + progress[-1]["failed"] == 30
    figures = json.loads(stats.read_text())
    assert {"event": "summary", **figures} == lines[-1]
    assert figures["papers"] == {"total": 30, "done": progress[-1]["done"], "failed": progress[-1]["failed"], "open": 0}
    assert figures["stages"]["download"]["count"] >= 30
    assert figures["totals"]["pages"] > 0


def test_quiet_and_verbose(thirty: Rig) -> None:
    code, output, errors = thirty.run("run", "--quiet", LOG_LEVEL="")
    assert (code, output, errors) == (1, "", "")
    thirty.run("retry")
    code, output, errors = thirty.run("run", "--verbose", LOG_LEVEL="", LOG_FORMAT="json")
    lines = [json.loads(line) for line in errors.splitlines()]
    assert {line["level"] for line in lines} >= {"info", "warning"}
    assert {"supervisor", "shard 0", "shard 1"} == {line["process"] for line in lines}
    assert "this run" in output


def test_without_a_terminal_there_are_lines_of_progress_and_all_log_lines_are_in_files(thirty: Rig) -> None:
    _, _, errors = thirty.run("run", LOG_LEVEL="")
    assert "100 %, " in errors
    assert "PREP DONE" not in errors
    logs = "".join(path.read_text() for path in (thirty.root / "logs").iterdir())
    assert all(word in logs for word in ("download_pdf done", "extract_text done", "PREP DONE", "100 %, "))


def test_a_bar_on_a_terminal(thirty: Rig) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    run = subprocess.Popen(
        [sys.executable, "-m", "rpa_shard", "run"],
        env=thirty.environment | {"RPA_V2_LOG_LEVEL": ""},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    with closing(os.fdopen(master, "rb", buffering=0)) as terminal, suppress(OSError):  # EIO: nobody writes any more
        while received := terminal.read(4096):
            shown += received
    assert run.wait(timeout=60) == 1
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown.decode()) if " %, " in line]
    assert "100 %, " in lines[-1]
    assert all(len(line) < 60 for line in lines)
    assert "PREP DONE" not in shown.decode()
