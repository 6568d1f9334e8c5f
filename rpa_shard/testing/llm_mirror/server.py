"""The endpoint: its models, its limits, and when it answers what.

Guarantee: a request beyond a limit is answered 429 and logged as such; every request has a line in the log once it has
ended. Limit: a request that is answered 429 counts against no limit, one that is answered with another error only as a
request.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Literal, TextIO
from zlib import crc32

from aiohttp import web

from rpa_shard.testing.arrivals import LoopWatch
from rpa_shard.testing.faults import Fault, FaultCounter, FaultPlan
from rpa_shard.testing.llm_mirror.answers.faults import (
    FOR_JUDGES,
    claimed_usage,
    no_such_format,
    overlong,
    refused_with,
    write_answer,
)
from rpa_shard.testing.llm_mirror.answers.replies import Refused, Written, usage_of
from rpa_shard.testing.llm_mirror.answers.requests import (
    STRUCTURES,
    ChatRequest,
    RequestError,
    Structure,
    parse_request,
    tokens_of,
)
from rpa_shard.testing.llm_mirror.answers.writer import is_for_judge
from rpa_shard.testing.llm_mirror.limits import Admitted, Limits, Over, Windows
from rpa_shard.testing.llm_mirror.log import BEYOND, LoggedCall
from rpa_shard.testing.llm_mirror.sending import Call, Pace, send_error, send_pieces, send_whole

MODEL = "sample-writer"
CONTEXT_TOKENS = 32_768
PIECES = 8
# Calls whose clients have just left may still be counted when the next one arrives.
SETTLING_SECONDS = 0.02
# Where all questions about a document share a fault, one of so many may meet it.
MEETING_ONE_OF = 3
_BLOCK_CHARACTERS = 1024
_MAX_BLOCKS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How an endpoint behaves. `latency_seconds` pass before an answer begins.

    Then it comes in `pieces`, at `tokens_per_second`; None: at once. `structured` says which response_format it has.
    With `faults_by` `document` all questions about a document share one fault: some of them may meet it, and once one
    has, the others are answered well.
    """

    models: tuple[str, ...] = (MODEL,)
    context_tokens: int = CONTEXT_TOKENS
    latency_seconds: float = 0.0
    tokens_per_second: float | None = None
    pieces: int = PIECES
    limits: Limits = Limits()
    faults: FaultPlan = FaultPlan()
    faults_by: Literal["question", "document"] = "question"
    structured: Structure = "json_schema"
    log: Path | None = None


class Endpoint:
    """The state of an endpoint: what is under way, what counts against its limits, what it has read before."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._counter = FaultCounter(behaviour.faults)
        self._windows = Windows(behaviour.limits)
        self._watch = LoopWatch()
        self._known_blocks: dict[bytes, None] = {}
        self._admitted: dict[int, Admitted] = {}
        self._under_way = 0
        self._log: TextIO | None = None

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        """Keeps the log while the application runs."""
        if self.behaviour.log is not None:
            self._log = self.behaviour.log.open("a", buffering=1)
        watching = asyncio.create_task(self._watch.watch())
        yield
        watching.cancel()
        if self._log is not None:
            self._log.close()

    async def models(self, _: web.Request) -> web.Response:
        """`GET /v1/models`"""
        context = self.behaviour.context_tokens
        data = [
            {"id": each, "object": "model", "created": 0, "owned_by": "rpa-shard", "max_model_len": context}
            for each in self.behaviour.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`"""
        logged = LoggedCall(
            at=time.time(), late=round(self._watch.late_seconds(), 4), id=request.headers.get("X-Client-Request-Id", "")
        )
        self._under_way += 1
        call = Call(logged, self._left)
        try:
            return await self._answer(request, call)
        except ConnectionError:  # the client has left
            return web.Response()
        finally:
            call.end()
            if self._log is not None:
                self._log.write(logged.as_line())

    def _left(self, call: Call) -> None:
        self._under_way -= 1
        admitted = self._admitted.pop(id(call), None)
        if admitted is not None and call.logged.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._windows.forget(admitted)
        elif admitted is not None:
            self._windows.settle(admitted, call.logged.input_tokens, call.logged.output_tokens)

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        logged = call.logged
        try:
            asked = parse_request(await request.json(), logged.id)
        except RequestError as error:
            return await send_error(request, Refused(status=400, message=error.message, param=error.param), call)
        except ValueError:
            return await send_error(request, Refused(status=400, message="the body is no JSON"), call)
        logged.model = asked.model
        if over := await self._over(asked, call):
            logged.fault = f"{BEYOND}{over.limit}"
            return await send_error(request, _turned_away(over), call)
        reply, logged.fault = self.reply_to(asked)
        await asyncio.sleep(self.behaviour.latency_seconds)
        if isinstance(reply, Refused):
            return await send_error(request, reply, call)
        logged.input_tokens = asked.input_tokens
        if reply.manner == "hang":
            await asyncio.Event().wait()  # until the client has left
        pace = Pace(pieces=self.behaviour.pieces, tokens_per_second=self.behaviour.tokens_per_second)
        if asked.stream:
            return await send_pieces(request, reply, call, pace, with_usage=asked.with_usage)
        return await send_whole(request, reply, call, pace)

    async def _over(self, asked: ChatRequest, call: Call) -> Over | None:
        most = self.behaviour.limits.in_flight
        if most is not None and self._under_way > most:
            await asyncio.sleep(SETTLING_SECONDS)
        call.logged.in_flight = self._under_way
        if most is not None and self._under_way > most:
            return Over("in_flight", 1.0)
        now, reserved = time.monotonic(), asked.max_output_tokens or 0
        over = self._windows.over(now, asked.input_tokens, reserved)
        if over is None:
            self._admitted[id(call)] = self._windows.admit(now, asked.input_tokens, reserved)
        return over

    def reply_to(self, asked: ChatRequest) -> tuple[Written | Refused, str | None]:
        """What a request is answered, whatever the limits say, and the fault that it has met, which is counted."""
        behaviour = self.behaviour
        if asked.model not in behaviour.models:
            return refused_with(404, message=f"The model `{asked.model}` does not exist."), None
        if STRUCTURES.index(asked.structure) < STRUCTURES.index(behaviour.structured):
            return no_such_format(asked.structure), None
        if asked.input_tokens + (asked.max_output_tokens or 0) > behaviour.context_tokens:
            return overlong(asked, behaviour.context_tokens), None
        fault = self._next_fault(asked)
        kind = fault.kind if fault is not None else None
        reply = write_answer(asked, asked.model, fault, behaviour.context_tokens)
        if isinstance(reply, Written):
            cached = min(self._cached_tokens(asked.prompt), asked.input_tokens)
            usage = usage_of(asked.input_tokens, reply.output_tokens, cached)
            reply = replace(reply, usage=claimed_usage(usage, kind))
        return reply, kind

    def _next_fault(self, asked: ChatRequest) -> Fault | None:
        if self.behaviour.faults_by == "question":
            return self._counter.next(asked.key)
        fault = self.behaviour.faults.fault_of(asked.document)
        if fault is not None and fault.kind in FOR_JUDGES:
            may_meet = is_for_judge(asked.schema)
        else:
            may_meet = crc32(f"{self.behaviour.faults.seed} {asked.key}".encode()) % MEETING_ONE_OF == 0
        return self._counter.next(asked.document) if may_meet else None

    def _cached_tokens(self, prompt: str) -> int:
        """How much of the beginning of a prompt has been read before, in whole blocks, as servers count it."""
        digest, known, is_known = b"", 0, True
        for start in range(0, len(prompt) - _BLOCK_CHARACTERS + 1, _BLOCK_CHARACTERS):
            block = prompt[start : start + _BLOCK_CHARACTERS]
            digest = blake2b(digest + block.encode(errors="replace"), digest_size=16).digest()
            is_known = is_known and digest in self._known_blocks
            known += is_known * tokens_of(block)
            self._known_blocks[digest] = None
        while len(self._known_blocks) > _MAX_BLOCKS:
            del self._known_blocks[next(iter(self._known_blocks))]
        return known


def _turned_away(over: Over) -> Refused:
    kind = over.limit.replace("_tokens", " tokens")
    headers = {"Retry-After": str(max(1, math.ceil(over.retry_after_seconds)))}
    if over.limit == "requests":
        headers["x-ratelimit-reset-requests"] = f"{over.retry_after_seconds:.3f}s"
    return refused_with(429, headers, f"Rate limit reached: {kind} of this model. Please slow down.")
