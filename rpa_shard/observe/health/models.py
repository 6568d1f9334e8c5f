"""The check of models: which of them cannot be asked, and whether another one can.

Guarantee: pure; a spent budget is no error, since it is meant to end the day. Limit: of a run that is over it is known
only which models refused it.
"""

from __future__ import annotations

from rpa_shard.control.sentences import duration, shortened
from rpa_shard.ipc.account import Cause
from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.observe.health.check import Check, Level
from rpa_shard.observe.health.measure import Measured
from rpa_shard.observe.health.refusals import WHY_CHARACTERS
from rpa_shard.observe.models import state_in_words, today_in_words

# So long all models may be left alone before somebody should look.
LONG_SECONDS = 1800.0


def model_check(found: Measured) -> Check:
    """Critical if no model can be asked: all refuse us, or are left alone for long."""
    run = found.status
    if not run.models:
        return Check("models", Level.OK, "none is asked")
    refusing = [name for name, each in run.models.items() if each.blocked is not None]
    if not found.live:
        return _at_rest(run, refusing)
    closed = [name for name, each in run.models.items() if each.blocked is None and each.closed_seconds is not None]
    told = [f"{name} {_state(run, name)}" for name in (*refusing, *closed)]
    if not told:
        return Check("models", Level.OK, f"{len(run.models)} open; today {_today(run)}")
    none_left = len(told) == len(run.models)
    since = _closed_for(run) if closed else 0.0
    if none_left and (not closed or since >= LONG_SECONDS):
        for_long = f"no model could be asked for {duration(since)}: " if closed else ""
        return Check("models", Level.CRITICAL, f"{for_long}{'; '.join(told)}")
    others = "none other can be asked now" if none_left else f"{len(run.models) - len(told)} open"
    return Check("models", Level.WARNING, f"{'; '.join(told)}; {others}")


def _at_rest(run: RunStatus, refusing: list[str]) -> Check:
    if not refusing:
        return Check("models", Level.OK, "no run is on, and none refused the last one")
    told = [f"{name} refused the last run: {_shortened(run.models[name].blocked)}" for name in refusing]
    return Check("models", Level.WARNING, "; ".join(told))


def _state(run: RunStatus, name: str) -> str:
    model = run.models[name]
    if model.blocked is not None:
        return f"refuses us: {_shortened(model.blocked)}"
    return _shortened(state_in_words(model, run.written_at, run.written_at))


def _shortened(text: str | None) -> str:
    return shortened(text or "", WHY_CHARACTERS)


def _closed_for(run: RunStatus) -> float:
    """How long papers have waited for models that are left alone."""
    begun = [wait.since for wait in run.account.waits if wait.cause is Cause.MODEL]
    return max(0.0, run.written_at - min(begun)) if begun else 0.0


def _today(run: RunStatus) -> str:
    return today_in_words(run.llm_budget, run.written_at, run.written_at)
