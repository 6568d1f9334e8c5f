"""The governor of models: no limit is exceeded whatever happens, no call is lost, and limits are used."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.config.llm import CallLimits, LlmBudget, ModelAt
from rpa_shard.control.models.gate import ANSWERS_TO_TRUST, FAILURES_IN_A_ROW, RECOVERY_SECONDS
from rpa_shard.control.models.governor import Grant, ModelGovernor, changes
from rpa_shard.control.models.model_state import LAST_WORDS_SECONDS
from rpa_shard.control.models.spending import DAY_SECONDS, Now
from rpa_shard.ipc.calls import CallEnding
from rpa_shard.ipc.model_status import ModelStatus, Spent
from tests.model_traffic import CALL_SECONDS, FLOOR_SECONDS, Traffic

MODEL = ModelAt("http://127.0.0.1:1", "model", limits=CallLimits(requests_per_minute=100, in_flight=8))
NAME = MODEL.name
NO_BUDGET = LlmBudget()


def random_step(traffic: Traffic, deaths: bool) -> None:
    random = traffic.random
    for _ in range(random.choice([0, 1, 3, 20])):
        traffic.want(random.randrange(traffic.shards))
    if random.random() < 0.05:
        traffic.forget_one()
    if deaths and random.random() < 0.03:
        traffic.kill_shard(random.randrange(traffic.shards))
    if deaths and random.random() < 0.03:
        traffic.kill_supervisor(random.choice([0.1, 3.0, 70.0, 1000.0]))
    traffic.end_calls()
    traffic.grant()
    traffic.now += random.choice([0.001, 0.05, 0.2, 0.2, 1.0, 7.0])


limits = st.builds(
    CallLimits,
    requests_per_minute=st.none() | st.sampled_from([1, 5, 60]),
    input_tokens_per_minute=st.none() | st.sampled_from([5, 100, 1000]),
    output_tokens_per_minute=st.none() | st.sampled_from([5, 100, 1000]),
    in_flight=st.sampled_from([1, 4, 200]),
)
budgets = st.builds(
    LlmBudget,
    tokens_per_day=st.none() | st.sampled_from([5, 300, 3000]),
    micro_usd_per_day=st.none() | st.sampled_from([300, 3000]),
)
endings = st.sampled_from(
    [
        ("answered",),
        ("answered", "answered", "failed", "unsent", "given_up"),
        ("answered", "limited"),
        ("failed", "limited"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(limits, budgets, st.sampled_from([1, 2, 8]), st.integers(0, 10**6), endings, st.booleans())
def test_whatever_happens_no_limit_and_no_budget_is_exceeded(
    limits: CallLimits, budget: LlmBudget, shards: int, seed: int, endings: tuple[str, ...], at_midnight: bool
) -> None:
    traffic = Traffic(
        limits, shards, Random(seed), budget, (0.0, 4.0), (0.0, 9.0), endings=endings,
        now=1000.0 if not at_midnight else DAY_SECONDS - 40_000.0 - 60.0,
    )  # fmt: skip
    for _ in range(150):
        random_step(traffic, deaths=True)
    traffic.check_windows()
    traffic.check_budget()
    assert traffic.broken == []


@settings(max_examples=60, deadline=None)
@given(limits, st.sampled_from([1, 2, 8]), st.integers(0, 10**6))
def test_every_call_that_is_wanted_is_granted_once(limits: CallLimits, shards: int, seed: int) -> None:
    traffic = Traffic(limits, shards, Random(seed), endings=("answered", "failed", "limited", "unsent"))
    for _ in range(20):
        random_step(traffic, deaths=False)
    traffic.endings = ("answered",)
    for _ in range(20_000):
        if not traffic.wanted:
            break
        traffic.now += max(0.001, min(30.0, traffic.governor.seconds_to_next_grant(traffic.clock) or 2.0))
        traffic.end_calls()
        waits = traffic.governor.seconds_to_next_grant(traffic.clock)
        granted = traffic.grant()
        assert granted or waits != 0.0, "the supervisor would turn in vain"
    assert traffic.wanted == {}
    assert traffic.broken == []


@pytest.mark.parametrize("shards", [1, 8])
def test_a_steady_load_uses_the_limit(shards: int) -> None:
    """Calls are under way for two seconds, and a supervisor is killed in between."""
    traffic = Traffic(CallLimits(requests_per_minute=600), shards, Random(0), begins_after=(2.0, 2.0))

    def go_on(seconds: float) -> None:
        until = traffic.now + seconds
        while traffic.now < until:
            while len(traffic.wanted) < 50:
                traffic.want(traffic.random.randrange(shards))
            traffic.end_calls()
            traffic.grant()
            next_grant = traffic.governor.seconds_to_next_grant(traffic.clock)
            traffic.now += 0.05 if next_grant is None else min(0.05, max(next_grant, 0.001))

    begun = traffic.now
    go_on(310)
    seconds = traffic.sent[2400].granted_at - traffic.sent[0].granted_at
    assert 0.95 * 10 * seconds <= 2400
    assert traffic.saves < 1.5 * (traffic.now - begun), "far from one for each call"
    before = len(traffic.sent)
    traffic.kill_supervisor(0.5)
    go_on(124)
    assert len(traffic.sent) - before >= 0.90 * 1200, "a restart costs little"
    traffic.check_windows()
    assert traffic.broken == []


def test_a_restart_does_not_wait_when_little_was_sent() -> None:
    traffic = Traffic(CallLimits(requests_per_minute=60), 1, Random(0))
    for _ in range(10):
        traffic.want(0)
    assert traffic.grant() == 10
    traffic.kill_supervisor(1.0)
    for _ in range(100):
        traffic.want(0)
    assert traffic.grant() in (48, 49, 50), "60 less the ten, less what might have been sent besides"


def test_a_restart_long_after_waits_for_nothing() -> None:
    traffic = Traffic(CallLimits(requests_per_minute=60), 1, Random(0), LlmBudget(tokens_per_day=10_000))
    for _ in range(60):
        traffic.want(0)
    assert traffic.grant() == 60
    spent = traffic.governor.saved({}, traffic.clock).today[traffic.name]
    traffic.kill_supervisor(CALL_SECONDS + 100)
    status = traffic.governor.statuses(traffic.clock)[traffic.name]
    assert status.last_minute == Spent()
    assert status.today.input_tokens >= spent.input_tokens > 0, "the day is known all the same"


class Bench:
    """One model, eight calls at a time, 100 requests a minute."""

    def __init__(self, model: ModelAt = MODEL, budget: LlmBudget = NO_BUDGET) -> None:
        self.at = 1000.0
        self.unix = 20_000.0 * DAY_SECONDS
        self.governor = ModelGovernor([model], budget, FLOOR_SECONDS, CALL_SECONDS, self.now)
        self.next = 0

    @property
    def now(self) -> Now:
        return Now(self.at, self.unix + self.at)

    @property
    def status(self) -> ModelStatus:
        return self.governor.statuses(self.now)[NAME]

    def want(self, *shards: int, tokens: tuple[int, int] = (10, 10)) -> list[int]:
        numbers = []
        for shard in shards:
            self.next += 1
            self.governor.want(shard, NAME, self.next, *tokens)
            numbers.append(self.next)
        return numbers

    def granted(self) -> list[tuple[int, int]]:
        return [(grant.shard, number) for grant in self.governor.grants(self.now) for number in grant.numbers]

    def end(self, call: tuple[int, int], ending: CallEnding = "answered", detail: str = "") -> None:
        self.governor.ended(call[0], NAME, call[1], ending, 10, 10, self.now, detail)

    def limited(self, call: tuple[int, int], retry_after: float | None = None) -> None:
        self.governor.limited(call[0], NAME, call[1], retry_after, "HTTP 429", self.now)


def test_shards_take_turns_and_each_is_served_in_order() -> None:
    bench = Bench()
    bench.want(0, 0, 0, 0, 0, 1, 1, 2)
    assert bench.granted() == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 6), (1, 7), (2, 8)]
    bench = Bench(replace(MODEL, limits=CallLimits(in_flight=4)))
    bench.want(0, 0, 0, 0, 0, 1, 1, 2)
    assert bench.granted() == [(0, 1), (0, 2), (1, 6), (2, 8)]


def test_a_large_call_is_not_overtaken_and_one_beyond_the_limit_goes_alone() -> None:
    bench = Bench(replace(MODEL, limits=CallLimits(input_tokens_per_minute=100)))
    first = bench.want(0, tokens=(60, 1))[0]
    assert bench.granted() == [(0, first)]
    large = bench.want(0, tokens=(500, 1))[0]
    small = bench.want(1, tokens=(1, 1))[0]
    bench.governor.want(0, NAME, large, 500, 1)  # said twice
    assert bench.status.wanted == 2
    assert bench.granted() == []
    assert bench.governor.seconds_to_next_grant(bench.now) is None, "the first call is still under way"
    bench.end((0, first))
    wait = bench.governor.seconds_to_next_grant(bench.now)
    assert wait is not None
    assert 60.0 <= wait <= 60.3
    bench.at += wait
    assert bench.granted() == [(0, large)]
    bench.end((0, large), "unsent")
    assert bench.granted() == [(1, small)]


@pytest.mark.parametrize(
    ("limits", "counts_from"),
    [
        (CallLimits(requests_per_minute=1), 3.0),
        (CallLimits(input_tokens_per_minute=10), 3.0),
        (CallLimits(output_tokens_per_minute=10), 20.0),
    ],
)
def test_until_when_a_call_counts(limits: CallLimits, counts_from: float) -> None:
    """A minute from when its answer began, and the tokens of the answer a minute from its end."""
    bench = Bench(replace(MODEL, limits=limits))
    begun_at = bench.at
    bench.want(0, 0)
    (call,) = bench.granted()
    bench.at = begun_at + 3.0
    bench.governor.begun(0, NAME, call[1], bench.now)
    bench.governor.begun(0, NAME, call[1], bench.now)
    bench.at = begun_at + 20.0
    bench.end(call)
    wait = bench.governor.seconds_to_next_grant(bench.now)
    assert wait is not None
    assert 0.0 <= bench.at + wait - (begun_at + counts_from + 60.0) <= 0.3


def test_what_a_dead_shard_sent_last_may_arrive_a_moment_later() -> None:
    bench = Bench(replace(MODEL, limits=CallLimits(requests_per_minute=1)))
    bench.want(0, 1)
    assert len(bench.granted()) == 1
    bench.governor.forget(0, bench.now)
    wait = bench.governor.seconds_to_next_grant(bench.now)
    assert wait is not None
    assert 60.0 + LAST_WORDS_SECONDS <= wait <= 60.5


@pytest.mark.parametrize("ending", ["answered", "failed", "given_up"])
def test_an_endpoint_needs_a_moment_to_notice_that_a_call_was_given_up(ending: CallEnding) -> None:
    bench = Bench(replace(MODEL, limits=CallLimits(in_flight=1)))
    bench.want(0, 0)
    bench.end(bench.granted()[0], ending)
    wait = bench.governor.seconds_to_next_grant(bench.now)
    assert wait is not None
    assert (wait == 0.0) == (ending == "answered")
    bench.at += wait
    assert len(bench.granted()) == 1


def test_a_model_that_limits_us_is_left_alone_then_probed_and_recovers_slowly() -> None:
    bench = Bench()
    bench.want(*[0] * 20)
    first, second, third, *others = bench.granted()
    before = {NAME: bench.status}
    bench.limited(first, 30.0)
    bench.limited(second)
    assert list(changes(before, {NAME: bench.status})) == [NAME]
    status = bench.status
    assert (status.closed_seconds, status.closings, status.in_flight_limit) == (30.0, 1, 4), "they count once"
    assert status.why == "asked for a pause: HTTP 429"
    for call in (third, *others):
        bench.end(call)
    assert bench.granted() == []
    assert bench.governor.seconds_to_next_grant(bench.now) == 30.0
    bench.at += 30.0
    (probe,) = bench.granted()
    assert (bench.status.closed_seconds, bench.governor.seconds_to_next_grant(bench.now)) == (0.0, None)
    bench.limited(probe)
    assert (bench.status.closed_seconds, bench.status.in_flight_limit) == (2 * FLOOR_SECONDS, 2), "doubled"
    bench.at += 2 * FLOOR_SECONDS
    (probe,) = bench.granted()
    bench.end(probe)
    assert bench.status.closed_seconds is None
    assert len(bench.granted()) == 2
    for _ in range(5):
        bench.at += RECOVERY_SECONDS
        bench.granted()
    assert (bench.status.in_flight_limit, bench.status.closings) == (8, 0)


def test_a_model_that_answers_recovers_call_by_call_and_is_trusted_again() -> None:
    """Answers of 429 now and then must not lead to longer and longer pauses."""
    bench = Bench()
    bench.want(0)
    bench.limited(bench.granted()[0])
    bench.at += FLOOR_SECONDS
    answered = 0
    limits = []
    while answered <= ANSWERS_TO_TRUST:
        limits.append(bench.status.in_flight_limit)
        assert bench.status.closings == 1
        bench.want(0)
        bench.end(bench.granted()[0])
        answered += 1
    assert (limits[:2], limits[5], limits[-1]) == ([4, 4], 5, 7), "one more after four, five, six answers"
    assert bench.status.closings == 0
    bench.want(0)
    bench.limited(bench.granted()[0])
    assert bench.status.closed_seconds == FLOOR_SECONDS, "not doubled"


@pytest.mark.parametrize("ending", ["failed", "unsent", "given_up", "forgotten", "gone"])
def test_a_probe_that_shows_nothing_is_followed_by_another(ending: str) -> None:
    bench = Bench()
    bench.want(1, 0, 0)
    bench.limited(bench.granted()[0])
    for call in ((0, 2), (0, 3)):
        bench.end(call)
    bench.want(0, 0)
    bench.at += FLOOR_SECONDS
    ((shard, number),) = bench.granted()
    if ending == "failed":
        bench.end((shard, number), "failed", "HTTP 500")
        assert bench.status.closed_seconds == 2 * FLOOR_SECONDS
        assert bench.status.why == "failed: HTTP 500"
        bench.at += 2 * FLOOR_SECONDS
    elif ending in ("unsent", "given_up"):
        bench.end((shard, number), "unsent" if ending == "unsent" else "given_up")
    elif ending == "forgotten":
        bench.governor.forget_call(shard, NAME, number, bench.now)
    else:
        bench.governor.forget(shard, bench.now)
        bench.want(1)
    bench.at += LAST_WORDS_SECONDS
    assert len(bench.granted()) == 1


def test_failures_in_a_row_close_a_model_and_those_under_way_count_once() -> None:
    bench = Bench()
    bench.want(*[0] * 8)
    calls = bench.granted()
    for call in calls[: FAILURES_IN_A_ROW - 1]:
        bench.end(call, "failed", "no connection")
    assert bench.status.closed_seconds is None
    for call in calls[FAILURES_IN_A_ROW - 1 :]:
        bench.end(call, "failed", "no connection")
    status = bench.status
    assert (status.closed_seconds, status.closings) == (FLOOR_SECONDS, 1)
    assert status.why == "failed 5 times in a row: no connection"


def test_calls_that_are_given_up_say_nothing_of_the_model() -> None:
    """Such as those of a shard that drains."""
    bench = Bench()
    bench.want(*[0] * 8)
    for call in bench.granted():
        bench.end(call, "given_up")
    assert (bench.status.closed_seconds, bench.status.today.requests) == (None, 8)


def test_a_refusal_blocks_until_the_next_run_which_tries_one_call() -> None:
    bench = Bench()
    bench.want(0, 0, 0)
    first, second, _ = bench.granted()
    bench.governor.refused(*(first[0], NAME, first[1]), "HTTP 402: no credit", bench.now)
    bench.end(second)
    assert bench.status.blocked == "HTTP 402: no credit"
    bench.want(0)
    bench.at += 10_000
    assert (bench.granted(), bench.governor.seconds_to_next_grant(bench.now)) == ([], None)
    saved = bench.governor.saved({}, bench.now)
    later = Bench()
    later.governor.restore(saved, 10.0, 1.0, later.now)
    assert (later.status.blocked, later.status.closed_seconds) == (None, 0.0)
    assert later.status.why == "HTTP 402: no credit"
    later.want(0, 0)
    (probe,) = later.granted()
    later.end(probe)
    assert len(later.granted()) == 1


def test_a_pause_goes_on_after_a_restart() -> None:
    bench = Bench()
    bench.want(0)
    bench.limited(bench.granted()[0], 100.0)
    later = Bench()
    later.governor.restore(bench.governor.saved({}, bench.now), 30.0, 1.0, later.now)
    assert (later.status.closed_seconds, later.status.closings, later.status.in_flight_limit) == (70.0, 1, 4)


def test_a_call_that_is_never_ended_is_given_up() -> None:
    bench = Bench(replace(MODEL, limits=CallLimits(in_flight=1)))
    bench.want(0, 0)
    assert len(bench.granted()) == 1
    bench.at += CALL_SECONDS + 1
    assert bench.granted() == []
    bench.at += LAST_WORDS_SECONDS
    assert bench.granted() == [(0, 2)]
    assert bench.status.today.requests == 1


def test_a_spent_budget_waits_for_midnight_and_what_is_under_way_counts() -> None:
    bench = Bench(budget=LlmBudget(tokens_per_day=100))
    bench.want(*[0] * 6)
    assert len(bench.granted()) == 5
    assert bench.governor.seconds_to_next_grant(bench.now) is None, "those under way may leave something"
    assert bench.governor.budget(bench.now).spent_seconds is None
    bench.governor.ended(0, NAME, 1, "answered", 5, 5, bench.now)
    assert bench.granted() == []
    bench.governor.ended(0, NAME, 2, "answered", 5, 5, bench.now)
    assert bench.granted() == [(0, 6)]
    for number in (3, 4, 5, 6):
        bench.end((0, number))
    bench.want(0)
    assert bench.granted() == []
    budget = bench.governor.budget(bench.now)
    assert (budget.budget, budget.today.input_tokens, budget.reserved) == ("tokens=100", 50, Spent())
    assert budget.spent_seconds == DAY_SECONDS - 1000.0
    assert bench.governor.seconds_to_next_grant(bench.now) == DAY_SECONDS - 1000.0
    bench.at += DAY_SECONDS - 1000.0
    assert bench.granted() == [(0, 7)]
    assert bench.governor.budget(bench.now).today == Spent()


@pytest.mark.parametrize(("restarts_after", "counts"), [(10.0, True), (CALL_SECONDS + 100.0, False)])
def test_a_call_that_was_under_way_over_midnight_belongs_to_both_days(restarts_after: float, counts: bool) -> None:
    """Unless it cannot have been: the longest that it can have taken was over before midnight."""
    bench = Bench()
    seconds = 5.0 if counts else CALL_SECONDS + 50.0
    bench.at = DAY_SECONDS - seconds
    bench.want(0)
    assert len(bench.granted()) == 1
    saved = bench.governor.saved({}, bench.now)
    later = Bench()
    later.at = bench.at + restarts_after
    later.governor.restore(saved, restarts_after, 1.0, later.now)
    assert later.governor.budget(later.now).today.input_tokens == (10 if counts else 0)


def test_a_call_that_was_never_sent_counts_nowhere() -> None:
    bench = Bench()
    bench.want(0)
    bench.governor.ended(0, NAME, bench.granted()[0][1], "unsent", 0, 0, bench.now)
    assert bench.status.today == bench.status.last_minute == Spent()


def test_a_clock_that_is_set_back_gives_no_new_budget() -> None:
    bench = Bench(budget=LlmBudget(tokens_per_day=20))
    bench.want(0, 0)
    bench.end(bench.granted()[0])
    bench.unix -= 3 * DAY_SECONDS
    assert bench.granted() == []
    bench.unix += 3 * DAY_SECONDS
    assert bench.granted() == [(0, 2)], "a day later by the clock"


def test_messages_about_what_is_not_known_change_nothing() -> None:
    bench = Bench()
    before = bench.status
    other = "other at elsewhere"
    bench.governor.want(0, other, 1, 1, 1)
    for model in (NAME, other):
        bench.governor.begun(0, model, 9, bench.now)
        bench.governor.ended(0, model, 9, "answered", 1, 1, bench.now)
        bench.governor.forget_call(0, model, 9, bench.now)
        bench.governor.limited(0, model, 9, 5.0, "", bench.now)
    bench.governor.refused(0, other, 9, "", bench.now)
    bench.governor.forget(3, bench.now)
    assert bench.governor.grants(bench.now) == list[Grant]()
    assert bench.status == before
