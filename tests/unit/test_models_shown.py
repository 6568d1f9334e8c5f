"""What people see of models: status, health, metrics, the live view, the report, the summary."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.ipc.account import Cause, Limit, PastWait, Wait
from rpa_shard.ipc.call_totals import spent_in, totals_of
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Spent
from rpa_shard.ipc.run_status import Rates, RunState, RunStatus
from rpa_shard.observe import statistics
from rpa_shard.observe.health.check import Level
from rpa_shard.observe.health.measure import Measured
from rpa_shard.observe.health.models import LONG_SECONDS, model_check
from rpa_shard.observe.health.progress import paused_check, throughput_check, waiting_check
from rpa_shard.observe.metrics.families import families
from rpa_shard.observe.models import dollars, model_lines, short, today_in_words
from rpa_shard.observe.report.models import models as report_models
from rpa_shard.observe.report.words import waited_for
from rpa_shard.observe.top.screen import draw
from rpa_shard.observe.top.text import width_of
from rpa_shard.observe.top.view import Tab, View
from rpa_shard.observe.top.watched import Watched
from rpa_shard.store.rows import Counts
from tests.statuses import account, model_status, run_status, work

OPEN, OTHER = "qwen3 at 127.0.0.1:8000", "gpt-6 at api.example.org"
CLOSED = model_status(closed_seconds=300.0, why="HTTP 429: slow down", under_way=0)
REFUSING = model_status(blocked="HTTP 402: no money", under_way=0)
CALLS = {"llm_calls": 31, "llm_input_tokens": 1_200_000, "llm_output_tokens": 44_000, "llm_micro_usd": 812_345}
PHASES = ("prep", "analyze", "wrap")


def asking(models: Mapping[str, ModelStatus], **changes: Any) -> RunStatus:
    return run_status(**{"phases": PHASES, "models": models, **changes})


def wait(cause: Cause, subject: str = OPEN, since: float = 100.0, **changes: Any) -> Wait:
    now = time.time()
    made: dict[str, Any] = {"papers": 5, "until": now + 60, "why": "because"}
    return Wait(**{"cause": cause, "subject": subject, "since": now - since, **made, **changes})


def measured(run: RunStatus) -> Measured:
    return Measured(run=run, live=run.is_on, hosts=run.hosts)


# Words.


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (9999, "9,999"), (10_000, "10 k"), (999_949, "1 M"), (999_499, "999 k"), (1_234_567, "1.23 M"),
     (45_600_000, "45.6 M"), (7 * 10**12, "7000 G")],
)  # fmt: skip
def test_large_numbers_are_short(number: int, text: str) -> None:
    assert short(number) == text


@given(st.integers(0, 10**12))
def test_a_short_number_is_about_the_number(number: int) -> None:
    value, _, unit = short(number).replace(",", "").partition(" ")
    assert float(value) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit] == pytest.approx(number, rel=0.006)


@pytest.mark.parametrize(
    ("micro_usd", "text"),
    [(0, "$0.00"), (12_345_678, "$12.35"), (1_234_567_890, "$1,234.57"), (812_345, "$0.81"), (81_000, "$0.081"),
     (1, "$0.000001")],
)  # fmt: skip
def test_sums_of_money(micro_usd: int, text: str) -> None:
    assert dollars(micro_usd) == text


def test_the_day_and_its_budget() -> None:
    today = Spent(requests=1, input_tokens=10, output_tokens=5, micro_usd=2_000_000)
    assert today_in_words(BudgetStatus(today=today), 0.0, 0.0) == "1 call, 10 tokens in, 5 out, $2.00"
    spent = BudgetStatus(budget="tokens=20000000 usd=5", today=today, spent_seconds=60.0)
    words = today_in_words(spent, 0.0, 0.0)
    assert "of a budget of 20 M tokens and $5.00: spent, the phases go on at " in words


# Status.


def test_status_has_the_state_of_each_model_and_the_day() -> None:
    run = asking({OPEN: model_status(), OTHER: CLOSED, "x at y": REFUSING})
    lines = list(model_lines(run, run.written_at, live=True))
    assert lines[0] == f"model     {OPEN}: open"
    assert lines[1].startswith(
        "          60 of 64 calls under way, 12 waiting; last minute: 300 calls, 1.23 M tokens in"
    )
    assert lines[2].startswith(f"model     {OTHER}: left alone until ")
    assert lines[2].endswith(": HTTP 429: slow down")
    assert lines[4] == "model     x at y: refuses us: HTTP 402: no money; once that is settled, start a run again"
    assert lines[5].startswith("today     0 calls")


def test_of_a_run_that_is_over_only_refusals_are_told() -> None:
    run = asking({OPEN: model_status(), OTHER: CLOSED, "x at y": REFUSING})
    assert [line.split(":")[0] for line in model_lines(run, time.time(), live=False)] == ["model     x at y"]
    assert list(model_lines(run_status(), time.time(), live=True)) == []


def test_a_pause_that_is_over_asks_for_a_probe() -> None:
    run = asking({OPEN: model_status(closed_seconds=0.0, why="HTTP 429")})
    assert "one call is to show whether it is over: HTTP 429" in next(model_lines(run, run.written_at, live=True))


# Health.


@pytest.mark.parametrize(
    ("models", "since", "level"),
    [
        ({}, 0.0, Level.OK),
        ({OPEN: model_status()}, 0.0, Level.OK),
        ({OPEN: model_status(), OTHER: CLOSED}, 0.0, Level.WARNING),
        ({OPEN: model_status(), OTHER: REFUSING}, 0.0, Level.WARNING),
        ({OPEN: CLOSED}, 60.0, Level.WARNING),
        ({OPEN: CLOSED}, LONG_SECONDS + 60, Level.CRITICAL),
        ({OPEN: CLOSED, OTHER: REFUSING}, 60.0, Level.WARNING),
        ({OPEN: CLOSED, OTHER: REFUSING}, LONG_SECONDS + 60, Level.CRITICAL),
        ({OPEN: REFUSING}, 0.0, Level.CRITICAL),
    ],
)
def test_health_of_models(models: dict[str, ModelStatus], since: float, level: Level) -> None:
    found = model_check(measured(asking(models, account=account(waits=(wait(Cause.MODEL, since=since),)))))
    assert (found.name, found.level) == ("models", level)
    assert all(name in found.text for name, each in models.items() if each.blocked or each.closed_seconds is not None)


def test_health_of_models_without_a_run() -> None:
    over = {"born": 1.0, "state": RunState.ENDED}
    assert model_check(measured(asking({OPEN: CLOSED}, **over))).level is Level.OK
    assert model_check(measured(asking({OPEN: REFUSING}, **over))).level is Level.WARNING


def standing_still(*waits: Wait, limited_by: Limit = Limit.WAITING) -> RunStatus:
    now = time.time()
    return asking(
        {OPEN: model_status()},
        account=account(waits=waits, waiting=5, limited_by=limited_by),
        progress_at=now - 4000,
        rates=Rates(0.0, 0.0, 0.1, 0.0),
        seconds=5000.0,
    )


@pytest.mark.parametrize(
    ("run", "throughput", "waiting", "paused"),
    [
        (standing_still(wait(Cause.BUDGET, "")), Level.OK, Level.OK, Level.OK),
        (standing_still(wait(Cause.BUDGET, ""), wait(Cause.BACK_OFF, "timeout")), Level.OK, Level.WARNING, Level.OK),
        (standing_still(wait(Cause.MODEL)), Level.OK, Level.WARNING, Level.OK),
        (standing_still(wait(Cause.MODEL_RATE, until=None), limited_by=Limit.MODEL), Level.OK, Level.WARNING, Level.OK),
        (standing_still(wait(Cause.MODEL_REFUSAL, until=None)), Level.CRITICAL, Level.OK, Level.CRITICAL),
    ],
    ids=["budget", "budget and another attempt", "closed", "rate", "refusal"],
)
def test_health_knows_what_is_waited_for(run: RunStatus, throughput: Level, waiting: Level, paused: Level) -> None:
    found = measured(run)
    levels = (throughput_check(found).level, waiting_check(found).level, paused_check(found).level)
    assert levels == (throughput, waiting, paused)


# Metrics.


def test_metrics_of_models() -> None:
    budget = BudgetStatus(budget="tokens=1000 usd=2.5", spent_seconds=9.0)
    run = asking({OPEN: model_status(), OTHER: REFUSING}, llm_budget=budget)
    found = {
        (family.name, sample.labels.get("model")): sample.value
        for family in families(run, Counts(), live=True)
        for sample in family.samples
    }
    assert found["rpa_model_calls_under_way", OPEN] == 60
    assert found["rpa_model_calls_allowed", OPEN] == 64
    assert [found["rpa_model_refuses", each] for each in (OPEN, OTHER)] == [0, 1]
    assert found["rpa_model_cost_dollars", OPEN] == pytest.approx(12.345678)
    assert found["rpa_model_input_tokens", OPEN] == 987_654_321
    assert [found[f"rpa_budget_{each}", None] for each in ("spent", "tokens", "dollars")] == [1, 1000, 2.5]


# The live view.


@pytest.mark.parametrize("size", [(40, 24), (40, 60), (80, 24), (80, 60), (140, 50)])
@pytest.mark.parametrize("tab", [Tab.ALL, Tab.HOSTS])
def test_the_live_view_has_the_models(size: tuple[int, int], tab: Tab) -> None:
    run = asking({OPEN: model_status(), OTHER: REFUSING}, account=account(waits=(wait(Cause.MODEL_RATE),)))
    seen = Watched(folder="/data", on=True, account=run.account, run=run, hosts={}, hosts_at=run.written_at)
    lines = draw(seen, View(tab=tab), *size, time.time()).lines
    text = ["".join(span.text for span in line) for line in lines]
    assert all(width_of(line) <= size[0] for line in lines)
    assert any("qwen3" in line and "open" in line for line in text)
    assert any("gpt-6" in line and "refuses us" in line for line in text)


# The report and the figures of a run.


def test_the_report_has_the_models() -> None:
    run = asking({OPEN: model_status(), OTHER: REFUSING}, work=work(totals=CALLS))
    (section,) = report_models(run)
    assert "40,123" in section
    assert "refuses us: HTTP 402: no money" in section
    assert "In this run: 31 calls, 1.2 M tokens in, 44 k out, $0.81." in section
    assert list(report_models(run_status())) == []


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_can_be_told(cause: Cause) -> None:
    assert waited_for(PastWait(cause=cause, subject="x", times=1, seconds=2.0))


def test_the_summary_says_what_was_made_and_what_it_cost() -> None:
    ended = {"prep": {"completed": 7}, "analyze": {"completed": 5}, "wrap": {"completed": 4, "failed": 1}}
    run = asking({OPEN: model_status()}, work=work(ended=ended, totals={"pages": 70, **CALLS}))
    lines = list(statistics.lines(run))
    assert lines[:3] == [
        "phases    prep 7 papers, analyze 5 papers, wrap 4 papers",
        "made      70 pages",
        "asked     31 calls, 1.2 M tokens in, 44 k out, $0.81",
    ]
    figures = statistics.statistics(run)
    assert figures["calls"] == {
        "requests": 31,
        "input_tokens": 1_200_000,
        "output_tokens": 44_000,
        "micro_usd": 812_345,
    }
    assert figures["models_today"][OPEN]["requests"] == 40_123


def test_a_run_of_prep_alone_says_nothing_of_models() -> None:
    assert spent_in({"pages": 3}) == Spent()
    assert totals_of(spent_in(CALLS)) == CALLS
    assert not [each for each in statistics.lines(run_status()) if each.startswith(("phases", "asked"))]
