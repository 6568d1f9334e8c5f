"""Taking papers out of the queue: during a run, killed in the middle, and never a file that is not ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.ipc.account import Limit
from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf, write_collection
from tests.rig import Rig, wait_for

GOOD, BROKEN = "2401.00001", "2401.00004"
KILLED = -9


@pytest.fixture
def finished(queued: Rig) -> Rig:
    """A rig whose run is over."""
    assert queued.run("run")[0] == 1
    return queued


@pytest.fixture
def stalling(queued: Rig, collection: Collection, tmp_path: Path) -> Iterator[Rig]:
    """A rig whose mirror never sends more than half of a PDF."""
    write_collection(tmp_path / "shelf", collection)
    with MirrorProcess(tmp_path / "shelf", "stall*always") as mirror:
        queued.environment["RPA_V2_SOURCES"] = f"{mirror.url}/pdf/{{id}}"
        yield queued


def files(rig: Rig, paper_id: str) -> PaperFiles:
    return files_of(rig.folder.papers, parse(paper_id))


def paper_files(rig: Rig) -> set[str]:
    """The files of all papers."""
    return {str(each.relative_to(rig.root)) for each in (rig.root / "papers").rglob("*") if each.is_file()}


def test_a_run_whose_papers_are_taken_away_ends(queued: Rig) -> None:
    run = queued.start("run", SOURCES="http://127.0.0.1:9/{id}", RETRY_DELAY_SCALE="100")

    def waits() -> bool:
        status = queued.status()
        return status is not None and status.account.limited_by is Limit.WAITING

    wait_for(waits, "all papers wait for another attempt")
    code, output, errors = queued.run("remove", "--status", "pending")
    assert (code, errors) == (0, "")
    assert output == "removed 60 papers\n"
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert queued.by_status() == {}
    queued.assert_promise_kept([])


def test_what_is_removed_during_a_run_is_not_worked_on(stalling: Rig) -> None:
    run = stalling.start("run", PREP_DOWNLOAD_CONCURRENCY="4", WORKERS="8")
    wait_for(lambda: stalling.by_status().get("prepping", 0) == 8, "all workers hold papers")
    code, output, errors = stalling.run("remove", "--all", "--files")
    assert errors == ""
    assert code == 1
    assert output.splitlines() == [
        "removed 52 papers and 0 files",
        "8 in work and left: repeat the command when the run has ended",
    ]
    left = set(stalling.rows())
    run.terminate()
    run.communicate(timeout=60)
    assert set(stalling.rows()) == left
    assert stalling.run("remove", "--all", "--files")[0] == 0
    assert stalling.rows() == {}
    stalling.assert_nothing_left_behind()
    assert paper_files(stalling) == set()


def test_removing_while_a_run_works(queued: Rig, collection: Collection, tmp_path: Path) -> None:
    unwanted = sorted(collection.pdfs)[::2]
    (tmp_path / "unwanted.txt").write_text("\n".join(unwanted))
    run = queued.start("run", PREP_DOWNLOAD_CONCURRENCY="2", PREP_EXTRACT_WORKERS="2")
    wait_for(lambda: queued.done_files() > 3, "some are done")
    queued.run("remove", "--file", str(tmp_path / "unwanted.txt"), "--files")
    output, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1), errors
    code, output, _ = queued.run("remove", "--file", str(tmp_path / "unwanted.txt"), "--files")
    assert code == 0, output
    wanted = set(collection.pdfs) - set(unwanted)
    assert set(queued.rows()) == wanted
    status = queued.status()
    assert status is not None
    assert sum(sum(shard.report.by_status.values()) for shard in status.shards) >= len(wanted)
    assert not any(files(queued, each).text.exists() for each in unwanted)
    queued.assert_promise_kept(wanted)


@pytest.mark.parametrize("point", ["before_change", "after_change"])
def test_a_killed_removal_is_repeated(finished: Rig, point: str) -> None:
    finished.arm(f"{point}=kill")
    assert finished.run("remove", "--all", "--files")[0] == KILLED
    finished.disarm()
    rows = finished.rows()
    assert 0 < len(rows) <= 60
    here = {name for name in paper_files(finished) if name.endswith(".pdf")}
    assert len(here) < len(rows) if point == "before_change" else len(here) <= len(rows), "files go first"
    code, output, _ = finished.run("remove", "--all", "--files")
    assert (code, output.splitlines()[0].split(" papers")[0]) == (0, f"removed {len(rows)}")
    assert (finished.rows(), paper_files(finished)) == ({}, set())


def test_all_that_was_made_goes_and_nothing_else(finished: Rig) -> None:
    before = paper_files(finished)
    refused = files(finished, BROKEN).refused_pdf
    assert refused.exists()
    code, output, _ = finished.run("remove", GOOD, BROKEN, "--files")
    assert (code, output) == (0, "removed 2 papers and 4 files\n")
    gone = {str(each.relative_to(finished.root)) for each in (*_three(finished, GOOD), refused)}
    assert before - paper_files(finished) == gone
    assert finished.run("verify")[0] == 0
    # Removing them again is no error, and adding one again begins anew.
    assert finished.run("remove", GOOD)[:2] == (0, "removed 0 papers\n1 not in the queue\n")
    finished.run("add", GOOD)
    assert finished.events(GOOD) == []
    finished.run("run")
    assert finished.rows()[GOOD].status == "prepped"


def _three(rig: Rig, paper_id: str) -> tuple[Path, ...]:
    here = files(rig, paper_id)
    return (here.pdf, here.text, here.record)


def test_files_that_stay_are_found_again(finished: Rig, tmp_path: Path) -> None:
    made = files(finished, GOOD).record.stat()
    assert finished.run("remove", GOOD)[:2] == (0, "removed 1 papers\n")
    assert files(finished, GOOD).text.exists()
    finished.run("add", GOOD)
    finished.run("run")
    assert finished.rows()[GOOD].status == "prepped"
    assert files(finished, GOOD).record.stat().st_mtime_ns == made.st_mtime_ns, "not made again"
    # What an earlier removal left goes by its id, from a list too; with a condition there must be a row.
    finished.run("remove", GOOD)
    (tmp_path / "ids.txt").write_text(f"{GOOD}\n")
    assert finished.run("remove", "--file", str(tmp_path / "ids.txt"), "--status", "prepped", "--files")[1] == (
        "removed 0 papers and 0 files\n"
    )
    code, output, _ = finished.run("remove", "--file", str(tmp_path / "ids.txt"), "--files")
    assert (code, output) == (0, "removed 0 papers and 3 files\n1 not in the queue\n")


def test_a_dry_run_changes_nothing(finished: Rig) -> None:
    before = paper_files(finished)
    code, output, _ = finished.run("remove", "--all", "--files", "--dry-run")
    assert (code, output) == (0, "would remove 60 papers: 2 failed, 58 prepped\n")
    assert finished.run("remove", "--reason", "bad_pdf", "--dry-run")[1] == "would remove 1 papers: 1 failed\n"
    assert finished.run("remove", "2499.99999", "--dry-run")[1] == "would remove 0 papers\n"
    assert (finished.by_status(), paper_files(finished)) == ({"prepped": 58, "failed": 2}, before)


def test_a_persons_own_files_stay(rig: Rig, tmp_path: Path) -> None:
    mine = tmp_path / "my paper.pdf"
    mine.write_bytes(sample_pdf(Kind.AUTHOR_YEAR, "2401.77777"))
    rig.run("add", str(mine), GOOD)
    assert rig.run("run")[0] == 0
    linked = files(rig, GOOD).pdf
    linked.rename(tmp_path / "elsewhere.pdf")
    linked.symlink_to(tmp_path / "elsewhere.pdf")
    content = mine.read_bytes()
    code, output, _ = rig.run("remove", "--all", "--files")
    assert (code, output) == (0, "removed 2 papers and 6 files\n")
    assert (mine.read_bytes(), (tmp_path / "elsewhere.pdf").exists(), paper_files(rig)) == (content, True, set())
    assert rig.run("remove", str(mine), "--files")[1] == "removed 0 papers and 0 files\n1 not in the queue\n"
    assert mine.exists()


def test_files_that_may_not_be_removed_keep_their_rows(finished: Rig) -> None:
    if os.geteuid() == 0:
        blocked = files(finished, GOOD).text
        blocked.unlink()
        blocked.mkdir()  # what even root cannot unlink
    else:
        files(finished, GOOD).text.parent.chmod(0o555)
    try:
        code, _, errors = finished.run("remove", GOOD, "--files")
        assert (code, len(errors.splitlines())) == (2, 1)
        assert "Traceback" not in errors
        assert GOOD in finished.rows()
    finally:
        files(finished, GOOD).text.parent.chmod(0o755)


def test_invalid_ids_and_lists_that_cannot_be_read(finished: Rig, tmp_path: Path) -> None:
    code, output, errors = finished.run("remove", "nonsense", GOOD)
    assert (code, output) == (1, "removed 1 papers\n")
    assert "nonsense" in errors
    for command in ("remove", "redo"):
        code, output, errors = finished.run(command, "--file", str(tmp_path / "none.txt"))
        assert (code, output) == (2, "")
        assert "none.txt" in errors
    (tmp_path / "empty.txt").write_text("")
    assert finished.run("remove", "--file", str(tmp_path / "empty.txt"))[1] == "removed 0 papers\n"
    assert len(finished.rows()) == 59
