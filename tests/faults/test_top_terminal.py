"""`top` in a real terminal: what it leaves behind, however it ends; and where there is no terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.ipc.run_status import write_status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from tests.statuses import run_status

DEADLINE_SECONDS = 60
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|[34]8;[25]|4[0-7]|10[0-7])(?:;\d+)*m")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a run that is on: this process is its supervisor."""
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(4, 1)) as ledger:
        ledger.add(["2401.00001"])
    write_status(folder.run.status_file, run_status())
    return folder.root


def environment(data: Path, **more: str) -> dict[str, str]:
    usual = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM", "COLUMNS")}
    return usual | {"RPA_V2_DATA_DIR": str(data), "TERM": "xterm-256color"} | more


@dataclass
class Terminal:
    """A pseudo terminal in which `top` runs."""

    ours: int
    theirs: int
    process: subprocess.Popen[bytes]
    attributes: list[Any]
    output: bytes = field(default=b"")

    def read_until(self, wanted: bytes) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while wanted not in self.output:
            assert time.monotonic() < deadline, self.output
            self._read()

    def end(self) -> int:
        """Waits for the end, reading what is written meanwhile; returns the exit code."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 0.1)[0]:
            return False
        self.output += os.read(self.ours, 65536)
        return True


@pytest.fixture
def terminal(data: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    attributes = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
         "from rpa_shard.cli import main; raise SystemExit(main(['top']))"],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=environment(data, **getattr(request, "param", {})),
    )  # fmt: skip
    made = Terminal(ours, theirs, process, attributes)
    try:
        made.read_until(b"58 %")
        yield made
    finally:
        process.kill()
        process.wait()
        for each in (ours, theirs):
            with suppress(OSError):  # the test has closed it
                os.close(each)


def assert_clean(terminal: Terminal) -> None:
    """The screen, the cursor, the ways of input and the attributes are as they were."""
    left = terminal.output
    assert b"\x1b[?1049h" in left
    for switched_on, switched_off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h"),
                                      (b"\x1b[?2004h", b"\x1b[?2004l"), (b"\x1b[?1004h", b"\x1b[?1004l")):  # fmt: skip
        assert left.rindex(switched_off) > left.rindex(switched_on)
    assert b"\x1b[?1000h" not in left, "the mouse is left to the terminal, so that text can be selected"
    assert b"Traceback" not in left
    assert termios.tcgetattr(terminal.theirs) == terminal.attributes


@pytest.mark.parametrize("terminal", [{}, {"NO_COLOR": "1"}], indirect=True, ids=["colour", "no colour"])
def test_q_leaves_a_clean_terminal(terminal: Terminal, request: pytest.FixtureRequest) -> None:
    terminal.resize(40, 20)
    terminal.read_until(b"? q")
    os.write(terminal.ours, b"q")
    assert terminal.end() == 0
    assert_clean(terminal)
    assert bool(COLOUR.search(terminal.output)) == ("no colour" not in request.node.name)


@pytest.mark.parametrize(("how", "code"), [("key", 0), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_a_clean_terminal(terminal: Terminal, how: str | signal.Signals, code: int) -> None:
    if isinstance(how, signal.Signals):
        terminal.process.send_signal(how)
    else:
        os.write(terminal.ours, b"\x03")
    assert terminal.end() == code
    assert_clean(terminal)


def test_a_terminal_that_is_closed_ends_it(terminal: Terminal) -> None:
    os.close(terminal.theirs)
    os.close(terminal.ours)
    assert terminal.process.wait(DEADLINE_SECONDS) == 128 + signal.SIGHUP


@pytest.mark.parametrize("where", ["pipe", "dumb terminal"])
def test_without_a_screen_it_prints_once(data: Path, where: str) -> None:
    ours, theirs = pty.openpty()
    dumb = where == "dumb terminal"
    more = {"TERM": "dumb"} if dumb else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "rpa_shard", "top"],
        stdin=theirs, stdout=theirs if dumb else subprocess.PIPE, stderr=theirs, env=environment(data, **more),
    )  # fmt: skip
    os.close(theirs)
    output = b""
    try:
        if dumb:
            while process.poll() is None or select.select([ours], [], [], 0)[0]:
                try:
                    output += os.read(ours, 65536)
                except OSError:  # nobody has it open any more
                    break
        else:
            output = process.communicate(timeout=DEADLINE_SECONDS)[0]
        assert process.wait(DEADLINE_SECONDS) == 0
    finally:
        process.kill()
        os.close(ours)
    assert b"58 %" in output
    assert b"Papers in work" in output
    assert b"\x1b" not in output
    assert max(map(len, output.decode().splitlines())) <= 80


def test_without_the_package_one_line_says_what_to_install(data: Path) -> None:
    ours, theirs = pty.openpty()
    code = "import sys; sys.modules['textual'] = None\nfrom rpa_shard.cli import main; raise SystemExit(main(['top']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(data)
    )
    os.close(theirs)
    output = b""
    try:
        while b"\n" not in output:
            output += os.read(ours, 65536)
        assert process.wait(DEADLINE_SECONDS) == 2
    finally:
        process.kill()
        os.close(ours)
    assert (
        output.decode().strip()
        == "rpa-shard: top needs the package textual: pip install 'rpa-shard[top]', or in a clone ./scripts/setup.sh"
    )
