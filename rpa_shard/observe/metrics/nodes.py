"""The metrics of the nodes of a run on several machines.

Guarantee: pure; none where a run has no nodes. Limit: nodes that have left have no samples, and those that were lost
have them for a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rpa_shard.observe.metrics.exposition import Family, Kind, Sample
from rpa_shard.observe.nodes import Nodes, NodeState, NodeView

# Of each node: the end of the name, the meaning, the figure.
NODE_FIGURES: tuple[tuple[str, str, Callable[[NodeView], float]], ...] = (
    ("up", "Whether a node is part of the run.", lambda node: int(node.is_member)),
    ("shards", "Shards of a node.", lambda node: node.shards),
    ("ready_shards", "Shards of a node that are ready.", lambda node: node.ready),
    ("papers_per_second", "Papers per second of a node, over a minute.", lambda node: node.last_60_seconds),
    ("papers_in_work", "Papers that a node works on.", lambda node: node.in_work),
    ("silent_seconds", "The time since a node was last heard of.", lambda node: node.heard_seconds_ago),
)


def node_families(nodes: Nodes | None) -> list[Family]:
    """The metrics of nodes."""
    if nodes is None:
        return []
    states = Counter(each.state for each in nodes.nodes)
    by_state = tuple(Sample(states[state], {"state": state.value}) for state in NodeState)
    governed = Sample(int(nodes.governor is not None), {})
    epoch = [] if nodes.epoch is None else [Sample(nodes.epoch, {})]
    return [
        Family("rpa_nodes", Kind.GAUGE, "Nodes by state.", by_state),
        Family("rpa_governed", Kind.GAUGE, "Whether a node governs hosts and models for all.", (governed,)),
        Family("rpa_governor_epoch", Kind.GAUGE, "The number of the governor's epoch.", tuple(epoch)),
        *(
            Family(f"rpa_node_{name}", Kind.GAUGE, what, tuple(_sample(node, figure) for node in nodes.shown))
            for name, what, figure in NODE_FIGURES
        ),
    ]


def _sample(node: NodeView, figure: Callable[[NodeView], float]) -> Sample:
    return Sample(figure(node), {"node": node.name})
