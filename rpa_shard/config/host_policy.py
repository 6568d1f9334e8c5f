"""What a source allows: how many requests in which time, over how many connections.

Guarantee: pure; the only place for published policies, with their source. Limit: defines what is allowed; the governor
(`rpa_shard.control.politeness.governor`) enforces it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

from rpa_shard.model.id_forms.sites import is_arxiv_host

ARXIV_HOST = "export.arxiv.org"
# A permit that is older than this when a shard is about to use it is returned instead.
PERMIT_VALID_SECONDS = 0.1
# A source may ask for a pause of up to a day; a longer one must be a mistake.
MAX_PAUSE_SECONDS = 24 * 3600.0


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
        """Whether keeping to this policy implies keeping to the other one."""
        return self.requests <= other.requests and self.requests_per_second <= other.requests_per_second


# arXiv, "Bulk data", "Play nice": programs use export.arxiv.org, in bursts of 4 requests a second with 1 second of
# sleep for each burst. It does not mention connections; a burst needs four.
PUBLISHED: Mapping[str, HostPolicy] = MappingProxyType({ARXIV_HOST: HostPolicy(ARXIV_HOST, 4, 1.0, 4)})

_POLICY = re.compile(
    r"(?P<host>\[?[\w.:-]+\]?)=(?P<requests>\d{1,6})/(?P<seconds>\d{1,5}(?:\.\d+)?)@(?P<connections>\d{1,5})"
)


def parse_policies(text: str) -> tuple[HostPolicy, ...]:
    """Policies written as `HOST=REQUESTS/SECONDS@CONNECTIONS`, separated by spaces. Raises ValueError.

    A policy is for all ports of its host. One for any host of arXiv's applies to the one that we ask instead.
    """
    policies = []
    for word in text.split():
        match = _POLICY.fullmatch(word)
        if match is None:
            raise ValueError(word)
        host = plain_host(match["host"])
        if ":" in host:
            IPv6Address(host)  # raises for a port: a policy is for all of them
        host = ARXIV_HOST if is_arxiv_host(host) else host
        policy = HostPolicy(host, int(match["requests"]), float(match["seconds"]), int(match["connections"]))
        if not (policy.requests and policy.per_seconds and policy.connections):
            raise ValueError(word)
        policies.append(policy)
    return tuple(policies)


def policies_by_host(given: tuple[HostPolicy, ...]) -> dict[str, HostPolicy]:
    """The policy of every governed host: the published ones, overridden by the given ones."""
    return {**PUBLISHED, **{policy.host: policy for policy in given}}


def host_of(url: str) -> str:
    """The host of a URL as `plain_host` writes it, without its port."""
    return plain_host(urlsplit(url).hostname or "")


def plain_host(host: str) -> str:
    """The canonical form of a host: lower case, no final dot, no brackets, shortest IPv6, IDNA as ASCII."""
    plain = host.strip("[]").rstrip(".").lower()
    with suppress(ValueError):  # an invalid host stays as it is, and cannot be reached
        if ":" in plain:
            return str(IPv6Address(plain))
        if not plain.isascii():
            return plain.encode("idna").decode()
    return plain


def polite_url(url: str) -> str:
    """The same URL at the host that its source provides for programs: arXiv's other hosts and its mirrors are not."""
    parts = urlsplit(url)
    host = host_of(url)
    if host == ARXIV_HOST or not is_arxiv_host(host):
        return url
    return urlunsplit(("https", ARXIV_HOST, parts.path, parts.query, ""))
