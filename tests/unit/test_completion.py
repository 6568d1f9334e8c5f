"""Shells complete this program as a person types."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path
from select import select

import pytest

REPOSITORY = Path(__file__).parents[2]
DEADLINE_SECONDS = 60
PROMPT = "ready> "
# How each shell starts without a person's own files, and how it is told its prompt.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"PS1='{PROMPT}'"),
    "zsh": (["zsh", "-f", "-i"], f"unset zle_bracketed_paste; unsetopt prompt_cr prompt_sp; PS1='{PROMPT}'"),
}
# What a person types before a press of Tab, and the words that the program gets.
TYPED = [
    ("knob", ["knobs"]),
    ("list --stat", ["list", "--status"]),
    ("list --status prep", ["list", "--status", "prepp"]),  # prepped and prepping
    ("list --status prepped --reason not_f", ["list", "--status", "prepped", "--reason", "not_found"]),
    ("export --what bib", ["export", "--what", "bibliography"]),
    ("add --file my-l", ["add", "--file", "my-list.txt"]),
    ("add a-p", ["add", "a-paper.pdf"]),
    ("mirror some-p", ["mirror", "some-pdfs"]),
    ("retry --category quant", ["retry", "--category", "quant-ph"]),
    ("extract a-p", ["extract", "a-paper.pdf"]),
    ("completion f", ["completion", "fish"]),
    ("run --shards my-l", ["run", "--shards", "my-l"]),  # a number
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a person, with a program that notes its arguments, as ./run.sh, installed, and that of another."""
    for name in ("run.sh", "bin/rpa-shard", "other/run.sh"):
        program = tmp_path / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; echo end; }} >{tmp_path}/given.tmp\n'
                           f"mv {tmp_path}/given.tmp {tmp_path}/given\n")  # fmt: skip
        program.chmod(0o755)
    (tmp_path / "my-list.txt").touch()
    (tmp_path / "a-paper.pdf").touch()
    (tmp_path / "some-pdfs").mkdir()
    return tmp_path


def script(shell: str, folder: Path, program: str) -> Path:
    """What `completion` prints, in a file."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    if program != "rpa-shard":
        environment["RPA_SHARD_PROGRAM"] = program
    made = subprocess.run(
        [sys.executable, "-m", "rpa_shard", "completion", shell],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = folder / f"completion.{shell}"
    path.write_text(made.stdout)
    return path


class Shell:
    """A shell in a terminal."""

    def __init__(self, name: str, folder: Path) -> None:
        command, prompt = SHELLS[name]
        self.folder = folder
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True,
            env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb"},
        )  # fmt: skip
        os.close(theirs)
        self.output = ""
        self.type(f"{prompt}\n")
        self.wait_for_prompt()

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def wait_for_prompt(self) -> None:
        """Reads until a prompt is the last that was printed."""
        until = time.monotonic() + DEADLINE_SECONDS
        while not self.output.endswith(PROMPT):
            assert time.monotonic() < until, self.output
            if select([self.ours], [], [], 1)[0]:
                self.output += os.read(self.ours, 4096).decode(errors="replace")
        self.output = ""

    def given(self, line: str) -> list[str]:
        """The arguments of the program once a person has typed so much, Tab, and Return."""
        given = self.folder / "given"
        given.unlink(missing_ok=True)
        self.type(f"{line}\t\n")
        self.wait_for_prompt()
        return [each.rstrip("/") for each in given.read_text().splitlines()[:-1]]  # zsh drops a slash at the end

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


@pytest.mark.parametrize("program", ["./run.sh", "rpa-shard"])
@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_completes_what_is_typed(name: str, program: str, folder: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    shell = Shell(name, folder)
    try:
        shell.type(f"source {script(name, folder, program)}\n")
        shell.wait_for_prompt()
        for typed, given in TYPED:
            assert shell.given(f"{program} {typed}") == given, typed
        if program == "./run.sh":
            assert shell.given(f"{folder}/run.sh knob") == ["knobs"]
            shell.type("cd other\n")
            shell.wait_for_prompt()
            assert shell.given("./run.sh knob") == ["knob"], "another project's run.sh is not ours to complete"
            assert shell.given("../run.sh knob") == ["knobs"]
    finally:
        shell.close()


@pytest.mark.parametrize("program", ["./run.sh", "rpa-shard"])
def test_fish_completes_what_is_typed(program: str, folder: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish here")

    def completed(typed: str) -> list[str]:
        asked = subprocess.run(
            ["fish", "--no-config", "-c", f'source {made}; complete --do-complete "{typed}"'],
            cwd=folder, capture_output=True, text=True, check=True,
            env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder)},
        )  # fmt: skip
        return [line.partition("\t")[0] for line in asked.stdout.splitlines()]

    made = script("fish", folder, program)
    for typed, given in TYPED:
        found = completed(f"{program} {typed}")
        assert not found or all(each.startswith(given[-1]) for each in found), (typed, found)
        assert found or typed.startswith("run --shards"), typed
