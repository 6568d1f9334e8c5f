"""The one HTTP client of a shard, and what its errors mean.

Guarantee: an `httpx.AsyncClient` whose transport is aiohttp's (httpx's own pool is quadratic in the number of waiting
requests), and one function that gives each error of either library its failure class. Limit: httpx-aiohttp folds
several different errors into `ConnectTimeout` and lets others through as they are, so classes are told from the
aiohttp error underneath.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from urllib.request import getproxies

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

from rpa_shard.paper import Failure
from rpa_shard.prep.address_guard import AddressGuard, ForbiddenAddressError
from rpa_shard.settings import Settings, Share

KEEPALIVE_SECONDS = 15.0
READ_BUFFER_BYTES = 2**18


class ShardTransport(AiohttpTransport):
    """aiohttp under httpx, with a cap on connections kept open while idle.

    aiohttp keeps every connection that a finished request leaves; the cap holds because a request beyond it asks the
    server to close.
    """

    def __init__(self, max_connections: int, max_keepalive: int, guard: AddressGuard) -> None:
        super().__init__(verify=ssl_context(), client=self._open_session)
        self._max_connections = max_connections
        self._max_keepalive = max_keepalive
        self._guard = guard
        self._in_flight = 0

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._max_connections,
            keepalive_timeout=KEEPALIVE_SECONDS,
            ssl=self.ssl_context,
            resolver=self._guard,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=READ_BUFFER_BYTES,
            # HTTP(S)_PROXY; without any, aiohttp need not look for a netrc file at every request.
            trust_env=bool(getproxies()),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._in_flight >= self._max_keepalive:
            request.headers["Connection"] = "close"
        self._in_flight += 1
        try:
            response = await super().handle_async_request(request)
        except BaseException:
            self._in_flight -= 1
            raise
        assert isinstance(response.stream, AiohttpResponseStream)
        response.stream.CHUNK_SIZE = READ_BUFFER_BYTES  # all that has arrived, not 16 KB of it
        response.stream = _CountedStream(response.stream, self)
        return response

    def _left(self) -> None:
        self._in_flight -= 1


class _CountedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, transport: ShardTransport) -> None:
        self._stream = stream
        self._transport: ShardTransport | None = transport

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport._left()
        await self._stream.aclose()


@cache
def ssl_context() -> ssl.SSLContext:
    """The certificates that we trust, read once a process: it takes 30 ms, in which a loop would do nothing else."""
    return httpx.create_ssl_context()


def open_client(settings: Settings, share: Share, guard: AddressGuard) -> httpx.AsyncClient:
    """The client of one shard; close it with `aclose`. It leaves redirects to the downloader, which checks each."""
    return httpx.AsyncClient(
        transport=ShardTransport(share.max_connections, share.max_keepalive, guard),
        headers={"User-Agent": settings.user_agent, "Accept": "application/pdf", "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(settings.download_timeout_seconds),
        follow_redirects=False,
        trust_env=False,  # proxies are the transport's business
    )


def failure_of(error: Exception) -> tuple[Failure, str] | None:
    """The class of what the client raised and a short description, or None for what is not the network's doing."""
    for each in _chain(error):
        if isinstance(each, aiohttp.ClientResponseError) and "chunk size" in each.message:
            # A bad chunk that came in one packet with the head: aiohttp takes it for a bad head.
            return Failure.TRUNCATED, "a bad chunk"
        for kind, failure in _CLASSES:
            if isinstance(each, kind):
                return failure, " ".join(f"{type(each).__name__}: {each}".removesuffix(": ").split())
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The underlying errors first: they know more than what they were folded into."""
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)
    yield error


# Most specific first.
_CLASSES: tuple[tuple[type[BaseException], Failure], ...] = (
    (ForbiddenAddressError, Failure.FORBIDDEN_REDIRECT),
    (aiohttp.ServerTimeoutError, Failure.TIMEOUT),
    (aiohttp.ClientPayloadError, Failure.TRUNCATED),
    (aiohttp.ClientConnectorCertificateError, Failure.NETWORK),
    (ssl.SSLError, Failure.NETWORK),
    (aiohttp.InvalidURL, Failure.FORBIDDEN_REDIRECT),
    (aiohttp.ClientConnectionError, Failure.NETWORK),
    (aiohttp.ClientResponseError, Failure.SERVER_ERROR),
    (httpx.UnsupportedProtocol, Failure.FORBIDDEN_REDIRECT),
    (httpx.InvalidURL, Failure.FORBIDDEN_REDIRECT),
    (httpx.TimeoutException, Failure.TIMEOUT),
    (httpx.RemoteProtocolError, Failure.SERVER_ERROR),
    (httpx.DecodingError, Failure.SERVER_ERROR),
    (httpx.TransportError, Failure.NETWORK),
    (TimeoutError, Failure.TIMEOUT),
    (ConnectionError, Failure.NETWORK),
)
