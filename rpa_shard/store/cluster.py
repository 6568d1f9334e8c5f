"""What the nodes of a run on many machines share: who they are, what is asked of them, and who governs.

Guarantee of every implementation: whether a lease has run out is decided by the store's own clock alone; what a
governor saves is refused once another epoch has begun (the fence). Limit: a node that cannot reach the store knows
nothing of the others, and learns afterwards whether its own lease still stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rpa_shard.model.errors import StoreError


class NodeTakenError(StoreError):
    """Another process runs under the name of this node, and its lease has not run out."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A node's place in the run: its name, and the incarnation (fresh for every start) whose lease it is."""

    node: str
    incarnation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A node as the store knows it. Seconds count from now, by the store's clock.

    `report` is its run's status file as it published it last (JSON, see `rpa_shard.ipc.run_status`), empty if it has
    not yet. `lease_seconds` is how long its lease still lasts: negative once it has run out, None once it has left.
    """

    node: str
    incarnation: str
    address: str
    joined_seconds_ago: float
    heard_seconds_ago: float
    lease_seconds: float | None
    report: bytes

    @property
    def is_member(self) -> bool:
        """Whether it is part of the run now."""
        return self.lease_seconds is not None and self.lease_seconds > 0


@dataclass(frozen=True, slots=True)
class NodeRequests:
    """What people have asked of a node: to drain, or to have another number of shards."""

    drain: bool = False
    shards: int | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """The right to govern, until another epoch begins. `number` is the fencing token; each is larger than the last.

    `wait_seconds` is how long the one before may still believe that it governs: 0 if it has handed over.
    """

    number: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class GoverningNode:
    """Who governs now, and where it listens. `secret` is what a node must know to be served there."""

    epoch: int
    node: str
    address: str
    secret: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an earlier governor saved under a name, and how many seconds ago."""

    content: bytes
    age_seconds: float


class Cluster(Protocol):
    """One connection to what nodes share. Blocks; for one thread at a time. Every call may raise StoreError."""

    def own_address(self) -> str:
        """The address of this machine from which it reaches the store."""

    def join(self, node: str, address: str, lease_seconds: float, replaces: str | None = None) -> Membership:
        """Makes this process the node. Raises NodeTakenError while another incarnation's lease lasts.

        The incarnation that it `replaces`, which must be known to have ended, is not waited for.
        """

    def renew(self, membership: Membership, lease_seconds: float, report: bytes) -> NodeRequests | None:
        """Extends the node's lease and publishes its status; returns what is asked of it, each request once.

        Once more if the process that was told has been replaced since. None if the node has left, or another
        incarnation has taken its place.
        """

    def leave(self, membership: Membership) -> None:
        """Ends the node's lease; its row stays, for views."""

    def nodes(self) -> Sequence[NodeRow]:
        """Every node that was ever part of the run and has not been forgotten, by name."""

    def ask(self, node: str, requests: NodeRequests) -> None:
        """Leaves a request for a node. Raises StoreError if there is no such member."""

    def seek_epoch(self, node: str, address: str, secret: str, lease_seconds: float) -> Epoch | None:
        """Begins a new epoch if the lease of the last one has run out or was given up; None otherwise."""

    def renew_epoch(self, number: int, lease_seconds: float) -> bool:
        """Extends the lease of an epoch; False once another has begun."""

    def end_epoch(self, number: int) -> None:
        """Gives the lease up, so that another node may govern at once."""

    def governing(self) -> GoverningNode | None:
        """Who governs, if its lease lasts."""

    def remember(self, number: int, name: str, content: bytes) -> bool:
        """Saves what the next governor must know, durably; False, and nothing is written, in another epoch."""

    def remembered(self, name: str) -> Remembered | None:
        """What was saved last under a name."""

    def ask_to_reopen(self, hosts: Sequence[str]) -> None:
        """Leaves a request to reopen hosts for whoever governs."""

    def take_reopen_requests(self, number: int) -> Sequence[str]:
        """The hosts that people want reopened, each once; none in another epoch."""
