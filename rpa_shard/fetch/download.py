"""Downloads one PDF from one URL: into its file, or to be parsed and then forgotten.

Guarantee: what it yields is a PDF, complete and as long as announced; everything else ends as a PaperError with its
class, and leaves nothing behind. What is wrong with a local file is final. Every request to a governed host,
also after a redirect, has a permit. An interrupted body is resumed where it stopped, if the server confirms that it is
still the same one. Limit: one attempt at one URL; which URLs and how often is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from rpa_shard.config.host_policy import host_of, polite_url
from rpa_shard.fetch.address_guard import AddressGuard
from rpa_shard.fetch.body import HEADER_WITHIN_BYTES, Body
from rpa_shard.fetch.local import is_local, local_part, take_local
from rpa_shard.fetch.pages import PAGE_BYTES
from rpa_shard.fetch.permits import Permits
from rpa_shard.fetch.pieces import Speed, pieces_of, unpacker_of, up_to
from rpa_shard.fetch.responses import (
    CHALLENGE_HEADERS,
    is_redirect,
    not_a_pdf,
    part_of,
    redirect_target,
    status_error,
    validator_of,
)
from rpa_shard.fetch.transport import LOCATION, failure_of
from rpa_shard.fetch.trust import Asking
from rpa_shard.fetch.unkept import Memory, UnkeptPdf
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.store.lease_validity import LeaseInDoubtError
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import Fingerprint
from rpa_shard.system.threads import run_to_its_end

T = TypeVar("T")

MAX_REDIRECTS = 5
RANGE_NOT_SATISFIABLE = 416
# 203: a proxy has changed something on the way; whether the body is a PDF is checked anyway.
_WITH_BODY = frozenset({200, 203, 206})
MAX_RESUMPTIONS = 3
_RESUMABLE = frozenset({Failure.TRUNCATED, Failure.NETWORK, Failure.TIMEOUT})


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """What a download may use. `deadline_seconds` counts requests and bodies, not waits for a permit."""

    max_bytes: int
    deadline_seconds: float
    min_bytes_per_second: float


@dataclass(slots=True)
class _Progress:
    """One download in progress."""

    body: Body
    seconds_left: float
    asking: Asking
    # For If-Range, once a server has sent the beginning of a body that it can send in parts.
    validator: str | None = None
    # The length of the complete body, if a partial response had it.
    total_bytes: int | None = None


class _OtherBodyError(Exception):
    """The server's part does not continue the body received so far."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads for one shard: its client, its disk threads, its name on half-written files, its limits."""

    client: httpx.AsyncClient
    disk: Executor
    writer: str
    limits: DownloadLimits
    permits: Permits
    guard: AddressGuard

    async def download(self, url: str, final: Path) -> Fingerprint:
        """Fetches `url` (http, https, file or tar) into `final`. Raises PaperError."""
        body = Body(self.writer, final, self.limits.max_bytes)
        try:
            return await self._take(url, body, body.finish)
        finally:
            body.discard()

    async def download_unkept(self, url: str, final: Path, memory: Memory) -> UnkeptPdf:
        """Fetches `url` into what is left of `memory`, or else into a temporary file beside `final`.

        Whoever gets it closes it. Raises PaperError.
        """
        body = Body(self.writer, final, self.limits.max_bytes, memory)
        try:
            return body.hand_over(await self._take(url, body, body.check))
        finally:
            body.discard()

    async def _take(self, url: str, body: Body, finish: Callable[[], Fingerprint]) -> Fingerprint:
        """Gathers the whole body, and finishes it. Raises PaperError."""
        if is_local(url):
            return await self._in_thread(take_local, body, finish, *local_part(url))
        self.guard.name(host_of(url))
        url = polite_url(url)
        async with self.permits.trust.asking(host_of(url), url) as asking:
            await self._fetch(url, _Progress(body, self.limits.deadline_seconds, asking))
        return await self._in_thread(finish)

    async def _fetch(self, url: str, progress: _Progress) -> None:
        for resumption in range(MAX_RESUMPTIONS + 1):
            try:
                await self._follow(url, progress)
                return
            except PaperError as error:
                last = resumption == MAX_RESUMPTIONS
                is_resumable = error.failure in _RESUMABLE and progress.validator is not None
                if last or not is_resumable or not progress.body.size_bytes:
                    raise

    async def _follow(self, url: str, progress: _Progress) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            location = await self._request(url, progress)
            if location is None:
                return
            url = location
            self.guard.check_redirect(host_of(url))
        raise PaperError(Failure.REDIRECT_LOOP, f"more than {MAX_REDIRECTS} redirects, the last to {url}"[:300])

    async def _request(self, url: str, progress: _Progress) -> str | None:
        """One request and its response; returns the target if it is a redirect. Raises PaperError."""
        while True:
            with suppress(LeaseInDoubtError):  # then it waits, with its next permit, until it may be sent
                return await self._send(url, progress)

    async def _send(self, url: str, progress: _Progress) -> str | None:
        """Sends a request. Raises PaperError, and LeaseInDoubtError if it was not sent."""
        headers = {}
        resumes = progress.validator is not None and bool(progress.body.size_bytes)
        if resumes:
            headers = {"Range": f"bytes={progress.body.size_bytes}-", "If-Range": progress.validator or ""}
        async with self.permits.permit(host_of(url)) as permit, self._limited(progress):
            progress.asking.sent(permit.host, permit.number)
            if permit.governed:
                headers["Connection"] = "close"  # the host's limit counts idle connections, too
            try:
                async with self.client.stream("GET", url, headers=headers) as response:
                    permit.answered()
                    if is_redirect(response.status_code):
                        target = redirect_target(url, response.extensions[LOCATION])
                        permit.leads_to = host_of(target)
                        return target
                    if resumes and response.status_code == RANGE_NOT_SATISFIABLE:
                        raise _OtherBodyError
                    if response.status_code not in _WITH_BODY:
                        raise await _refusal(response)
                    await self._receive(response, progress)
                    return None
            except _OtherBodyError:
                await self._start_over(progress)
                return url
            except PaperError:
                raise
            except Exception as error:
                found = failure_of(error)
                if found is None:
                    raise
                raise PaperError(*found) from error

    @asynccontextmanager
    async def _limited(self, progress: _Progress) -> AsyncIterator[None]:
        """Limits the block to the time that the download has left."""
        begun = time.monotonic()
        deadline = asyncio.timeout(progress.seconds_left)
        try:
            async with deadline:
                yield
        except TimeoutError:
            if not deadline.expired():
                raise
            seconds = self.limits.deadline_seconds
            raise PaperError(Failure.TOO_SLOW, f"took more than {seconds:g} s") from None
        finally:
            progress.seconds_left = max(0.0, progress.seconds_left - (time.monotonic() - begun))

    async def _receive(self, response: httpx.Response, progress: _Progress) -> None:
        body = progress.body
        unpacker = unpacker_of(response)
        await self._begin(response, progress, resumable=unpacker is None)
        speed = Speed(self.limits.min_bytes_per_second)
        beginning = b""
        async with aclosing(pieces_of(response, unpacker, speed)) as pieces:
            try:
                async for piece in pieces:
                    reach("mid_download")
                    if len(beginning) < PAGE_BYTES:
                        beginning += piece[:PAGE_BYTES]
                    if body.take(piece):
                        await self._in_thread(body.spill)
                    if body.size_bytes >= HEADER_WITHIN_BYTES:
                        progress.asking.gave_pdf()
                body.check_head()
            except PaperError as error:
                if error.failure is not Failure.NOT_A_PDF:
                    raise
                page = beginning + await up_to(PAGE_BYTES - len(beginning), pieces)
                raise not_a_pdf(
                    response.status_code, str(response.url), page, is_challenge=_is_challenge(response)
                ) from None
        progress.asking.gave_pdf()
        if progress.total_bytes is not None and body.size_bytes != progress.total_bytes:
            raise PaperError(Failure.TRUNCATED, f"{body.size_bytes} bytes of {progress.total_bytes}")

    async def _begin(self, response: httpx.Response, progress: _Progress, *, resumable: bool) -> None:
        """Makes sure that the response continues the body received so far, or starts over."""
        body, headers = progress.body, response.headers
        length = headers.get("Content-Length", "")
        validator = validator_of(headers.get("ETag", ""), headers.get("Last-Modified", ""))
        if response.status_code == 206:
            if not body.size_bytes:
                raise PaperError(Failure.SERVER_ERROR, f"a partial response that was not requested from {response.url}")
            start, progress.total_bytes = part_of(headers.get("Content-Range", ""))
            if start != body.size_bytes or validator not in (None, progress.validator) or not resumable:
                raise _OtherBodyError
        elif body.size_bytes:
            await self._start_over(progress)
        if length.isascii() and length.isdigit() and body.size_bytes + int(length) > self.limits.max_bytes:
            raise PaperError(Failure.TOO_LARGE, f"{length} bytes exceed the limit of {self.limits.max_bytes}")
        takes_ranges = resumable and headers.get("Accept-Ranges", "bytes").strip().lower() != "none"
        progress.validator = (validator or progress.validator) if takes_ranges else None

    async def _start_over(self, progress: _Progress) -> None:
        await self._in_thread(progress.body.restart)
        progress.validator = progress.total_bytes = None

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await run_to_its_end(self.disk, function, *arguments)


async def _refusal(response: httpx.Response) -> PaperError:
    """The failure that a response without a PDF means, with the text of its page."""
    page = b""
    with suppress(PaperError):  # an encoding that is not ours
        async with aclosing(pieces_of(response, unpacker_of(response), Speed(0.0))) as pieces:
            page = await up_to(PAGE_BYTES, pieces)
    retry_after = response.headers.get("Retry-After", "")
    is_challenge = _is_challenge(response)
    return status_error(response.status_code, str(response.url), retry_after, page, is_challenge=is_challenge)


def _is_challenge(response: httpx.Response) -> bool:
    return any(name in response.headers for name in CHALLENGE_HEADERS)
