"""What a run knows of models that it asks, and what the day took, kept for the next run.

Guarantee: replaced complete or not at all; a damaged file counts as missing. Limit: the states of models are not
flushed to disk, which a killed process does not need. What the day took is flushed now and then only, in a file of its
own (`save_day`), so a loss of power may lose the spending since then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from rpa_shard.ipc.model_status import ModelStatus, Spent
from rpa_shard.system.clock import Moment
from rpa_shard.system.files import replace_file

# How long ago amounts arrived, in seconds, and how much; the oldest first.
Arrived = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """The state of one model. `open` is what had not arrived, and what may have been granted afterwards."""

    status: ModelStatus
    requests: Arrived = ()
    input_tokens: Arrived = ()
    output_tokens: Arrived = ()
    open: Spent = Spent()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModels:
    """All models. `today` is what the day took, or may have taken, by model; `day` is its number in UTC.

    `reserved` is the part of that which belongs to calls that may still be under way.
    """

    day: int
    today: Mapping[str, Spent]
    reserved: Mapping[str, Spent]
    models: Mapping[str, SavedModel]


@dataclass(frozen=True, slots=True)
class _Content:
    saved: Moment
    content: SavedModels


def save_models(path: Path, models: SavedModels) -> None:
    """Keeps the states of models. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, models_as_bytes(models), durable=False)


def save_day(path: Path, models: SavedModels) -> None:
    """Keeps what the day took, on disk when it returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, models_as_bytes(replace(models, models={})))


def read_models(path: Path) -> tuple[SavedModels, float] | None:
    """What was saved, and how many seconds ago; None if nothing can be read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Content)
        return _checked(found.content), found.saved.seconds_since()
    except (OSError, ValueError, RecursionError):
        return None


def models_as_bytes(models: SavedModels) -> bytes:
    """The states of models and the present, as they are kept."""
    return msgspec.json.encode(_Content(Moment.now(), models))


def models_of(content: bytes) -> SavedModels | None:
    """What `models_as_bytes` has made; None if it is damaged."""
    try:
        return _checked(msgspec.json.decode(content, type=_Content).content)
    except (ValueError, RecursionError):
        return None


def _checked(models: SavedModels) -> SavedModels:
    """States that a governor can restore. Raises ValueError."""
    opened = (each.open for each in models.models.values())
    for spent in (*models.today.values(), *models.reserved.values(), *opened):
        if min(spent.requests, spent.input_tokens, spent.output_tokens, spent.micro_usd) < 0:
            raise ValueError(spent)
    return models


def later_of(one: SavedModels | None, other: SavedModels | None) -> SavedModels | None:
    """The one of the later day; of the same day the first, with what the day took according to either."""
    if one is None or other is None:
        return one or other
    if one.day != other.day:
        later = max(one, other, key=lambda each: each.day)
        return replace(later, models=one.models)
    today = {
        model: _larger(one.today.get(model, Spent()), other.today.get(model, Spent()))
        for model in {**one.today, **other.today}
    }
    return replace(one, today=today)


def _larger(one: Spent, other: Spent) -> Spent:
    return Spent(
        requests=max(one.requests, other.requests),
        input_tokens=max(one.input_tokens, other.input_tokens),
        output_tokens=max(one.output_tokens, other.output_tokens),
        micro_usd=max(one.micro_usd, other.micro_usd),
    )
