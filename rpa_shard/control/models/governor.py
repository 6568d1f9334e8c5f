"""The one governor of a run for models: which calls may be sent when.

Guarantee: within any minute no more requests, input tokens and output tokens reach a model than it allows, whatever the
number of shards, whether shards die, are resized or restarted, and however long a call is under way; no more calls are
under way than it allows; the day's budget has room for every call that is granted. A call that is granted is granted
once; one that waits is granted, or forgotten by its shard. Limit: pure, with the clock as an argument; tokens are as
right as the estimates of the calls that have not ended. One call larger than a limit is sent when nothing else counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rpa_shard.config.llm import LlmBudget, ModelAt
from rpa_shard.control.models.gate import Key
from rpa_shard.control.models.model_state import NOTHING, ModelState
from rpa_shard.control.models.spending import Now, Spending
from rpa_shard.control.models.turns import Turn
from rpa_shard.ipc.calls import CallEnding
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Spent
from rpa_shard.ipc.saved_models import SavedModels


@dataclass(frozen=True, slots=True)
class Grant:
    """Calls of one shard that may be sent, and what they may take together."""

    shard: int
    model: str
    numbers: tuple[int, ...]
    need: Spent


class ModelGovernor:
    """The governor of all models. A call that its shard does not end within `call_seconds` is given up."""

    def __init__(
        self, models: Iterable[ModelAt], budget: LlmBudget, floor_seconds: float, call_seconds: float, now: Now
    ) -> None:
        self._models = {each.name: ModelState(each, floor_seconds, now) for each in models}
        self._spending = Spending(budget, now.unix)
        self._call_seconds = call_seconds

    def want(self, shard: int, model: str, number: int, input_tokens: int, output_tokens: int) -> None:
        """A shard wants to send a call."""
        state = self._models.get(model)
        if state is not None and (shard, number) not in state.calls:
            state.wanted.add(Turn(shard, number, input_tokens, output_tokens))

    def forget_call(self, shard: int, model: str, number: int, now: Now) -> None:
        """A shard no longer wants a call, which it will not send, even if it has been granted meanwhile."""
        state = self._models.get(model)
        if state is not None:
            state.wanted.forget(shard, number)
            self.ended(shard, model, number, "unsent", 0, 0, now)

    def begun(self, shard: int, model: str, number: int, now: Now) -> None:
        """The answer to a call has begun, so the call has arrived."""
        state = self._models.get(model)
        if state is not None:
            state.begun((shard, number), now.monotonic)

    def ended(
        self,
        shard: int,
        model: str,
        number: int,
        ending: CallEnding,
        input_tokens: int,
        output_tokens: int,
        now: Now,
        detail: str = "",
    ) -> None:
        """A call has ended, and took so many tokens."""
        state, key = self._models.get(model), (shard, number)
        if state is None or key not in state.calls:
            return
        is_counted = state.calls[key].need == NOTHING
        took = NOTHING if ending == "unsent" or is_counted else state.spent(input_tokens, output_tokens)
        self._end(state, key, took, now, lingers=ending in ("failed", "given_up"))
        if ending == "answered":
            state.gate.answered(key, now.monotonic)
        elif ending == "failed":
            state.gate.failed(key, detail, now.monotonic)
        else:
            state.gate.unsent(key, now.monotonic)

    def limited(
        self, shard: int, model: str, number: int, retry_after_seconds: float | None, detail: str, now: Now
    ) -> None:
        """The endpoint asked us to slow down; the call was a request, and took nothing else."""
        state = self._models.get(model)
        if state is not None and self._end(state, (shard, number), NOTHING, now, was_request=True):
            state.gate.limited((shard, number), retry_after_seconds, detail, now.monotonic)

    def refused(self, shard: int, model: str, number: int, detail: str, now: Now) -> None:
        """The endpoint refuses us until a person acts."""
        state = self._models.get(model)
        if state is not None:
            self._end(state, (shard, number), NOTHING, now, was_request=True)
            state.gate.block(detail)

    def adopt(self, shard: int, model: str, number: int, now: Now) -> None:
        """A shard has a call under way that an earlier governor has granted, and counted in what it has saved."""
        state = self._models.get(model)
        if state is not None and (shard, number) not in state.calls:
            state.adopt((shard, number), now.monotonic)

    def forget(self, shard: int, now: Now) -> None:
        """A shard is gone: what it had under way counts as spent."""
        for state in self._models.values():
            state.wanted.forget_shard(shard)
            for key in [key for key in state.calls if key[0] == shard]:
                self._give_up(state, key, now)

    def grants(self, now: Now) -> list[Grant]:
        """The calls that may be sent now."""
        self._spending.look(now.unix)
        granted: list[Grant] = []
        for name, state in self._models.items():
            state.gate.recover(now.monotonic)
            self._give_up_overdue(state, now)
            by_shard: dict[int, list[Turn]] = {}
            while (turn := state.wanted.head()) is not None and self._wait(state, turn, now) == 0.0:
                state.wanted.take()
                need = state.need_of(turn)
                state.grant((turn.shard, turn.number), need, now.monotonic)
                self._spending.reserve(need)
                by_shard.setdefault(turn.shard, []).append(turn)
            for shard, turns in by_shard.items():
                need = sum_of(state.need_of(turn) for turn in turns)
                granted.append(Grant(shard, name, tuple(turn.number for turn in turns), need))
        return granted

    def seconds_to_next_grant(self, now: Now) -> float | None:
        """How long until the clock allows another grant; None if the clock alone allows none."""
        heads = [(state, state.wanted.head()) for state in self._models.values()]
        waits = [self._wait(state, turn, now) for state, turn in heads if turn is not None]
        return min((wait for wait in waits if wait is not None), default=None)

    def statuses(self, now: Now) -> dict[str, ModelStatus]:
        """Every model and its state."""
        self._spending.look(now.unix)
        return {name: state.status(self._spending.of(name), now.monotonic) for name, state in self._models.items()}

    def budget(self, now: Now) -> BudgetStatus:
        """The day's budget, and what the day took."""
        return self._spending.status(now.unix)

    @property
    def day(self) -> int:
        """The day whose budget counts, by its number in UTC."""
        return self._spending.day

    def counts(self, now: Now) -> Mapping[str, Spent]:
        """What the calls of the last minute took, or may take, by model; nothing for a model that needs no saving."""
        needed = self._spending.is_limited
        return {name: state.counts(now.monotonic) for name, state in self._models.items() if needed or state.has_limits}

    def saved(self, ahead: Mapping[str, Spent], now: Now) -> SavedModels:
        """What the next run must know; `ahead` may be granted besides, by model, before this is saved again."""
        self._spending.look(now.unix)
        today, reserved, models = dict(self._spending.all()), {}, {}
        for name, state in self._models.items():
            allowed = ahead.get(name, NOTHING)
            reserved[name] = sum_of(call.need for call in state.calls.values()).plus(allowed)
            today[name] = self._spending.of(name).plus(reserved[name])
            models[name] = state.saved(self._spending.of(name), allowed, now.monotonic)
        return SavedModels(day=self._spending.day, today=today, reserved=reserved, models=models)

    def restore(self, saved: SavedModels, age_seconds: float, ahead_seconds: float, now: Now) -> None:
        """Restores what an earlier run saved so long ago, which was for the `ahead_seconds` after that, too."""
        self._spending.look(now.unix)
        open_until = ahead_seconds + self._call_seconds
        today = saved.today
        if saved.day < self._spending.day:  # what was under way then may have gone on until this day
            may_have = age_seconds - open_until < now.unix - self._spending.begun
            today = saved.reserved if may_have else {}
        for name, spent in today.items():
            self._spending.add(name, spent)
        for name, state in self._models.items():
            if name in saved.models:
                state.restore(saved.models[name], age_seconds, open_until, now.monotonic)

    def _wait(self, state: ModelState, turn: Turn, now: Now) -> float | None:
        need = state.need_of(turn)
        wait = state.seconds_until(need, now.monotonic)
        if wait is None:
            return None
        budget = self._spending.seconds_until(need, now.unix)
        return None if budget is None else max(wait, budget)

    def _end(
        self, state: ModelState, key: Key, took: Spent, now: Now, *, lingers: bool = False, was_request: bool = False
    ) -> bool:
        counts = Spent(requests=1) if was_request else took
        call = state.end(key, counts, now.monotonic, lingers=lingers)
        if call is not None:
            self._spending.took(state.model.name, call.need, took, now.unix)
        return call is not None

    def _give_up(self, state: ModelState, key: Key, now: Now) -> None:
        """No report on a call will come any more: it may just have been sent, and take all that was reserved."""
        self._end(state, key, state.calls[key].need, now, lingers=True)
        state.gate.unsent(key, now.monotonic)

    def _give_up_overdue(self, state: ModelState, now: Now) -> None:
        while (oldest := state.oldest()) is not None and now.monotonic - oldest[1].granted_at > self._call_seconds:
            self._give_up(state, oldest[0], now)


def sum_of(parts: Iterable[Spent]) -> Spent:
    """All together."""
    total = NOTHING
    for each in parts:
        total = total.plus(each)
    return total


def changes(before: Mapping[str, ModelStatus], after: Mapping[str, ModelStatus]) -> Iterator[str]:
    """The models whose state has changed in a way that matters to a person."""
    for model, status in after.items():
        if model not in before or _gist(before[model]) != _gist(status):
            yield model


def _gist(model: ModelStatus) -> tuple[object, ...]:
    return (model.blocked, model.closed_seconds is None, model.closings)
