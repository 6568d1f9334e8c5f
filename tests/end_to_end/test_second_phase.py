"""A second phase, which counts words, through the real supervisor and shards: order, kills, failures, retries."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.phase import PREP, Status
from rpa_shard.phases.finished import files_of
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for
from tests.word_count import REFUSED

ANALYZED = {"analyzed": 58, "failed": 2}


@pytest.fixture
def both(queued: Rig) -> Rig:
    """A rig whose runs work on two phases; they import this checkout."""
    here = str(Path(__file__).parents[2])
    paths = filter(None, (here, os.environ.get("PYTHONPATH")))
    queued.environment |= {"RPA_V2_PHASES": "prep,analyze", "PYTHONPATH": os.pathsep.join(paths)}
    return queued


def has_analyzed(rig: Rig, papers: int) -> bool:
    return rig.by_status().get("analyzed", 0) >= papers


def assert_words_are_right(rig: Rig) -> None:
    for paper_id, row in rig.rows().items():
        if row.status is Status.ANALYZED:
            text = files_of(rig.folder.papers, parse(paper_id)).text.read_text()
            assert row.results["analyze"]["words"] == len(text.split())
            assert [event for event in rig.events(paper_id) if event in ("prepped", "analyzed")] == [
                "prepped",
                "analyzed",
            ]


def test_one_run_takes_papers_through_both_phases(both: Rig, collection: Collection) -> None:
    code, _, errors = both.run(module="tests.word_count")
    assert code == 0, errors
    assert both.by_status() == ANALYZED
    assert errors.count("PREP DONE arxiv_id=") == errors.count("ANALYZE DONE arxiv_id=") == 58
    assert "words=" in errors
    assert_words_are_right(both)
    status = both.status()
    assert status is not None
    assert (status.phases, status.completed) == (("prep", "analyze"), {"prep": 58, "analyze": 58})
    assert status.work.totals["words"] == sum(
        row.results["analyze"]["words"] for row in both.rows().values() if row.status is Status.ANALYZED
    )
    both.assert_promise_kept(collection.pdfs)
    assert both.run("verify")[0] == 0, "the files of the first phase are looked at after the second, too"
    assert both.run("export", "--out", str(both.root.with_name("all.jsonl")))[0] == 0


def test_each_phase_may_have_a_run_of_its_own(both: Rig, collection: Collection) -> None:
    assert both.run("run", PHASES="prep")[0] == 1
    assert both.by_status() == {"prepped": 58, "failed": 2}
    code, _, errors = both.run(module="tests.word_count", PHASES="analyze")
    assert code == 0, errors
    assert "download_pdf" not in errors
    assert both.by_status() == ANALYZED
    both.assert_promise_kept(collection.pdfs)


def test_papers_in_progress_are_finished_first(both: Rig) -> None:
    """With one worker, each paper goes through both phases before the next one is begun."""
    code, _, errors = both.run(module="tests.word_count", SHARD_COUNT="1", WORKERS="1")
    assert code == 0, errors
    done = [line.split(" DONE ")[0].rsplit(" ", 1)[1] for line in errors.splitlines() if " DONE " in line]
    assert done == ["PREP", "ANALYZE"] * 58


def test_kills_lose_nothing_and_repeat_nothing(both: Rig, collection: Collection) -> None:
    both.environment["RPA_V2_HOST_POLICY"] = "127.0.0.1=10/1@8"
    both.arm("mid_count=kill@3")
    for number in (8, 16, 24):
        run = both.start(module="tests.word_count")
        shards = both.running_shards(2)
        wait_for(partial(has_analyzed, both, number), "some papers")
        run.kill()
        with suppress(ProcessLookupError):  # the failpoint may have been quicker
            os.kill(shards[0], signal.SIGKILL)
        run.communicate(timeout=60)
    code, _, errors = both.run(module="tests.word_count", SHARD_COUNT="3", HOST_POLICY="127.0.0.1=1000/1@8")
    assert code == 0, errors
    assert both.by_status() == ANALYZED
    assert_words_are_right(both)
    both.assert_promise_kept(collection.pdfs)


def test_a_paper_that_fails_in_the_second_phase_keeps_the_first_and_goes_back_there(both: Rig) -> None:
    both.environment[REFUSED] = "2401.00001 2401.00002"
    code, _, errors = both.run(module="tests.word_count")
    assert code == 0, errors
    assert both.by_status() == {"analyzed": 56, "failed": 4}
    failed = both.rows()["2401.00001"]
    assert (failed.failure, failed.failed_phase) == ("gone", "analyze")
    assert failed.results["prep"]["pages"] > 0, "what it has is kept"
    assert both.rows()["2401.00004"].failed_phase == PREP.name
    assert "failure   gone in analyze: its words are beyond counting" in both.run("show", "2401.00001")[1]
    assert both.run("verify")[0] == 0

    assert both.run("retry", "--reason", "gone")[1] == "back in the queue: 2\n"
    assert both.by_status() == {"analyzed": 56, "failed": 2, "prepped": 2}
    del both.environment[REFUSED]
    code, _, errors = both.run(module="tests.word_count")
    assert code == 0, errors
    assert "PREP DONE" not in errors, "nothing is fetched or parsed again"
    assert both.by_status() == ANALYZED
    assert both.events("2401.00001") == ["prepped", "failed", "retried", "analyzed"]


def test_damaged_files_of_the_first_phase_send_a_paper_back_through_both(both: Rig, collection: Collection) -> None:
    assert both.run(module="tests.word_count")[0] == 0
    files_of(both.folder.papers, parse("2401.00001")).text.write_text("damaged")
    assert both.run("verify", "--fix")[0] == 0
    row = both.rows()["2401.00001"]
    assert (row.status, dict(row.results)) == (Status.PENDING, {})
    assert both.run(module="tests.word_count")[0] == 0
    assert both.by_status() == ANALYZED
    assert both.events("2401.00001") == ["prepped", "analyzed", "requeued", "prepped", "analyzed"]
    both.assert_promise_kept(collection.pdfs)


def test_a_phase_that_cannot_run_is_refused_in_one_line(both: Rig) -> None:
    code, _, errors = both.run("run", PHASES="prep,wrap")
    assert (code, errors.count("\n")) == (2, 1)
    assert "RPA_V2_LLM_ENDPOINTS: no model is named" in errors
    code, _, errors = both.run("run", PHASES="prep,cook")
    assert (code, "RPA_V2_PHASES=prep,cook: must be phases" in errors) == (2, True)
