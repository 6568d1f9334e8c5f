"""An export that is killed in the middle leaves nothing that looks like one, and the next one works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rpa_shard.store.data_folder import DataFolder
from tests.corpus import PLAIN, VERSIONED, make_corpus

WAIT_SECONDS = 60


@pytest.mark.parametrize("options", [[], ["--shard-size", "1"], ["--what", "bibliography"]])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_killed_export(tmp_path: Path, options: list[str], ending: str) -> None:
    make_corpus(DataFolder(tmp_path / "data"))
    exports = tmp_path / "exports"
    exports.mkdir()
    command = [sys.executable, "-m", "rpa_shard", "export", "--file", "-", "--out", f"out.{ending}", *options]
    environment = {**os.environ, "RPA_V2_DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=exports, env=environment)
    with process:  # waits for ids, which never come
        deadline = time.monotonic() + WAIT_SECONDS
        while not list(exports.iterdir()):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    assert [path.name for path in exports.iterdir() if not path.name.startswith(".")] == []
    ids = f"{PLAIN}\n{VERSIONED}\n"
    done = subprocess.run(command, input=ids, capture_output=True, text=True, cwd=exports, env=environment)
    assert done.returncode == 0, done.stderr
    assert "exported 2 papers" in done.stderr
    expected = [f"out-0000{each}.{ending}" for each in range(2)] if "--shard-size" in options else [f"out.{ending}"]
    assert sorted(path.name for path in exports.iterdir()) == expected
