"""The messages between supervisor and shards about calls to models.

Guarantee: a call is known by its shard and by the number that the shard gave it, which it gives once. Limit: how they
are sent is the business of `rpa_shard.ipc.messages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus

# How a call ended: with an answer, whether it is of use or not; without one; we gave it up, so that nobody knows what
# would have come; or it was never sent.
CallEnding = Literal["answered", "failed", "given_up", "unsent"]


@dataclass(frozen=True, slots=True)
class CallWanted:
    """From a shard: a worker waits until it may ask a model, and so many tokens each way are to be reserved."""

    model: str
    number: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class CallForgotten:
    """From a shard: it no longer wants a call that it has not been granted; if it was meanwhile, it is not sent."""

    model: str
    number: int


@dataclass(frozen=True, slots=True)
class CallBegun:
    """From a shard: the answer to a call has begun, so the call has arrived."""

    model: str
    number: int


@dataclass(frozen=True, slots=True)
class CallEnded:
    """From a shard: a call has ended, and took so many tokens, measured by the endpoint or estimated.

    `detail` says in one line why it failed, if it did.
    """

    model: str
    number: int
    ending: CallEnding
    input_tokens: int
    output_tokens: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ModelLimited:
    """From a shard: an endpoint asked us to slow down (429). The call has ended, and took nothing."""

    model: str
    number: int
    retry_after_seconds: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class ModelRefused:
    """From a shard: an endpoint refuses us until a person acts: no money, a wrong key, no such model."""

    model: str
    number: int
    detail: str


@dataclass(frozen=True, slots=True)
class CallsGranted:
    """To a shard: calls that may be sent now."""

    model: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelStates:
    """To a shard: how things stand with every model, and with the budget."""

    models: Mapping[str, ModelStatus]
    budget: BudgetStatus


CallMessage = CallWanted | CallForgotten | CallBegun | CallEnded | ModelLimited | ModelRefused
CALL_CLASSES = (
    CallWanted, CallForgotten, CallBegun, CallEnded, ModelLimited, ModelRefused, CallsGranted, ModelStates,
)  # fmt: skip
