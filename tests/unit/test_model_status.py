"""Whether models may be asked: the one rule that shards and views share."""

from __future__ import annotations

from rpa_shard.ipc.model_status import PATIENCE_SECONDS, BudgetStatus, ModelStatus, Standing, standing_of

OPEN = ModelStatus(limits="", in_flight_limit=1)
CLOSED = ModelStatus(limits="", in_flight_limit=1, closed_seconds=300.0, why="it asked for a pause")
LONGER = ModelStatus(limits="", in_flight_limit=1, closed_seconds=900.0, why="it failed")
SOON = ModelStatus(limits="", in_flight_limit=1, closed_seconds=PATIENCE_SECONDS)
BLOCKED = ModelStatus(limits="", in_flight_limit=1, blocked="401: wrong key")
NO_BUDGET = BudgetStatus()


def test_one_open_model_is_enough() -> None:
    assert standing_of([BLOCKED, CLOSED, OPEN], NO_BUDGET).may_ask
    assert standing_of([], NO_BUDGET).may_ask


def test_a_model_that_opens_soon_counts_as_open() -> None:
    assert standing_of([SOON], NO_BUDGET).may_ask


def test_closed_models_are_waited_for_as_long_as_the_first_needs() -> None:
    assert standing_of([LONGER, CLOSED, BLOCKED], NO_BUDGET) == Standing(False, 300.0, "it asked for a pause")


def test_nothing_is_asked_once_all_refuse_us() -> None:
    standing = standing_of([BLOCKED, BLOCKED], NO_BUDGET)
    assert standing == Standing(False, None, "401: wrong key")
    assert standing.is_stopped


def test_a_spent_budget_comes_before_all_else() -> None:
    standing = standing_of([OPEN, BLOCKED], BudgetStatus(budget="usd=5", spent_seconds=60.0))
    assert standing == Standing(False, 60.0, "the day's budget is spent (usd=5)")
    assert not standing.is_stopped
