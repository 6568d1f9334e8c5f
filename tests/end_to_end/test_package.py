"""The packages: built from a clone with everything that lies around in one, and used on a clean machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from rpa_shard import __version__
from rpa_shard.testing.sample_papers import Kind, sample_pdf

ROOT = Path(__file__).parents[2]
IN_A_CLONE = (
    ".ci", "docs", "rpa_shard", "scripts", "tests",
    ".gitignore", "LICENSE", "README.md", "constraints.txt", "pyproject.toml", "run.sh",
)  # fmt: skip
GARBAGE = (
    "data/papers/2401/2401.00001.pdf", "demo-data/manifest.json", ".venv/bin/python", ".hypothesis/x", ".coverage",
    "rpa_shard/__pycache__/x.cpython-311.pyc", "tests/unit/__pycache__/y.cpython-311.pyc", ".setup.log",
    "build/lib/z.py",
)  # fmt: skip
NEEDED = (
    "LICENSE", "README.md", "constraints.txt", "pyproject.toml", "run.sh", "scripts/setup.sh", "docs/record.md",
    "tests/conftest.py", "tests/folders/format-1/manifest.json", "rpa_shard/py.typed",
)  # fmt: skip

# What a person may write; mypy knows every type in it.
SNIPPET = """
import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import rpa_shard
from rpa_shard import Record, Reference


def titles(record: Record) -> list[str]:
    references: tuple[Reference, ...] = record.references
    return [each.title for each in references if each.title is not None]


async def pages(pdf: Path) -> int:
    corpus = await rpa_shard.aio.open(sys.argv[2])
    papers = [paper.id async for paper in corpus.select(status="prepped")]
    assert len(papers) == sum((await corpus.counts()).values()) - 2
    return (await rpa_shard.aio.read(pdf)).pages


pdf = Path(sys.argv[1])
record = rpa_shard.read(pdf, isolated=True)
number: int = record.stamp.version if record.stamp is not None else 0
with rpa_shard.open(sys.argv[2]) as corpus:
    for paper in corpus.select(status=["failed"], since=timedelta(days=1)):
        reason: str | None = paper.failure
        print(paper.id, reason, paper.status is rpa_shard.Status.FAILED)
    text: str | None = corpus["2401.00001"].clean_text
print(titles(record), number, asyncio.run(pages(pdf)), (text or "").count("harbour") > 0)
try:
    rpa_shard.read(b"no")
except rpa_shard.PaperError as error:
    print(error.failure.value)
"""


def clean_environment(**more: str) -> dict[str, str]:
    ours = ("RPA_", "PYTHON", "VIRTUAL_ENV", "COV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def run(*command: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(each) for each in command],
        cwd=cwd, env=clean_environment(**more), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def has_no_registry(output: str) -> bool:
    said = ("No matching distribution", "Could not find a version", "Connection", "resolution", "timed out")
    return any(each in output for each in said)


def without_network_skipped(done: subprocess.CompletedProcess[str], doing: str) -> None:
    if done.returncode and has_no_registry(done.stdout + done.stderr):
        pytest.skip(f"{doing} needs a package registry, and there is none: {(done.stdout + done.stderr)[-200:]}")
    assert done.returncode == 0, done.stdout + done.stderr


def packages(tmp_path: Path) -> tuple[Path, Path]:
    """Source package and wheel; the wheel is built of what the source package contains."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in IN_A_CLONE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    for name in GARBAGE:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()
    without_network_skipped(
        run(sys.executable, "-m", "build", "-o", tmp_path / "dist", clone, cwd=tmp_path), "building"
    )
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    return source, wheel


def assert_contents(source: Path, wheel: Path) -> None:
    with tarfile.open(source) as archive:
        names = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    assert names >= {*NEEDED}
    assert names.isdisjoint(GARBAGE)
    assert not [each for each in names if each.endswith(".pyc")]
    with ZipFile(wheel) as archive_of_wheel:
        installed = {each for each in archive_of_wheel.namelist() if ".dist-info/" not in each}
    own = {each for each in names if each.startswith("rpa_shard/")}
    assert installed == own, "all of the package, and nothing else"


def installed(wheel: Path, tmp_path: Path) -> Path:
    """The programs of a clean environment with the wheel, in the versions that we pin."""
    environment = tmp_path / "clean"
    made = run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    if made.returncode:
        pytest.skip(f"no environment can be made: {made.stdout[-200:]}")
    pip = (
        environment / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
    )
    without_network_skipped(run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path), "installing")
    return environment / "bin"


def test_on_a_clean_machine(tmp_path: Path) -> None:
    source, wheel = packages(tmp_path)
    assert_contents(source, wheel)
    programs = installed(wheel, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.pdf").write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    (elsewhere / "snippet.py").write_text(SNIPPET)

    def here(*command: object, **more: str) -> subprocess.CompletedProcess[str]:
        return run(programs / str(command[0]), *command[1:], cwd=elsewhere, **more)

    assert here("rpa-shard", "--version").stdout == f"rpa-shard {__version__}\n"
    assert here("rpa-shard", "--help").stdout.startswith("usage: rpa-shard ")
    assert here("rpa-shard", "status").stderr == f"rpa-shard: no papers in {elsewhere}/data yet: add some with `add`\n"
    assert_extract(here)
    demo = here("rpa-shard", "demo", "--papers", "20", RPA_V2_SHARD_COUNT="2")
    assert demo.returncode == 0, demo
    assert "verify    clean" in demo.stdout
    assert "run.sh" not in demo.stdout + demo.stderr
    used = here("python", "snippet.py", "a.pdf", "demo-data")
    assert used.returncode == 0, used.stderr
    *failed, record, error = used.stdout.splitlines()
    assert sorted(each.split(" ", 1)[1] for each in failed) == ["bad_pdf True", "not_found True"]
    assert record.endswith(" 1 2 True")
    assert error == "not_a_pdf"
    typed = run(
        sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python", "snippet.py",
        cwd=elsewhere,
    )  # fmt: skip
    assert typed.returncode == 0, typed.stdout
    extra = here("rpa-shard", "export", "--out", "a.parquet", RPA_V2_DATA_DIR="demo-data")
    assert (extra.returncode, "pyarrow" in extra.stderr, len(extra.stderr.splitlines())) == (2, True, 1)


def assert_extract(here: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert here("rpa-shard", "extract", "a.pdf").stdout.startswith("[PAGE 1]\n")
    assert "[PAGE 1]" not in here("rpa-shard", "extract", "--clean", "a.pdf").stdout
    some = here("rpa-shard", "extract", "--json", "missing.pdf", "a.pdf")
    assert (some.returncode, some.stderr) == (1, "rpa-shard: missing.pdf: No such file or directory\n")
    assert json.loads(some.stdout)["stamp"]["id"] == "2401.00001"
