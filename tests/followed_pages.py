"""Follows a page of the documents to the letter: types what it says is typed, compares what it says is seen.

A block of language `console` holds commands after `$ ` with what they print, a block of `python` holds `>>>` with what
Python answers. `…` stands for anything within a line, and a line of its own for any lines. Log lines, for which a
terminal has a bar instead, are not compared.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "=== end of command "
_LOG_LINE = re.compile(r"^\S+Z (?:INFO|WARNING|ERROR) .*\n", re.MULTILINE)
DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Step:
    """A command and the output that the page shows."""

    command: str
    shown: str


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(page.read_text()) if name == language]


def steps(page: Path) -> list[Step]:
    """All commands of a page, in order."""
    found = []
    for block in blocks(page, "console"):
        before, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        assert not before, f"{page.name}: a block begins with output: {before!r}"
        for part in parts:
            command, _, shown = part.partition("\n")
            found.append(Step(command, shown))
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows. Nothing shown means that nothing may be printed."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"[ ]*\n" for line in shown.splitlines()
    )
    return re.fullmatch(pattern, printed if not printed or printed.endswith("\n") else f"{printed}\n") is not None


def outputs(commands: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """What each command prints, one after the other in one shell, as in a terminal that stays open."""
    lines = [f"{command}\nprintf '%s\\n' '{_END}{number}'" for number, command in enumerate(commands)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=folder, env=dict(environment), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    rest = _LOG_LINE.sub("", done.stdout)
    assert "Traceback" not in rest, rest
    for number, command in enumerate(commands):
        printed, end, rest = rest.partition(f"{_END}{number}\n")
        assert end, f"{command}: {printed}"
        yield printed


def follow(page: Path, folder: Path, environment: Mapping[str, str], **instead: str) -> None:
    """Runs all commands of a page; `instead` names words that are typed, and shown, differently."""
    found = steps(page)
    assert found, f"{page.name} has no commands"
    for word, other in instead.items():
        found = [Step(step.command.replace(word, other), step.shown.replace(word, other)) for step in found]
    commands = [step.command for step in found]
    for step, printed in zip(found, outputs(commands, folder, environment), strict=True):
        assert matches(step.shown, printed), (
            f"{page.name}: $ {step.command}\n{printed}\nbut the page shows\n{step.shown}"
        )


def follow_python(page: Path, folder: Path, environment: Mapping[str, str], python: str = sys.executable) -> None:
    """Runs all that a page types into Python, in one session."""
    session = folder / f"{page.stem}-session.txt"
    session.write_text("\n".join(blocks(page, "python")).replace("…", "..."))
    options = ("ELLIPSIS", "NORMALIZE_WHITESPACE")
    done = subprocess.run(
        [python, "-m", "doctest", *(word for option in options for word in ("-o", option)), session.name],
        cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
