"""The check of the nodes of a run on several machines.

Guarantee: `node_check` is pure: one line that names the nodes that are lost and says when others have their papers.
Limit: what is wrong within a node, its own health check says.
"""

from __future__ import annotations

import time

from rpa_shard.config.settings import Settings
from rpa_shard.control.sentences import duration
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.health.check import Check, Level, some_of
from rpa_shard.observe.nodes import Nodes, NodeState, NodeView, read_nodes
from rpa_shard.store.data_folder import DataFolder

NAME = "nodes"
# While nobody governs, it is looked again for so long: another node may be taking over.
TAKING_OVER_SECONDS = 3.0
_POLL_SECONDS = 0.5


def check_nodes(folder: DataFolder, settings: Settings) -> Check | None:
    """The check now; None where there are no nodes."""
    give_up = time.monotonic() + min(TAKING_OVER_SECONDS, settings.governor_lease_seconds)
    while True:
        try:
            nodes = read_nodes(folder, settings)
        except StoreError as error:
            return Check(NAME, Level.CRITICAL, str(error))
        if nodes is None:
            return None
        if not _is_ungoverned(nodes, settings.governor_lease_seconds) or time.monotonic() > give_up:
            return node_check(nodes, settings.governor_lease_seconds)
        time.sleep(_POLL_SECONDS)


def node_check(nodes: Nodes, governor_lease_seconds: float) -> Check:
    """All nodes are there, and one of them governs."""
    if _is_ungoverned(nodes, governor_lease_seconds):
        return Check(NAME, Level.CRITICAL, f"nobody governs, so nothing is asked of governed hosts; {nodes.in_short}")
    missing = [each for each in nodes.lost if each.papers_back_seconds]
    broken = [each.name for each in nodes.members if each.state is NodeState.CRASH_LOOP]
    if broken:
        return Check(NAME, Level.WARNING, f"{some_of(broken)}: shards die again and again; {nodes.in_short}")
    if missing:
        return Check(NAME, Level.WARNING, f"{_lost(missing)}; {nodes.in_short}")
    governs = f", governed by {nodes.governor}" if nodes.members and nodes.governor is not None else ""
    return Check(NAME, Level.OK, f"{nodes.in_short}{governs}")


def _is_ungoverned(nodes: Nodes, governor_lease_seconds: float) -> bool:
    """Whether nobody governs although a node has been there for longer than the lease of a governor."""
    oldest = max((each.joined_seconds_ago for each in nodes.members), default=0.0)
    return nodes.governor is None and oldest > governor_lease_seconds


def _lost(missing: list[NodeView]) -> str:
    back = max(each.papers_back_seconds or 0.0 for each in missing)
    names = some_of([each.name for each in missing])
    return f"lost {names}; papers come back within {duration(back)}"
