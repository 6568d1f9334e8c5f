"""The pure parts of a shard: verdicts, lag quantiles, threads."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.distribution import Distribution, Durations
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP, Status
from rpa_shard.model.retry import POLICIES
from rpa_shard.phases.runner import Attempt, Slots
from rpa_shard.shard.verdict import verdict
from rpa_shard.shard.vitals import measure_lag
from rpa_shard.system.threads import NICENESS, background_threads


def claim(attempt: int = 1, *, suspect: bool = False) -> Claim:
    return Claim("2401.00001", PREP, "lease", attempt, suspect)


@given(st.sampled_from(Failure), st.integers(1, 20), st.booleans())
def test_every_failure_ends_in_a_retry_or_for_good(failure: Failure, attempt: int, suspect: bool) -> None:
    outcome = verdict(claim(attempt, suspect=suspect), PaperError(failure, "why"), 0.5, 1.0)
    assert outcome.failure is failure
    assert outcome.status in {Status.PENDING, Status.FAILED}
    if not POLICIES[failure].charged:
        assert (outcome.status, outcome.attempts) == (Status.PENDING, "refund")


@pytest.mark.parametrize("failure", [Failure.POISON, Failure.EXTRACT_TIMEOUT])
def test_a_killer_runs_once_more_alone_and_then_never(failure: Failure) -> None:
    first = verdict(claim(), PaperError(failure, "SIGSEGV"), 0.5, 1.0)
    assert (first.status, first.suspect, first.attempts) == (Status.PENDING, True, "keep")
    second = verdict(claim(2, suspect=True), PaperError(failure, "SIGSEGV"), 0.5, 1.0)
    assert (second.status, second.suspect) == (Status.FAILED, True)


def test_what_is_final_is_not_tried_again() -> None:
    outcome = verdict(claim(), PaperError(Failure.TRUNCATED, "a.pdf: cut", final=True), 0.5, 1.0)
    assert (outcome.status, outcome.failure) == (Status.FAILED, Failure.TRUNCATED)


def test_a_source_that_says_when_is_believed_if_that_is_later() -> None:
    long = PaperError(Failure.RATE_LIMITED, "429", retry_after_seconds=5000)
    short = PaperError(Failure.RATE_LIMITED, "429", retry_after_seconds=1)
    assert verdict(claim(), long, 0.5, 1.0).delay_seconds == 5000
    assert verdict(claim(), short, 0.5, 1.0).delay_seconds >= 30


@given(st.lists(st.floats(0, 90), min_size=1, max_size=200), st.floats(0.01, 1))
def test_quantiles_are_right_within_a_tenth(lags: list[float], quantile: float) -> None:
    histogram = Durations()
    for lag in lags:
        histogram.add(lag)
    exact = sorted(lags)[max(0, -int(-quantile * len(lags) // 1) - 1)]
    assert histogram.max_seconds == max(lags)
    assert exact * 0.999 <= histogram.so_far().quantile_seconds(quantile) + 1e-5
    assert histogram.so_far().quantile_seconds(quantile) <= max(exact, 1e-5) * 1.1001


def test_no_ticks_no_lag() -> None:
    assert Distribution().quantile_seconds(0.99) == 0


async def test_a_stalled_loop_is_measured() -> None:
    histogram = Durations()
    measuring = asyncio.create_task(measure_lag(histogram))
    await asyncio.sleep(0)
    time.sleep(0.2)  # the stall that is to be seen
    while not histogram.max_seconds:
        await asyncio.sleep(0.001)
    measuring.cancel()
    assert histogram.max_seconds > 0.1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_background_threads_yield_to_the_loop() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with background_threads("disk", 1) as pool:
        assert pool.submit(niceness).result() == min(19, before + NICENESS)
        assert pool.submit(lambda: threading.current_thread().name).result() == "disk_0"
    assert niceness() == before


def test_a_drain_that_came_meanwhile_interrupts_an_attempt_as_soon_as_it_may() -> None:
    attempt = Attempt(Slots({}))
    attempt.must_finish()
    attempt.may_be_interrupted()
    attempt.must_finish()
    attempt.want_back()
    assert not attempt.interruptible
    with pytest.raises(asyncio.CancelledError):
        attempt.may_be_interrupted()
