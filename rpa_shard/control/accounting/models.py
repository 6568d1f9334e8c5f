"""What the papers wait for whose phases ask models: their turn, a pause, a person, or the next day.

Guarantee: pure; while no model may be asked, all papers whose turn it would be wait for one thing: for the budget, or
the model that is asked again first. Limit: how many papers wait for which model is a guess from the calls that wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rpa_shard.control.accounting.known import Known, Places
from rpa_shard.control.accounting.parts import shares, wait
from rpa_shard.ipc.account import Cause, Wait
from rpa_shard.ipc.model_status import ModelStatus, standing_of
from rpa_shard.ipc.shard_report import ShardReport

BUDGET = "the day's budget"


def papers_for_models(known: Known, living: Sequence[ShardReport], places: Places, ready: int) -> int:
    """How many of the papers that are not in work and `ready` for their turn, wait for models."""
    statuses = [phase.from_status for phase in known.asking]
    behind = sum(report.by_status.get(status, 0) for report in living for status in statuses)
    may_ask = standing_of(known.models.models.values(), known.models.budget).may_ask
    if places.models_hold_most or not may_ask:
        return min(places.at_models + places.behind + behind, ready)
    return min(places.at_models, ready)


def model_waits(known: Known, places: Places, papers: int) -> list[Wait]:
    """What is known of models, of which so many papers wait for one."""
    models, budget = known.models.models, known.models.budget
    papers_at = _papers_at(models, papers)
    found = []
    if budget.spent_seconds is not None:
        until = known.now + budget.spent_seconds
        found.append(wait(known, Cause.BUDGET, BUDGET, papers, until, f"{BUDGET} is spent ({budget.budget})"))
        papers_at = {}
    for model, each in models.items():
        at = papers_at.get(model, 0)
        if each.blocked is not None:
            found.append(wait(known, Cause.MODEL_REFUSAL, model, at, None, each.blocked))
        elif each.closed_seconds is not None:
            end = known.now + each.closed_seconds if each.closed_seconds else None
            found.append(wait(known, Cause.MODEL, model, at, end, each.why or "it was closed"))
        elif at:
            found.append(wait(known, Cause.MODEL_RATE, model, at, None, _allowed(each)))
    return found


def _papers_at(models: Mapping[str, ModelStatus], papers: int) -> dict[str, int]:
    """The papers, divided among the models for which they wait."""
    wanted = {model: each.wanted for model, each in models.items() if each.wanted and each.blocked is None}
    if not wanted and models:
        # Nobody waits for a turn, since none may be asked: the first that is asked again, else the first that refuses.
        wanted = {min(models, key=lambda model: _comes_back(models[model])): 1}
    return shares(papers, wanted)


def _comes_back(model: ModelStatus) -> tuple[bool, float]:
    return model.blocked is not None, model.closed_seconds or 0.0


def _allowed(model: ModelStatus) -> str:
    return f"it allows {model.limits}, now {model.in_flight_limit} calls at a time"
