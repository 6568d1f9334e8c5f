"""The recipes of docs/deploy for many machines, run here over a real PostgreSQL, with stand-ins for srun and ssh."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.ipc.run_status import RunState, read_status
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.testing.sample_papers import Collection
from tests.cluster.conftest import PATIENCE_SECONDS, wait_for

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "docs" / "deploy"
# Drop the options, and run the rest here.
SRUN = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n'
SSH = """#!/bin/bash
while [[ $1 == -* ]]; do shift 2; done
shift
cd "$HOME" && exec setsid env -i HOME="$HOME" PATH="$PATH" bash -c "$*"
"""


class Recipe:
    """What a recipe needs: programs on the PATH, knobs, a database with papers."""

    def __init__(self, tmp_path: Path, database: str, mirror: str) -> None:
        self.programs = tmp_path / "programs"
        self.programs.mkdir()
        self.shared = tmp_path / "shared"
        self.shared.mkdir()
        self.home = tmp_path / "home"
        self.home.mkdir()
        self.started: list[subprocess.Popen[str]] = []
        self.folder = DataFolder(tmp_path / "observer", database, f"file://{self.shared}", "observer")
        self.program("rpa-shard", f'#!/bin/sh\nPYTHONPATH="{REPOSITORY}" exec "{sys.executable}" -m rpa_shard "$@"\n')
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        self.environment = kept | {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "RPA_V2_STORE": database,
            "RPA_V2_ARTIFACTS": f"file://{self.shared}",
            "RPA_V2_SOURCES": f"{mirror}/pdf/{{id}}",
            "RPA_V2_SHARD_COUNT": "1",
            "RPA_V2_RETRY_DELAY_SCALE": "0.01",
        }

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, script: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", str(DEPLOY / script), *arguments],
            env=self.environment | variables, cwd=self.home, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def add(self, *papers: str) -> None:
        folder = {"RPA_V2_DATA_DIR": str(self.home / "adding")}
        subprocess.run(["rpa-shard", "add", *papers], env=self.environment | folder, check=True, capture_output=True)

    def finished(self) -> int:
        with open_ledger(self.folder) as ledger:
            counts = ledger.counts().by_status
        return counts.get("prepped", 0) + counts.get("failed", 0)

    def folders(self) -> set[str]:
        """The names of the nodes that have worked, from their data folders."""
        return {path.parent.parent.name for path in self.home.parent.rglob("logs/supervisor.log")}


def has_ended(folder: DataFolder) -> bool:
    status = read_status(folder.run.status_file)
    return status is not None and status.state is RunState.ENDED


@pytest.fixture
def recipe(tmp_path: Path, database: str, mirror: str) -> Iterator[Recipe]:
    made = Recipe(tmp_path, database, mirror)
    yield made
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.cluster
def test_two_tasks_of_a_slurm_array(recipe: Recipe, collection: Collection) -> None:
    recipe.program("srun", SRUN)
    recipe.add(*collection.pdfs)
    tasks = [
        recipe.start(
            "slurm-array.sh",
            SLURM_ARRAY_JOB_ID="7",
            SLURM_ARRAY_TASK_ID=str(task),
            SLURM_CPUS_PER_TASK="1",
            SLURM_TMPDIR=str(recipe.home / f"scratch-{task}"),
        )
        for task in range(2)
    ]
    ends = [(task.communicate(timeout=PATIENCE_SECONDS)[1], task.returncode) for task in tasks]
    assert [code for _, code in ends] == [1, 1], ends  # a few papers are missing or broken
    assert recipe.finished() == len(collection.pdfs)
    assert recipe.folders() == {"slurm-7-0", "slurm-7-1"}


@pytest.mark.cluster
def test_ssh_to_two_hosts(recipe: Recipe, collection: Collection) -> None:
    recipe.program("ssh", SSH)
    recipe.add(*collection.pdfs)
    process = recipe.start("ssh.sh", "rpa@host-a", "host_b")
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1, errors
    assert recipe.finished() == len(collection.pdfs)
    assert recipe.folders() == {"host-a", "host-b"}


@pytest.mark.cluster
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nodes_end_with_the_script_of_ssh(recipe: Recipe, collection: Collection, number: signal.Signals) -> None:
    recipe.program("ssh", SSH)
    recipe.program("rpa-shard-daemon", '#!/bin/sh\nexec rpa-shard "$@" --daemon\n')
    recipe.add(*collection.pdfs)
    process = recipe.start("ssh.sh", "host-a", SHARD="rpa-shard-daemon")
    wait_for(lambda: recipe.finished() == len(collection.pdfs), "all done")
    process.send_signal(number)
    process.wait(PATIENCE_SECONDS)
    folder = DataFolder(recipe.home / "rpa-data" / "host-a")
    wait_for(lambda: has_ended(folder), "the node has drained")
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
