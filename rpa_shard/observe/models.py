"""Models that are asked, and what they took, in words.

Guarantee: pure; the same words in every view. Limit: as old as the last write of the status file.
"""

from __future__ import annotations

from collections.abc import Iterator

from rpa_shard.config.llm import MICRO_USD, parse_budget
from rpa_shard.control.sentences import time_of_day
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Spent
from rpa_shard.ipc.run_status import RunStatus

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
# Smaller numbers are given in full.
FULL_BELOW = 10_000


def model_lines(run: RunStatus, now: float, *, live: bool) -> Iterator[str]:
    """The models of a run for a terminal; of one that is over, those that refused us. `now` is in Unix seconds."""
    for name, model in run.models.items():
        if model.blocked is not None or live:
            yield f"model     {name}: {state_in_words(model, run.written_at, now)}"
        if live and model.blocked is None:
            yield f"          {under_way_in_words(model)}; last minute: {spent_in_words(model.last_minute)}"
    if run.models and live:
        yield f"today     {today_in_words(run.llm_budget, run.written_at, now)}"


def state_in_words(model: ModelStatus, known_at: float, now: float) -> str:
    """Whether a model is asked, and if not, until when and why; known at a time in Unix seconds."""
    if model.blocked is not None:
        return f"refuses us: {model.blocked}; once that is settled, start a run again"
    if model.closed_seconds is None:
        return "open"
    why = model.why or "it was closed"
    until = known_at + model.closed_seconds
    if until > now:
        return f"left alone until {time_of_day(until, now)}: {why}"
    return f"one call is to show whether it is over: {why}"


def under_way_in_words(model: ModelStatus) -> str:
    """How many calls are under way, of how many, and how many wait."""
    return f"{model.under_way:,} of {model.in_flight_limit:,} calls under way, {model.wanted:,} waiting"


def today_in_words(budget: BudgetStatus, known_at: float, now: float) -> str:
    """What the day took, of which budget, and until when the phases wait if that is spent."""
    words = spent_in_words(budget.today)
    if limit := budget_in_words(budget):
        words += f", of a budget of {limit}"
    if budget.spent_seconds is not None:
        words += f": spent, the phases go on at {time_of_day(known_at + budget.spent_seconds, now)}"
    return words


def budget_in_words(budget: BudgetStatus) -> str:
    """The most that a day may take; empty if there is no limit."""
    try:
        most = parse_budget(budget.budget)
    except ValueError:
        return budget.budget
    tokens = [f"{short(most.tokens_per_day)} tokens"] if most.tokens_per_day is not None else []
    money = [dollars(most.micro_usd_per_day)] if most.micro_usd_per_day is not None else []
    return " and ".join([*tokens, *money])


def spent_in_words(spent: Spent) -> str:
    """Calls, tokens, and money where a price is known."""
    words = f"{count(spent.requests, 'call')}, {short(spent.input_tokens)} tokens in, {short(spent.output_tokens)} out"
    return f"{words}, {dollars(spent.micro_usd)}" if spent.micro_usd else words


def count(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short(number: int) -> str:
    """A number with up to three digits and a unit, such as `12.3 M`; smaller ones in full."""
    if number < FULL_BELOW:
        return f"{number:,}"
    # Rounded first: 999,950 is 1 M, not 1000 k.
    rounded = float(f"{number:.2e}")
    length, unit = next(each for each in _UNITS if rounded >= each[0])
    return f"{rounded / length:.4g} {unit}"


def dollars(micro_usd: int) -> str:
    """A sum of money, in cents; smaller ones with two digits."""
    value = micro_usd / MICRO_USD
    if value >= 0.995 or not micro_usd:
        return f"${value:,.2f}"
    return f"${value:.2f}" if value >= 0.095 else f"${float(f'{value:.1e}'):.6f}".rstrip("0")
