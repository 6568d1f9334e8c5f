"""The governor of models at work: shards' messages in, permits out, states published and kept for the next run.

Guarantee: what is granted is saved before it is sent, so a killed run's successor exceeds no limit and knows what the
day took; a refusal is saved before any process acts on it. While nothing can be saved, nothing is sent. Limit: runs
inside the supervisor's only thread; a permit waits for that thread's next turn.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import Memory
from rpa_shard.control.models.governor import Grant, ModelGovernor, changes
from rpa_shard.control.models.keeper import Keeper
from rpa_shard.control.models.spending import Now
from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallForgotten,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.messages import ToShard
from rpa_shard.ipc.model_status import PATIENCE_SECONDS, BudgetStatus, ModelStatus, Standing, standing_of

log = logging.getLogger(__name__)

# How long after a call's own deadline it is given up, if its shard has not ended it.
CALL_GRACE_SECONDS = 60.0

Send = Callable[[int, ToShard], None]


class CallBroker:
    """The governor of models of one run, and every shard that it deals with."""

    def __init__(self, settings: Settings, memory: Memory) -> None:
        now = _now()
        self._asks = settings.llm_connections > 0
        self._governor = ModelGovernor(
            settings.llm_endpoints if self._asks else (),
            settings.llm_budget,
            settings.llm_close_seconds,
            settings.llm_deadline_seconds + CALL_GRACE_SECONDS,
            now,
        )
        self._keeper = Keeper(memory, self._governor, now)
        self._keeper.restore(now)
        self._published: Mapping[str, ModelStatus] = {}
        self._budget = BudgetStatus()
        # Granted, but not sent, because it is not on file.
        self._unsent: list[Grant] = []
        # A shard waits to hear what follows from what it has reported.
        self._must_publish = False

    def states(self) -> ModelStates:
        """How things stand with every model, and with the budget."""
        now = _now()
        return ModelStates(self._governor.statuses(now), self._governor.budget(now))

    def standing(self) -> Standing:
        """Whether models may be asked now."""
        states = self.states()
        return standing_of(states.models.values(), states.budget)

    def refusal(self) -> str | None:
        """Why no model is asked until a person acts, in one line, if that is so."""
        return refusal_of(self.states())

    def handle(self, number: int, message: CallMessage) -> None:
        """Handles what shard `number` has sent."""
        now, governor = _now(), self._governor
        self._keeper.news()
        match message:
            case CallWanted(model, call, input_tokens, output_tokens):
                governor.want(number, model, call, input_tokens, output_tokens)
            case CallForgotten(model, call):
                governor.forget_call(number, model, call, now)
            case CallBegun(model, call):
                governor.begun(number, model, call, now)
            case CallEnded(model, call, ending, input_tokens, output_tokens, detail):
                governor.ended(number, model, call, ending, input_tokens, output_tokens, now, detail)
            case ModelLimited(model, call, retry_after_seconds, detail):
                self._must_publish = True
                governor.limited(number, model, call, retry_after_seconds, detail, now)
            case ModelRefused(model, call, detail):
                self._must_publish = True
                governor.refused(number, model, call, detail, now)

    def adopt(self, number: int, model: str, call: int) -> None:
        """A shard has a call under way that an earlier governor has granted."""
        self._governor.adopt(number, model, call, _now())

    def forget(self, number: int) -> None:
        """A shard is gone; what it had under way counts as spent."""
        self._keeper.news()
        self._unsent = [grant for grant in self._unsent if grant.shard != number]
        self._governor.forget(number, _now())

    def act(self, shards: Collection[int], send: Send) -> None:
        """Publishes changes to the living shards and sends the permits that may be granted now."""
        if not self._asks:
            return
        now = _now()
        self._unsent += self._governor.grants(now)
        before, budget_before = self._published, self._budget
        self._published, self._budget = self._governor.statuses(now), self._governor.budget(now)
        changed = list(changes(before, self._published))
        if self._keeper.keeps(self._unsent, now, must=bool(changed)):
            self._send_grants(shards, send)
        for model in changed:
            _log_state(model, self._published[model], before.get(model))
        _log_budget(self._budget, budget_before)
        if self._must_publish or _gist(self._published, self._budget) != _gist(before, budget_before):
            self._must_publish = False
            for number in shards:
                send(number, ModelStates(self._published, self._budget))

    def close(self) -> None:
        """The run ends: keeps everything for the next one."""
        if self._asks:
            self._keeper.close(_now())

    def seconds_to_next_grant(self) -> float | None:
        """How long until the clock allows another grant; None if the clock alone allows none."""
        return self._governor.seconds_to_next_grant(_now())

    def _send_grants(self, shards: Collection[int], send: Send) -> None:
        for grant in self._unsent:
            if grant.shard in shards:
                send(grant.shard, CallsGranted(grant.model, grant.numbers))
        self._unsent.clear()


def refusal_of(states: ModelStates) -> str | None:
    """Why no model is asked until a person acts, in one line, if that is so."""
    if not standing_of(states.models.values(), states.budget).is_stopped:
        return None
    blocked = {name: each.blocked for name, each in states.models.items()}
    reasons = "; ".join(f"{name} refuses us: {(why or '').rstrip('.')}" for name, why in blocked.items())
    return f"{reasons} (see to that, then run again)"


def _now() -> Now:
    return Now(time.monotonic(), time.time())


def _gist(models: Mapping[str, ModelStatus], budget: BudgetStatus) -> tuple[object, ...]:
    """What shards act on: that a model is open again for those who wait a moment, too."""
    closed = {model: each.closed_seconds for model, each in models.items()}
    shut = {model: (each is not None, each is not None and each > PATIENCE_SECONDS) for model, each in closed.items()}
    blocked = {model: each.blocked for model, each in models.items()}
    closings = {model: each.closings for model, each in models.items()}
    return shut, blocked, closings, budget.spent_seconds is None


def _log_state(model: str, state: ModelStatus, before: ModelStatus | None) -> None:
    if state.blocked:
        log.error("model %s: refuses us, not asked until a person acts and starts a run: %s", model, state.blocked)
    elif state.closed_seconds == 0.0:
        log.warning("model %s: one call is to show whether it can be asked: %s", model, state.why or "it was closed")
    elif state.closed_seconds is not None:
        log.warning("model %s: left alone for %.0f s: %s", model, state.closed_seconds, state.why or "it was closed")
    elif before is not None and before.closed_seconds is not None:
        log.warning("model %s: answers again, %d calls at a time", model, state.in_flight_limit)


def _log_budget(budget: BudgetStatus, before: BudgetStatus) -> None:
    seconds = budget.spent_seconds
    if seconds is not None and before.spent_seconds is None and budget.today.requests == 0:
        log.error("the day's budget is less than a single call may take (%s): raise RPA_V2_LLM_BUDGET", budget.budget)
    elif seconds is not None and before.spent_seconds is None:
        hours = f"{seconds / 3600:.1f} h"
        log.warning("the day's budget is spent (%s): no model is asked until 00:00 UTC, in %s", budget.budget, hours)
    elif seconds is None and before.spent_seconds is not None:
        log.info("a new day: models are asked again")
