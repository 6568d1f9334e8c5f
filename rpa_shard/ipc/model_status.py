"""The state of a model at an endpoint, and what has been spent, as the supervisor publishes them.

Guarantee: frozen values, durations instead of points in time; whether any model may be asked now is decided here, once,
for shards and for views. Limit: as old as the last message or the last status.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

# A model that is closed for no longer than this is waited for by the papers in work; for longer, the phase pauses.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What calls took."""

    requests: Annotated[int, Meta(description="Calls that were answered, or may have been.")] = 0
    input_tokens: Annotated[int, Meta(description="Tokens of the questions.")] = 0
    output_tokens: Annotated[int, Meta(description="Tokens of the answers.")] = 0
    micro_usd: Annotated[int, Meta(description="Their price in millionths of a US dollar, where one is known.")] = 0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            micro_usd=self.micro_usd + other.micro_usd,
        )

    def minus(self, other: Spent) -> Spent:
        """What is left of it without the other."""
        return Spent(
            requests=self.requests - other.requests,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            micro_usd=self.micro_usd - other.micro_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One model at one endpoint. Durations count from when the status was written."""

    limits: Annotated[str, Meta(description="What it allows, as in RPA_V2_LLM_ENDPOINTS.")]
    in_flight_limit: Annotated[int, Meta(description="How many calls may be under way now.")]
    under_way: Annotated[int, Meta(description="Calls that are under way.")] = 0
    wanted: Annotated[int, Meta(description="Calls that wait for their turn.")] = 0
    closings: Annotated[int, Meta(description="How often in a row it asked us to slow down, or failed.")] = 0
    closed_seconds: Annotated[
        float | None, Meta(description="How long it is still left alone; 0 while a probe decides; null if it is open.")
    ] = None
    blocked: Annotated[str | None, Meta(description="Why it is not asked until a person acts, or null.")] = None
    why: Annotated[str | None, Meta(description="Why it is left alone, or was last; or null.")] = None
    last_minute: Annotated[Spent, Meta(description="What the calls of the last minute took.")] = Spent()
    today: Annotated[Spent, Meta(description="What the calls of this day (UTC) took.")] = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """The budget of the day, for all models together."""

    budget: Annotated[str, Meta(description="The budget, as in RPA_V2_LLM_BUDGET; empty if there is none.")] = ""
    today: Annotated[Spent, Meta(description="What this day (UTC) took so far.")] = Spent()
    reserved: Annotated[Spent, Meta(description="What the calls that are under way may take besides.")] = Spent()
    spent_seconds: Annotated[
        float | None, Meta(description="How long the phases wait because it is spent; null if they do not.")
    ] = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether models may be asked: yes, or not for so many `seconds`, or (`seconds` is None) until a person acts."""

    may_ask: bool
    seconds: float | None = 0.0
    why: str = ""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is asked until a person acts."""
        return not self.may_ask and self.seconds is None


def standing_of(models: Iterable[ModelStatus], budget: BudgetStatus) -> Standing:
    """How things stand for phases that ask models. Closed for a moment counts as open: papers in work wait for it."""
    if budget.spent_seconds is not None:
        return Standing(False, budget.spent_seconds, f"the day's budget is spent ({budget.budget})")
    waits = []
    blocked = []
    for each in models:
        if each.blocked is not None:
            blocked.append(each.blocked)
        elif each.closed_seconds is None or each.closed_seconds <= PATIENCE_SECONDS:
            return Standing(True)
        else:
            waits.append((each.closed_seconds, each.why or "it was closed"))
    if waits:
        return Standing(False, *min(waits))
    return Standing(False, None, blocked[0]) if blocked else Standing(True)
