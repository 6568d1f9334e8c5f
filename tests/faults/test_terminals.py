"""Every command, the health check and run.sh under odd terminals, limits, users and names: one line or the right result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.cli.arguments import parser
from rpa_shard.testing.sample_papers import sample_pdf

REPOSITORY = Path(__file__).parents[2]
HEALTH_CHECK = "healthcheck"
# What is tried of each command. {pdf}, {ids} and {new} are files; the folder has one prepped and one failed paper.
EXAMPLES: dict[str, list[str]] = {
    "add": ["{pdf}", "{bad}", "nonsense", "--file", "{ids}"],
    "run": [],
    "status": [],
    "verify": [],
    "repair": [],
    "retry": ["2401.00009"],
    "plan": ["--file", "{ids}"],
    "resize": ["3"],
    "failures": [],
    "hosts": [],
    "show": ["{pdf}"],
    "export": ["--out", "-"],
    "mirror": ["{folder}", "--port", "0"],
    "chaos": ["--folder", "/nowhere/at/all"],
    "demo": ["--folder", "{folder}"],
    HEALTH_CHECK: [],
}
READING = ("status", "verify", "plan", "failures", "hosts", "show", "export", HEALTH_CHECK)
WRITING = ("add", "run", "repair")


def commands() -> list[str]:
    """The names of all commands, from the parser itself, and the health check."""
    (sub,) = (each for each in parser()._actions if isinstance(each.choices, dict))
    assert isinstance(sub.choices, dict)
    return [*sub.choices, HEALTH_CHECK]


@dataclass(frozen=True)
class Done:
    code: int
    output: str
    errors: str


@dataclass
class Bench:
    """A warm process that runs commands on copies of a folder."""

    root: Path
    driver: subprocess.Popen[str]
    number: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, command: str, data: Path, **condition: Any) -> Done:
        self.number += 1
        names = {"pdf": "good.pdf", "bad": "bad.pdf", "ids": "ids.txt", "folder": "pdfs"}
        paths = {name: str(self.root / path) for name, path in names.items()}
        arguments = [command, *(each.format(**paths) for each in condition.pop("arguments", EXAMPLES[command]))]
        output, errors = self.root / f"output-{self.number}", self.root / f"errors-{self.number}"
        for each in (output, errors):
            each.touch()
            each.chmod(0o666)
        wanted = {
            "arguments": [os.fsencode(each).hex() for each in arguments],
            "output": str(output),
            "errors": str(errors),
            "cwd": str(self.root),
            "serves": command == "mirror",
            **condition,
            "environment": {"RPA_V2_DATA_DIR": str(data), **condition.get("environment", {})},
        }
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps(wanted) + "\n")
        self.driver.stdin.flush()
        code = int(self.driver.stdout.readline())
        return Done(code, output.read_text(errors="replace"), errors.read_text(errors="replace"))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    # Not below pytest's own folder, which other users may not enter.
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")}
    environment |= {"RPA_V2_SHARD_COUNT": "2"}
    (root / "pdfs").mkdir()
    (root / "good.pdf").write_bytes(sample_pdf("one_column", "2401.00001"))
    (root / "bad.pdf").write_bytes(b"%PDF-1.4 but nothing else %%EOF")
    (root / "ids.txt").write_text(f"{root}/good.pdf\n2401.00002\n")
    command = [sys.executable, "-m", "tests.forked_commands"]
    driver = subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    made = Bench(root, driver)
    template = root / "template"
    assert made.run("add", template, arguments=["{pdf}", "{bad}"]).code == 0
    done = made.run("run", template)
    assert done.code == 1, done
    yield made
    assert driver.stdin is not None
    driver.stdin.close()
    driver.wait(timeout=30)
    with suppress(OSError):
        shutil.rmtree(root)
