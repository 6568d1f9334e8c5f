"""A warm process that runs commands, and how they end where nothing is odd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.terminals import REFUSED, REPOSITORY, WRONG_USAGE, Bench, Done, commands, fresh


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    # Not below pytest's own folder, which other users may not enter.
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")}
    environment |= {"RPA_V2_SHARD_COUNT": "2"}
    (root / "pdfs").mkdir()
    (root / "good.pdf").write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    (root / "bad.pdf").write_bytes(b"%PDF-1.4 but nothing else %%EOF")
    (root / "ids.txt").write_text(f"{root}/good.pdf\n2401.00002\n")
    command = [sys.executable, "-m", "tests.forked_commands"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True) as driver:
        made = Bench(root, driver)
        template = root / "template"
        assert made.run("add", template, arguments=["{pdf}", "{bad}"]).code == 0
        done = made.run("run", template)
        assert done.code == 1, done
        yield made
    with suppress(OSError):
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def usual(bench: Bench) -> dict[str, Done]:
    """What the commands say and how they end where nothing is odd."""
    done = {command: bench.run(command, fresh(bench)) for command in commands()}
    codes = {command: each.code for command, each in done.items()}
    assert codes == dict.fromkeys(commands(), 0) | {"add": 1, "run": 1} | dict.fromkeys(REFUSED, WRONG_USAGE), done
    return done
