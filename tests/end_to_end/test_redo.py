"""Extracting again: from the PDFs that are there, without a download, and with what is known of their origin."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.chaos.schedule import SHARD_POINTS
from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.system.clock import from_utc
from rpa_shard.testing.arrivals import read_arrivals
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf, write_collection
from tests.old_folder import FORMAT_1
from tests.rig import Rig, wait_for

DONE = {"prepped": 58, "failed": 2}
BROKEN, MISSING, GOOD = "2401.00004", "2401.00006", "2401.00001"
ORIGIN = ("source", "fetched_at", "pdf_sha256")


@pytest.fixture
def arrivals(queued: Rig, collection: Collection, tmp_path: Path) -> Iterator[Path]:
    """A run that is finished, from a mirror with a log."""
    write_collection(tmp_path / "shelf", collection)
    with MirrorProcess(tmp_path / "shelf", log=tmp_path / "arrivals") as mirror:
        queued.environment["RPA_V2_SOURCES"] = f"{mirror.url}/pdf/{{id}}"
        assert queued.run("run")[0] == 1
        yield tmp_path / "arrivals"


def files(rig: Rig, paper_id: str) -> PaperFiles:
    return files_of(rig.folder.papers, parse(paper_id))


def record(rig: Rig, paper_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(rig, paper_id).record.read_text())
    return found


def records(rig: Rig) -> dict[str, dict[str, Any]]:
    return {paper_id: record(rig, paper_id) for paper_id, row in rig.rows().items() if row.status == "prepped"}


def test_everything_with_the_other_engine(queued: Rig, collection: Collection, arrivals: Path) -> None:
    before = records(queued)
    requests = len(read_arrivals(arrivals))
    assert len(before) == 58
    assert {each["engine"]["name"] for each in before.values()} == {"pdfium"}
    code, output, errors = queued.run("redo", "--all")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "59 papers will be extracted again: `run` does it",
        "1 without a PDF here and left: --download fetches them again",
    ]
    assert queued.by_status() == {"pending": 59, "failed": 1}
    assert records(queued) == {}
    assert all(files(queued, each).text.exists() for each in before), "the old text stays until there is a new one"
    assert queued.run("plan")[1] == "nothing to fetch\n"

    assert queued.run("run", EXTRACT_ENGINE="pypdf")[0] == 1
    assert queued.by_status() == DONE
    after = records(queued)
    assert {each["engine"]["name"] for each in after.values()} == {"pypdf"}
    assert len(read_arrivals(arrivals)) == requests, "nothing was downloaded"
    for paper_id, old in before.items():
        new = after[paper_id]
        assert {name: new[name] for name in ORIGIN} == {name: old[name] for name in ORIGIN}
        assert old["source"].endswith(f"/pdf/{paper_id}")
        assert (from_utc(old["extracted_at"]) or 0) < (from_utc(new["extracted_at"]) or 0)
        assert (from_utc(old["fetched_at"]) or 0) <= (from_utc(old["extracted_at"]) or 0)
    assert queued.run("verify")[0] == 0
    assert queued.events(GOOD) == ["prepped", "redo", "prepped"]
    assert all(row.outdated_before is None for row in queued.rows().values() if row.status == "prepped")
    queued.assert_promise_kept(collection.pdfs)


def test_where_papers_came_from_is_not_counted_as_fetched(queued: Rig, arrivals: Path) -> None:
    queued.run("redo", "--status", "prepped")
    queued.run("run")
    status = queued.status()
    assert status is not None
    assert status.work.tallies["source"] == {"kept PDF": 58}


def test_a_paper_that_fails_now_keeps_its_old_text_and_can_be_tried_again(queued: Rig, arrivals: Path) -> None:
    here = files(queued, GOOD)
    text, pdf = here.text.read_bytes(), here.pdf.read_bytes()
    here.pdf.write_bytes(b"%PDF-1.4 that no engine reads %%EOF")
    assert queued.run("redo", GOOD)[0] == 0
    queued.run("run")
    row = queued.rows()[GOOD]
    assert (row.status, row.failure) == ("failed", "bad_pdf")
    assert (here.text.read_bytes(), here.pdf.exists(), here.refused_pdf.exists()) == (text, False, True)
    code, output, _ = queued.run("verify")
    assert (code, "57 prepped, 3 failed" in output) == (0, True)
    exported = {each["id"]: each for each in map(json.loads, queued.run("export", "--out", "-")[1].splitlines())}
    assert (exported[GOOD]["status"], exported[GOOD]["text"], exported[GOOD]["fetched_at"]) == ("failed", None, None)
    # An engine that reads it, as it were.
    here.refused_pdf.write_bytes(pdf)
    assert queued.run("redo", "--reason", "bad_pdf", GOOD)[0] == 0
    assert (here.pdf.exists(), here.refused_pdf.exists()) == (True, False)
    queued.run("run")
    assert (queued.by_status(), here.text.read_bytes()) == (DONE, text)
    assert queued.run("verify")[0] == 0


def test_a_redo_of_what_failed_after_it_goes_on_with_a_retry(queued: Rig, arrivals: Path) -> None:
    """The kept PDF is gone then, so the retry fetches it; the old text is outdated all the while."""
    here = files(queued, GOOD)
    here.pdf.write_bytes(b"%PDF-1.4 that no engine reads %%EOF")
    before = record(queued, GOOD)
    queued.run("redo", GOOD)
    queued.run("run")
    queued.run("retry", GOOD)
    queued.run("run", EXTRACT_ENGINE="pypdf")
    after = record(queued, GOOD)
    assert (before["engine"]["name"], after["engine"]["name"]) == ("pdfium", "pypdf")


@pytest.mark.parametrize("point", ["before_change", "after_change"])
def test_a_killed_redo_is_repeated(queued: Rig, collection: Collection, arrivals: Path, point: str) -> None:
    queued.arm(f"{point}=kill")
    assert queued.run("redo", "--all")[0] == -9
    queued.disarm()
    code, output, _ = queued.run("redo", "--all")
    assert code == 0
    assert queued.by_status() == {"pending": 59, "failed": 1}, output
    queued.run("run")
    assert queued.by_status() == DONE
    assert all(queued.events(each).count("redo") == 1 for each in collection.pdfs if each != MISSING)
    queued.assert_promise_kept(collection.pdfs)


@pytest.mark.parametrize(
    "point", [each for each in SHARD_POINTS if each not in ("mid_drain", "mid_download", "after_rename")]
)
def test_a_shard_dies_while_papers_are_made_again(
    queued: Rig, collection: Collection, arrivals: Path, point: str
) -> None:
    requests = len(read_arrivals(arrivals))
    # Not the broken one, which is fetched again if its shard dies after it was set aside.
    queued.run("redo", "--status", "prepped")
    queued.arm(f"{point}=kill@2")
    assert queued.run("run", EXTRACT_ENGINE="pypdf")[0] == 1
    assert queued.by_status() == DONE
    assert {each["engine"]["name"] for each in records(queued).values()} == {"pypdf"}
    assert len(read_arrivals(arrivals)) == requests
    queued.assert_promise_kept(collection.pdfs)


def test_what_was_written_before_a_death_is_not_extracted_again(queued: Rig, arrivals: Path) -> None:
    queued.run("redo", "--status", "prepped")
    queued.arm("after_artifacts=kill@20")
    _, _, errors = queued.run("run", PREP_EXTRACT_WORKERS="1", SHARD_COUNT="1", EXTRACT_ENGINE="pypdf")
    assert "died: signal SIGKILL" in errors
    assert queued.by_status() == DONE
    assert errors.count("extract_text done") == 58, "each once, also the one that the shard died with"


def test_during_a_run(queued: Rig, collection: Collection, arrivals: Path) -> None:
    run = queued.start("run", "--daemon", EXTRACT_ENGINE="pypdf")
    queued.running_shards(2)
    assert queued.run("redo", "--all")[0] == 0
    wait_for(lambda: queued.by_status() == DONE, "all made again")
    run.terminate()
    run.communicate(timeout=60)
    assert {each["engine"]["name"] for each in records(queued).values()} == {"pypdf"}
    queued.assert_promise_kept(collection.pdfs)


def test_pdfs_that_are_not_kept_are_fetched_again_only_if_that_is_wanted(queued: Rig, arrivals: Path) -> None:
    for each in (queued.root / "papers").rglob("*.pdf"):
        each.unlink()
    requests = len(read_arrivals(arrivals))
    code, output, _ = queued.run("redo", "--status", "prepped")
    assert (code, output.splitlines()) == (
        0,
        [
            "0 papers will be extracted again: `run` does it",
            "58 without a PDF here and left: --download fetches them again",
        ],
    )
    assert queued.by_status() == DONE
    code, output, _ = queued.run("redo", "--status", "prepped", "--download")
    assert output.splitlines() == [
        "58 papers will be extracted again, 58 of them after another download: `run` does it"
    ]
    assert "58" in queued.run("plan")[1]
    queued.run("run", KEEP_PDF="0")
    assert queued.by_status() == DONE
    assert len(read_arrivals(arrivals)) == requests + 58


def test_local_papers_and_archives_count_as_there(rig: Rig, tmp_path: Path) -> None:
    local = tmp_path / "my paper.pdf"
    local.write_bytes(sample_pdf(Kind.AUTHOR_YEAR, "2401.77777"))
    archive = tmp_path / "arXiv_pdf_2401_001.tar"
    with tarfile.open(archive, "w") as packing:
        for number in (1, 2):
            content = sample_pdf(Kind.TWO_COLUMNS, f"2401.{number:05}")
            member = tarfile.TarInfo(f"2401/2401.{number:05}.pdf")
            member.size = len(content)
            packing.addfile(member, BytesIO(content))
    rig.run("add", str(local))
    rig.run("add", "--tar", str(archive))
    rig.environment |= {"RPA_V2_KEEP_PDF": "0", "RPA_V2_SOURCES": "http://127.0.0.1:9/{id}"}
    assert rig.run("run")[0] == 0
    assert list((rig.root / "papers").rglob("*.pdf")) == []
    assert rig.run("redo", "--all")[1].splitlines() == ["3 papers will be extracted again: `run` does it"]
    assert rig.run("run", EXTRACT_ENGINE="pypdf")[0] == 0
    assert {each["engine"]["name"] for each in records(rig).values()} == {"pypdf"}
    archive.rename(archive.with_suffix(".elsewhere"))
    output = rig.run("redo", "--all")[1]
    assert "1 papers will be extracted again" in output
    assert "2 without a PDF here" in output


def test_a_folder_of_an_older_version(rig: Rig) -> None:
    """Its records do not say when they were made: they are outdated, and where the PDFs came from is kept."""
    shutil.copytree(FORMAT_1, rig.root)
    rig.run("status")  # which upgrades it
    before = records(rig)
    assert {each["schema"] for each in before.values()} == {2}
    code, output, _ = rig.run("redo", "--status", "prepped")
    assert (code, output) == (0, f"{len(before)} papers will be extracted again: `run` does it\n")
    rig.run("run", SOURCES="http://127.0.0.1:9/{id}")
    after = records(rig)
    for paper_id, old in before.items():
        new = after[paper_id]
        assert (new["schema"], new["source"], new["pdf_sha256"]) == (4, old["source"], old["pdf_sha256"])
        assert from_utc(new["fetched_at"]) == int(files(rig, paper_id).pdf.stat().st_mtime)
    assert rig.run("verify")[0] == 0


def test_nothing_chosen_and_too_much(queued: Rig) -> None:
    code, output, errors = queued.run("redo", "2401.99999", GOOD, "--status", "prepped")
    assert (code, output) == (0, "0 papers will be extracted again: `run` does it\n")
    assert "2401.99999 was never added" in errors
    assert f"{GOOD} is pending, and not one of those" in errors
    for command in ("redo", "remove"):
        code, output, errors = queued.run(command)
        assert (code, output) == (2, "")
        assert f"{command} which papers? give ids, --file F or a condition" in errors
        code, output, errors = queued.run(command, "--all", "--status", "failed")
        assert (code, output) == (2, "")
        assert "--all takes all papers" in errors
    assert queued.by_status() == {"pending": 60}
