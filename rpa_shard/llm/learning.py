"""What is learned about one model by asking it: what it accepts, how many tokens its context has, how it counts.

Guarantee: until the model has accepted a request, one question at a time finds out what it accepts, and the others wait
for that, but not for long. Limit: per process; another shard finds out for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from rpa_shard.config.llm import ModelAt
from rpa_shard.llm.replies import Said
from rpa_shard.llm.structured import Dialect, adapted, obeys
from rpa_shard.llm.tokens import Correction

# So many complete answers in a row that do not obey a schema, before any has, show that the server ignores schemas.
IGNORED_ANSWERS = 3
# An endpoint that says that a question is too long, but not how long it may be, has less room than we thought: so much
# of it, but not less than half of what the user said.
_LESS = 0.85
_LEAST = 0.5


# How long questions wait for one that tries.
TRIAL_SECONDS = 10.0


class Learned:
    """What is known of one model. `dialect` is what it is asked in."""

    def __init__(self, model: ModelAt) -> None:
        self._model = model
        self.dialect = Dialect.first(model.structured)
        self.correction = Correction()
        self.context_tokens = model.context_tokens
        self._is_told = False
        self._is_accepted = False
        self._trying: asyncio.Event | None = None
        self._disobeyed = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until the model has accepted a request, or it is this question's turn to try."""
        while not self._is_accepted and self._trying is not None:
            if not await _is_set(self._trying):
                break  # what is not accepted is rejected at once
        if self._is_accepted or self._trying is not None:
            yield
            return
        self._trying = trying = asyncio.Event()
        try:
            yield
        finally:
            if self._trying is trying:
                self._trying = None
            trying.set()

    def accepted(self) -> None:
        """The model has accepted a request as it is made now."""
        self._is_accepted = True
        if self._trying is not None:
            self._trying.set()

    def rejected(self, sent: Dialect, status: int, said: Said) -> bool:
        """A request was not accepted; whether another one, made as it would be now, may be."""
        if self.dialect == sent:
            other = adapted(sent, status, said)
            if other is None:
                return False
            self.dialect = other
        return True

    def answered(self, sent: Dialect, text: str, schema: Mapping[str, Any]) -> None:
        """A complete answer came to a request whose answer was to have a schema."""
        if sent.structured != "json_schema" or self._disobeyed < 0:
            return
        self._disobeyed = -1 if obeys(text, schema) else self._disobeyed + 1
        if self._disobeyed >= IGNORED_ANSWERS and not self.dialect.fixed:
            self.dialect = replace(self.dialect, structured="none")

    def counted(self, estimate: int, measured: int) -> None:
        """The endpoint counted the tokens of a question of which we had an estimate, not corrected."""
        self.correction = self.correction.after(estimate, measured)

    def has_context(self, tokens: int | None) -> None:
        """The endpoint says of its model how many tokens the context has."""
        if tokens is not None:
            self._is_told = True
            self.context_tokens = min(self.context_tokens, tokens)

    def overflowed(self, size_tokens: int, allowed_tokens: int | None) -> bool:
        """A question of about this size is too long, and the endpoint said perhaps how long one may be.

        Returns whether a question that is made again, for the context as it is known now, would be shorter.
        """
        if not self._is_told:  # else this one question is odd, or the endpoint is
            least = int(self._model.context_tokens * _LEAST)
            guess = max(int(self.context_tokens * _LESS), least)
            self.context_tokens = min(self.context_tokens, allowed_tokens or guess)
        return size_tokens > self.context_tokens


async def _is_set(event: asyncio.Event) -> bool:
    """Waits for an event; False if it has not come in time."""
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            return await event.wait()
    except TimeoutError:
        return False
