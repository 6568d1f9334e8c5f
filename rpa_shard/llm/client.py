"""One call to a model over HTTP.

Guarantee: a call ends by its deadline, and before that if nothing new comes for too long; the key is in one header and
nowhere else. Limit: one request, no second try; whoever calls has the permit.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, NoReturn

import aiohttp
import httpx
import msgspec

from rpa_shard import __version__
from rpa_shard.config.llm import ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.fetch.transport import LOCATION, ShardTransport, failure_of, make_transport
from rpa_shard.llm.errors import ModelRefusedError
from rpa_shard.llm.events import AnswerReader, Received, decoded
from rpa_shard.llm.replies import Said, failure_of_reply, one_line, read_error
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.store.lease_validity import LeaseInDoubtError

CONNECT_SECONDS = 30.0
# Less than after which the common servers close an idle connection (uvicorn: 5): a request must not meet that.
IDLE_SECONDS = 2.0
# How long the rest of a stream may take after it has said that it is at its end.
END_SECONDS = 1.0
# For what is nice to know before the first question.
LISTING_SECONDS = 3.0
MAX_ANSWER_BYTES = 2**25
MAX_ERROR_BYTES = 2**16
REQUEST_ID = "X-Client-Request-Id"
_UNCONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class RejectedError(PaperError):
    """The endpoint did not accept the request; it may accept another one."""

    def __init__(self, detail: str, status: int, said: Said) -> None:
        super().__init__(Failure.LLM_REJECTED, detail)
        self.status = status
        self.said = said


class Exchange:
    """What came of one request, also if it failed: `began` is when the answer began (Unix seconds)."""

    def __init__(self, on_begun: Callable[[], None]) -> None:
        self._on_begun = on_begun
        self.received = Received()
        self.began: float | None = None
        # The endpoint may have worked on the answer, and counted it.
        self.may_cost = False

    def begin(self) -> None:
        """The answer has begun."""
        self.began, self.may_cost = time.time(), True
        self._on_begun()


@asynccontextmanager
async def open_llm_transport(settings: Settings, before_sending: Callable[[], None]) -> AsyncIterator[ShardTransport]:
    """The connections of a shard to endpoints, which may have any address: the user named them.

    `before_sending` is called right before each request, which is not sent if that raises.
    """
    silent = settings.llm_stall_seconds if settings.llm_stream else None
    connections = max(1, sum(each.limits.in_flight for each in settings.llm_endpoints))
    transport = make_transport(
        before_sending,
        connections=connections,
        idle=connections,
        idle_seconds=IDLE_SECONDS,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silent),
    )
    async with transport:
        yield transport


class Endpoint:
    """The endpoint of one model."""

    def __init__(self, transport: ShardTransport, model: ModelAt, key: str | None, deadline_seconds: float) -> None:
        # Without an httpx.AsyncClient: what it does besides, for cookies, redirects and URLs, took a tenth of a call.
        self._transport = transport
        self._url = model.url
        self._key = key
        self._headers = {"User-Agent": f"rpa_shard/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._deadline_seconds = deadline_seconds

    async def complete(self, body: Mapping[str, Any], request_id: str, exchange: Exchange) -> None:
        """Sends a request for a completion, and takes its answer into `exchange`.

        Raises ModelLimitedError, ModelRefusedError and PaperError (RejectedError, OverlongError, LLM_UNREACHABLE,
        LLM_FAILED, and LLM_REFUSED if a filter did not let the question pass).
        """
        headers = {**self._headers, "Content-Type": "application/json", REQUEST_ID: request_id}
        try:
            request = httpx.Request("POST", self._completions, headers=headers, content=_encoded(body))
            async with asyncio.timeout(self._deadline_seconds), self._sent(request) as response:
                if response.status_code != 200:
                    await self._fail(response)
                exchange.begin()
                await self._receive(response, exchange.received)
        except (TimeoutError, aiohttp.ClientError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failure(error, exchange) from error
        except ValueError as error:
            what = one_line(f"an answer that is no chat completion: {error}", self._key)
            raise PaperError(Failure.LLM_FAILED, what) from error
        self._check(exchange.received)

    async def listing(self) -> Any:
        """What the endpoint says of its models, or None if it does not answer at once."""
        try:
            request = httpx.Request("GET", f"{self._url}/models", headers=self._headers)
            async with asyncio.timeout(LISTING_SECONDS), self._sent(request) as response:
                return decoded(await response.aread()) if response.status_code == 200 else None
        except (TimeoutError, aiohttp.ClientError, httpx.HTTPError, httpx.InvalidURL, OSError, LeaseInDoubtError):
            return None

    @cached_property
    def _completions(self) -> httpx.URL:
        """Parsed once. Raises httpx.InvalidURL."""
        return httpx.URL(f"{self._url}/chat/completions")

    @asynccontextmanager
    async def _sent(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """The response to a request, which is closed when the block ends."""
        response = await self._transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _receive(self, response: httpx.Response, received: Received) -> None:
        """Takes in an answer: events, or all in one piece, whatever was asked for. Raises PaperError."""
        reader = AnswerReader(received)
        size_bytes = 0
        try:
            async with asyncio.timeout(None) as rest:
                async for chunk in response.aiter_bytes():
                    size_bytes += len(chunk)
                    if size_bytes > MAX_ANSWER_BYTES:
                        raise PaperError(Failure.LLM_FAILED, f"an answer of more than {MAX_ANSWER_BYTES} bytes")
                    reader.feed(chunk)
                    if received.error is not None:
                        return
                    if received.is_at_end and rest.when() is None:
                        rest.reschedule(asyncio.get_running_loop().time() + END_SECONDS)
        except (TimeoutError, aiohttp.ClientError):
            if not received.is_at_end:  # else nothing is missing
                raise
        reader.finish()

    async def _fail(self, response: httpx.Response) -> NoReturn:
        """Raises what a reply means that is no answer."""
        content = b""
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MAX_ERROR_BYTES:
                break
        headers = dict(response.headers) | {"location": response.extensions.get(LOCATION) or "nowhere"}
        status = response.status_code
        failure = failure_of_reply(status, headers, content, self._key, time.time())
        if isinstance(failure, PaperError) and failure.failure is Failure.LLM_REJECTED:
            raise RejectedError(failure.detail, status, read_error(content))
        raise failure

    def _check(self, received: Received) -> None:
        """Raises PaperError, ModelLimitedError or ModelRefusedError if what has come is not a whole answer."""
        if received.error is not None:
            raise failure_of_reply(200, {}, received.error, self._key, time.time())
        if received.is_empty:
            raise PaperError(Failure.LLM_FAILED, "an answer without a chat completion in it")
        if not received.is_whole:
            raise PaperError(Failure.LLM_FAILED, "the answer ended early")

    def _failure(self, error: Exception, exchange: Exchange) -> Exception:
        """What an error of the client means."""
        found = failure_of(error)
        what = one_line(found[1] if found is not None else f"{type(error).__name__}: {error}", self._key)
        if isinstance(error, aiohttp.InvalidURL | httpx.InvalidURL | httpx.UnsupportedProtocol) or (
            found is not None and found[0] is Failure.BLOCKED
        ):
            return ModelRefusedError(what)
        if isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError
        ):
            return PaperError(Failure.LLM_UNREACHABLE, what)
        if isinstance(error, TimeoutError):
            exchange.may_cost = True
            is_stalled = isinstance(error, aiohttp.ServerTimeoutError)
            what = "nothing new came for too long" if is_stalled else f"no answer within {self._deadline_seconds:g} s"
        return PaperError(Failure.LLM_FAILED, what)


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body, enc_hook=dict)
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(body, ensure_ascii=False, default=dict).encode(errors="replace")
