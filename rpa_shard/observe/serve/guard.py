"""Who may ask, and what a browser may do with the answers.

Guarantee: only GET and HEAD; on loopback only under a name of loopback, so that no page of another site can pose as
this one; with a token only who has it, compared in constant time; every answer forbids the browser to load anything
from elsewhere, to run inline scripts, to guess types and to show the page within another. Limit: a token is as secret
as the connection that carries it.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from rpa_shard import __version__

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": f"rpa_shard/{__version__}",
}
COOKIE_SECONDS = 30 * 86_400


def is_loopback(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """Checks requests to a server at `host`; `token` is None if none is needed."""

    host: str
    token: str | None

    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Next) -> web.StreamResponse:
            if request.method not in ("GET", "HEAD"):
                raise web.HTTPMethodNotAllowed(request.method, ("GET", "HEAD"), text="this only reads\n")
            if is_loopback(self.host) and not self._is_own_name(request):
                raise web.HTTPForbidden(text="this page is for a browser on the same machine\n")
            if self.token is not None and not self._is_known(request):
                raise web.HTTPUnauthorized(
                    text="a token is needed: open this page once as /?token=…, or send it as a bearer\n",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            response = await handler(request)
            if self.token is not None and _is_same(request.query.get("token", ""), self.token):
                self._give_cookie(request, response)
            return response

        return check

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """For every answer: what browsers are told."""
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")

    def _give_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        """For those who came with the token in the URL, so that it need not stay there."""
        response.set_cookie(
            self._cookie_name,
            self._cookie_value,
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=request.secure,
            path="/",
        )

    def _is_own_name(self, request: web.Request) -> bool:
        try:
            name = URL(f"http://{request.headers.get('Host', '')}").host
        except ValueError:
            return False
        return name is not None and (is_loopback(name) or name == self.host)

    def _is_known(self, request: web.Request) -> bool:
        assert self.token is not None
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return (
            (kind.lower() == "bearer" and _is_same(given.strip(), self.token))
            or _is_same(request.cookies.get(self._cookie_name, ""), self._cookie_value)
            or _is_same(request.query.get("token", ""), self.token)
        )

    @property
    def _cookie_name(self) -> str:
        # Servers on other ports of the same host get this cookie, too, and have their own.
        return "rpa_shard_" + sha256(self._cookie_value.encode()).hexdigest()[:8]

    @property
    def _cookie_value(self) -> str:
        assert self.token is not None
        return hmac.new(self.token.encode(), b"cookie of the page", "sha256").hexdigest()


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
