"""The HTTP client of a shard, and what its errors mean.

Guarantee: an `httpx.AsyncClient` over one aiohttp session (httpx's own pool is quadratic in the number of waiting
requests), with caps on connections, open and idle; one function gives each error of either library its failure class.
Limit: HTTP/1.1 only; redirects and encodings are left to the downloader, which checks each. aiohttp's errors are raised
as they are, because httpx's classes do not distinguish several of them.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from urllib.request import getproxies

import aiohttp
import certifi
import httpx
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from rpa_shard.config.host_policy import host_of
from rpa_shard.config.settings import Settings, Share
from rpa_shard.fetch.address_guard import AddressGuard, ForbiddenAddressError
from rpa_shard.fetch.responses import failure_of_status
from rpa_shard.model.failure import Failure

KEEPALIVE_SECONDS = 15.0
READ_BUFFER_BYTES = 2**18
LARGE_BODY_BYTES = 2**19
# The response's extension that says where a redirect leads: text, or None.
LOCATION = "rpa_shard.location"


class _LastLookConnector(aiohttp.TCPConnector):
    """Calls `before_sending` when there is a connection for a request, which is not sent if that raises."""

    def __init__(
        self,
        before_sending: Callable[[], None],
        *,
        limit: int,
        keepalive_timeout: float,
        resolver: AbstractResolver | None,
    ) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout, resolver=resolver)
        self._before_sending = before_sending

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self._before_sending()
        except BaseException:
            connection.close()
            raise
        return connection


class ShardTransport(httpx.AsyncBaseTransport):
    """aiohttp under httpx, with a cap on connections kept open while idle.

    aiohttp keeps every connection that a finished request leaves; the cap holds because a request beyond it asks the
    server to close.
    """

    def __init__(self, session: aiohttp.ClientSession, max_keepalive: int) -> None:
        self._session = session
        self._max_keepalive = max_keepalive
        self._certificates: asyncio.Future[ssl.SSLContext] | None = None
        self.in_flight = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A proxy may be https, too.
        uses_tls = request.url.scheme == "https" or self._session.trust_env
        certificates = await self._trusted_certificates() if uses_tls else True
        if self.in_flight >= self._max_keepalive:
            request.headers["Connection"] = "close"
        self.in_flight += 1
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=_body_of(request),
                allow_redirects=False,
                ssl=certificates,
            )
        except BaseException:
            self.in_flight -= 1
            raise
        # Without its Location: httpx would build the next request at once, and fail if that is not a URL.
        headers = [(name, value) for name, value in response.raw_headers if name.lower() != b"location"]
        extensions = {LOCATION: response.headers.get("Location")}
        stream = _ResponseStream(response, self)
        return httpx.Response(response.status, headers=headers, stream=stream, extensions=extensions)

    async def _trusted_certificates(self) -> ssl.SSLContext:
        if self._certificates is None:
            self._certificates = asyncio.get_running_loop().run_in_executor(None, trusted_certificates)
        return await asyncio.shield(self._certificates)

    async def aclose(self) -> None:
        await self._session.close()


def _body_of(request: httpx.Request) -> bytes | io.BytesIO | None:
    """The body of a request, all of which is in memory; a large one is sent in pieces, with pauses for the loop."""
    content = request.content
    return io.BytesIO(content) if len(content) > LARGE_BODY_BYTES else content or None


class _ResponseStream(httpx.AsyncByteStream):
    """A response's body as it arrives, not decompressed."""

    def __init__(self, response: aiohttp.ClientResponse, transport: ShardTransport) -> None:
        self._response = response
        self._transport: ShardTransport | None = transport

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.content.iter_any()

    async def aclose(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.in_flight -= 1
            self._response.close()  # after the last byte the connection is in the pool already


def open_client(
    settings: Settings, share: Share, guard: AddressGuard, before_sending: Callable[[], None]
) -> httpx.AsyncClient:
    """The client for downloads of one shard, in the running loop; close it with `aclose`.

    `before_sending` is called right before each request, which is not sent if that raises.
    """
    for proxy in _proxies().values():
        guard.name(host_of(proxy))  # the user's own, most often at a private address
    seconds = settings.download_timeout_seconds
    transport = make_transport(
        before_sending,
        connections=share.max_connections,
        idle=share.max_keepalive,
        idle_seconds=KEEPALIVE_SECONDS,
        timeout=aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds, sock_read=seconds),
        resolver=guard,
    )
    return httpx.AsyncClient(
        transport=transport,
        headers={"User-Agent": settings.user_agent, "Accept": "application/pdf", "Accept-Encoding": "identity"},
        timeout=None,  # noqa: S113  # the session's
        follow_redirects=False,
        trust_env=False,  # proxies are the session's business
    )


def make_transport(
    before_sending: Callable[[], None],
    *,
    connections: int,
    idle: int,
    idle_seconds: float,
    timeout: aiohttp.ClientTimeout,
    resolver: AbstractResolver | None = None,
) -> ShardTransport:
    """A transport in the running loop; close it with `aclose`.

    It has so many `connections` at most, of which so many are kept for `idle_seconds` while `idle`. Without a
    `resolver` any address may be reached. What `before_sending` raises is raised instead of sending a request.
    """
    session = aiohttp.ClientSession(
        connector=_LastLookConnector(
            before_sending, limit=connections, keepalive_timeout=idle_seconds, resolver=resolver
        ),
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        # For HTTP(S)_PROXY; without any, aiohttp is spared the search for a netrc file at every request.
        trust_env=bool(_proxies()),
    )
    return ShardTransport(session, idle)


def _proxies() -> dict[str, str]:
    return {kind: proxy for kind, proxy in getproxies().items() if kind != "no"}


@cache
def trusted_certificates() -> ssl.SSLContext:
    """The certificates that this system trusts (SSL_CERT_FILE, too), plus certifi's: minimal systems have none.

    Read once per process: it takes tens of milliseconds.
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def failure_of(error: Exception) -> tuple[Failure, str] | None:
    """The class of an error of the client and a short description, or None for an error that is not the network's."""
    for each in _chain(error):
        if isinstance(each, aiohttp.ClientResponseError) and "chunk size" in each.message:
            # A bad chunk in one packet with the headers: aiohttp reports bad headers.
            return Failure.TRUNCATED, "a bad chunk"
        if isinstance(each, aiohttp.ClientHttpProxyError):
            refused = failure_of_status(each.status) is Failure.BLOCKED
            return Failure.BLOCKED if refused else Failure.SERVER_ERROR, f"the proxy answered HTTP {each.status}"
        for kind, failure in _CLASSES:
            if isinstance(each, kind):
                return failure, " ".join(f"{type(each).__name__}: {each}".removesuffix(": ").split())
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The underlying errors first: they are more specific than the errors that wrap them."""
    if error.__cause__ is not None:
        yield from _chain(error.__cause__)
    yield error


# Most specific first.
_CLASSES: tuple[tuple[type[BaseException], Failure], ...] = (
    (ForbiddenAddressError, Failure.FORBIDDEN_REDIRECT),
    (aiohttp.ServerTimeoutError, Failure.TIMEOUT),
    (aiohttp.ClientPayloadError, Failure.TRUNCATED),
    (ssl.SSLError, Failure.NETWORK),
    (aiohttp.InvalidURL, Failure.FORBIDDEN_REDIRECT),
    (aiohttp.ClientConnectionError, Failure.NETWORK),
    (aiohttp.ClientResponseError, Failure.SERVER_ERROR),
    (httpx.UnsupportedProtocol, Failure.FORBIDDEN_REDIRECT),
    (httpx.InvalidURL, Failure.FORBIDDEN_REDIRECT),
    (TimeoutError, Failure.TIMEOUT),
    (ConnectionError, Failure.NETWORK),
)
