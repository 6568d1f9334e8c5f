"""The account of a run: every paper counts once, and what holds up most papers comes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.accounting import account_of
from rpa_shard.control.accounting.known import Known
from rpa_shard.control.sentences import LIMITS, in_columns, time_of_day
from rpa_shard.ipc.account import Account, Cause, Limit, LimitOfRun
from rpa_shard.ipc.calls import ModelStates
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus
from rpa_shard.ipc.run_status import RunState
from rpa_shard.ipc.shard_report import BackOff, Gauge, ShardReport
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Status
from tests.statuses import host_status, shard_report

NOW = 1_764_000_000.0
HOST = "source.example"


def report(pending: int = 0, prepping: int = 0, prepped: int = 0, failed: int = 0, **changes: Any) -> ShardReport:
    """A shard's report with these papers; those in `prepping` are downloaded unless `workers` says otherwise."""
    by_status = {"pending": pending, "prepping": prepping, "prepped": prepped, "failed": failed}
    usual: dict[str, Any] = {
        "by_status": by_status,
        "outstanding": pending + prepping,
        "held": prepping,
        "workers": ("download",) * prepping,
        "gauges": {},
    }
    return shard_report(**usual | changes)


def known(*shards: ShardReport, **changes: Any) -> Known:
    usual: dict[str, Any] = {
        "now": NOW,
        "state": RunState.RUNNING,
        "phases": (PREP,),
        "shard_count": len(shards),
        "shards": dict(enumerate(shards)),
        "pace": 2.0,
    }
    return Known(**usual | changes)


def waiting_at(host: Mapping[str, Any], papers: int = 60, pending: int = 28, **changes: Any) -> Account:
    """The account while `papers` wait for their turn at a host and others wait behind them."""
    workers = ("permit",) * papers
    shard = report(pending, papers, 35, 5, workers=workers)
    return account_of(known(shard, hosts={HOST: host_status(wanted=papers, **host)}, **changes))


def test_a_run_that_works() -> None:
    account = account_of(known(report(60, 20, 15, 5), report(40, 20, 35, 5)))
    assert (account.total, account.done, account.failed) == (200, 50, 10)
    assert (account.in_work, account.queued, account.waiting, account.waits) == (40, 100, 0, ())
    assert (account.limited_by, account.pace, account.left_seconds) == (Limit.NETWORK, 2.0, 70.0)
    assert account.text == "30 % · 50 done · 10 failed · 40 in work · 100 queued · 2.0 papers/s · 70 s left"


def test_a_host_that_asked_for_a_pause_holds_up_all_who_would_ask_it() -> None:
    account = waiting_at({"closed_seconds": 90.0, "why": "asked for a pause: HTTP 429", "closings": 1})
    assert (account.waiting, account.in_work, account.queued) == (88, 0, 0)
    (wait,) = account.waits
    assert (wait.cause, wait.subject, wait.papers, wait.until) == (Cause.HOST, HOST, 88, NOW + 90)
    assert (account.limited_by, account.left_seconds) == (Limit.WAITING, 90 + 88 / 2)
    assert account.text.startswith("31 % · 35 done · 5 failed · 88 waiting: source.example asked for a pause until ")


def test_while_a_probe_is_under_way_nobody_knows_the_end() -> None:
    account = waiting_at({"closed_seconds": 0.0, "why": "asked for a pause"})
    assert account.waits[0].until is None
    assert account.left_seconds is None
    assert "one request is to show whether it is over" in account.text


def test_a_node_with_nothing_to_do_waits_for_papers_that_others_have() -> None:
    idle = report(0, 8, 90, 2, held=0, workers=("idle",) * 8)
    account = account_of(known(idle, is_shared=True))
    (wait,) = account.waits
    assert (wait.cause, wait.papers, wait.until) == (Cause.NODE, 8, None)
    assert (account.limited_by, account.left_seconds) == (Limit.WAITING, None)
    assert account.text == "92 % · 90 done · 2 failed · 8 waiting: other nodes have them"
    assert account_of(known(idle)).waits == ()
    assert account_of(known(replace(idle, held=2, workers=("extract",) * 2), is_shared=True)).waits == ()


def test_while_no_node_governs_all_who_want_a_turn_wait_for_one() -> None:
    account = waiting_at({"blocked": "HTTP 403"}, ungoverned="no node governs")
    first, refusal = account.waits
    assert (first.cause, first.papers, first.until, first.why) == (Cause.GOVERNOR, 88, None, "no node governs")
    assert refusal.cause is Cause.REFUSAL
    assert (account.limited_by, account.left_seconds) == (Limit.WAITING, None)
    assert account.text.startswith("31 % · 35 done · 5 failed · 88 waiting: no node governs")
    assert account_of(known(report(60, 20, 15, 5), ungoverned="no node governs")).waits == ()


def test_a_closed_host_does_not_hold_up_papers_of_another() -> None:
    workers = ("permit",) * 10 + ("download",) * 50
    hosts = {HOST: host_status(closed_seconds=90.0, wanted=10)}
    account = account_of(known(report(100, 60, workers=workers), hosts=hosts))
    assert (account.in_work, account.waiting, account.queued) == (50, 10, 100)
    assert account.limited_by is Limit.NETWORK


def test_a_turn_at_a_host_is_no_wait_but_limits_the_pace() -> None:
    account = waiting_at({"policy": f"{HOST}=4/1@4"}, pending=1000, pace=3.9)
    assert (account.waiting, account.in_work, account.queued) == (0, 0, 1060)
    assert (account.waits[0].cause, account.waits[0].why) == (Cause.RATE, "it allows 4 requests in 1 s")
    assert account.limited_by is Limit.RATE
    assert account.text.endswith("1,060 queued · 3.9 papers/s (the rate of source.example) · 4.5 min left")


def test_without_a_measured_pace_the_allowed_one_tells_how_long() -> None:
    assert waiting_at({"policy": f"{HOST}=4/1@4"}, pending=60, pace=0.0).left_seconds == 120 / 4
    half = waiting_at({"policy": f"{HOST}=4/1@4", "factor": 0.5}, pending=60, pace=8.0)
    assert (half.left_seconds, half.waits[0].why) == (120 / 2, "it allows 4 requests in 1 s, now at 50%")
    assert account_of(known(report(5, 5), pace=0.0)).left_seconds is None


def test_back_offs_by_reason_those_of_most_papers_first() -> None:
    back_offs = {"network": BackOff(40, NOW + 5, NOW + 9), "timeout": BackOff(8, NOW + 300, NOW + 600)}
    account = account_of(known(report(48, back_offs=back_offs), report(1, back_offs={"network": BackOff(1, NOW, NOW)})))
    assert [(wait.subject, wait.papers, wait.until) for wait in account.waits] == [
        ("network", 41, NOW),
        ("timeout", 8, NOW + 300),
    ]
    assert (account.waiting, account.queued, account.limited_by) == (49, 0, Limit.WAITING)
    assert account.left_seconds == 600, "the last of them"
    assert "49 waiting: network, next attempt at " in account.text
    assert account.text.count("and 1 more") == 1


def test_a_disk_without_room_holds_up_everything_and_needs_a_person() -> None:
    account = account_of(known(report(50, 3, 7), short_of_room=("/data", "0.1 MB free for /data")))
    assert (account.waiting, account.in_work, account.queued) == (50, 3, 0)
    assert (account.limited_by, account.left_seconds) == (Limit.WAITING, None)
    assert account.waits[0].needs_a_person
    assert "50 waiting: 0.1 MB free for /data" in account.text


def test_a_shard_that_is_gone_holds_up_its_papers() -> None:
    gone = report(10, 5, workers=("download",) * 5, back_offs={"network": BackOff(3, NOW, NOW)})
    account = account_of(known(report(20, 5), gone, restarts={1: NOW + 2}))
    (wait,) = account.waits
    assert (wait.cause, wait.subject, wait.papers, wait.until) == (Cause.RESTART, "shard 1", 15, NOW + 2)
    assert (account.in_work, account.waiting, account.queued) == (5, 15, 20)


def test_a_host_that_refuses_us_is_told_and_holds_up_nobody() -> None:
    shard = report(10, 5, failed=4, by_failure={Failure.BLOCKED: 3})
    account = account_of(known(shard, hosts={HOST: host_status(blocked="HTTP 403")}))
    (wait,) = account.waits
    assert (wait.cause, wait.papers, wait.why, wait.needs_a_person) == (Cause.REFUSAL, 3, "HTTP 403", True)
    assert (account.waiting, account.limited_by) == (0, Limit.NETWORK)
    assert "source.example refuses us" in account.text


def test_threads_that_all_parse_limit_the_pace() -> None:
    full = {"parsing": Gauge(6, 6)}
    account = account_of(known(report(50, 20, gauges=full), report(50, 20, gauges=full), report(50, 20)))
    assert account.limited_by is Limit.ENGINE


def test_before_all_shards_have_counted_the_run_is_starting() -> None:
    account = account_of(known(report(57), ShardReport()))
    assert (account.limited_by, account.text) == (Limit.STARTING, "starting")
    assert account_of(known(report(57), shard_count=2)).limited_by is Limit.STARTING


def test_the_progress_of_a_run_with_a_limit() -> None:
    back_offs = {"network": BackOff(40, NOW + 500, NOW + 900)}
    shard = report(1000, 8, 60, 5, back_offs=back_offs)
    account = account_of(known(shard, limit=LimitOfRun(papers=100, ended=40)))
    assert (account.total, account.open, account.to_do, account.progress) == (1073, 1008, 60, (40, 100))
    assert (account.limited_by, account.left_seconds) == (Limit.NETWORK, 30.0), "what waits has had its turn"
    assert account.text.startswith("40 % · 40 of this run's 100 papers · 60 done · 5 failed · 40 waiting: network, ")
    assert account.text.endswith(" · 8 in work · 960 queued · 2.0 papers/s · 30 s left")
    assert in_columns(account, NOW, 30) == "40 % · 40 waiting, next " + time_of_day(NOW + 500, NOW)[:5]
    assert in_columns(account_of(known(report(9, 1), limit=LimitOfRun(papers=4, ended=2))), NOW, 12) == "50 % · 2/4"
    over = account_of(known(report(9, prepped=4), limit=LimitOfRun(papers=4, ended=4)))
    assert (over.limited_by, over.left_seconds, over.text) == (
        Limit.NOTHING_LEFT, 0, "100 % · 4 of this run's 4 papers · 4 done · 9 queued",
    )  # fmt: skip
    few = account_of(known(report(1, 1), limit=LimitOfRun(papers=4, ended=0)))
    assert (few.to_do, few.left_seconds) == (2, 1.0), "others have taken the rest away"


@pytest.mark.parametrize(
    ("state", "papers", "limit"),
    [
        (RunState.RUNNING, 0, Limit.NOTHING_LEFT),
        (RunState.FINISHING, 0, Limit.NOTHING_LEFT),
        (RunState.STOPPING, 3, Limit.STOPPING),
        (RunState.RESIZING, 3, Limit.STOPPING),
        (RunState.CRASH_LOOP, 3, Limit.STOPPING),
        (RunState.ENDED, 3, Limit.STOPPED),
        (RunState.ENDED, 0, Limit.NOTHING_LEFT),
    ],
)
def test_a_run_that_ends(state: RunState, papers: int, limit: Limit) -> None:
    account = account_of(known(report(papers, prepped=3), state=state))
    assert account.limited_by is limit
    assert (account.left_seconds == 0) == (papers == 0)


def test_an_empty_folder_is_done() -> None:
    assert account_of(known(report(), state=RunState.ENDED)).text == "100 % · 0 done"


MODEL = "qwen at 127.0.0.1:8000"
OTHER = "other at 127.0.0.1:8001"


def asking(models: Mapping[str, Mapping[str, Any]], *shards: ShardReport, **changes: Any) -> Account:
    """The account of a run whose second phase asks models."""
    budget = BudgetStatus(budget="tokens=100", spent_seconds=changes.pop("spent_seconds", None))
    statuses = {
        name: ModelStatus(**{"limits": "requests=60 in_flight=8", "in_flight_limit": 8, **state})
        for name, state in models.items()
    }
    usual = {"phases": (PREP, ANALYZE), "asking": (ANALYZE,), "models": ModelStates(statuses, budget)}
    return account_of(known(*shards, **usual | changes))


def analyzing(prepped: int = 40, held: int = 10, stage: str = "asking", pending: int = 0) -> ShardReport:
    """The report of a shard that analyzes."""
    by_status = {"pending": pending, "prepped": prepped, "analyzing": held}
    return report(by_status=by_status, outstanding=pending + prepped + held, held=held, workers=(stage,) * held)


def test_papers_that_ask_are_in_work() -> None:
    account = asking({MODEL: {}}, analyzing())
    assert (account.in_work, account.queued, account.waits, account.limited_by) == (10, 40, (), Limit.NETWORK)


def test_a_turn_at_a_model_limits_the_pace() -> None:
    account = asking({MODEL: {"wanted": 30}, OTHER: {"wanted": 10}}, analyzing(stage="call permit"), pace=0.9)
    assert (account.in_work, account.queued, account.waiting) == (0, 50, 0)
    assert [(wait.cause, wait.subject, wait.papers) for wait in account.waits] == [
        (Cause.MODEL_RATE, MODEL, 37),
        (Cause.MODEL_RATE, OTHER, 13),
    ]
    assert account.waits[0].why == "it allows requests=60 in_flight=8, now 8 calls at a time"
    assert account.limited_by is Limit.MODEL
    assert "54.0 papers/min (the rate of qwen at 127.0.0.1:8000)" in account.text
    few = asking({MODEL: {"wanted": 1}}, analyzing(), analyzing(held=1, stage="call permit"))
    assert (few.limited_by, few.waits[0].papers, few.in_work) == (Limit.NETWORK, 1, 10)


def test_a_model_that_is_left_alone_holds_up_the_papers_that_would_ask_it() -> None:
    closed = {"closed_seconds": 90.0, "why": "asked for a pause: HTTP 429"}
    account = asking({MODEL: closed, OTHER: closed | {"closed_seconds": 200.0}}, analyzing(held=0, pending=7))
    assert (account.waiting, account.queued, account.limited_by) == (40, 7, Limit.WAITING)
    assert [(wait.cause, wait.papers, wait.until) for wait in account.waits] == [
        (Cause.MODEL, 40, NOW + 90),
        (Cause.MODEL, 0, NOW + 200),
    ]
    assert "40 waiting: qwen at 127.0.0.1:8000 asked for a pause until" in account.text
    probing = asking({MODEL: {"closed_seconds": 0.0, "wanted": 9}}, analyzing(stage="call permit"))
    assert (probing.waiting, probing.waits[0].until) == (50, None)
    assert "one call is to show whether it is over" in probing.text


def test_a_model_that_refuses_us_needs_a_person() -> None:
    account = asking({MODEL: {"blocked": "HTTP 402: no credit"}}, analyzing(held=0))
    (wait,) = account.waits
    assert (wait.cause, wait.papers, wait.why, wait.needs_a_person) == (
        Cause.MODEL_REFUSAL, 40, "HTTP 402: no credit", True,
    )  # fmt: skip
    assert (account.waiting, account.limited_by, account.left_seconds) == (40, Limit.WAITING, None)
    assert "40 waiting: qwen at 127.0.0.1:8000 refuses us" in account.text
    goes_on = asking({MODEL: {"blocked": "HTTP 402: no credit"}, OTHER: {}}, analyzing())
    assert (goes_on.waiting, goes_on.in_work, goes_on.limited_by) == (0, 10, Limit.NETWORK)
    assert goes_on.text.count("refuses us") == 1


def test_a_spent_budget_says_when_it_goes_on() -> None:
    account = asking({MODEL: {}}, analyzing(held=0), spent_seconds=7200.0)
    (wait,) = account.waits
    assert (wait.cause, wait.papers, wait.until) == (Cause.BUDGET, 40, NOW + 7200)
    assert account.left_seconds == 7200 + 40 / 2
    assert "40 waiting: the day's budget is spent (tokens=100) until " in account.text


def test_every_limit_has_words() -> None:
    assert LIMITS.keys() == set(Limit)


counts = st.integers(0, 200)
stages = st.sampled_from(
    ("idle", "permit", "call permit", "asking", "download", "download slot", "extract slot", "extract", "commit")
)
hosts = st.builds(
    host_status,
    policy=st.just(f"{HOST}=4/1@4"),
    wanted=counts,
    closed_seconds=st.none() | st.floats(0, 1e5),
    blocked=st.none() | st.just("HTTP 403"),
    factor=st.sampled_from((1.0, 0.5)),
)
back_offs = st.builds(BackOff, counts, st.floats(NOW, NOW + 1e4), st.floats(NOW, NOW + 1e4))
models = st.builds(
    ModelStatus,
    limits=st.just("requests=60 in_flight=8"),
    in_flight_limit=counts,
    wanted=counts,
    closed_seconds=st.none() | st.floats(0, 1e5),
    blocked=st.none() | st.just("HTTP 402"),
)
model_states = st.builds(
    ModelStates,
    models=st.dictionaries(st.sampled_from((MODEL, OTHER)), models),
    budget=st.builds(BudgetStatus, spent_seconds=st.none() | st.floats(0, 1e5)),
)
reports = st.builds(
    ShardReport,
    outstanding=st.none() | counts,
    by_status=st.dictionaries(st.sampled_from([each.value for each in Status]), counts),
    by_failure=st.dictionaries(st.sampled_from([each.value for each in Failure]), counts, max_size=2),
    back_offs=st.dictionaries(st.sampled_from([each.value for each in Failure]), back_offs, max_size=3),
    held=counts,
    workers=st.lists(stages, max_size=50).map(tuple),
    gauges=st.dictionaries(st.just("parsing"), st.builds(Gauge, st.integers(0, 6), st.just(6))),
)
anything_known = st.builds(
    Known,
    now=st.just(NOW),
    state=st.sampled_from(RunState),
    phases=st.sampled_from(((PREP,), (PREP, ANALYZE), (ANALYZE, WRAP))),
    shard_count=st.integers(1, 3),
    shards=st.dictionaries(st.integers(0, 2), reports),
    restarts=st.dictionaries(st.integers(0, 2), st.floats(NOW, NOW + 60), max_size=2),
    hosts=st.dictionaries(st.sampled_from((HOST, "other.example")), hosts),
    models=model_states,
    asking=st.sampled_from(((), (ANALYZE,), (ANALYZE, WRAP))),
    short_of_room=st.none() | st.just(("/data", "no room")),
    pace=st.sampled_from((0.0, 0.001, 3.0)),
)


@given(anything_known)
def test_whatever_is_reported_each_paper_counts_once(anything: Known) -> None:
    account = account_of(anything)
    parts = (account.done, account.failed, account.in_work, account.queued, account.waiting)
    assert min(parts) >= 0
    assert sum(parts) == account.total
    assert account.left_seconds is None or account.left_seconds >= 0
    assert account.text.isprintable()
    assert len({(wait.cause, wait.subject) for wait in account.waits}) == len(account.waits)
    assert min((wait.papers for wait in account.waits), default=0) >= 0
