"""Papers that keep their engine busy for long: no other paper waits for them, and nothing of them stays behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rpa_shard.testing.growing_papers import pieces_of_one_line
from tests.rig import Rig, in_use, wait_for

GOOD = [f"2401.{number:05}" for number in (1, 2, 3, 7, 9, 10, 11, 12, 13, 14, 16, 17)]
HOGS = 4
# It takes longer than this test waits for anything, or than its deadline where there is one.
PIECES = 400_000


@pytest.fixture(scope="module")
def hog() -> bytes:
    return pieces_of_one_line(PIECES)


def hogs_of(rig: Rig, tmp_path: Path, hog: bytes, count: int = HOGS) -> list[str]:
    """Slow papers, added before the others and so claimed before them."""
    paths = [tmp_path / f"hog-{number}.pdf" for number in range(count)]
    for path in paths:
        path.write_bytes(hog)
    assert rig.run("add", *map(str, paths))[0] == 0
    assert rig.run("add", *GOOD)[0] == 0
    return [path.as_uri() for path in paths]


ONE_OF_EACH = {"SHARD_COUNT": "1", "PREP_EXTRACT_WORKERS": "1", "PREP_EXTRACT_CONCURRENCY": "1"}


@pytest.mark.parametrize(("pool", "slow_seconds"), [("thread", "0.5"), ("process", "4")])
def test_no_paper_waits_for_slow_ones_and_a_drain_hands_them_back(
    rig: Rig, tmp_path: Path, hog: bytes, pool: str, slow_seconds: str
) -> None:
    hogs = hogs_of(rig, tmp_path, hog)
    run = rig.start("run", PREP_EXTRACT_POOL=pool, EXTRACT_SLOW_SECONDS=slow_seconds, **ONE_OF_EACH)
    wait_for(lambda: rig.by_status().get("prepped") == len(GOOD), "the good papers, with slow ones before them")
    wait_for(lambda: any(in_use(shard, "slow") for shard in rig.shards()), "a slow paper in its lane")
    assert {rig.rows()[each].status for each in hogs} <= {"prepping", "pending"}, "the slow ones are not done"
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert "ending by force" not in errors
    assert "Traceback" not in errors
    rows = rig.rows()
    assert {rows[each].status for each in hogs} == {"pending"}
    assert {event for each in hogs for event in rig.events(each)} <= {"released"}, "no attempt is charged"
    rig.assert_promise_kept([*GOOD, *hogs])


def test_slow_papers_end_at_their_deadline(rig: Rig, tmp_path: Path, hog: bytes) -> None:
    hogs = hogs_of(rig, tmp_path, hog, 2)
    # On a busy machine the call that nothing can interrupt takes four seconds, until the paper is postponed.
    run = rig.start("run", EXTRACT_DEADLINE_SECONDS="8", EXTRACT_SLOW_SECONDS="0.5", **ONE_OF_EACH)
    wait_for(lambda: any(rig.rows()[each].status == "failed" for each in hogs), "a slow paper at its end")
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    ended = next(each for each in hogs if rig.rows()[each].status == "failed")
    row = rig.rows()[ended]
    assert (row.failure, row.suspect) == ("extract_timeout", True)
    assert rig.events(ended) == ["postponed", "failed"]
    assert {rig.rows()[each].status for each in GOOD} == {"prepped"}
    rig.assert_promise_kept([*GOOD, *hogs])
