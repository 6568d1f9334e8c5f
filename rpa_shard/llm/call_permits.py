"""A shard's side of the governor of models: permits for calls, requested from the supervisor and returned.

Guarantee: no call begins without a permit, nor while a lease may have run out; every permit is returned, whatever
happens to the call; a refusal that one worker receives stops all workers of the shard at once. Limit: what a killed
shard had under way is counted by the supervisor as spent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count

from rpa_shard.ipc.calls import (
    CallBegun,
    CallEnded,
    CallEnding,
    CallForgotten,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
    ModelStates,
)
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus, Standing, standing_of
from rpa_shard.llm.errors import ENDPOINT_FAILURES, ModelClosedError, ModelLimitedError, ModelRefusedError
from rpa_shard.llm.question import Usage
from rpa_shard.model.failure import PaperError, PhasePausedError
from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity
from rpa_shard.system.activity import ASKING, CALL, begin

Send = Callable[[CallMessage], None]


class CallPermit:
    """The right to send one call to a model."""

    def __init__(self, send: Send, wanted: CallWanted) -> None:
        self._send = send
        self._wanted = wanted
        self._took: Usage | None = None
        self._has_begun = False

    @property
    def number(self) -> int:
        """The number of the call, unique in the process."""
        return self._wanted.number

    def begun(self) -> None:
        """The answer has begun, so the call has arrived."""
        if not self._has_begun:
            self._has_begun = True
            self._send(CallBegun(self._wanted.model, self._wanted.number))

    def took(self, usage: Usage) -> None:
        """What the call took, once it is known."""
        self._took = usage

    def answered(self) -> None:
        """The call has ended with an answer: it took what was said, else what was reserved."""
        took = self._took or Usage(self._wanted.input_tokens, self._wanted.output_tokens)
        self._end("answered", took, "")

    def failed(self, error: PaperError) -> None:
        """The call has ended in a failure: it took what was said, else nothing."""
        ending: CallEnding = "failed" if error.failure in ENDPOINT_FAILURES else "answered"
        self._end(ending, self._took or Usage(0, 0), error.detail)

    def given_up(self) -> None:
        """We have given the call up: nobody knows whether it would have been answered, and what it has cost."""
        took = self._took or Usage(self._wanted.input_tokens, self._wanted.output_tokens)
        self._end("given_up", took, "")

    def unsent(self) -> None:
        """The call was not sent."""
        self._end("unsent", Usage(0, 0), "")

    def limited(self, error: ModelLimitedError) -> None:
        """The call has ended because we are to slow down."""
        self._send(ModelLimited(self._wanted.model, self.number, error.retry_after_seconds, error.detail))

    def refused(self, error: ModelRefusedError) -> None:
        """The call has ended because the endpoint refuses us."""
        self._send(ModelRefused(self._wanted.model, self.number, error.detail))

    def _end(self, ending: CallEnding, took: Usage, detail: str) -> None:
        model, number = self._wanted.model, self._wanted.number
        self._send(CallEnded(model, number, ending, took.input_tokens, took.output_tokens, detail))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that waits for its permit; its turn is None, or the error because of which it will not come."""

    model: str
    turn: asyncio.Future[Exception | None]


class CallPermits:
    """The permits of one shard for calls to models. `handle` takes the supervisor's messages."""

    def __init__(self, send: Send, leases: LeaseValidity) -> None:
        self._send = send
        self._leases = leases
        self._numbers = count(1)
        self._waiting: dict[int, _Waiting] = {}
        # Granted, and not let go yet.
        self._granted: deque[tuple[str, int]] = deque()
        # Calls that wait or are under way, by model.
        self._calls: Counter[str] = Counter()
        self._models: Mapping[str, ModelStatus] = {}
        self._budget = BudgetStatus()
        self._heard_at = time.monotonic()
        # What we reported and the supervisor has not yet confirmed: messages that crossed ours do not change refusals.
        self._refusals: dict[str, str] = {}
        self._limited: set[str] = set()

    @property
    def standing(self) -> Standing:
        """Whether models may be asked now; what phases do that ask models depends on it."""
        spent_seconds = self._left(self._budget.spent_seconds)
        budget = replace(self._budget, spent_seconds=spent_seconds or None)  # past midnight it is spent no more
        return standing_of([self._status(model, known) for model, known in self._models.items()], budget)

    def may_ask(self, model: str) -> bool:
        """Whether a model (by its name in the status) is open now, or may be probed by a call of this shard."""
        known = self._models.get(model)
        if model in self._refusals or model in self._limited:
            return False
        if known is None or known.blocked is not None:
            return known is None
        left = self._left(known.closed_seconds)
        return left is None or (left == 0 and not self._calls[model])

    def wait_seconds(self, model: str) -> float | None:
        """How long a model is still left alone, as far as is known; None: until a person acts."""
        known = self._models.get(model)
        if model in self._refusals or (known is not None and known.blocked is not None):
            return None
        return (self._left(known.closed_seconds) or 0.0) if known is not None else 0.0

    def handle(self, message: CallsGranted | ModelStates) -> None:
        """Handles a message of the supervisor about models."""
        match message:
            case CallsGranted(model, numbers):
                is_releasing = bool(self._granted)
                self._granted += [(model, number) for number in numbers]
                if not is_releasing:
                    self._release()
            case ModelStates(models, budget):
                self._models, self._budget, self._heard_at = models, budget, time.monotonic()
                self._limited.clear()
                blocked = {model for model, known in models.items() if known.blocked is not None}
                self._refusals = {model: why for model, why in self._refusals.items() if model not in blocked}
                self._turn_away()

    @asynccontextmanager
    async def permit(self, model: str, input_tokens: int, output_tokens: int) -> AsyncIterator[CallPermit]:
        """Waits for a permit for one call, for which so many tokens are reserved.

        The exception that leaves the block, if any, determines what is reported: after a LeaseInDoubtError, that the
        call was not sent. Raises PhasePausedError, also while it waits, if no model may be asked for longer than a
        moment; ModelClosedError if this one was closed while it waited, and another one may be asked.
        """
        wanted = CallWanted(model, next(self._numbers), input_tokens, output_tokens)
        stage = begin(CALL)
        self._calls[model] += 1
        try:
            await self._turn(wanted)
            begin(ASKING)
            async with self._reported(CallPermit(self._send, wanted), model) as permit:
                yield permit
        finally:
            self._calls[model] -= 1
            if stage not in (CALL, ASKING):  # else another question of the same task began it
                begin(stage)

    @asynccontextmanager
    async def _reported(self, permit: CallPermit, model: str) -> AsyncIterator[CallPermit]:
        """Reports how the block ends."""
        try:
            yield permit
        except ModelLimitedError as error:
            self._limited.add(model)
            permit.limited(error)
            raise
        except ModelRefusedError as error:
            self._refusals[model] = error.detail
            permit.refused(error)
            self._turn_away()
            raise
        except PaperError as error:
            permit.failed(error)
            raise
        except LeaseInDoubtError:
            permit.unsent()
            raise
        except BaseException:
            permit.given_up()
            raise
        permit.answered()

    def _release(self) -> None:
        """Lets the next call that was granted go: one a turn of the loop, which many at once would stall."""
        while self._granted:
            model, number = self._granted.popleft()
            waiting = self._waiting.pop(number, None)
            if waiting is None or waiting.turn.done():  # it was forgotten meanwhile
                self._send(CallEnded(model, number, "unsent", 0, 0))
                continue
            waiting.turn.set_result(None)
            if self._granted:
                asyncio.get_running_loop().call_soon(self._release)
            return

    async def _turn(self, wanted: CallWanted) -> None:
        in_vain = self._in_vain(wanted.model, self.standing)
        if in_vain is not None:
            raise in_vain
        waiting = _Waiting(wanted.model, asyncio.get_running_loop().create_future())
        self._waiting[wanted.number] = waiting
        self._send(wanted)
        try:
            turned_away = await waiting.turn
            if turned_away is None:
                await self._leases.wait()
        except asyncio.CancelledError:
            if self._waiting.pop(wanted.number, None) is not None:
                self._send(CallForgotten(wanted.model, wanted.number))
            elif not waiting.turn.cancelled() and waiting.turn.result() is None:
                self._send(CallEnded(wanted.model, wanted.number, "unsent", 0, 0))
            raise
        if turned_away is not None:
            raise turned_away

    def _turn_away(self) -> None:
        """Turns away the calls that wait in vain: the phases pause, or another model is open."""
        standing = self.standing
        for number, waiting in list(self._waiting.items()):
            in_vain = self._in_vain(waiting.model, standing)
            if in_vain is not None and not waiting.turn.done():
                del self._waiting[number]
                self._send(CallForgotten(waiting.model, number))
                waiting.turn.set_result(in_vain)

    def _in_vain(self, model: str, standing: Standing) -> Exception | None:
        """Why nobody should wait for a model, if so."""
        if not standing.may_ask:
            return PhasePausedError(standing.why)
        seconds = self.wait_seconds(model)
        if seconds is None or (seconds > 0 and any(map(self.may_ask, self._models))):
            return ModelClosedError(model)
        return None

    def _status(self, model: str, known: ModelStatus) -> ModelStatus:
        """The status of a model as it should be now."""
        blocked = known.blocked if known.blocked is not None else self._refusals.get(model)
        return replace(known, closed_seconds=self._left(known.closed_seconds), blocked=blocked)

    def _left(self, seconds: float | None) -> float | None:
        """What is left of a duration that the supervisor told us."""
        return None if seconds is None else max(0.0, seconds - (time.monotonic() - self._heard_at))
