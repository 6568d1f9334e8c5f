"""A source that gives everybody a page instead of a PDF: few requests, no paper lost, and all of them in the end."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rpa_shard.control.politeness.in_a_row import PAUSES, SAME_PAGES
from rpa_shard.fetch.trust import ON_TRIAL
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.arrivals import read_arrivals
from rpa_shard.testing.faults import parse_faults
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import Rig, wait_for

SHARDS = 3
PAPERS = 200
IDS = [f"2401.{number:05}" for number in range(1, PAPERS + 1)]
FEW = IDS[:60]
UNDER_WAY = ON_TRIAL * SHARDS
# What closes the host, with what was under way then, and the probes.
MAX_ASKED = SAME_PAGES + UNDER_WAY + PAUSES
# For tests that are not about rates: a host without a policy gets ten requests a second once it was closed.
FAST = "127.0.0.1=1000/1@200"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    for paper_id in IDS:
        (folder / f"{paper_id}.pdf").write_bytes(sample_pdf(Kind.AUTHOR_YEAR, paper_id))
    return folder


@pytest.fixture
def closing(rig: Rig) -> Rig:
    rig.environment |= {"RPA_V2_SHARD_COUNT": str(SHARDS), "RPA_V2_HOST_CLOSE_SECONDS": "0.3"}
    return rig


def queue(rig: Rig, ids: list[str], url: str) -> int:
    """Queues papers that come from a mirror; returns the mirror's port."""
    rig.environment["RPA_V2_SOURCES"] = f"{url}/pdf/{{id}}"
    with open_ledger(rig.folder, Layout(200, SHARDS)) as ledger:
        ledger.add(ids)
    return urlsplit(url).port or 0


def test_a_captcha_for_everybody_until_a_person_acts(closing: Rig, shelf: Path, tmp_path: Path) -> None:
    log = tmp_path / "arrivals"
    with MirrorProcess(shelf, "captcha*always", log=log) as mirror:
        port = queue(closing, IDS, mirror.url)
        code, output, errors = closing.run("run")
    assert code == 1, errors
    assert len(read_arrivals(log)) <= MAX_ASKED
    assert "left alone for" in errors
    assert "refuses us: " in output
    assert "Are you a robot?" in output
    assert "Are you a robot?" in closing.run("hosts")[1]
    assert {row.failure for row in closing.rows().values()} == {"blocked"}, "none failed for the page that it got"
    with MirrorProcess(shelf, port=port):
        assert closing.run("hosts", "--reopen", "127.0.0.1")[0] == 0
        closing.run("retry", "--reason", "blocked")
        code, _, errors = closing.run("run", HOST_POLICY=FAST)
    assert code == 0, errors
    assert closing.by_status() == {"prepped": PAPERS}


def test_a_captcha_that_goes_away_by_itself(closing: Rig, shelf: Path, tmp_path: Path) -> None:
    log = tmp_path / "arrivals"
    with MirrorProcess(shelf, "captcha*always", log=log) as mirror:
        port = queue(closing, IDS, mirror.url)
        run = closing.start("run", HOST_CLOSE_SECONDS="3", HOST_POLICY=FAST)

        def is_closed() -> bool:
            status = closing.status()
            return status is not None and any(host.is_shut for host in status.hosts.values())

        wait_for(is_closed, "the host is closed")
    assert len(read_arrivals(log)) <= MAX_ASKED
    with MirrorProcess(shelf, port=port):
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert closing.by_status() == {"prepped": PAPERS}
    attempts = [row.results["prep"]["attempts"] for row in closing.rows().values()]
    assert max(attempts) <= 2, "one at most was charged, before it was known that nobody gets a PDF"
    assert sum(attempts) - PAPERS <= SAME_PAGES + UNDER_WAY


@pytest.mark.parametrize("fault", ["login", "json", "400", "451", "inside"])
def test_other_answers_for_everybody(closing: Rig, shelf: Path, tmp_path: Path, fault: str) -> None:
    log = tmp_path / "arrivals"
    with MirrorProcess(shelf, f"{fault}*always", log=log) as mirror:
        queue(closing, FEW, mirror.url)
        code, output, errors = closing.run("run")
    assert code == 1, errors
    # A login page comes after a redirect, which the papers next in turn get, too, before one of them gets the page.
    most = MAX_ASKED + (UNDER_WAY if fault == "login" else 0)
    assert len({each.paper_id for each in read_arrivals(log)}) <= most
    assert "refuses us: " in output
    failures = [row.failure for row in closing.rows().values()]
    lost = 0 if fault != "451" else MAX_ASKED  # by law, and at once
    assert failures.count("blocked") >= len(FEW) - lost


def test_a_page_for_some_papers_is_their_own(closing: Rig, shelf: Path) -> None:
    """A mirror that answers 200 for what it does not have: at the end of the run only such papers are left."""
    fault = "html:10%*always"
    with MirrorProcess(shelf, fault) as mirror:
        queue(closing, IDS, mirror.url)
        code, output, errors = closing.run("run", HOST_POLICY=FAST)
    assert code == 1, errors
    assert "refuses us" not in output
    failed = {paper: row.failure for paper, row in closing.rows().items() if row.status == "failed"}
    plan = parse_faults(fault)
    assert failed == {paper: "not_a_pdf" for paper in IDS if plan.fault_of(paper)}
    assert len(failed) > SAME_PAGES


@pytest.mark.parametrize("fault", ["making:40%*2", "building:30%*2,202:30%*2"])
def test_pdfs_that_are_being_made(closing: Rig, shelf: Path, fault: str) -> None:
    with MirrorProcess(shelf, fault) as mirror:
        queue(closing, FEW, mirror.url)
        code, _, errors = closing.run("run")
    assert code == 0, errors
    assert closing.by_status() == {"prepped": len(FEW)}


def test_pdfs_that_are_never_made(closing: Rig, shelf: Path, tmp_path: Path) -> None:
    log = tmp_path / "arrivals"
    with MirrorProcess(shelf, "making*always", log=log) as mirror:
        queue(closing, FEW, mirror.url)
        code, output, errors = closing.run("run")
    assert code == 1, errors
    assert len(read_arrivals(log)) <= len(FEW) + 2 * MAX_ASKED, "each paper once, and then a few again"
    assert "being generated" in output
    assert {row.failure for row in closing.rows().values()} == {"blocked"}


def test_local_files_that_are_no_pdfs_are_final_and_do_not_hide_the_next_source(
    closing: Rig, shelf: Path, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / f"{IDS[0]}.pdf").write_bytes((shelf / f"{IDS[0]}.pdf").read_bytes()[:-200])
    (local / f"{IDS[1]}.pdf").write_bytes(b"")
    (local / f"{IDS[2]}.pdf").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / f"{IDS[0]}.pdf").write_bytes((shelf / f"{IDS[0]}.pdf").read_bytes())
    closing.run("add", *IDS[:4])
    code, _, errors = closing.run("run", SOURCES=f"{local.as_uri()}/{{name}}.pdf {other.as_uri()}/{{name}}.pdf")
    assert code == 1, errors
    rows = closing.rows()
    assert [rows[paper].failure for paper in IDS[:4]] == [None, "not_a_pdf", "not_found", "not_found"]
    assert str(local / f"{IDS[1]}.pdf") in (closing.history(IDS[1])[-1].detail or "")
    assert all(closing.events(paper).count("failed") == 1 for paper in IDS[1:4])
    assert not any("postponed" in closing.events(paper) for paper in IDS[:4])


def test_a_status_that_will_not_change_does_not_hide_the_next_source(closing: Rig, shelf: Path, tmp_path: Path) -> None:
    with MirrorProcess(shelf, "406*always") as mirror:
        closing.run("add", *IDS[:3])
        code, _, errors = closing.run("run", SOURCES=f"{mirror.url}/pdf/{{id}} {shelf.as_uri()}/{{name}}.pdf")
    assert code == 0, errors
    assert closing.by_status() == {"prepped": 3}
