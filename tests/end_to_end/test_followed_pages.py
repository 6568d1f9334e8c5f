"""A newcomer types what the tutorial and the how-to pages say, and sees what they show."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rpa_shard.testing.sample_papers import demo_collection, write_collection
from tests.end_to_end.test_run_sh import ROOT, clean_environment, make_ready
from tests.followed_pages import Step, blocks, follow, follow_python, matches, steps

TUTORIAL = ROOT / "docs" / "tutorial.md"
HOW_TO = {page.stem: page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if steps(page)}
# These pages begin without a data folder; the others with one that a run has left.
FROM_NOTHING = ("fetch-and-read", "local-pdfs", "metadata-snapshot", "several-folders")
PAPERS = 40
# One of them, 2401.00006, is missing.
TEN = (1, 2, 3, 6, 7, 9, 10, 11, 12, 13)


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


def test_the_tutorial_in_a_clone(fresh_clone: Path) -> None:
    follow(TUTORIAL, fresh_clone, clean_environment())
    follow_python(TUTORIAL, fresh_clone, clean_environment())


def test_the_tutorial_with_an_installed_package(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "rpa-shard"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rpa_shard "$@"\n')
    program.chmod(0o755)
    environment = clean_environment()
    environment |= {"PATH": f"{program.parent}:{environment['PATH']}"}
    follow(TUTORIAL, tmp_path, environment, **{"./run.sh": "rpa-shard"})


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the how-to pages take for granted: PDFs, a list of ten papers, a snapshot, the results of a run."""
    folder = tmp_path_factory.mktemp("prepared")
    collection = demo_collection(PAPERS)
    write_collection(folder / "pdfs", collection)
    (folder / "all.txt").write_text("\n".join(collection.pdfs))
    (folder / "ids.txt").write_text("\n".join([f"2401.{number:05}" for number in TEN]))
    (folder / "snapshot.json").write_text("\n".join(map(_metadata, collection.pdfs)))
    (folder / "run.sh").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rpa_shard "$@"\n')
    (folder / "run.sh").chmod(0o755)
    for command in ("add --file all.txt", "add --metadata snapshot.json", "run --quiet"):
        subprocess.run(
            ["./run.sh", *command.split()],
            cwd=folder,
            env=_from(folder),
            check="run" not in command,
            capture_output=True,
        )
    return folder


def _metadata(paper_id: str) -> str:
    versions = [{"version": "v1", "created": "Tue, 2 Jan 2024 10:00:00 GMT"}]
    return json.dumps(
        {"id": paper_id, "title": f"Harbour {paper_id}", "authors": "A. Sample", "abstract": "Tides.", "doi": None,
         "categories": "physics.ao-ph", "versions": versions, "update_date": "2024-01-02"}
    )  # fmt: skip


def _from(folder: Path) -> dict[str, str]:
    return clean_environment(RPA_V2_SOURCES=f"file://{folder}/pdfs/{{name}}.pdf", RPA_SHARD_PROGRAM="./run.sh")


@pytest.mark.parametrize("name", HOW_TO)
def test_a_how_to_page(name: str, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    unwanted = ("data",) if name in FROM_NOTHING else ()
    shutil.copytree(prepared, folder, ignore=shutil.ignore_patterns(*unwanted))
    follow(HOW_TO[name], folder, _from(folder))
    if blocks(HOW_TO[name], "python"):
        follow_python(HOW_TO[name], folder, _from(folder))


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
