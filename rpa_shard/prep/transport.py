"""The one HTTP client of a shard, and what its errors mean.

Guarantee: one aiohttp session (httpx's own pool is quadratic in the number of waiting requests, and httpx over aiohttp
costs more than half as much again as aiohttp alone), with caps on connections, open and idle; one function gives each
of its errors its failure class. Limit: HTTP/1.1 only; redirects and encodings are left to the downloader, which checks
each.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from urllib.request import getproxies

import aiohttp
import certifi

from rpa_shard.paper import Failure
from rpa_shard.prep.address_guard import AddressGuard, ForbiddenAddressError
from rpa_shard.settings import Settings, Share

KEEPALIVE_SECONDS = 15.0
READ_BUFFER_BYTES = 2**18


class Client:
    """The client of one shard. Made by `open_client`; close it with `close`."""

    def __init__(self, session: aiohttp.ClientSession, max_keepalive: int) -> None:
        self._session = session
        self._max_keepalive = max_keepalive
        self._in_flight = 0

    def get(self, url: str, headers: Mapping[str, str]) -> _Get:
        """`async with client.get(…) as response`: the body is read from `response.content`, packed as it came."""
        return _Get(self, url, headers)

    async def close(self) -> None:
        await self._session.close()


class _Get:
    """One request in flight.

    aiohttp keeps every connection that a finished request leaves; the cap on idle ones holds because a request beyond
    it asks the server to close.
    """

    def __init__(self, client: Client, url: str, headers: Mapping[str, str]) -> None:
        self._client = client
        if client._in_flight >= client._max_keepalive:
            headers = {**headers, "Connection": "close"}
        self._request = client._session.get(url, headers=headers, allow_redirects=False)

    async def __aenter__(self) -> aiohttp.ClientResponse:
        self._client._in_flight += 1
        try:
            return await self._request.__aenter__()
        except BaseException:
            self._client._in_flight -= 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client._in_flight -= 1
        await self._request.__aexit__(kind, error, traceback)


def open_client(settings: Settings, share: Share, guard: AddressGuard) -> Client:
    """The client of one shard, in the running loop."""
    connector = aiohttp.TCPConnector(
        limit=share.max_connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=trusted_certificates(), resolver=guard
    )
    seconds = settings.download_timeout_seconds
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": settings.user_agent, "Accept": "application/pdf", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds, sock_read=seconds),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        # HTTP(S)_PROXY; without any, aiohttp need not look for a netrc file at every request.
        trust_env=bool(getproxies()),
    )
    return Client(session, share.max_keepalive)


def trusted_certificates() -> ssl.SSLContext:
    """The certificates that this system trusts (SSL_CERT_FILE, too), and the usual ones: bare systems have none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


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
    (ssl.SSLError, Failure.NETWORK),
    (aiohttp.InvalidURL, Failure.FORBIDDEN_REDIRECT),
    (aiohttp.ClientConnectionError, Failure.NETWORK),
    (aiohttp.ClientResponseError, Failure.SERVER_ERROR),
    (TimeoutError, Failure.TIMEOUT),
    (ConnectionError, Failure.NETWORK),
)
