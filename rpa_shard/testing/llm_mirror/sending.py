"""How an answer is sent: in one piece or in many, well, or broken off in the middle.

Guarantee: the log says what was handed to the socket. Limit: a call counts as ended just before its last byte is sent,
so that whoever has read it may ask again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from rpa_shard.testing.llm_mirror.answers.faults import refused_with
from rpa_shard.testing.llm_mirror.answers.replies import DONE, Refused, Written, as_event, in_one_piece, in_pieces
from rpa_shard.testing.llm_mirror.log import LoggedCall

SLOW_SECONDS = 2.0
# So that what was sent before a connection is closed arrives.
FLUSH_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Into how many pieces an answer is cut, and how fast they come; None: at once."""

    pieces: int
    tokens_per_second: float | None = None

    def seconds_of(self, reply: Written) -> float:
        """How long an answer takes once it has begun."""
        if reply.manner == "slow":
            return SLOW_SECONDS
        return reply.output_tokens / self.tokens_per_second if self.tokens_per_second is not None else 0.0


@dataclass(slots=True)
class Call:
    """A call under way, and its line in the log. `on_end` is called once, when it no longer is."""

    logged: LoggedCall
    on_end: Callable[[Call], None]
    ended: bool = False

    def end(self) -> None:
        """It is no longer under way."""
        if not self.ended:
            self.ended = True
            self.on_end(self)


async def send_error(request: web.Request, refused: Refused, call: Call) -> web.StreamResponse:
    """Sends an error."""
    response = web.json_response(refused.body(), status=refused.status, headers=refused.headers)
    call.logged.status = refused.status
    call.end()
    await response.prepare(request)
    await response.write_eof()
    return response


async def send_whole(request: web.Request, reply: Written, call: Call, pace: Pace) -> web.StreamResponse:
    """Sends an answer in one piece. Raises ConnectionResetError."""
    if reply.manner == "error-in-stream":
        return await send_error(request, refused_with(500), call)
    await asyncio.sleep(pace.seconds_of(reply))
    whole = web.json_response(in_one_piece(reply))
    assert isinstance(whole.body, bytes)
    response = web.StreamResponse(headers={"Content-Type": whole.headers["Content-Type"]})
    response.content_length = len(whole.body)
    await _begin(request, response, call)
    half = len(whole.body) // 2
    await response.write(whole.body[:half])
    await _break_off(request, reply)
    call.logged.output_tokens = reply.output_tokens
    call.end()
    await response.write(whole.body[half:])
    await response.write_eof()
    call.logged.answered = time.time()
    return response


async def send_pieces(
    request: web.Request, reply: Written, call: Call, pace: Pace, *, with_usage: bool
) -> web.StreamResponse:
    """Sends an answer as a stream of events. Raises ConnectionResetError."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    events = list(in_pieces(reply, pace.pieces, with_usage=with_usage))
    pause = pace.seconds_of(reply) / len(events)
    await _begin(request, response, call)
    for number, event in enumerate(events[:-1], 1):
        await response.write(event)
        call.logged.output_tokens = reply.output_tokens * number // len(events)
        if number == len(events) // 2:
            await _break_off(request, reply)
            if reply.manner == "error-in-stream":
                return await _end_in_error(response, call)
        if pause:
            await asyncio.sleep(pause)
    call.logged.output_tokens = reply.output_tokens
    call.end()
    await response.write(events[-1] + DONE)
    await response.write_eof()
    call.logged.answered = time.time()
    return response


async def _begin(request: web.Request, response: web.StreamResponse, call: Call) -> None:
    await response.prepare(request)
    call.logged.status, call.logged.began = 200, time.time()


async def _end_in_error(response: web.StreamResponse, call: Call) -> web.StreamResponse:
    call.end()
    await response.write(as_event(refused_with(500).body()) + DONE)
    await response.write_eof()
    return response


async def _break_off(request: web.Request, reply: Written) -> None:
    """Goes no further, if the reply stalls or drops. Raises ConnectionResetError."""
    if reply.manner == "stall":
        await asyncio.Event().wait()  # until the client has left
    if reply.manner == "drop":
        await asyncio.sleep(FLUSH_SECONDS)
        assert request.transport is not None
        request.transport.close()
        raise ConnectionResetError
