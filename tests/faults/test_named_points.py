"""Death at every named point of a paper's processing and of a resize: nothing lost, nothing repeated."""

from __future__ import annotations

import errno
import signal

import pytest

from rpa_shard.chaos.schedule import RESIZE_POINTS, SHARD_POINTS
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig

DONE = {"prepped": 58, "failed": 2}
KILLED = -signal.SIGKILL


@pytest.mark.parametrize("point", [point for point in SHARD_POINTS if point != "mid_drain"])
def test_a_shard_dies_at_a_point(queued: Rig, collection: Collection, point: str) -> None:
    queued.arm(f"{point}=kill@2")
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert "died: signal SIGKILL" in errors
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)


def test_a_shard_dies_in_its_drain(queued: Rig, collection: Collection) -> None:
    queued.arm("mid_drain=kill")
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)


@pytest.mark.parametrize("point", RESIZE_POINTS)
def test_the_supervisor_dies_in_a_resize_at_the_start(queued: Rig, collection: Collection, point: str) -> None:
    queued.arm(f"{point}=kill")
    assert queued.run("run", SHARD_COUNT="1")[0] == KILLED
    code, _, errors = queued.run("status")
    assert (code, "was cut short: `run` finishes it" in errors) == (2, True)
    assert queued.run("run", SHARD_COUNT="3")[0] == 1
    assert queued.by_status() == DONE
    queued.assert_promise_kept(collection.pdfs)


def test_a_point_acts_once_and_at_its_number(queued: Rig, collection: Collection) -> None:
    """The mechanism itself: one death across all processes, and none if the point is reached less often."""
    queued.arm("after_claim=kill@2,before_commit=kill@100000")
    code, _, errors = queued.run("run")
    assert code == 1
    assert errors.count("died: signal SIGKILL") == 1
    queued.assert_promise_kept(collection.pdfs)


@pytest.mark.parametrize("error", ["ENOSPC", "EMFILE", "EIO"])
def test_a_system_error_costs_no_attempt(queued: Rig, collection: Collection, error: str) -> None:
    queued.arm(f"write_artifact={error}@3")
    code, _, errors = queued.run("run")
    assert code == 1, errors
    assert f"reason=disk_full: [Errno {getattr(errno, error)}]" in errors
    assert "Traceback" not in errors
    assert all(row.results["prep"]["attempts"] == 1 for row in queued.rows().values() if row.status == "prepped")
    queued.assert_promise_kept(collection.pdfs)


def test_a_stopped_point_can_be_seen_from_outside(queued: Rig, collection: Collection) -> None:
    """A shard that stops inside an engine passes its deadline: the paper is suspected, and then prepped alone."""
    queued.arm("mid_extraction=stop@2")
    code, _, errors = queued.run("run", EXTRACT_DEADLINE_SECONDS="5")
    assert code == 1, errors
    assert "passed its deadline" in errors
    assert queued.by_status() == DONE
    suspects = [each for each in collection.pdfs if "suspected" in queued.events(each)]
    assert len(suspects) == 1
    # The paper may be the broken one of the collection, which fails alone as well.
    end = "failed" if suspects[0] == "2401.00004" else "prepped"
    assert queued.events(suspects[0]) == ["suspected", end]
    queued.assert_promise_kept(collection.pdfs)
