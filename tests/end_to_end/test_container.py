"""The image of docs/deploy/Dockerfile, built, run and stopped, where docker or podman can do that."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import wait_for

REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "docs" / "deploy" / "Dockerfile"
PAPER = "2401.00001"
BUILD_SECONDS, COMMAND_SECONDS = 600, 120


def run(*command: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def has_base(tool: str) -> bool:
    """Whether the tool works and has the base image, or can get it."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found is not None
    base = found[1]
    return run(tool, "image", "inspect", base).returncode == 0 or run(tool, "pull", base).returncode == 0


@pytest.fixture(scope="module")
def tool() -> str:
    works = (each for each in ("docker", "podman") if shutil.which(each) and run(each, "info").returncode == 0)
    for each in works:
        if has_base(each):
            return each
    pytest.skip("needs docker or podman, and the base image")


@pytest.fixture(scope="module")
def image(tool: str) -> Iterator[str]:
    name = f"rpa-shard-test-{uuid4().hex[:8]}"
    built = run(tool, "build", "-f", str(DOCKERFILE), "-t", name, str(REPOSITORY), seconds=BUILD_SECONDS)
    assert built.returncode == 0, built.stderr
    yield name
    run(tool, "rmi", "--force", name)


def test_a_run_in_a_container_works_as_a_user_and_drains(tool: str, image: str, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    shelf.chmod(0o755)
    (shelf / f"{PAPER}.pdf").write_bytes(sample_pdf(Kind.TWO_COLUMNS, PAPER))
    volume = [f"--volume={image}:/data"]
    container = f"{image}-run"
    settings = (
        "--env=RPA_V2_SOURCES=file:///shelf/{name}.pdf",
        "--env=RPA_V2_SHARD_COUNT=1",
        f"--volume={shelf}:/shelf:ro",
    )
    confined = ("--init", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    try:
        started = run(
            tool, "run", "--detach", f"--name={container}", *confined, *volume, *settings, image, "run", "--daemon"
        )
        assert started.returncode == 0, started.stderr

        def inside(*command: str) -> subprocess.CompletedProcess[str]:
            return run(tool, "exec", container, *command)

        assert inside("id", "-u").stdout.strip() == "10001"
        assert wait_for(lambda: inside("rpa-shard", "add", PAPER).returncode == 0, "the folder is made")
        wait_for(lambda: "prepped since" in inside("rpa-shard", "show", PAPER).stdout, "the paper is done")
        assert "run       running" in inside("rpa-shard", "status").stdout
        wait_for(lambda: inside("/bin/sh", "-c", "rpa-shard health || [ $? -eq 1 ]").returncode == 0, "it is healthy")
        assert run(tool, "stop", "--time=60", container).returncode == 0
        assert run(tool, "inspect", "--format={{.State.ExitCode}}", container).stdout.strip() == "143"
        verified = run(tool, "run", "--rm", *volume, image, "verify")
        assert (verified.returncode, "verify    clean" in verified.stdout) == (0, True), verified.stderr
    finally:
        run(tool, "rm", "--force", container)
        run(tool, "volume", "rm", image)
