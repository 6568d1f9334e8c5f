"""Messages name the program as the person called it."""

from __future__ import annotations

from pathlib import Path

import pytest

import rpa_shard
from rpa_shard.cli.arguments import parser
from rpa_shard.system.program import program


@pytest.mark.parametrize(
    ("called", "named"),
    [
        ("./run.sh", "./run.sh"),
        ("/opt/my papers/run.sh", "'/opt/my papers/run.sh'"),
        ("", "rpa-shard"),
        ("\x1b[2J", "rpa-shard"),
        ("/" + "long/" * 40 + "run.sh", "rpa-shard"),
    ],
)
def test_a_word_to_type(called: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPA_SHARD_PROGRAM", called)
    assert program() == named


def test_help_and_examples_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RPA_SHARD_PROGRAM", "./run.sh")
    made = parser()
    assert made.format_usage().startswith("usage: ./run.sh ")
    (commands,) = (each.choices for each in made._actions if isinstance(each.choices, dict))
    for name, sub in commands.items():
        assert sub.epilog.startswith(f"example: ./run.sh {name}"), sub.epilog


def test_nothing_of_the_package_names_the_script_of_a_clone() -> None:
    package = Path(rpa_shard.__file__).parent
    for path in package.rglob("*.py"):
        if path.name != "program.py":
            assert "./run.sh" not in path.read_text("utf-8"), f"{path}: write program()"
