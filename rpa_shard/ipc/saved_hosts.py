"""What a run knows of hosts that limited or refused it, kept for the next run and for `hosts`.

Guarantee: replaced complete or not at all; a damaged file counts as missing. Limit: not flushed to disk; after a loss
of power the next run begins with the published policies and a full window without requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS
from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.system.clock import Moment
from rpa_shard.system.files import replace_file


@dataclass(frozen=True, slots=True)
class _Content:
    saved: Moment
    hosts: Mapping[str, HostStatus]


@dataclass(frozen=True, slots=True)
class SavedHost:
    """The state of a host, and how long ago it was saved."""

    host: str
    status: HostStatus
    age_seconds: float


def save_hosts(path: Path, hosts: Mapping[str, HostStatus]) -> None:
    """Keeps the hosts' states. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, hosts_as_bytes(hosts), durable=False)


def read_hosts(path: Path) -> list[SavedHost]:
    """The saved states; empty if nothing can be read."""
    try:
        return hosts_of(path.read_bytes())
    except OSError:
        return []


def hosts_as_bytes(hosts: Mapping[str, HostStatus]) -> bytes:
    """The hosts' states and the present, as they are kept."""
    return msgspec.json.encode(_Content(Moment.now(), hosts))


def hosts_of(content: bytes, age_seconds: float | None = None) -> list[SavedHost]:
    """What `hosts_as_bytes` has made, on this machine unless its age is given; empty if it is damaged."""
    try:
        found = msgspec.json.decode(content, type=_Content)
        age_seconds = found.saved.seconds_since() if age_seconds is None else age_seconds
        return [SavedHost(host, _checked(status), age_seconds) for host, status in found.hosts.items()]
    except (ValueError, RecursionError):
        return []


def _checked(status: HostStatus) -> HostStatus:
    """A state that a governor can restore. Raises ValueError."""
    if not 0 < status.factor <= 1:
        raise ValueError(status.factor)
    closed = status.closed_seconds
    return replace(
        status,
        blocked=status.blocked or None,
        closed_seconds=None if closed is None else min(closed, MAX_PAUSE_SECONDS),
        closings=max(0, status.closings),
    )
