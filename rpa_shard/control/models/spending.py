"""What the calls of a day took, and whether the day's budget has room for another one.

Guarantee: a call is granted only if the budget has room for all that it may take, together with what the calls under
way may take; so a day is never exceeded as long as no call takes more than was reserved for it. A call belongs to every
day in which it was under way. Limit: pure, with the time of day as an argument; a clock that is set back by a day or
more gives no new budget until the next midnight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpa_shard.config.llm import LlmBudget
from rpa_shard.ipc.model_status import BudgetStatus, Spent

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Now:
    """The present by two clocks, in seconds: one that never goes back, and the time of day (Unix)."""

    monotonic: float
    unix: float


def day_of(unix: float) -> int:
    """The number of the day in UTC."""
    return int(unix // DAY_SECONDS)


class Spending:
    """The spending of one day, which ends at midnight UTC. `unix` is the time of day."""

    def __init__(self, budget: LlmBudget, unix: float) -> None:
        self._budget = budget
        self.day = day_of(unix)
        self._today: dict[str, Spent] = {}
        self._all_today = Spent()
        self.reserved = Spent()
        # A call did not find room in what is left.
        self._is_spent = False

    @property
    def is_limited(self) -> bool:
        """Whether there is a budget."""
        return self._budget != LlmBudget()

    @property
    def begun(self) -> float:
        """When the day began, in Unix seconds."""
        return float(self.day * DAY_SECONDS)

    def look(self, unix: float) -> None:
        """Begins a new day when it is time."""
        day = day_of(unix)
        if day > self.day:
            self._today.clear()
            self._all_today, self._is_spent = Spent(), False
        self.day = day

    def of(self, model: str) -> Spent:
        """What the calls to a model took today."""
        return self._today.get(model, Spent())

    def all(self) -> Mapping[str, Spent]:
        """What the calls to each model took today, also to those that are no longer asked."""
        return dict(self._today)

    def seconds_until(self, need: Spent, unix: float) -> float | None:
        """How long until a call that needs so much may be granted: 0 for now, None while calls under way decide it.

        If it finds no room in what is left, the budget counts as spent, for all calls, until midnight.
        """
        self.look(unix)
        self._is_spent = self._is_spent or self._is_over(self._all_today.plus(need))
        if self._is_spent:
            return self._to_midnight(unix)
        return None if self._is_over(self._all_today.plus(self.reserved).plus(need)) else 0.0

    def reserve(self, need: Spent) -> None:
        """A call is granted."""
        self.reserved = self.reserved.plus(need)

    def took(self, model: str, need: Spent, took: Spent, unix: float) -> None:
        """A call has ended: what was reserved for it is free again, and what it took is spent."""
        self.look(unix)
        self.reserved = self.reserved.minus(need)
        self.add(model, took)

    def add(self, model: str, took: Spent) -> None:
        """So much was spent today."""
        self._today[model] = self.of(model).plus(took)
        self._all_today = self._all_today.plus(took)

    def status(self, unix: float) -> BudgetStatus:
        """For the status, and for shards."""
        self.look(unix)
        spent = self._is_spent or (self.is_limited and self._is_over(self._all_today, full=True))
        return BudgetStatus(
            budget=str(self._budget),
            today=self._all_today,
            reserved=self.reserved,
            spent_seconds=self._to_midnight(unix) if spent else None,
        )

    def _to_midnight(self, unix: float) -> float:
        return (self.day + 1) * DAY_SECONDS - unix

    def _is_over(self, spent: Spent, *, full: bool = False) -> bool:
        """Whether so much is more than the budget, or (`full`) all of it."""
        tokens, micro_usd = self._budget.tokens_per_day, self._budget.micro_usd_per_day
        return (tokens is not None and spent.input_tokens + spent.output_tokens + full > tokens) or (
            micro_usd is not None and spent.micro_usd + full > micro_usd
        )
