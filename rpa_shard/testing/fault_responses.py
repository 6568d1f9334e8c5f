"""Responses with injected faults: each kind as an aiohttp response, or as raw bytes where HTTP forbids it.

Guarantee: every fault of `rpa_shard.testing.faults.KINDS` has one function here. Limit: faults below HTTP, such as a
refused connection, are left to the test.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import time
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from secrets import token_urlsafe

from aiohttp import web

from rpa_shard.testing.faults import Fault

FaultResponse = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]

TRICKLE_SECONDS = 0.1
SLOW_SECONDS = 0.2
BOMB_BYTES = 2**32
HOPS = 3
_ETAG = web.RequestKey("etag", str)
_PAGE = b"<html><head><title>PDF</title></head><body><p>%b</p></body></html>" + b" " * 2000


async def respond_with_fault(request: web.Request, fault: Fault, pdf: Path) -> web.StreamResponse:
    """Answers a request for `pdf` with a fault."""
    if fault.status is not None:
        return _status(fault)
    content = await asyncio.to_thread(pdf.read_bytes)
    found = await asyncio.to_thread(pdf.stat)
    # The same as aiohttp's own, so that a range which aiohttp serves continues this response.
    request[_ETAG] = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    try:
        return await _RESPONSES[fault.kind](request, content)
    except ConnectionError:  # the client closed the connection
        return web.Response()


def _status(fault: Fault) -> web.Response:
    headers = {}
    if fault.argument == "date":
        headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    elif fault.argument:
        headers["Retry-After"] = fault.argument
    text = f"<html><body><h1>{fault.kind}</h1>Too many requests. Write to help@mirror.example.</body></html>"
    return web.Response(status=fault.status or 500, text=text, content_type="text/html", headers=headers)


async def _html(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(body=_PAGE % b"Choose a paper of this mirror.", content_type="text/html")


async def _captcha(request: web.Request, content: bytes) -> web.StreamResponse:
    nonce = token_urlsafe(24).encode()
    page = b"<title>Just a moment</title><p>Are you a robot? Solve this. Ray %b, it is %d.</p>" % (
        nonce,
        time.time_ns(),
    )
    return web.Response(body=b"<html>" + b"<script>a=1</script>" * 100 + page, content_type="text/html")


async def _login(request: web.Request, content: bytes) -> web.StreamResponse:
    if "hop" not in request.query:
        raise web.HTTPFound(f"{request.path}?hop=1")
    return web.Response(body=_PAGE % b"Please log in.", content_type="text/html")


async def _json(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.json_response({"error": "no access", "request": token_urlsafe(8)})


async def _empty(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(content_type="application/pdf")


async def _making(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(body=_PAGE % b"The PDF is being generated. Try again soon.", content_type="text/html")


async def _building(request: web.Request, content: bytes) -> web.StreamResponse:
    page = _PAGE % b"The PDF is being built. Try again in a few seconds."
    return web.Response(status=404, body=page, content_type="text/html")


async def _withdrawn(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(body=_PAGE % b"This paper has been withdrawn by its author.", content_type="text/html")


async def _truncate(request: web.Request, content: bytes) -> web.StreamResponse:
    return web.Response(body=content[: len(content) // 2], content_type="application/pdf")


async def _begin_half(request: web.Request, content: bytes) -> web.StreamResponse:
    """The headers for the complete body, and half of it."""
    response = web.StreamResponse(
        headers={"ETag": request[_ETAG], "Accept-Ranges": "bytes", "Content-Type": "application/pdf"}
    )
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    return response


async def _length(request: web.Request, content: bytes) -> web.StreamResponse:
    response = await _begin_half(request, content)
    await asyncio.sleep(0.02)  # so that the half is sent before the connection closes
    _transport(request).close()
    return response


async def _reset(request: web.Request, content: bytes) -> web.StreamResponse:
    response = await _begin_half(request, content)
    await asyncio.sleep(0.02)
    sock = _transport(request).get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _transport(request).abort()
    return response


async def _stall(request: web.Request, content: bytes) -> web.StreamResponse:
    await _begin_half(request, content)
    await asyncio.Event().wait()  # until the client has left
    raise AssertionError


async def _trickle(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/pdf"})
    await response.prepare(request)
    for start in range(0, len(content), 8):
        await response.write(content[start : start + 8])
        await asyncio.sleep(TRICKLE_SECONDS)
    return response


async def _loop(request: web.Request, content: bytes) -> web.StreamResponse:
    raise web.HTTPFound(f"{request.path}?again={int(request.query.get('again', 0)) + 1}")


async def _inside(request: web.Request, content: bytes) -> web.StreamResponse:
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data.pdf")


async def _scheme(request: web.Request, content: bytes) -> web.StreamResponse:
    raise web.HTTPFound("file:///etc/passwd")


async def _hops(request: web.Request, content: bytes) -> web.StreamResponse:
    hop = int(request.query.get("hop", 0))
    if hop < HOPS:
        raise web.HTTPFound(f"{request.path}?hop={hop + 1}")
    return web.Response(body=content, content_type="application/pdf")


async def _endless(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/pdf"})
    await response.prepare(request)
    await response.write(b"%PDF-1.5\n")
    while True:
        await response.write(bytes(2**16))


async def _bomb(request: web.Request, content: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/pdf", "Content-Encoding": "gzip"})
    await response.prepare(request)
    packer = zlib.compressobj(wbits=31)
    await response.write(packer.compress(b"%PDF-1.5\n"))
    zeros = bytes(2**20)
    for _ in range(BOMB_BYTES // len(zeros)):
        await response.write(packer.compress(zeros))
        await asyncio.sleep(0)
    return response


async def _gzip(request: web.Request, content: bytes) -> web.StreamResponse:
    headers = {"Content-Type": "application/pdf", "Content-Encoding": "gzip"}
    return web.Response(body=gzip.compress(content), headers=headers)


async def _garbled(request: web.Request, content: bytes) -> web.StreamResponse:
    return await _raw(request, b"HTTQ/9 what\r\n\r\n")


async def _badchunk(request: web.Request, content: bytes) -> web.StreamResponse:
    return await _raw(request, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n%PDF-1.5\n\r\nXYZ\r\nno\r\n")


async def _slow(request: web.Request, content: bytes) -> web.StreamResponse:
    await asyncio.sleep(SLOW_SECONDS)
    return web.Response(body=content, content_type="application/pdf")


async def _raw(request: web.Request, content: bytes) -> web.StreamResponse:
    _transport(request).write(content)
    await asyncio.sleep(0.02)
    _transport(request).close()
    return web.Response()


def _transport(request: web.Request) -> asyncio.Transport:
    assert request.transport is not None
    assert isinstance(request.transport, asyncio.Transport)
    return request.transport


_RESPONSES: dict[str, FaultResponse] = {
    "html": _html,
    "captcha": _captcha,
    "login": _login,
    "json": _json,
    "empty": _empty,
    "making": _making,
    "building": _building,
    "withdrawn": _withdrawn,
    "truncate": _truncate,
    "length": _length,
    "reset": _reset,
    "stall": _stall,
    "trickle": _trickle,
    "loop": _loop,
    "hops": _hops,
    "inside": _inside,
    "scheme": _scheme,
    "endless": _endless,
    "bomb": _bomb,
    "gzip": _gzip,
    "garbled": _garbled,
    "badchunk": _badchunk,
    "slow": _slow,
}
