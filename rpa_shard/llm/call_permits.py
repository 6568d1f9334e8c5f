"""A shard's side of the governor of models: permits for calls, requested from the supervisor and returned.

Guarantee: no call begins without a permit; every permit is returned, whatever happens to the call. Limit: what a killed
shard had under way is counted by the supervisor as spent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rpa_shard.ipc.calls import CallMessage, CallsGranted, ModelStates
from rpa_shard.ipc.model_status import Standing
from rpa_shard.llm.question import Usage

Send = Callable[[CallMessage], None]


class CallPermit:
    """The right to send one call to a model."""

    def begun(self) -> None:
        """The answer has begun, so the call has arrived."""
        raise NotImplementedError

    def took(self, usage: Usage) -> None:
        """What the call took, once it is known."""
        raise NotImplementedError


class CallPermits:
    """The permits of one shard for calls to models. `handle` takes the supervisor's messages."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @property
    def standing(self) -> Standing:
        """Whether models may be asked now; what phases do that ask models depends on it."""
        return Standing(True)

    def may_ask(self, model: str) -> bool:
        """Whether a model (by its name in the status) is open now."""
        raise NotImplementedError

    def handle(self, message: CallsGranted | ModelStates) -> None:
        """Handles a message of the supervisor about models."""
        raise NotImplementedError

    @asynccontextmanager
    async def permit(self, model: str, input_tokens: int, output_tokens: int) -> AsyncIterator[CallPermit]:
        """Waits for a permit for one call, for which so many tokens are reserved.

        The exception that leaves the block, if any, determines what is reported. Raises PhasePausedError, also while it
        waits, if no model may be asked for longer than a moment.
        """
        raise NotImplementedError
        yield
