"""What a run remembers: its waits, its last hour, its pace, and what its shards have done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.past import HOUR_SECONDS, Hour, Waits
from rpa_shard.control.throughput import Throughput
from rpa_shard.ipc.account import Account, Cause, Limit, Wait
from rpa_shard.ipc.shard_report import Ending, Work
from rpa_shard.model.distribution import Distribution, Durations
from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import PREP
from rpa_shard.shard.vitals import Counters, ending_of
from rpa_shard.store.outcome import completed, failed, postponed, reclaimed, released, suspected
from rpa_shard.system.activity import IDLE, Activity, begin
from tests.statuses import work


def waiting(*subjects: str, limited_by: Limit = Limit.WAITING, cause: Cause = Cause.HOST) -> Account:
    waits = tuple(
        Wait(cause=cause, subject=each, papers=1, since=0.0, until=None, why="asked for a pause") for each in subjects
    )
    return Account(waits=waits, limited_by=limited_by)


def test_waits_add_up_over_all_their_times() -> None:
    waits = Waits()
    for now, account in enumerate((waiting("a", "b"), waiting("a"), waiting(), waiting("a"), waiting("a"))):
        waits.look(account, float(now))
    assert [(each.subject, each.times, each.seconds) for each in waits.past()] == [("a", 2, 2.0), ("b", 1, 0.0)]
    assert waits.since == {(Cause.HOST, "a"): 3.0}
    assert waits.idle_seconds == 4.0


def test_another_turn_is_no_wait_to_be_told() -> None:
    waits = Waits()
    for cause in (Cause.RATE, Cause.MODEL_RATE, Cause.MODEL):
        waits.look(waiting("a", cause=cause), 1.0)
    assert [each.cause for each in waits.past()] == [Cause.MODEL]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    waits = Waits()
    for now in (100.0, 50.0, 51.0):
        waits.look(waiting("a"), now)
    assert waits.past()[0].seconds == 1.0


def test_turns_at_a_host_are_no_waits_to_be_told() -> None:
    waits = Waits()
    waits.look(waiting("a", cause=Cause.RATE, limited_by=Limit.RATE), 0.0)
    assert (waits.past(), waits.idle_seconds) == ((), 0.0)


def test_the_last_hour_is_what_ended_in_it() -> None:
    hour = Hour(0.0)
    for minute in range(1, 181):
        so_far = Work(
            ended={"prep": {"completed": 10 * minute}}, retried={"network": minute}, failed={"not_found": minute}
        )
        last = hour.look(so_far, minute * 60.0)
        assert last.seconds <= HOUR_SECONDS + 60
        assert last.completed == last.seconds / 6
        assert last.retried == {"network": last.seconds / 60}
        assert last.failed == {"not_found": last.seconds / 60}
    assert last.seconds >= HOUR_SECONDS


def test_the_pace_leaves_out_the_time_in_which_everything_waited() -> None:
    throughput = Throughput(0.0)
    for second in range(1, 11):
        throughput.sample(float(second), second * 4)
    assert throughput.pace() == 4.0
    for second in range(11, 200):
        throughput.sample(float(second), 40, idle=True)
    assert throughput.pace() == 4.0, "as before the wait"
    assert throughput.rates().last_60_seconds == 0
    assert len(throughput.rates().recent) <= 61


def test_before_there_is_a_pace_it_is_unknown() -> None:
    throughput = Throughput(0.0)
    throughput.sample(1.0, 10)
    assert throughput.pace() == 0.0
    throughput.sample(50.0, 10)
    assert throughput.pace() == pytest.approx(0.2)


CLAIM = Claim("2401.00001", PREP, "lease", 2)
ENDINGS = [
    (completed(PREP, {"pages": 1}), Ending.COMPLETED),
    (postponed(PREP, Failure.NETWORK, "refused", 5.0, charged=True, suspect=False), Ending.POSTPONED),
    (failed(PREP, Failure.NOT_FOUND, "HTTP 404"), Ending.FAILED),
    (released(PREP, "shutdown"), Ending.RELEASED),
    (reclaimed(PREP, "it died"), Ending.RELEASED),
    (suspected(PREP, "it died", charged=True), Ending.RELEASED),
]


@pytest.mark.parametrize(("outcome", "ending"), ENDINGS)
def test_every_end_of_a_claim_is_counted(outcome: object, ending: Ending) -> None:
    counters = Counters()
    counters.ended(CLAIM, outcome, written=True)  # type: ignore[arg-type]  # from the table
    assert ending_of(outcome) is ending  # type: ignore[arg-type]
    done = counters.work({}, {})
    assert done.ended == {"prep": {ending: 1}}
    assert done.completed == ({"prep": 1} if ending is Ending.COMPLETED else {})
    assert done.tallies == ({"attempt": {"2": 1}} if ending is Ending.COMPLETED else {})
    assert [each.final for each in counters.failures()] == (
        [ending is Ending.FAILED] if ending in (Ending.FAILED, Ending.POSTPONED) else []
    )


def test_an_end_that_was_not_written_is_a_lost_lease_only() -> None:
    counters = Counters()
    counters.ended(CLAIM, failed(PREP, Failure.NOT_FOUND, "HTTP 404"), written=False)
    done = counters.work({"pages": 3}, {"flag": {"needs_ocr": 1}})
    assert (done.lost_leases, done.failed, counters.failures()) == (1, {}, ())
    assert (done.totals, done.tallies) == ({"pages": 3}, {"flag": {"needs_ocr": 1}})


def test_only_the_last_failures_are_kept_and_their_details_are_short() -> None:
    counters = Counters()
    for number in range(30):
        claim = Claim(f"2401.{number:05}", PREP, "lease", 1)
        counters.ended(claim, failed(PREP, Failure.NOT_FOUND, "x" * 10_000), written=True)
    kept = counters.failures()
    assert [each.paper_id for each in kept] == [f"2401.{number:05}" for number in range(20, 30)]
    assert all(len(each.detail) <= 200 for each in kept)
    assert counters.work({}, {}).failed == {"not_found": 30}


def test_the_work_of_two_shards_adds_up() -> None:
    both = work().plus(work(ended={"analyze": {"completed": 3}}, failed={"gone": 1}))
    assert both.ended == {"prep": {"completed": 7}, "analyze": {"completed": 3}}
    assert (both.completed_claims, both.ended_claims, both.failed) == (10, 10, {"gone": 1})
    assert both.totals == {"downloaded_bytes": 20_000, "pages": 140}
    assert both.tallies["source"] == {"source.example": 14}
    assert both.durations["download"].count == 14
    assert work().plus(Work()) == work()


@given(st.lists(st.floats(0, 1e5)), st.lists(st.floats(0, 1e5)))
def test_distributions_add_up(one: list[float], other: list[float]) -> None:
    def measured(values: list[float]) -> Distribution:
        durations = Durations()
        for value in values:
            durations.add(value)
        return durations.so_far()

    both, together = measured(one).plus(measured(other)), measured(one + other)
    assert (both.counts, both.max_seconds) == (together.counts, together.max_seconds)
    assert both.sum_seconds == pytest.approx(together.sum_seconds)
    assert both.count == len(one) + len(other)
    assert both.up_to(1e9) == both.count
    assert both.mean_seconds <= both.max_seconds * 1.0001


def test_a_task_is_in_one_stage_at_a_time() -> None:
    assert begin("download") == IDLE, "nothing happens to a task without an activity"
    activity = Activity()
    assert begin("download") == IDLE
    assert (begin("permit"), activity.stage) == ("download", "permit")
    begin("download")
    begin("extract")
    assert activity.take_spent().keys() == {IDLE, "download", "permit"}
    assert activity.take_spent() == {}
