"""The section of a report on models: what each was asked, and what it cost.

Guarantee: pure; left out where no model was asked. Limit: tokens and money of models are those of the day on which the
run was last heard of; those of the run itself are the sums of all its models.
"""

from __future__ import annotations

from collections.abc import Iterator

from rpa_shard.ipc.call_totals import spent_in
from rpa_shard.ipc.model_status import ModelStatus
from rpa_shard.ipc.run_status import RunStatus
from rpa_shard.observe.models import budget_in_words, dollars, spent_in_words
from rpa_shard.observe.report.html import paragraph, section, table

LAST_RUN = "of the last run"


def models(run: RunStatus) -> Iterator[str]:
    """The section."""
    if not run.models:
        return
    head = ["model", "calls", "tokens in", "tokens out", "price", "state"]
    rows = [
        [name, f"{each.today.requests:,}", f"{each.today.input_tokens:,}", f"{each.today.output_tokens:,}",
         dollars(each.today.micro_usd) if each.today.micro_usd else "", _state(each)]
        for name, each in run.models.items()
    ]  # fmt: skip
    words = [f"In this run: {spent_in_words(spent)}."] if (spent := spent_in(run.work.totals)).requests else []
    limit = budget_in_words(run.llm_budget)
    words += [f"A day may take {limit}."] if limit else []
    shown = table(head, rows, caption="What each took that day (UTC)", numbers=[1, 2, 3, 4])
    yield section("Models", shown, *map(paragraph, words), note=LAST_RUN, class_="named")


def _state(model: ModelStatus) -> str:
    if model.blocked is not None:
        return f"refuses us: {model.blocked}"
    return "open" if model.closed_seconds is None else f"left alone: {model.why or 'it was closed'}"
