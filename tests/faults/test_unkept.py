"""Runs that keep no PDF: what the disk sees, and what becomes of PDFs whose attempts fail or die."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from rpa_shard.chaos.schedule import SHARD_POINTS
from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import files_of
from rpa_shard.system.files import TEMPORARIES
from rpa_shard.testing.arrivals import read_arrivals
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf, write_collection
from tests.rig import Rig, wait_for

DONE = {"prepped": 58, "failed": 2}
BROKEN = "2401.00004"


@pytest.fixture(autouse=True)
def without_pdfs(rig: Rig) -> None:
    rig.environment["RPA_V2_KEEP_PDF"] = "0"


@pytest.fixture
def tar(tmp_path: Path, collection: Collection) -> Path:
    """All papers of the collection in one archive."""
    archive = tmp_path / "arXiv_pdf_2401_001.tar"
    with tarfile.open(archive, "w") as packing:
        for paper_id, pdf in collection.pdfs.items():
            if pdf is not None:
                member = tarfile.TarInfo(f"2401/{paper_id.replace('/', '')}.pdf")
                member.size = len(pdf)
                packing.addfile(member, BytesIO(pdf))
    return archive


@contextmanager
def logged_mirror(rig: Rig, folder: Path, served: dict[str, bytes | None], faults: str = "") -> Iterator[Path]:
    """A mirror of its own for the rig, with the log of its arrivals."""
    write_collection(folder / "shelf", Collection(served))
    with MirrorProcess(folder / "shelf", faults, log=folder / "arrivals") as mirror:
        rig.environment["RPA_V2_SOURCES"] = f"{mirror.url}/pdf/{{id}}"
        yield folder / "arrivals"


def pdfs_of(rig: Rig) -> list[str]:
    """The names of the PDFs in place."""
    return sorted(each.name for each in (rig.root / "papers").rglob("*.pdf") if each.parent.name != TEMPORARIES)


def written_pdfs(rig: Rig, to: Path) -> list[str]:
    """The PDFs that a run opens to write, from a system call trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: `apt-get install strace`")
    command = ["strace", "-f", "-qq", "-s", "2000", "-e", "trace=open,openat,rename,renameat,renameat2", "-o", str(to)]
    command += [sys.executable, "-m", "rpa_shard", "run"]
    done = subprocess.run(command, env=rig.environment, capture_output=True, text=True)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    papers = re.escape(str(rig.root / "papers"))
    return re.findall(rf'{papers}/[^"]*\.pdf(?=", O_WRONLY|", O_RDWR|"\))', to.read_text(errors="replace"))


@pytest.mark.parametrize("is_local", [False, True])
def test_no_pdf_is_written_at_all(rig: Rig, collection: Collection, tar: Path, tmp_path: Path, is_local: bool) -> None:
    rig.environment["RPA_V2_SHARD_COUNT"] = "1"
    if is_local:
        rig.run("add", "--tar", str(tar))
        rig.environment["RPA_V2_SOURCES"] = "http://127.0.0.1:9/{id}"
    else:
        rig.run("add", *[each for each in collection.pdfs if each != "2401.00006"])
    written = written_pdfs(rig, tmp_path / "trace")
    bad = files_of(rig.folder.papers, parse(BROKEN)).pdf.with_suffix(".bad.pdf").name
    assert pdfs_of(rig) == [bad], "but the one that no engine reads, for whoever wants to look"
    assert rig.by_status() == {"prepped": 58, "failed": 1}
    temporaries = {Path(each).name for each in written} - {bad}
    assert len(temporaries) == 1, "the half-written file of the bad one"
    rig.environment["RPA_V2_KEEP_PDF"] = "1"
    rig.run("retry", BROKEN)
    rig.assert_promise_kept(set(rig.rows()))


@pytest.mark.parametrize("point", [each for each in SHARD_POINTS if each not in ("mid_drain", "after_rename")])
def test_a_shard_dies_at_a_point(queued: Rig, collection: Collection, point: str) -> None:
    queued.arm(f"{point}=kill@2")
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert "died: signal SIGKILL" in errors
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)
    assert [each for each in pdfs_of(queued) if not each.endswith(".bad.pdf")] == []


def test_everything_is_killed_in_the_middle(queued: Rig, collection: Collection) -> None:
    run = queued.start("run")
    wait_for(lambda: queued.done_files() >= 5, "the first papers")
    for each in queued.processes():
        each.send_signal(signal.SIGKILL)
    run.communicate()
    assert [each for each in pdfs_of(queued) if not each.endswith(".bad.pdf")] == []
    assert queued.run("run")[0] == 1
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)


@pytest.mark.parametrize(("knob", "value"), [("EXTRACT_SLOW_SECONDS", "0.01"), ("PREP_EXTRACT_POOL", "process")])
def test_other_processes_that_parse(queued: Rig, collection: Collection, knob: str, value: str) -> None:
    queued.environment |= {f"RPA_V2_{knob}": value, "RPA_V2_PREP_EXTRACT_WORKERS": "2"}
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert ("slow_lane arxiv_id=" in errors) == (knob == "EXTRACT_SLOW_SECONDS")
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)
    assert [each for each in pdfs_of(queued) if not each.endswith(".bad.pdf")] == []


def test_the_same_results_with_and_without(queued: Rig, rig: Rig, collection: Collection, tar: Path) -> None:
    queued.run("run")
    expected = queued.results()
    assert len(expected) == 58
    for folder, keep, add in (("kept", "1", [*collection.pdfs]), ("tar", "0", ["--tar", str(tar)])):
        again = Rig(rig.root.parent / folder, rig.environment | {"RPA_V2_KEEP_PDF": keep})
        again.environment["RPA_V2_DATA_DIR"] = str(again.root)
        assert again.run("add", *add)[0] == 0
        again.run("run")
        assert again.results() == expected
        again.assert_nothing_left_behind()


def test_a_retry_does_not_fetch_again(rig: Rig, tmp_path: Path) -> None:
    """The disk takes the PDF but not the text: what was fetched is kept for the next attempt."""
    papers = [f"2401.0000{number}" for number in range(1, 5)]
    with logged_mirror(rig, tmp_path, {each: sample_pdf(Kind.TWO_COLUMNS, each) for each in papers}) as log:
        rig.run("add", *papers)
        rig.arm("write_artifact=ENOSPC@2")
        code, _, errors = rig.run("run")
        assert code == 0, errors
        assert "reason=disk_full" in errors
    assert Counter(each.paper_id for each in read_arrivals(log)) == Counter(papers)
    assert pdfs_of(rig) == []
    rig.assert_promise_kept(papers)


def test_another_paper_and_a_broken_one_are_set_aside(rig: Rig, tmp_path: Path) -> None:
    right, wrong, broken = "2401.00001", "2401.00002", "2401.00003"
    served: dict[str, bytes | None] = {each: sample_pdf(Kind.TWO_COLUMNS, right) for each in (right, wrong)}
    served[broken] = sample_pdf(Kind.BROKEN, broken)
    with logged_mirror(rig, tmp_path, served) as log:
        rig.run("add", *served)
        assert rig.run("run")[0] == 1
    assert {each: row.failure for each, row in rig.rows().items()} == {
        right: None,
        wrong: "wrong_paper",
        broken: "bad_pdf",
    }
    assert pdfs_of(rig) == [f"{wrong}.bad.pdf", f"{broken}.bad.pdf"]
    folder = files_of(rig.folder.papers, parse(wrong)).pdf.parent
    assert (folder / f"{wrong}.bad.pdf").read_bytes() == served[wrong]
    assert (folder / f"{broken}.bad.pdf").read_bytes() == served[broken]
    assert Counter(each.paper_id for each in read_arrivals(log))[wrong] == 3, "a wrong paper is asked for again"
    rig.assert_promise_kept(served)


def test_a_pdf_of_an_earlier_run_is_used(rig: Rig, tmp_path: Path) -> None:
    pdf = sample_pdf(Kind.AUTHOR_YEAR, "2401.00001")
    with logged_mirror(rig, tmp_path, {"2401.00001": pdf}) as log:
        files = files_of(rig.folder.papers, parse("2401.00001"))
        files.pdf.parent.mkdir(parents=True)
        files.pdf.write_bytes(pdf)
        rig.run("add", "2401.00001")
        assert rig.run("run")[0] == 0
        assert read_arrivals(log) == []
    assert not files.pdf.exists()
    rig.assert_promise_kept(["2401.00001"])
