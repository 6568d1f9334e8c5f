"""run.sh, the demo and the health check, as a person uses them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.rig import Rig

ROOT = Path(__file__).parents[2]
IN_A_CLONE = ("run.sh", "scripts", "rpa_shard", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")


def clean_environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")} | more


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the project in a folder with spaces, which shares our virtual environment's packages."""
    folder = tmp_path / "a clone with spaces"
    folder.mkdir()
    for name in IN_A_CLONE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def make_ready(clone: Path) -> None:
    """An environment like that of a finished set-up, without the minute that a set-up takes."""
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{clone}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    sums = subprocess.run(
        "cat pyproject.toml constraints.txt scripts/setup.sh | cksum",
        shell=True, cwd=clone, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (clone / ".venv" / ".ready").write_text(f"{clone.resolve()} {sums}\n")


def run(clone: Path, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(clone / "run.sh"), *arguments],
        env=clean_environment(**environment),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_from_any_folder_and_through_a_symlink(clone: Path, tmp_path: Path) -> None:
    make_ready(clone)
    link = tmp_path / "links" / "runner"
    link.parent.mkdir()
    link.symlink_to("../a clone with spaces/run.sh")
    ran = subprocess.run(
        [str(link), "add", "2401.00001"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "added 1, already known 0, invalid 0\n", "")
    assert (tmp_path / "data" / "manifest.json").exists(), "the data folder lies where the person is"


def test_knobs_and_descriptors(clone: Path) -> None:
    make_ready(clone)
    (clone / ".venv" / "bin" / "python").write_text("#!/bin/sh\nenv | grep ^RPA_V2_ | sort\nulimit -Sn\nulimit -Hn\n")
    ran = run(clone, RPA_V2_PREP_IO_THREADS="7", RPA_V2_WORKERS="5")
    *knobs, soft, hard = ran.stdout.split()
    assert knobs == ["RPA_V2_PREP_IO_THREADS=7", "RPA_V2_WORKERS=5"], "as they were set, and no others"
    assert soft == hard


def test_messages_name_the_program_as_it_was_typed(clone: Path) -> None:
    make_ready(clone)

    def refused(*typed: str) -> str:
        environment = clean_environment(PATH=f"{clone}{os.pathsep}{os.environ['PATH']}")
        ran = subprocess.run([*typed, "show", "2401.00001"], cwd=clone, env=environment, capture_output=True, text=True)
        assert ran.returncode == 2
        return ran.stderr

    assert refused("./run.sh").startswith("./run.sh: no papers in ")
    assert refused("bash", "run.sh").startswith("./run.sh: no papers in ")
    assert refused(f"{clone}/run.sh").startswith(("'/", "rpa-shard: "))


def only(tmp_path: Path, *programs: str, **scripts: str) -> str:
    """A PATH with the everyday programs that the script needs, and `scripts` of ours, but no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "cat", "cksum", "dirname", "readlink", "grep", "tail", "cut", "rm", "flock", *programs):
        found = shutil.which(name)
        if found is not None:
            (folder / name).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return str(folder)


def test_without_python_there_is_one_line(clone: Path, tmp_path: Path) -> None:
    ran = run(clone, PATH=only(tmp_path))
    assert ran.returncode == 2
    assert ran.stderr.startswith("run.sh: needs Python 3.11 or later, and found none")
    assert len(ran.stderr.splitlines()) == 1


def test_an_old_python_does_not_count(clone: Path, tmp_path: Path) -> None:
    ran = run(clone, PATH=only(tmp_path, python3="#!/bin/sh\nexit 1\n"))
    assert ran.returncode == 2
    assert "needs Python 3.11 or later" in ran.stderr


def test_without_the_venv_module_there_is_one_line(clone: Path, tmp_path: Path) -> None:
    script = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n'
    ran = run(clone, PATH=only(tmp_path, python3=script))
    assert ran.returncode == 2
    assert "has no venv module: install it (Debian: apt-get install python3-venv)" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_without_a_network_the_set_up_fails_and_starts_over_next_time(clone: Path) -> None:
    for _ in range(2):
        ran = run(
            clone, "--version", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull,
            PIP_NO_CACHE_DIR="1", PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="", UV_INDEX_URL="http://127.0.0.1:9/simple",
        )  # fmt: skip
        assert ran.returncode == 2
        first, second = ran.stderr.splitlines()
        assert first.startswith("run.sh: setting up ")
        assert second.startswith("run.sh: the packages could not be installed (is there a network?): ")
        assert not list((clone / ".venv").glob(".ready*"))


def test_the_demo_twice_in_a_row(clone: Path, tmp_path: Path) -> None:
    make_ready(clone)
    for _ in range(2):
        ran = run(clone, "demo", "--papers", "40", cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        for part in ("38 papers in", "not_found        1", "bad_pdf          1", "health    ", "verify    clean"):
            assert part in ran.stdout
    mirrors = [
        each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(each.info["cmdline"] or ())
    ]
    assert mirrors == []


def test_the_health_check_of_a_living_run(queued: Rig) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "healthcheck.py"), "--data-dir", str(queued.root)]
    assert subprocess.run(script, capture_output=True, check=False).returncode == 3, "no run yet"
    daemon = queued.start("run", "--daemon")
    queued.running_shards(2)
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    # A busy machine makes the loop wait, and that is a warning.
    lines = [line for line in checked.stdout.splitlines() if " loop lag: " not in line]
    assert all(line.startswith("OK ") for line in lines), checked.stdout
    assert checked.returncode in (0, 1)
    names = [line.split(":")[0].split(maxsplit=1)[1] for line in checked.stdout.splitlines()]
    assert sorted(names) == [
        "disk", "failures", "hosts", "leases", "loop lag", "models", "papers", "paused", "resources", "run",
        "shards", "throughput", "waiting",
    ]  # fmt: skip
    daemon.kill()
    daemon.communicate()
    as_json = subprocess.run([*script, "--json"], capture_output=True, text=True, check=False)
    assert as_json.returncode == 2
    assert '"level": "CRITICAL"' in as_json.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "asked"),
    [
        (["status"], {}, ""),
        (["add", "https://arxiv.org/abs/2401.00001"], {}, ""),
        (["status"], {"RPA_V2_STORE": "postgresql://rpa@db/papers"}, "cluster"),
        (["run"], {"RPA_V2_STORE": "postgresql://rpa@db/papers", "RPA_V2_ARTIFACTS": "file:///shared"}, "cluster"),
        (["run", "--on", "ray"], {}, "cluster"),
        (["migrate", "--to", "postgresql://rpa@db/papers"], {}, "cluster"),
    ],
)
def test_what_several_machines_need_is_set_up_only_for_them(
    clone: Path, arguments: list[str], environment: dict[str, str], asked: str
) -> None:
    (clone / "scripts" / "setup.sh").write_text('#!/bin/sh\necho "asked: $*"\nexit 9\n')
    ran = run(clone, *arguments, cwd=None, **environment)
    assert (ran.returncode, ran.stdout) == (9, f"asked: {asked}\n")
