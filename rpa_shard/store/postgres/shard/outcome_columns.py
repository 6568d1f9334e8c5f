"""How the ends of claims are written: the parameters of the query `finish`.

Guarantee: pure; what PostgreSQL cannot hold, NUL characters and lone surrogates, becomes U+FFFD. Limit: the query
decides whether a claim still holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rpa_shard.model.paper import Claim
from rpa_shard.store.outcome import Outcome

_NOT_HELD = re.compile("[\0\ud800-\udfff]")


def outcome_columns(ends: Iterable[tuple[Claim, Outcome]]) -> dict[str, list[Any]]:
    """One list for each column."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for claim, outcome in ends:
        values = (
            claim.paper_id, claim.lease_id, claim.attempt, outcome.event, outcome.phase.name, outcome.status.value,
            outcome.attempts, float(outcome.delay_seconds), outcome.suspect,
            outcome.failure.value if outcome.failure is not None else None,
            storable(outcome.detail) if outcome.detail is not None else None,
            as_json(outcome.result) if outcome.result is not None else None,
        )  # fmt: skip
        for name, value in zip(_COLUMNS, values, strict=True):
            columns[name].append(value)
    return columns


_COLUMNS = (
    "ids", "leases", "attempts", "events", "phases", "statuses", "charges", "delays", "suspects", "failures", "details",
    "results",
)  # fmt: skip


def storable(text: str) -> str:
    """The text as PostgreSQL can hold it."""
    return _NOT_HELD.sub("\ufffd", text)


def as_json(value: Mapping[str, Any]) -> str:
    """JSON that PostgreSQL can hold."""
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text or _NOT_HELD.search(text):
        return json.dumps(_storable(value), ensure_ascii=False)
    return text


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value
