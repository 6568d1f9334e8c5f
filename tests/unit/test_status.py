"""`status` with many shards, waits and little room, and what `show` says of the next attempt."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpa_shard.cli.output import in_columns, wrapped
from rpa_shard.config.settings import Settings
from rpa_shard.ipc.account import Cause, Wait
from rpa_shard.ipc.run_status import RunStatus, write_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.observe.show import show
from rpa_shard.observe.status import folder_status, lines
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import Outcome, failed, postponed, released, suspected
from tests.statuses import account, run_status, shard_status

PAPER = "2401.00001"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 1)) as ledger:
        ledger.add([PAPER])
    return made


def status_of(folder: DataFolder, run: RunStatus | None = None) -> list[str]:
    if run is not None:
        write_status(folder.run.status_file, run)
    with open_ledger(folder) as ledger:
        return lines(folder_status(folder, ledger, Settings()))


def one(shown: list[str], label: str) -> str:
    (line,) = [each for each in shown if each.startswith(label)]
    return line


def shards(states: dict[int, ShardState]) -> RunStatus:
    of = (shard_status(number=number, state=states.get(number, ShardState.READY)) for number in range(50))
    return run_status(shards=tuple(of), shard_count=50)


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ({}, "50 ready"),
        ({7: ShardState.STUCK}, "49 ready, 1 stuck (7)"),
        (
            {3: ShardState.DEAD, **dict.fromkeys((9, 10, 11, 30, 31), ShardState.BOOTING)},
            "44 ready, 1 dead (3), 5 booting (9-11, 30, 31)",
        ),
        (dict.fromkeys(range(50), ShardState.DRAINING), "50 draining (0-49)"),
    ],
)
def test_fifty_shards_are_one_line(folder: DataFolder, states: dict[int, ShardState], line: str) -> None:
    assert one(status_of(folder, shards(states)), "shards") == f"shards    {line}"


def test_the_account_of_the_run_that_is_on(folder: DataFolder) -> None:
    now = one(status_of(folder, run_status()), "now")
    assert now == "now       58 %, 7 done, 2 in work, 3 queued, 3.0 papers/s, 2 s left"
    assert now.isascii(), "for terminals that show nothing else"


def test_the_account_of_a_folder_at_rest(folder: DataFolder) -> None:
    assert one(status_of(folder), "now") == "now       0 %, 0 done, 1 queued"
    assert one(status_of(folder, run_status(born=1.0)), "now") == "now       0 %, 0 done, 1 queued"


def test_what_papers_wait_for_besides_hosts(folder: DataFolder) -> None:
    def wait(cause: Cause, subject: str, papers: int, why: str) -> Wait:
        return Wait(cause=cause, subject=subject, papers=papers, since=1.0, until=None, why=why)

    waits = (
        wait(Cause.BACK_OFF, "not_a_pdf", 1_200, "no PDF"),
        wait(Cause.HOST, "source.example", 3, "asked us to slow down"),
        wait(Cause.DISK, "papers", 0, "the disk is short of room"),
    )
    shown = status_of(folder, run_status(account=account(waits=waits)))
    assert [each for each in shown if each.startswith("waits")] == [
        "waits     1,200 papers: not a pdf, next attempt",
        "waits     the disk is short of room",
    ]


def test_a_line_goes_on_below_its_text() -> None:
    assert wrapped("now       31 % · 35 done · 88 waiting: a pause", 30) == [
        "now       31 % · 35 done · 88",
        "          waiting: a pause",
    ]
    assert wrapped("  left alone until it is over", 20) == ["  left alone until", "  it is over"]
    assert wrapped("folder    /a/long/path/without/spaces", 20) == ["folder", "          /a/long/path/without/spaces"]
    for line in ("short", "", "  prepped          1"):
        assert wrapped(line, 40) == [line]


@contextmanager
def terminal(columns: int) -> Iterator[int]:
    """The descriptor of a terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def test_only_a_terminal_gets_lines_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "now       " + "word " * 20
    assert list(in_columns([line])) == [line]
    with terminal(40) as descriptor, open(descriptor, "w", closefd=False) as output:
        monkeypatch.setattr(sys, "stdout", output)
        cut = list(in_columns([line]))
        monkeypatch.undo()
    assert len(cut) > 2
    assert all(len(each) <= 40 for each in cut)


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (failed(PREP, Failure.BAD_PDF, "no pages"), "attempts  1"),
        (
            postponed(PREP, Failure.NETWORK, "no route", 600, charged=True, suspect=False),
            "attempts  1, the next not before",
        ),
        (
            postponed(PREP, Failure.RATE_LIMITED, "429", 600, charged=False, suspect=False),
            "attempts  0, the next not before",
        ),
        (
            postponed(PREP, Failure.NETWORK, "no route", -1, charged=True, suspect=False),
            "attempts  1, the next as soon as a worker is free",
        ),
        (suspected(PREP, "it died", charged=True), "attempts  1, the next as soon as a worker is free"),
        (released(PREP, "stopping"), ""),
    ],
)
async def test_only_what_is_tried_again_has_a_next_attempt(folder: DataFolder, outcome: Outcome, line: str) -> None:
    async with engine_of(folder).open_store(0, 60) as store:
        (claim,) = await store.claim(PREP, 1)
        await store.finish(claim, outcome)
    with open_ledger(folder) as ledger:
        shown = next((each for each in show(folder, ledger, PAPER) if each.startswith("attempts")), "")
    assert re.sub(r" \d{4}-\d\d-\d\d [\d:]+ UTC$", "", shown) == line
