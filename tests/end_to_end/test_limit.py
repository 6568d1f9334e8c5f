"""`run --limit N` takes N papers from the queue, each once, and ends: over shards, kills, a resize, two phases."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.system.files import replace_file
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for

# So that there is time to disturb a run.
SLOWLY = "127.0.0.1=12/1@12"


def turns(rig: Rig, phase: str = "prep") -> Counter[str]:
    """How often each paper had its turn in a phase: was done, failed, or was put back to wait."""
    with open_ledger(rig.folder) as ledger:
        return Counter(
            row.paper_id
            for row in ledger.papers()
            for line in ledger.history(row.paper_id)
            if line.phase == phase and line.event in ("prepped", "analyzed", "failed", "postponed")
        )


def progress(rig: Rig) -> tuple[int, int] | None:
    status = rig.status()
    assert status is not None
    limit = status.account.limit
    return None if limit is None else (limit.ended, limit.papers)


def has_ended(rig: Rig, papers: int) -> bool:
    status = rig.status()
    return status is not None and status.account.limit is not None and status.account.limit.ended >= papers


@pytest.mark.parametrize("shards", ["1", "2", "8"])
def test_so_many_papers_and_no_more(queued: Rig, shards: str, collection: Collection) -> None:
    code, output, errors = queued.run("run", "--limit", "7", SHARD_COUNT=shards)
    assert code in (0, 1), errors
    assert (len(turns(queued)), turns(queued).total(), progress(queued)) == (7, 7, (7, 7))
    assert "limit     7 of 7 papers have had their turn; 53 still queued: rpa-shard run takes more of them" in output
    assert queued.run("run", "--limit", "50", SHARD_COUNT=shards)[0] in (0, 1)
    assert (len(turns(queued)), turns(queued).total(), progress(queued)) == (57, 57, (50, 50))
    code, output, errors = queued.run("run", "--limit", "50", "--progress", "json", SHARD_COUNT=shards)
    assert code == 1, "two of the collection fail, and these are the last of it"
    assert (turns(queued).total(), progress(queued)) == (60, (3, 3)), "there were no more"
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[-1]["limit"] == lines[-2]["limit"] == {"papers": 3, "ended": 3}
    assert queued.run("run", "--limit", "50", SHARD_COUNT=shards)[1].startswith("nothing left to do")
    queued.assert_promise_kept(collection.pdfs)


def test_the_first_of_the_queue_over_all_shards(rig: Rig, collection: Collection) -> None:
    ids = list(collection.pdfs)
    with open_ledger(rig.folder, Layout(200, 8)) as ledger:
        ledger.add(ids[:30])
        ledger.add(ids[30:35], priority=5)
        ledger.add(ids[35:])
    assert rig.run("run", "--limit", "5", SHARD_COUNT="8")[0] in (0, 1)
    assert set(turns(rig)) == set(ids[30:35])
    assert rig.run("run", "--limit", "30", SHARD_COUNT="3")[0] in (0, 1)
    assert set(turns(rig)) == set(ids[:35])


def test_papers_that_are_postponed_are_not_taken_again(rig: Rig, collection: Collection) -> None:
    """Those of the highest priority come back long before the run has ended."""
    ids = list(collection.pdfs)
    nowhere = [f"http://127.0.0.1:9/{number}.pdf" for number in range(4)]
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(nowhere, priority=9)
        ledger.add(ids)
    code, output, errors = rig.run("run", "--limit", "24", HOST_POLICY=SLOWLY, WORKERS="8", RETRY_DELAY_SCALE="0.0001")
    assert code in (0, 1), errors
    had_a_turn = turns(rig)
    assert (len(had_a_turn), had_a_turn.total(), progress(rig)) == (24, 24, (24, 24))
    assert set(nowhere) <= set(had_a_turn)
    assert "44 still queued" in output
    assert rig.run("run", "--limit", "4", RETRY_DELAY_SCALE="0.0001")[0] in (0, 1)
    assert set(nowhere) == {each for each, times in turns(rig).items() if times == 2}, "a new run takes them again"


def test_kills_neither_add_to_it_nor_take_from_it(queued: Rig, collection: Collection) -> None:
    queued.arm("after_claim=kill@3,before_commit=kill@4,after_commit=kill@6")
    run = queued.start("run", "--limit", "31", HOST_POLICY=SLOWLY, CRASH_LOOP_DEATHS="20")
    for papers in (6, 12, 18):
        wait_for(partial(has_ended, queued, papers), "some papers")
        status = queued.status()
        assert status is not None
        with suppress(ProcessLookupError):  # it may be dead already
            os.kill(status.shards[papers % 2].pid, signal.SIGKILL)
    _, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1), errors
    assert "died" in errors
    assert (turns(queued).total(), progress(queued)) == (31, (31, 31))
    queued.assert_promise_kept(collection.pdfs)


def test_a_resize_moves_what_is_left_of_it(queued: Rig, collection: Collection) -> None:
    run = queued.start("run", "--limit", "41", HOST_POLICY="127.0.0.1=4/1@4")
    for shards, papers in (("5", 3), ("1", 12)):
        wait_for(partial(has_ended, queued, papers), "some papers")
        replace_file(queued.folder.run.resize_request, shards.encode())
        wait_for(lambda: not queued.folder.run.resize_request.exists(), "the resize")
    _, errors = run.communicate(timeout=60)
    assert run.returncode in (0, 1), errors
    # On a busy machine the run may be over before the second one.
    assert errors.count("resized: moved ") >= 1
    assert (turns(queued).total(), progress(queued)) == (41, (41, 41))
    queued.assert_promise_kept(collection.pdfs)


def test_a_paper_counts_once_in_two_phases(queued: Rig, collection: Collection) -> None:
    here = str(Path(__file__).parents[2])
    paths = filter(None, (here, os.environ.get("PYTHONPATH")))
    queued.environment |= {"PYTHONPATH": os.pathsep.join(paths)}
    assert queued.run("run", "--limit", "10")[0] in (0, 1)
    begun = queued.by_status()["prepped"]
    queued.environment |= {"RPA_V2_PHASES": "prep,analyze", "RPA_V2_HOST_POLICY": SLOWLY}
    # Those in progress come first, and all of them are among these.
    code, _, errors = queued.run("12", module="tests.word_count", SHARD_COUNT="3")
    assert code == 0, errors
    assert (turns(queued, "analyze").total(), progress(queued)) == (12, (12, 12))
    assert turns(queued).total() == 10 + 12 - begun
    queued.arm("mid_count=kill@2")
    run = queued.start("20", module="tests.word_count", SHARD_COUNT="2")
    wait_for(partial(has_ended, queued, 5), "some papers")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    assert "died" in errors
    ended = turns(queued, "analyze").total() + queued.by_status().get("failed", 0)
    assert (ended, progress(queued)) == (12 + 20 + 10 - begun, (20, 20))
    assert "prepped" not in queued.by_status(), "what was begun is finished"
    queued.assert_promise_kept(collection.pdfs)


def test_an_endless_run_has_no_limit(queued: Rig) -> None:
    for arguments in (("--limit", "5", "--daemon"), ("--limit", "0")):
        code, _, errors = queued.run("run", *arguments)
        assert (code, errors.count("\n")) == (2, 1)
