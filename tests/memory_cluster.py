"""What nodes share, in memory: the contract of `rpa_shard.store.cluster.Cluster` at its shortest.

Guarantee: passes the contract suite, so it stands in for a database in tests of what uses it; `clock` may be set.
Limit: one process; `memory` may be given to several clusters, as a database has several connections.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import (
    Epoch,
    GoverningNode,
    Membership,
    NodeRequests,
    NodeRow,
    NodeTakenError,
    Remembered,
)


@dataclass
class _Node:
    incarnation: str
    address: str
    joined_at: float
    heard_at: float
    expires_at: float | None
    report: bytes = b""
    asked: NodeRequests = field(default_factory=NodeRequests)


@dataclass
class _Governor:
    epoch: int
    node: str
    address: str
    secret: str
    lease_seconds: float
    began_at: float
    wait_seconds: float
    expires_at: float | None


@dataclass
class Memory:
    """What is kept. While `is_away`, every call raises StoreError."""

    clock: Callable[[], float] = time.monotonic
    nodes: dict[str, _Node] = field(default_factory=dict)
    governor: _Governor | None = None
    remembered: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    reopen: set[str] = field(default_factory=set)
    is_away: bool = False


class MemoryCluster:
    """One connection to `memory`."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._kept = memory if memory is not None else Memory()

    @property
    def _memory(self) -> Memory:
        if self._kept.is_away:
            raise StoreError("the store cannot be reached")
        return self._kept

    def own_address(self) -> str:
        return "127.0.0.1"

    def join(self, node: str, address: str, lease_seconds: float, replaces: str | None = None) -> Membership:
        now = self._memory.clock()
        known = self._memory.nodes.get(node)
        if known is not None and known.incarnation != replaces and (known.expires_at or 0) > now:
            raise NodeTakenError(f"another process runs as node {node}: set RPA_V2_NODE")
        incarnation = uuid.uuid4().hex
        self._memory.nodes[node] = _Node(incarnation, address, now, now, now + lease_seconds)
        return Membership(node, incarnation)

    def renew(self, membership: Membership, lease_seconds: float, report: bytes) -> NodeRequests | None:
        now = self._memory.clock()
        known = self._memory.nodes.get(membership.node)
        if known is None or known.incarnation != membership.incarnation or known.expires_at is None:
            return None
        known.heard_at, known.expires_at, known.report = now, now + lease_seconds, report
        asked, known.asked = known.asked, NodeRequests()
        return asked

    def leave(self, membership: Membership) -> None:
        known = self._memory.nodes.get(membership.node)
        if known is not None and known.incarnation == membership.incarnation:
            known.expires_at, known.heard_at = None, self._memory.clock()

    def nodes(self) -> Sequence[NodeRow]:
        now = self._memory.clock()
        return [
            NodeRow(
                node=name,
                incarnation=each.incarnation,
                address=each.address,
                joined_seconds_ago=now - each.joined_at,
                heard_seconds_ago=now - each.heard_at,
                lease_seconds=each.expires_at - now if each.expires_at is not None else None,
                report=each.report,
            )
            for name, each in sorted(self._memory.nodes.items())
        ]

    def ask(self, node: str, requests: NodeRequests) -> None:
        known = self._memory.nodes.get(node)
        if known is None or (known.expires_at or 0) <= self._memory.clock():
            raise StoreError(f"no node of the run is called {node}")
        shards = requests.shards if requests.shards is not None else known.asked.shards
        known.asked = replace(known.asked, drain=known.asked.drain or requests.drain, shards=shards)

    def seek_epoch(self, node: str, address: str, secret: str, lease_seconds: float) -> Epoch | None:
        now, last = self._memory.clock(), self._memory.governor
        if last is not None and last.expires_at is not None and last.expires_at > now:
            return None
        wait = 0.0
        if last is not None:
            handed_over = last.expires_at is None
            wait = max(0.0, last.began_at + last.wait_seconds - now) if handed_over else last.lease_seconds
        number = last.epoch + 1 if last is not None else 1
        self._memory.governor = _Governor(number, node, address, secret, lease_seconds, now, wait, now + lease_seconds)
        return Epoch(number, wait)

    def renew_epoch(self, number: int, lease_seconds: float) -> bool:
        last = self._memory.governor
        if last is None or last.epoch != number or last.expires_at is None:
            return False
        last.expires_at, last.lease_seconds = self._memory.clock() + lease_seconds, lease_seconds
        return True

    def end_epoch(self, number: int) -> None:
        last = self._memory.governor
        if last is not None and last.epoch == number:
            last.expires_at = None

    def governing(self) -> GoverningNode | None:
        last = self._memory.governor
        seconds = (last.expires_at or 0) - self._memory.clock() if last is not None else 0
        if last is None or seconds <= 0:
            return None
        return GoverningNode(last.epoch, last.node, last.address, last.secret, seconds)

    def remember(self, number: int, name: str, content: bytes) -> bool:
        last = self._memory.governor
        if last is None or last.epoch != number:
            return False
        self._memory.remembered[name] = (content, self._memory.clock())
        return True

    def remembered(self, name: str) -> Remembered | None:
        if name not in self._memory.remembered:
            return None
        content, at = self._memory.remembered[name]
        return Remembered(content, self._memory.clock() - at)

    def ask_to_reopen(self, hosts: Sequence[str]) -> None:
        self._memory.reopen.update(hosts)

    def take_reopen_requests(self, number: int) -> Sequence[str]:
        last = self._memory.governor
        if last is None or last.epoch != number:
            return []
        taken = sorted(self._memory.reopen)
        self._memory.reopen.clear()
        return taken
