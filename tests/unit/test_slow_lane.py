"""Papers that nobody waits for: what the pool leaves unfinished, and suspects, whatever their engines do."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.pool import ExtractionPool, ExtractionRules, Unfinished
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.extract.search import search_of, try_next
from rpa_shard.extract.slow_lane import SlowLane
from rpa_shard.ipc.breadcrumb import Breadcrumb, read_breadcrumb
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.testing.growing_papers import pages, pieces_of_one_line
from rpa_shard.testing.pdf_writer import Page, Text, write_pdf
from tests.coded_fonts import SILENT

RULES = ExtractionRules("thread", "auto", 60.0, 2 * 2**30, 60.0)
GARBLED = write_pdf([Page([Text(72, 700 - 12 * row, "¢£¥ §¨© ª«¬ ®¯° ±²³ " * 3) for row in range(30)])])


@pytest.fixture
def lane() -> Iterator[SlowLane]:
    with closing(SlowLane(RULES)) as made:
        yield made


def garbled(pdf: Path, seconds_left: float = 60.0) -> Unfinished:
    """A paper that the first engine has read badly."""
    pdf.write_bytes(GARBLED)
    first = extract(pdf, "pdfium")
    assert first.quality.garbled
    unfinished = try_next(search_of(pdf, "auto"), lambda *_: first)
    assert not unfinished.is_over
    return Unfinished(unfinished, seconds_left)


@pytest.fixture
def pool(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ExtractionPool]:
    rules = dataclasses.replace(RULES, **request.param)
    with closing(Breadcrumb(tmp_path / "crumb")) as crumb, closing(ExtractionPool(rules, 1, crumb)) as made:
        yield made


@pytest.mark.parametrize("pool", [{"slow_seconds": 0.001}, {"slow_seconds": 0.001, "pool": "process"}], indirect=True)
def test_a_slow_paper_goes_on_in_the_lane(pool: ExtractionPool, lane: SlowLane, pdf: Path, tmp_path: Path) -> None:
    pdf.write_bytes(pages(200))
    left = pool.extract("2401.00001", pdf)
    assert isinstance(left, Unfinished)
    assert left.search.best is None
    assert 0 < left.seconds_left < 60
    assert read_breadcrumb(tmp_path / "crumb") is None
    assert lane.finish(left) == extract(pdf, "auto")


@pytest.mark.parametrize("pool", [{}], indirect=True)
def test_what_may_take_one_long_call_is_not_begun_in_the_thread(pool: ExtractionPool, pdf: Path) -> None:
    pdf.write_bytes(pieces_of_one_line(16_000))
    left = pool.extract("2401.00001", pdf)
    assert isinstance(left, Unfinished)
    assert left.search.best is None


@pytest.mark.parametrize("pool", [{}], indirect=True)
def test_a_second_engine_runs_in_the_lane(pool: ExtractionPool, lane: SlowLane, pdf: Path) -> None:
    pdf.write_bytes(GARBLED)
    left = pool.extract("2401.00001", pdf)
    assert isinstance(left, Unfinished)
    assert left.search.best == extract(pdf, "pdfium")
    assert lane.finish(left) == extract(pdf, "auto")


@pytest.mark.parametrize("pool", [{}, {"pool": "process"}], indirect=True)
@pytest.mark.parametrize("name", SILENT)
def test_what_no_engine_can_read_is_finished_at_once(pool: ExtractionPool, pdf: Path, name: str) -> None:
    pdf.write_bytes(SILENT[name])
    found = pool.extract("2401.00001", pdf)
    assert isinstance(found, Extraction)
    assert (found.engine, found.untold_pages) == ("pdfium", (1,))


@pytest.mark.parametrize("fault", ["segv", "kill", "stop", "ENOENT"])
def test_a_second_engine_costs_nothing_that_the_first_one_read(
    lane: SlowLane, pdf: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS", f"mid_extraction={fault}")
    left = garbled(pdf, 2.0 if fault == "stop" else 60.0)
    assert lane.finish(left) == left.search.best


@pytest.mark.parametrize("pool", [{"pool": "process"}], indirect=True)
def test_a_second_engine_that_dies_in_the_threads_own_child(
    pool: ExtractionPool, pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS", "mid_extraction=segv@2")
    pdf.write_bytes(GARBLED)
    assert pool.extract("2401.00001", pdf) == extract(pdf, "pdfium")


@pytest.mark.parametrize("fault", ["segv", "stop"])
def test_a_suspect_does_without_the_engine_that_kills_it(
    pdf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS", f"mid_extraction={fault}")
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS_ONCE", str(tmp_path))
    with closing(SlowLane(dataclasses.replace(RULES, deadline_seconds=4.0))) as lane:
        found = lane.extract_suspect(pdf)
    second = extract(pdf, "pypdf")
    assert found == dataclasses.replace(second, flags=("fallback_engine",))


def test_a_suspect_whose_engines_all_die_is_poison_with_every_cause(
    lane: SlowLane, pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS", "mid_extraction=segv")
    with pytest.raises(PaperError) as error:
        lane.extract_suspect(pdf)
    assert error.value.failure is Failure.POISON
    assert error.value.detail.count("died of SIGSEGV") == 2


def test_an_exception_in_a_child_is_told_as_such(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fault, failure in (("EDOM", Failure.BUG), ("EMFILE", Failure.DISK_FULL)):
        monkeypatch.setenv("RPA_SHARD_FAILPOINTS", f"mid_extraction={fault}")
        with closing(ExtractionChild(2 * 2**30)) as child, pytest.raises(PaperError, match="failpoint") as error:
            child.extract(pdf, "pdfium", 60)
        assert error.value.failure is failure


async def test_a_cancelled_caller_ends_the_child_at_once(
    lane: SlowLane, pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPA_SHARD_FAILPOINTS", "mid_extraction=stop")
    left = garbled(pdf)
    before = {each.pid for each in psutil.Process().children()}

    def stopped() -> list[psutil.Process]:
        children = [each for each in psutil.Process().children() if each.pid not in before]
        return [each for each in children if each.status() == psutil.STATUS_STOPPED]

    running = asyncio.create_task(lane.run(lambda: lane.finish(left)))
    async with asyncio.timeout(60):
        while not stopped():
            await asyncio.sleep(0.02)
    (child,) = stopped()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not child.is_running()
    monkeypatch.delenv("RPA_SHARD_FAILPOINTS")
    assert await lane.run(lambda: lane.finish(left)) == left.search.best, "the lane goes on"
