"""The nodes of a run on several machines, for everything that shows one.

Guarantee: only reads, and the same from every machine that has RPA_V2_STORE, also one that is no node; whether a node
is lost is decided by the database's clock. Each paper counts once: what nodes publish of the whole collection is not
added up, what each of them does is. Limit: figures are those that nodes published last, a second ago or so.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rpa_shard.config.settings import Settings
from rpa_shard.control.sentences import duration
from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import RunStatus, decode_status
from rpa_shard.ipc.shard_report import ShardState
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.together import LostPapers, account_together, sum_of_rates
from rpa_shard.store.cluster import GoverningNode, NodeRow
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_cluster

# A node that has been lost for longer is shown as one that is gone.
LOST_SHOWN_SECONDS = 86_400.0


class NodeState(StrEnum):
    """The state of a node: that of its run, or why it has none."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHING = "finishing"
    STOPPING = "stopping"
    RESIZING = "resizing"
    CRASH_LOOP = "crash_loop"
    ENDED = "ended"
    LOST = "lost"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node. Rates are papers per second; `in_work` counts papers.

    `papers_back_seconds` of a lost node is when other nodes have all of its papers back at the latest; 0 if they have.
    """

    name: str
    state: NodeState
    address: str
    shards: int
    ready: int
    last_10_seconds: float
    last_60_seconds: float
    whole_run: float
    in_work: int
    completed: int
    heard_seconds_ago: float
    joined_seconds_ago: float
    lease_seconds: float | None
    papers_back_seconds: float | None

    @property
    def is_member(self) -> bool:
        """Whether it is part of the run now."""
        return self.state not in (NodeState.LOST, NodeState.LEFT)

    @property
    def since(self) -> str:
        """How it stands with a node that is lost, or for how long it has been there, in a few words."""
        if self.state is NodeState.LEFT:
            return f"left {duration(self.heard_seconds_ago)} ago"
        if self.state is not NodeState.LOST:
            return f"for {duration(self.joined_seconds_ago)}"
        back = self.papers_back_seconds
        papers = f"its papers come back within {duration(back)}" if back else "its papers are back"
        return f"last heard of {duration(self.heard_seconds_ago)} ago; {papers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """All nodes by name, and who governs hosts and models for them; None if nobody does now.

    `account` is that of the whole collection, from what members have published; None if none of them has counted it.
    `newest` is the run of the member that was heard of last, with the rates of all of them together; None if there is
    none.
    """

    nodes: tuple[NodeView, ...] = ()
    governor: str | None = None
    epoch: int | None = None
    account: Account | None = None
    newest: RunStatus | None = None

    @property
    def members(self) -> tuple[NodeView, ...]:
        """Those that are part of the run now."""
        return tuple(node for node in self.nodes if node.is_member)

    @property
    def lost(self) -> tuple[NodeView, ...]:
        """Those that ended, or were cut off, without leaving."""
        return tuple(node for node in self.nodes if node.state is NodeState.LOST)

    @property
    def shown(self) -> tuple[NodeView, ...]:
        """Members, and those that were lost lately."""
        return tuple(each for each in self.nodes if each.is_member or _is_lost_lately(each))

    @property
    def last_10_seconds(self) -> float:
        """Papers per second over ten seconds, of all members together."""
        return sum(node.last_10_seconds for node in self.members)

    @property
    def last_60_seconds(self) -> float:
        """The same over a minute."""
        return sum(node.last_60_seconds for node in self.members)

    @property
    def in_short(self) -> str:
        """How many there are, and how fast they are together, in one line."""
        states = Counter(node.state for node in self.shown)
        parts = ", ".join(f"{number} {state}" for state, number in sorted(states.items(), key=_worst_last))
        together = f"; {self.last_10_seconds:.1f} papers/s over 10 s, {self.last_60_seconds:.1f} over 60 s together"
        return (parts or "none") + (together if self.members else "")

    @property
    def governs(self) -> str:
        """Who governs, in a few words."""
        return f"{self.governor}, epoch {self.epoch}" if self.governor is not None else "nobody now"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        shown = {name: getattr(self, name) for name in ("governor", "epoch", "last_10_seconds", "last_60_seconds")}
        return {"nodes": [_as_json(node) for node in self.nodes], **shown}


def read_nodes(folder: DataFolder, settings: Settings) -> Nodes | None:
    """The nodes now; None where the rows are in the folder, so that there are none. Raises StoreError."""
    if folder.store is None:
        return None
    with open_cluster(folder) as cluster:
        return nodes_of(cluster.nodes(), cluster.governing(), settings.lease_ttl_seconds, time.time())


def nodes_of(rows: Sequence[NodeRow], governing: GoverningNode | None, ttl_seconds: float, now: float) -> Nodes:
    """The nodes, from what the store knows; papers' leases last `ttl_seconds`."""
    decoded = [(row, decode_status(row.report)) for row in rows]
    by_age = sorted(decoded, key=lambda each: each[0].heard_seconds_ago)
    working = [status for row, status in by_age if row.is_member and status is not None]
    return Nodes(
        nodes=tuple(_view(row, status, ttl_seconds) for row, status in decoded),
        governor=governing.node if governing is not None else None,
        epoch=governing.epoch if governing is not None else None,
        account=account_together(working, list(_lost_papers(decoded, ttl_seconds)), now),
        newest=_newest(working),
    )


def _newest(newest_first: Sequence[RunStatus]) -> RunStatus | None:
    if not newest_first:
        return None
    return replace(newest_first[0], rates=sum_of_rates([status.rates for status in newest_first]))


def _view(row: NodeRow, status: RunStatus | None, ttl_seconds: float) -> NodeView:
    rates = status.rates if status is not None else None
    state = _state(row, status)
    return NodeView(
        name=row.node,
        state=state,
        address=row.address,
        shards=status.shard_count if status is not None else 0,
        ready=sum(shard.state is ShardState.READY for shard in status.shards) if status is not None else 0,
        last_10_seconds=rates.last_10_seconds if rates is not None else 0.0,
        last_60_seconds=rates.last_60_seconds if rates is not None else 0.0,
        whole_run=rates.whole_run if rates is not None else 0.0,
        in_work=status.account.in_work if status is not None else 0,
        completed=status.work.completed_claims if status is not None else 0,
        heard_seconds_ago=max(0.0, row.heard_seconds_ago),
        joined_seconds_ago=max(0.0, row.joined_seconds_ago),
        lease_seconds=row.lease_seconds,
        papers_back_seconds=max(0.0, ttl_seconds - row.heard_seconds_ago) if state is NodeState.LOST else None,
    )


def _state(row: NodeRow, status: RunStatus | None) -> NodeState:
    if row.lease_seconds is None:
        return NodeState.LEFT
    if not row.is_member:
        return NodeState.LOST
    return NodeState(status.state.value) if status is not None else NodeState.STARTING


def _lost_papers(decoded: Sequence[tuple[NodeRow, RunStatus | None]], ttl_seconds: float) -> Iterator[LostPapers]:
    """The papers of lost nodes that are not back yet."""
    for row, status in decoded:
        held = sum(shard.report.held for shard in status.shards) if status is not None else 0
        back_seconds = ttl_seconds - row.heard_seconds_ago
        if held and back_seconds > 0 and _state(row, status) is NodeState.LOST:
            yield LostPapers(row.node, held, row.heard_seconds_ago, back_seconds)


def _is_lost_lately(node: NodeView) -> bool:
    return node.state is NodeState.LOST and node.heard_seconds_ago < LOST_SHOWN_SECONDS


def _worst_last(item: tuple[NodeState, int]) -> int:
    return list(NodeState).index(item[0])


def _as_json(node: NodeView) -> dict[str, Any]:
    return {name: getattr(node, name) for name in (*NodeView.__slots__, "since")}


class NodesSource:
    """Looks at the nodes again and again, every `seconds` at most; `problem` says why nothing newer is known."""

    def __init__(self, folder: DataFolder, settings: Settings, seconds: float = 1.0) -> None:
        self._folder = folder
        self._settings = settings
        self._seconds = seconds
        self._next = 0.0
        self._nodes: Nodes | None = None
        self.problem = ""

    def look(self) -> Nodes | None:
        """The nodes, as they were a moment ago."""
        if self._folder.store is not None and time.monotonic() >= self._next:
            try:
                self._nodes, self.problem = read_nodes(self._folder, self._settings), ""
            except StoreError as error:
                self.problem = str(error)
            self._next = time.monotonic() + self._seconds
        return self._nodes
