"""Which addresses a download may reach: no server on the internet may redirect us into our own network.

Guarantee: a host that the user did not name (in the sources, as a paper's own URL, or as a proxy) is reached at public
addresses only, whether its address is in the URL or comes from a DNS answer, and the connection uses the same answer
that was checked. Limit: behind a proxy the proxy resolves names, and only addresses written in URLs are checked here.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from rpa_shard.config.host_policy import plain_host
from rpa_shard.model.failure import Failure, PaperError

# IPv6 addresses that lead to the IPv4 address at their end (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenAddressError(OSError):
    """A host that the user did not name has a private address."""


class AddressGuard(AbstractResolver):
    """Resolves names, and refuses private addresses for hosts that the user did not name."""

    def __init__(self, named: Iterable[str], resolver: AbstractResolver | None = None) -> None:
        self._named = {host for host in named if host}
        self._resolver = resolver or ThreadedResolver()

    def name(self, host: str) -> None:
        """Adds a host that the user named: it may have any address."""
        self._named.add(host)

    def check_redirect(self, host: str) -> None:
        """Raises PaperError(FORBIDDEN_REDIRECT) if the host is a literal address that is not public."""
        if host not in self._named and _is_address(host) and not _is_public(host):
            raise PaperError(Failure.FORBIDDEN_REDIRECT, f"a redirect to the private address {host}")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if plain_host(host) not in self._named and not all(_is_public(each["host"]) for each in found):
            raise ForbiddenAddressError(f"{host} has a private address, and is not named in RPA_V2_SOURCES")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.split("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = ipaddress.ip_address(int(parsed) & 0xFFFFFFFF) if parsed in _NAT64 else parsed.ipv4_mapped
        parsed = inner or parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast
