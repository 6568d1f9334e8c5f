"""Papers that crash, hang or exhaust their parser: each ends in a clear state, and no other paper suffers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from rpa_shard.extract.pool import ExtractionPool, ExtractionRules
from rpa_shard.extract.runner import extract
from rpa_shard.ipc.breadcrumb import Breadcrumb, read_breadcrumb
from rpa_shard.store.rows import PaperRow
from rpa_shard.testing.hostile_papers import heavy_page, hostile_collection
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import Rig, wait_for

POOLS = ("thread", "process")
GOOD = ["2401.00001", "2401.00002", "2401.00003"]
BUDGET_BYTES = 400 * 2**20
# How far a parser gets between two looks at its memory.
BETWEEN_LOOKS_BYTES = 300 * 2**20
CLEAR_ENDS = {"bad_pdf", "extract_timeout", "poison"}
# Papers that need no limit, and those that only a limit ends.
READABLE = {"encrypted-empty", "bomb", "deep-nesting", "object-stream-loop"}
ENDLESS = {"bomb-in-a-bomb"}
# The first engine hangs in them, the second one does not.
READABLE_BY_THE_SECOND = {"form-loop"}


@pytest.fixture(scope="module")
def hostile() -> Mapping[str, bytes]:
    return hostile_collection(seeds=12)


def add_files(rig: Rig, folder: Path, pdfs: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, pdf in pdfs.items():
        (folder / f"{name}.pdf").write_bytes(pdf)
    code, _, errors = rig.run("add", *GOOD, *(str(path) for path in folder.iterdir()))
    assert code == 0, errors


def by_name(rig: Rig) -> dict[str, PaperRow]:
    return {paper_id.rsplit("/", 1)[-1].removesuffix(".pdf"): row for paper_id, row in rig.rows().items()}


def assert_no_other_suffers(rig: Rig) -> None:
    rows = rig.rows()
    for paper_id in GOOD:
        assert rows[paper_id].status == "prepped"
        assert rows[paper_id].results["prep"]["attempts"] == 1
        assert set(rig.events(paper_id)) <= {"prepped", "reclaimed", "released"}


@pytest.mark.parametrize("pool", POOLS)
def test_each_comes_to_a_clear_end(rig: Rig, tmp_path: Path, hostile: Mapping[str, bytes], pool: str) -> None:
    add_files(rig, tmp_path / "pdfs", hostile)
    code, _, errors = rig.run(
        "run",
        PREP_EXTRACT_POOL=pool,
        EXTRACT_DEADLINE_SECONDS="6",
        SHARD_MEMORY_BYTES=str(BUDGET_BYTES),
        EXTRACT_CHILD_MEMORY_BYTES=str(BUDGET_BYTES),
        CRASH_LOOP_DEATHS="100",
    )
    assert code == 1, errors
    rows = by_name(rig)
    for name, row in rows.items():
        assert row.status == "prepped" or row.failure in CLEAR_ENDS, (name, row.failure, row.detail)
    assert {rows[name].status for name in READABLE} == {"prepped"}
    assert {rows[name].failure for name in hostile if name.startswith("cut-")} == {"bad_pdf"}
    assert "assword" in (rows["encrypted"].detail or "")
    assert {rows[name].status for name in ENDLESS} == {"failed"}
    for name in READABLE_BY_THE_SECOND:
        assert rows[name].status == "prepped", rows[name].detail
        assert "fallback_engine" in rows[name].results["prep"]["flags"]
    assert_no_other_suffers(rig)
    status = rig.status()
    assert status is not None
    for shard in status.shards:
        assert shard.peak.rss_bytes < BUDGET_BYTES + BETWEEN_LOOKS_BYTES
    assert rig.run("verify")[0] == 0
    rig.assert_nothing_left_behind()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("fault", ["segv", "stop"])
def test_a_parser_that_crashes_or_hangs_once(rig: Rig, tmp_path: Path, pool: str, fault: str) -> None:
    rig.environment |= {
        "RPA_SHARD_FAILPOINTS": f"mid_extraction={fault}",
        "RPA_SHARD_FAILPOINTS_ONCE": str(tmp_path),
    }
    rig.run("add", *GOOD)
    code, _, errors = rig.run("run", PREP_EXTRACT_POOL=pool, EXTRACT_DEADLINE_SECONDS="5")
    assert code == 0, errors
    events = {paper_id: rig.events(paper_id) for paper_id in GOOD}
    again = "suspected" if pool == "thread" else "postponed"
    (victim,) = [paper_id for paper_id, seen in events.items() if seen == [again, "prepped"]]
    assert all(events[each][-1] == "prepped" and again not in events[each] for each in GOOD if each != victim)
    rig.assert_nothing_left_behind()


@pytest.mark.parametrize("pool", POOLS)
def test_a_parser_that_always_crashes_makes_poison_and_loses_nothing(rig: Rig, pool: str) -> None:
    """Each process dies at its first paper, so each paper dies twice."""
    rig.environment["RPA_SHARD_FAILPOINTS"] = "mid_extraction=segv"
    rig.run("add", *GOOD)
    code, _, errors = rig.run("run", PREP_EXTRACT_POOL=pool)
    assert code == 1, errors
    rows = rig.rows()
    for paper_id in GOOD:
        assert rows[paper_id].failure == "poison"
        assert "died of SIGSEGV" in (rows[paper_id].detail or "")
        assert [event for event in rig.events(paper_id) if event != "reclaimed"][1:] == ["failed"]
    rig.assert_nothing_left_behind()


def children_of(pid: int) -> list[psutil.Process]:
    try:
        return [each for each in psutil.Process(pid).children() if "rpa_shard.extract.child" in each.cmdline()]
    except psutil.Error:
        return []


@pytest.mark.parametrize("everything", [False, True])
def test_children_of_a_killed_shard_do_not_outlive_it(rig: Rig, tmp_path: Path, everything: bool) -> None:
    add_files(rig, tmp_path / "pdfs", {"a": heavy_page(200_000), "b": heavy_page(200_001)})
    run = rig.start("run", PREP_EXTRACT_POOL="process")
    shards = rig.running_shards(2)

    def at_work() -> list[psutil.Process]:
        found = [child for pid in shards for child in children_of(pid) if child.cpu_times().user > 0.3]
        return found if found else []

    children = wait_for(at_work, "children at work")
    if everything:
        run.kill()
    for pid in shards:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(child.is_running() for child in children), "the children gone with their shards")
    if everything:
        run.wait()
        run = rig.start("run")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert rig.by_status() == {"prepped": len(GOOD) + 2}
    rig.assert_nothing_left_behind()


def test_a_crash_in_the_shard_and_one_in_the_child_are_poison_with_their_signal(rig: Rig, tmp_path: Path) -> None:
    add_files(rig, tmp_path / "pdfs", {"heavy": heavy_page()})
    run = rig.start("run", EXTRACT_ENGINE="pdfium")
    shards = rig.running_shards(2)

    def parsing() -> int:
        crumbs = {number: read_breadcrumb(rig.folder.run.breadcrumb_file(number)) for number in range(2)}
        return next((shards[n] for n, crumb in crumbs.items() if crumb and crumb.paper_id.endswith("heavy.pdf")), 0)

    os.kill(wait_for(parsing, "the heavy paper in its engine"), signal.SIGSEGV)

    def alone() -> list[psutil.Process]:
        return [child for shard in rig.shards() for child in children_of(shard.pid)]

    wait_for(alone, "the heavy paper alone")[0].send_signal(signal.SIGBUS)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1, errors
    assert "died: signal SIGSEGV" in errors
    row = by_name(rig)["heavy"]
    assert (row.failure, row.suspect) == ("poison", True)
    assert "died of SIGBUS" in (row.detail or "")
    assert_no_other_suffers(rig)
    rig.assert_nothing_left_behind()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("threads", [1, 2, 8])
async def test_the_same_text_from_any_number_of_threads(tmp_path: Path, pool: str, threads: int) -> None:
    if pool == "process" and threads == 8:
        threads = 3  # a process each
    kinds = (Kind.TWO_COLUMNS, Kind.AUTHOR_YEAR, Kind.SCANNED)
    papers = {f"2401.{number:05}": kinds[number % 3] for number in range(1, 49)}
    for paper_id, kind in papers.items():
        (tmp_path / paper_id).write_bytes(sample_pdf(kind, paper_id))
    alone = {paper_id: extract(tmp_path / paper_id, "auto") for paper_id in papers}
    rules = ExtractionRules("process" if pool == "process" else "thread", "auto", 60, 2 * 2**30)
    with closing(Breadcrumb(tmp_path / "crumb")) as crumb, closing(ExtractionPool(rules, threads, crumb)) as extraction:

        async def one(paper_id: str) -> object:
            return await extraction.run(lambda: extraction.extract(paper_id, tmp_path / paper_id))

        together = await asyncio.gather(*(one(paper_id) for paper_id in papers))
    assert dict(zip(papers, together, strict=True)) == alone
