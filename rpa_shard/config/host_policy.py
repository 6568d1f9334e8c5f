"""What a source allows: how many requests in which time, over how many connections.

Guarantee: pure; the published policies stand here, once, with where they were published. Limit: only says what is
allowed; the governor (`rpa_shard.control.politeness.governor`) keeps to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

ARXIV_HOST = "export.arxiv.org"
# A permit that is older than this when a shard gets to use it is given back instead.
PERMIT_VALID_SECONDS = 0.1
# A source may ask for a day; what asks for more is an error.
MAX_PAUSE_SECONDS = 24 * 3600.0
_ARXIV_FRONT = frozenset({"arxiv.org", "www.arxiv.org"})


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """At most `requests` begin in any `per_seconds`, and at most `connections` are open at a time."""

    host: str
    requests: int
    per_seconds: float
    connections: int

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.per_seconds

    def __str__(self) -> str:
        return f"{self.host}={self.requests}/{self.per_seconds:g}@{self.connections}"

    def is_within(self, other: HostPolicy) -> bool:
        """Whether whoever keeps to this policy keeps to the other one, too."""
        return self.requests <= other.requests and self.requests_per_second <= other.requests_per_second


# arXiv, "Bulk data", "Play nice": programs use export.arxiv.org, in bursts of 4 requests a second with 1 second of
# sleep for each burst. It says nothing of connections; a burst needs four.
PUBLISHED: Mapping[str, HostPolicy] = MappingProxyType({ARXIV_HOST: HostPolicy(ARXIV_HOST, 4, 1.0, 4)})

_POLICY = re.compile(
    r"(?P<host>\[?[\w.:-]+\]?)=(?P<requests>\d{1,6})/(?P<seconds>\d{1,5}(?:\.\d+)?)@(?P<connections>\d{1,5})"
)


def parse_policies(text: str) -> tuple[HostPolicy, ...]:
    """Policies written as `HOST=REQUESTS/SECONDS@CONNECTIONS`, apart by spaces. Raises ValueError.

    A policy is for all ports of its host. One for arXiv's front door is one for the host that we ask instead.
    """
    policies = []
    for word in text.split():
        match = _POLICY.fullmatch(word)
        if match is None:
            raise ValueError(word)
        host = plain_host(match["host"])
        if ":" in host:
            IPv6Address(host)  # anything else is a port, and a policy is for all of them
        host = ARXIV_HOST if host in _ARXIV_FRONT else host
        policy = HostPolicy(host, int(match["requests"]), float(match["seconds"]), int(match["connections"]))
        if not (policy.requests and policy.per_seconds and policy.connections):
            raise ValueError(word)
        policies.append(policy)
    return tuple(policies)


def policies_by_host(given: tuple[HostPolicy, ...]) -> dict[str, HostPolicy]:
    """The policy of every governed host: the published ones, and over them those that a person gave."""
    return {**PUBLISHED, **{policy.host: policy for policy in given}}


def host_of(url: str) -> str:
    """The host of a URL as `plain_host` writes it, without its port."""
    return plain_host(urlsplit(url).hostname or "")


def plain_host(host: str) -> str:
    """The one way to write a host: lower case, no final dot, no brackets, IPv6 at its shortest, IDNA as ASCII."""
    plain = host.strip("[]").rstrip(".").lower()
    with suppress(ValueError):  # what is no host stays as it is, and cannot be reached
        if ":" in plain:
            return str(IPv6Address(plain))
        if not plain.isascii():
            return plain.encode("idna").decode()
    return plain


def polite_url(url: str) -> str:
    """The same URL at the host that its source sets aside for programs: arXiv's front door is not for us."""
    parts = urlsplit(url)
    if host_of(url) not in _ARXIV_FRONT:
        return url
    return urlunsplit(("https", ARXIV_HOST, parts.path, parts.query, ""))
