"""A newcomer types what the tutorial and the how-to pages say, and sees what they show."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_run_sh import ROOT, clean_environment, make_ready
from tests.followed_pages import Step, follow, follow_python, matches, steps
from tests.terminals import commands

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.fixture
def fresh_clone(tmp_path: Path) -> Path:
    """A clone that has just been set up."""
    folder = tmp_path / "rpa_shard"
    folder.mkdir()
    shutil.copy(ROOT / "run.sh", folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "rpa_shard", folder / "rpa_shard", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    make_ready(folder)
    return folder


def needs_its_commands(page: Path) -> None:
    """Skips a page with a command that is not there yet."""
    typed = {step.command.split()[1] for step in steps(page) if step.command.startswith("./run.sh ")}
    missing = {name for name in typed if not name.startswith("-")} - set(commands())
    if missing:
        pytest.skip(f"not there yet: {', '.join(sorted(missing))}")


def test_the_tutorial_in_a_clone(fresh_clone: Path) -> None:
    needs_its_commands(TUTORIAL)
    follow(TUTORIAL, fresh_clone, clean_environment())
    pytest.importorskip("pandas")
    follow_python(TUTORIAL, fresh_clone, clean_environment())


def test_the_tutorial_with_an_installed_package(tmp_path: Path) -> None:
    needs_its_commands(TUTORIAL)
    program = tmp_path / "bin" / "rpa-shard"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rpa_shard "$@"\n')
    program.chmod(0o755)
    environment = clean_environment()
    environment |= {"PATH": f"{program.parent}:{environment['PATH']}"}
    follow(TUTORIAL, tmp_path, environment, **{"./run.sh": "rpa-shard"})


@pytest.mark.parametrize(
    ("shown", "printed", "is_so"),
    [
        ("", "", True),
        ("", "something\n", False),
        ("a … c\n", "a b b c\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("a\n", "a\nb\n", False),
        ("a.\n", "ab\n", False),
    ],
)
def test_what_a_page_shows_is_compared(shown: str, printed: str, is_so: bool) -> None:
    assert matches(shown, printed) == is_so


def test_commands_are_found_with_their_output(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ one\n1\n$ two\n```\n\n    $ no\n\n```console\n$ three\n\n3\n```\n")
    assert steps(page) == [Step("one", "1\n"), Step("two", ""), Step("three", "\n3\n")]
