"""The models that are asked, with what they took, as a part of the screen.

Guarantee: pure; every line fits the width. Limit: while a run is on.
"""

from __future__ import annotations

from rpa_shard.control.sentences import time_of_day
from rpa_shard.ipc.model_status import ModelStatus
from rpa_shard.observe.models import short, today_in_words
from rpa_shard.observe.top.head import BAD, GOOD, WARN
from rpa_shard.observe.top.sections import Section
from rpa_shard.observe.top.table import Cell, Column, table
from rpa_shard.observe.top.text import line, wrapped_text
from rpa_shard.observe.top.watched import Watched

# A name says the model first.
NAME_COLUMNS = 20


def models(watched: Watched, now: float, width: int) -> Section:
    """A line for each model, and one for what the day took. Tokens are those of the last minute, in and out."""
    run = watched.run
    if not watched.on or not run.models:
        return Section(title="Models")
    given = (
        Column("model", elastic=True, least=NAME_COLUMNS), Column("state"), Column("asking", rank=1, right=True),
        Column("waiting", rank=4, right=True), Column("calls/min", rank=2, right=True),
        Column("in/min", rank=3, right=True), Column("out/min", rank=5, right=True),
        Column("why", rank=6, elastic=True),
    )  # fmt: skip
    made = table(given, [_row(name, each, run.written_at, now) for name, each in run.models.items()], width)
    today = f"today {today_in_words(run.llm_budget, run.written_at, now)}"
    style = WARN if run.llm_budget.spent_seconds is not None else ""
    body = [*made.lines, *(line(each, style) for each in wrapped_text(today, width))]
    shut = sum(each.blocked is not None or each.closed_seconds is not None for each in run.models.values())
    return Section(title="Models", note=f"{shut} shut" if shut else "", head=[made.titles], body=body)


def _row(name: str, model: ModelStatus, known_at: float, now: float) -> list[Cell]:
    state, style = "open", GOOD
    if model.blocked is not None:
        state, style = "refuses us", BAD
    elif model.closed_seconds is not None:
        until = known_at + model.closed_seconds
        state, style = (f"closed until {time_of_day(until, now)}" if until > now else "asks once"), WARN
    is_shut = model.blocked is not None or model.closed_seconds is not None
    minute = model.last_minute
    return [
        Cell(name), Cell(state, style), Cell(f"{model.under_way:,} of {model.in_flight_limit:,}"),
        Cell(f"{model.wanted:,}"), Cell(f"{minute.requests:,}"), Cell(short(minute.input_tokens)),
        Cell(short(minute.output_tokens)), Cell((model.blocked or model.why or "") if is_shut else ""),
    ]  # fmt: skip
