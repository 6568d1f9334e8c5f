"""A source's budget over real shards: kept in every window, by its log of arrivals, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import Rig, wait_for

PAPERS = 40
REQUESTS, SECONDS = 4, 0.5
POLICY = f"127.0.0.1={REQUESTS}/{SECONDS}@4"
IDS = [f"2401.{number:05}" for number in range(1, PAPERS + 1)]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    for paper_id in IDS:
        (folder / f"{paper_id}.pdf").write_bytes(sample_pdf(Kind.AUTHOR_YEAR, paper_id))
    return folder


class Source:
    """A mirror with a log, and what it saw."""

    def __init__(self, shelf: Path, log: Path, faults: str = "") -> None:
        self.log = log
        self.process = MirrorProcess(shelf, faults=faults, log=log)

    def times(self) -> list[float]:
        return [json.loads(line)["at"] for line in self.log.read_text().splitlines()]

    def assert_budget_kept(self) -> None:
        times = self.times()
        for earlier, later in zip(times, times[REQUESTS:], strict=False):
            assert later - earlier >= SECONDS, f"{REQUESTS + 1} requests within {later - earlier:.3f} s"


@pytest.fixture
def source(rig: Rig, shelf: Path, tmp_path: Path) -> Iterator[Source]:
    made = Source(shelf, tmp_path / "arrivals")
    with made.process as process:
        rig.environment |= {"RPA_V2_SOURCES": f"{process.url}/pdf/{{id}}", "RPA_V2_HOST_POLICY": POLICY}
        with open_ledger(rig.folder, Layout(200, 2)) as ledger:
            ledger.add(IDS)
        yield made


def faulty(rig: Rig, shelf: Path, tmp_path: Path, faults: str) -> Source:
    return Source(shelf, tmp_path / "faulty-arrivals", faults)


@pytest.mark.parametrize("shards", ["1", "2", "8"])
def test_the_budget_does_not_depend_on_the_shards(rig: Rig, source: Source, shards: str) -> None:
    code, _, errors = rig.run("run", SHARD_COUNT=shards)
    assert code == 0, errors
    assert len(source.times()) == PAPERS
    source.assert_budget_kept()


def test_the_budget_holds_while_a_shard_dies(rig: Rig, source: Source) -> None:
    run = rig.start("run")
    victims = rig.running_shards(2)
    wait_for(lambda: len(source.times()) > 10, "some requests")
    os.kill(victims[0], signal.SIGKILL)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    source.assert_budget_kept()


def test_the_budget_holds_over_deaths_of_the_run_and_a_resize(rig: Rig, source: Source) -> None:
    for shards in ("2", "3"):
        run = rig.start("run", SHARD_COUNT=shards)
        already = len(source.times()) if source.log.exists() else 0
        wait_for(lambda seen=already: len(source.times()) > seen + 5, "some requests")  # type: ignore[misc]
        run.kill()
        run.communicate()
    code, _, errors = rig.run("run", SHARD_COUNT="1")
    assert code == 0, errors
    assert rig.by_status() == {"prepped": PAPERS}
    source.assert_budget_kept()


def test_a_refusal_stops_all_requests_and_the_other_source_goes_on(rig: Rig, shelf: Path, tmp_path: Path) -> None:
    shelf_b = tmp_path / "other shelf"
    shelf_b.mkdir()
    for paper_id in IDS[:15]:
        (shelf_b / f"{paper_id}.pdf").write_bytes((shelf / f"{paper_id}.pdf").read_bytes())
    refusing = faulty(rig, shelf, tmp_path, "403*always")
    with refusing.process as first:
        rig.environment["RPA_V2_SOURCES"] = f"{first.url}/pdf/{{id}} {shelf_b.as_uri()}/{{name}}.pdf"
        rig.environment["RPA_V2_HOST_POLICY"] = "127.0.0.1=1/0.1@1"
        rig.run("add", *IDS)
        code, output, errors = rig.run("run")
        assert code == 1
        assert rig.by_status() == {"prepped": 15, "failed": PAPERS - 15}
        assert {row.failure for row in rig.rows().values() if row.status == "failed"} == {"blocked"}
        assert len(refusing.times()) == 1, "after a 403 not one more request"
        assert "refuses us" in errors
        assert "Too many requests. Write to help@mirror.example." in errors
        assert "hosts --reopen 127.0.0.1" in output
        rig.run("retry", "--reason", "blocked")
        rig.run("run")
        assert len(refusing.times()) == 1, "nor by the next run"
        assert "refuses us" in rig.run("hosts")[1]
        assert rig.run("hosts", "--reopen", "127.0.0.1")[0] == 0
        rig.run("retry", "--reason", "blocked")
        rig.run("run")
        assert len(refusing.times()) == 2, "a person acted"


def test_a_refusal_ends_with_exit_1_though_all_papers_came(rig: Rig, shelf: Path, tmp_path: Path) -> None:
    refusing = faulty(rig, shelf, tmp_path, "403*always")
    with refusing.process as first:
        rig.environment["RPA_V2_SOURCES"] = f"{first.url}/pdf/{{id}} {shelf.as_uri()}/{{name}}.pdf"
        rig.run("add", *IDS)
        code, output, _ = rig.run("run")
    assert rig.by_status() == {"prepped": PAPERS}
    assert (code, "refuses us" in output) == (1, True)
    assert rig.run("run")[0] == 0, "nothing to do, and nobody was asked"


def test_a_limit_closes_the_host_for_all_shards_and_reopens_slowly(rig: Rig, shelf: Path, tmp_path: Path) -> None:
    limiting = faulty(rig, shelf, tmp_path, "429:10%")
    with limiting.process as process:
        rig.environment["RPA_V2_SOURCES"] = f"{process.url}/pdf/{{id}}"
        rig.environment["RPA_V2_HOST_POLICY"] = "127.0.0.1=20/0.1@1"
        rig.run("add", *IDS)
        code, _, errors = rig.run("run", HOST_CLOSE_SECONDS="0.5")
        assert code == 0, errors
    assert rig.by_status() == {"prepped": PAPERS}
    assert all(row.results["prep"]["attempts"] == 1 for row in rig.rows().values()), "waiting burns no attempt"
    lines = [json.loads(line) for line in limiting.log.read_text().splitlines()]
    refusals = [index for index, line in enumerate(lines) if line["fault"] == "429"]
    assert refusals
    for index in refusals:
        if index + 1 < len(lines):
            assert lines[index + 1]["at"] - lines[index]["at"] >= 0.5


def test_a_limit_of_a_host_without_a_policy_is_kept_too(rig: Rig, shelf: Path, tmp_path: Path) -> None:
    limiting = faulty(rig, shelf, tmp_path, "503=1:8%")
    with limiting.process as process:
        rig.environment["RPA_V2_SOURCES"] = f"{process.url}/pdf/{{id}}"
        rig.run("add", *IDS)
        code, _, errors = rig.run("run", HOST_CLOSE_SECONDS="0.2")
        assert code == 0, errors
    assert "left alone for 1 s: asked for a pause: HTTP 503" in errors
    assert rig.by_status() == {"prepped": PAPERS}


@pytest.mark.parametrize("source", ["arxiv", "http://www.arxiv.org/pdf/{id}.pdf", "http://de.arxiv.org/pdf/{id}"])
def test_too_many_for_arxivs_own_host(rig: Rig, source: str) -> None:
    rig.run("add", *IDS)
    code, _, errors = rig.run("run", SOURCES=source, ARXIV_MAX_PAPERS="39")
    assert code == 2
    assert errors.splitlines()[-1].startswith(
        "rpa-shard: 40 papers from export.arxiv.org, but a run fetches at most 39"
    )
