"""Getting a question answered.

Guarantee: a question is sent once at a time; the first model of the list that may be asked is asked, and another one
only if that one fails in a way that is the endpoint's doing. Limit: the answer is not kept here: whoever asked keeps it
before anything depends on it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import msgspec

from rpa_shard.config.llm import DEFAULT_CONTEXT_TOKENS, ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.llm.call_permits import CallPermit, CallPermits
from rpa_shard.llm.client import Endpoint, Exchange, RejectedError, open_llm_transport
from rpa_shard.llm.errors import (
    ENDPOINT_FAILURES,
    ModelClosedError,
    ModelLimitedError,
    ModelRefusedError,
    OverlongError,
)
from rpa_shard.llm.events import Received
from rpa_shard.llm.learning import Learned
from rpa_shard.llm.question import Answer, Finish, Question, Usage
from rpa_shard.llm.replies import context_of_model
from rpa_shard.llm.structured import body_of, json_text
from rpa_shard.llm.tokens import MESSAGE_TOKENS, estimated_tokens, is_plausible
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.store.lease_validity import LeaseInDoubtError, LeaseValidity

__all__ = ["Asker", "estimated_tokens", "open_asker"]

log = logging.getLogger(__name__)

# Requests are numbered in a process, whatever asks.
_numbers = count(1)


class _AskDifferentlyError(PaperError):
    """The request was not accepted, and is to be made in another way."""

    def __init__(self, rejected: RejectedError) -> None:
        super().__init__(rejected.failure, rejected.detail)


class _Asked:
    """One model: where it is, and what is known of it."""

    def __init__(self, model: ModelAt, endpoint: Endpoint) -> None:
        self.model = model
        self.endpoint = endpoint
        self.learned = Learned(model)


class Asker:
    """Asks the models of a run, in one shard. Made by `open_asker`."""

    def __init__(self, asked: Sequence[_Asked], calls: CallPermits, name: str, *, stream: bool) -> None:
        self._asked = asked
        self._calls = calls
        self._name = name
        self._stream = stream

    @property
    def models(self) -> Sequence[ModelAt]:
        """The models, in the order in which they are tried."""
        return tuple(asked.model for asked in self._asked)

    @property
    def context_tokens(self) -> int:
        """How many tokens question and answer may have together, whichever of the models is asked.

        An endpoint that does not say it beforehand may say so later, by rejecting a question.
        """
        return min((asked.learned.context_tokens for asked in self._asked), default=DEFAULT_CONTEXT_TOKENS)

    async def ask(self, question: Question) -> Answer:
        """The answer, of use or not: cut and refused ones are answers, too.

        Raises PaperError (LLM_UNREACHABLE, LLM_FAILED, LLM_REJECTED, LLM_OVERLONG) and PhasePausedError.
        """
        failed: dict[str, PaperError] = {}
        while True:
            asked = self._choose(failed)
            try:
                async with asked.learned.turn():
                    return await self._ask(asked, question)
            except (ModelLimitedError, ModelRefusedError, ModelClosedError, _AskDifferentlyError, LeaseInDoubtError):
                continue
            except PaperError as error:
                if error.failure not in ENDPOINT_FAILURES:
                    raise
                failed[asked.model.name] = error
                log.info("%s: %s", asked.model.name, error.detail)

    def _choose(self, failed: dict[str, PaperError]) -> _Asked:
        """The model to ask now: the first that is open, else, if none has failed, the one that will be first.

        Raises the last failure if there is no other model to ask, and PhasePausedError.
        """
        left = [asked for asked in self._asked if asked.model.name not in failed]
        for asked in left:
            if self._calls.may_ask(asked.model.name):
                return asked
        if failed:
            raise next(reversed(failed.values()))
        waits = [(self._calls.wait_seconds(asked.model.name), asked) for asked in left]
        known = [(seconds, asked) for seconds, asked in waits if seconds is not None]
        if not known:
            raise PhasePausedError(self._calls.standing.why)
        return min(known, key=lambda each: each[0])[1]

    async def _ask(self, asked: _Asked, question: Question) -> Answer:
        """One call: a permit, a request, and what came of it."""
        estimate = estimate_of(question)
        reserved = asked.learned.correction.corrected(estimate)
        name, most = asked.model.name, question.parameters.max_output_tokens
        async with self._calls.permit(name, reserved, most) as permit:
            request_id = f"{question.key}.{self._name}.{next(_numbers)}"
            call = _Call(asked, question, permit, estimate, reserved, request_id, stream=self._stream)
            return await call.send()


class _Call:
    """One call for which there is a permit."""

    def __init__(
        self,
        asked: _Asked,
        question: Question,
        permit: CallPermit,
        estimate: int,
        reserved: int,
        request_id: str,
        *,
        stream: bool,
    ) -> None:
        self._asked = asked
        self._question = question
        self._permit = permit
        self._estimate = estimate
        self._reserved = reserved
        self._request_id = request_id
        self._stream = stream
        self._dialect = asked.learned.dialect
        self._exchange = Exchange(self._begun)
        self._asked_at = time.time()

    async def send(self) -> Answer:
        """Sends the question and returns its answer; what it took is told to the permit, whatever happens."""
        body = body_of(self._question, self._asked.model.model, self._dialect, stream=self._stream)
        try:
            await self._asked.endpoint.complete(body, self._request_id, self._exchange)
        except PaperError as error:
            if error.failure is Failure.LLM_REFUSED:
                self._permit.took(Usage(0, 0))
                return self._answer("", "refused", Usage(0, 0), error.detail)
            self._took_in_vain()
            self._learn(error)
            raise
        except asyncio.CancelledError:
            self._exchange.may_cost = True
            self._took_in_vain()
            raise
        return self._answered()

    def _begun(self) -> None:
        self._permit.begun()
        self._asked.learned.accepted()

    def _learn(self, error: PaperError) -> None:
        """Raises _AskDifferentlyError if the question may be accepted otherwise, PaperError if a shorter one may be."""
        learned = self._asked.learned
        if isinstance(error, OverlongError):
            size_tokens = self._reserved + self._question.parameters.max_output_tokens
            if learned.overflowed(size_tokens, error.allowed_tokens):
                raise PaperError(Failure.LLM_REJECTED, f"{error.detail} (next time it is cut to fit)") from error
        elif isinstance(error, RejectedError) and learned.rejected(self._dialect, error.status, error.said):
            log.info("%s is asked in another way: %s", self._asked.model.name, error.detail)
            raise _AskDifferentlyError(error) from error

    def _took_in_vain(self) -> None:
        """A call without an answer took what the endpoint may have worked on: in one piece, perhaps all of it."""
        if self._exchange.may_cost:
            came = estimated_tokens(self._exchange.received.text)
            output_tokens = came if self._stream else self._question.parameters.max_output_tokens
            self._permit.took(Usage(self._reserved, output_tokens, estimated=True))

    def _answered(self) -> Answer:
        received = self._exchange.received
        usage = self._usage(received)
        self._permit.took(usage)
        if received.finish != "complete":
            return self._answer(received.text, received.finish, usage, received.says)
        text = json_text(received.text)
        self._asked.learned.answered(self._dialect, text, self._question.schema)
        return self._answer(text, "complete", usage, "")

    def _usage(self, received: Received) -> Usage:
        """What the endpoint counted, if that may be true, else our estimate."""
        counts = received.counts
        output_tokens = estimated_tokens(received.text)
        if counts is None or not is_plausible(counts.input_tokens, self._estimate):
            return Usage(self._reserved, output_tokens, estimated=True)
        most = 2 * max(output_tokens, self._question.parameters.max_output_tokens)
        if not output_tokens / 8 <= counts.output_tokens <= most:
            return Usage(self._reserved, output_tokens, estimated=True)
        self._asked.learned.counted(self._estimate, counts.input_tokens)
        return Usage(counts.input_tokens, counts.output_tokens, min(max(counts.cached_tokens, 0), counts.input_tokens))

    def _answer(self, text: str, finish: Finish, usage: Usage, says: str) -> Answer:
        model = self._asked.model
        price = model.price.micro_usd(usage.input_tokens, usage.output_tokens) if model.price is not None else 0
        return Answer(
            model=model.model,
            place=model.place,
            text=text,
            finish=finish,
            usage=usage,
            request_id=self._request_id,
            asked_at=self._asked_at,
            answered_at=time.time(),
            micro_usd=price,
            says=says,
        )


def estimate_of(question: Question) -> int:
    """About how many tokens a question has."""
    schema = msgspec.json.encode(question.schema, enc_hook=dict).decode()
    texts = (question.system, question.document, question.instruction, schema)
    return sum(map(estimated_tokens, texts)) + 2 * MESSAGE_TOKENS


@asynccontextmanager
async def open_asker(settings: Settings, calls: CallPermits, leases: LeaseValidity, name: str) -> AsyncIterator[Asker]:
    """What asks models in one shard; `name` is a word for the shard's process in the ids of requests.

    Endpoints are asked once what they say about their models; one that does not answer at once is left alone. Raises
    SettingsError if a key cannot be read.
    """
    async with open_llm_transport(settings, leases.check) as transport:
        asked = []
        for model in settings.llm_endpoints:
            key = model.key.read(os.environ) if model.key is not None else None
            asked.append(_Asked(model, Endpoint(transport, model, key, settings.llm_deadline_seconds)))
        await _learn_contexts(asked)
        yield Asker(asked, calls, name, stream=settings.llm_stream)


async def _learn_contexts(asked: Sequence[_Asked]) -> None:
    """Learns how many tokens the models take, from endpoints that say so."""
    endpoints = {(each.model.url, each.model.key): each.endpoint for each in asked}
    listings = dict(zip(endpoints, await asyncio.gather(*(each.listing() for each in endpoints.values())), strict=True))
    for each in asked:
        listing = listings[each.model.url, each.model.key]
        each.learned.has_context(context_of_model(listing, each.model.model))
