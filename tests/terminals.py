"""What tests of terminals, limits and users share: an example of every command, and a bench that runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpa_shard.cli.arguments import parser

REPOSITORY = Path(__file__).parents[1]
HEALTH_CHECK = "healthcheck"
# What is tried of each command. {pdf}, {bad} and {ids} are files; the folder has one prepped and one failed paper.
EXAMPLES: dict[str, list[str]] = {
    "add": ["{pdf}", "{bad}", "nonsense", "--file", "{ids}"],
    "run": [],
    "analyze": [],
    "prompts": [],
    "status": [],
    "top": [],
    "verify": [],
    "list": ["--limit", "5"],
    "repair": [],
    "retry": ["2401.00009"],
    "redo": ["{pdf}"],
    "remove": ["{pdf}", "--files"],
    "plan": ["--file", "{ids}"],
    "resize": ["3"],
    "node": [],
    "drain": ["worker-3"],
    "migrate": ["--to", "folder"],
    "failures": [],
    "hosts": [],
    "knobs": [],
    "completion": ["bash"],
    "show": ["{pdf}"],
    "export": ["--out", "-"],
    "extract": ["{pdf}"],
    "health": [],
    "metrics": [],
    "report": ["--out", "-"],
    "serve": ["--host", "0.0.0.0"],
    "mirror": ["{folder}", "--port", "0"],
    "llm-mirror": ["--port", "0"],
    "chaos": ["--folder", "/nowhere/at/all"],
    "demo": ["--folder", "{folder}"],
    HEALTH_CHECK: [],
}
# Right wherever the folder can be read.
READING = (
    "status", "top", "verify", "list", "plan", "failures", "hosts", "knobs", "completion", "show", "export",
    "extract", "health", "metrics", "report", "prompts",
    HEALTH_CHECK,
)  # fmt: skip
# One line where the folder may not be written.
WRITING = ("add", "run", "repair")
# These serve until they are ended.
SERVING = ("mirror", "llm-mirror")
# These end with one line on standard error whatever becomes of their output, since the example asks for too much.
REFUSED = ("analyze", "resize", "node", "drain", "migrate", "chaos", "demo", "serve")
# These say "unknown" where others say "wrong usage".
MONITORING = ("health", HEALTH_CHECK)
HEALTH_UNKNOWN, WRONG_USAGE, BROKEN_PIPE = 3, 2, 141


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

    def run(self, command: str, data: Path, **condition: Any) -> Done:
        self.number += 1
        names = {"pdf": "good.pdf", "bad": "bad.pdf", "ids": "ids.txt", "folder": "pdfs"}
        paths = {name: str(self.root / path) for name, path in names.items()}
        arguments = [command, *(each.format(**paths) for each in condition.pop("arguments", EXAMPLES.get(command, [])))]
        output, errors = self.root / f"output-{self.number}", self.root / f"errors-{self.number}"
        for each in (output, errors):
            each.touch()
            each.chmod(0o666)
        wanted = {
            "arguments": [os.fsencode(each).hex() for each in arguments],
            "output": str(output),
            "errors": str(errors),
            "cwd": str(self.root),
            "serves": command in SERVING,
            **condition,
            "environment": {"RPA_V2_DATA_DIR": str(data), **condition.get("environment", {})},
        }
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps(wanted) + "\n")
        self.driver.stdin.flush()
        code = int(self.driver.stdout.readline())
        return Done(code, output.read_text(errors="replace"), errors.read_text(errors="replace"))


def fresh(bench: Bench) -> Path:
    """The folder, as a run left it."""
    folder = bench.root / "data"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bench.root / "template", folder)
    return folder


def assert_in_order(done: Done, what: str) -> None:
    """Nothing but lines for a person."""
    assert "Traceback" not in done.errors, f"{what}: {done}"
    assert "Exception ignored" not in done.errors, f"{what}: {done}"
    assert len(done.errors.splitlines()) <= 1, f"{what}: {done}"
    assert done.code in (0, 1, 2, 3, BROKEN_PIPE), f"{what}: {done}"


def comparable(done: Done) -> tuple[int, list[str], str]:
    """A result without what differs from one moment to the next."""
    moving = (
        "run ",
        "ended ",
        "OK       run",
        "OK       disk",
        "rpa_disk_free",
        "<",  # of a report
        "serving",
        "answering",
        "queue all",
        "and run",
        "rpa-shard: seed",
        "rpa-shard  ",
    )
    return done.code, [each for each in done.output.splitlines() if not each.strip().startswith(moving)], done.errors
