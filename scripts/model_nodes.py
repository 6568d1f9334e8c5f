#!/usr/bin/env python3
"""Where a run on many machines ends: what PostgreSQL, the governor, the network and the object store would have to do.

Guarantee: arithmetic on figures that were measured or assumed, each with its source, and nothing else; no figure of a
cluster that nobody has run is called measured. Limit: everything grows in proportion; what queues or stalls at the
edge of a limit is not in it.

    scripts/model_nodes.py            # the tables of docs/many-machines-model.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MEGABYTE = 1e6
GIGABIT_BYTES = 125e6
ARXIV_PAPERS = 3_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What a paper costs, and what each part can do. All of them are a second's, or a paper's."""

    core_papers: float  # papers that a core takes through prep
    database_cpu_seconds: float
    database_transactions: float
    database_log_bytes: float
    database_cores: float  # that a server can use for this, at most
    database_log_limit: float  # bytes of its log that its disk takes
    connections_a_shard: float
    connections_a_node: float
    connections: float  # that a server takes before its memory or its snapshots cost more than the work
    governor_cpu_seconds: float  # for one permit: asked for, granted, given back
    reads: float  # of the object store
    writes: float
    reads_limit: float  # of one prefix of an object store
    writes_limit: float
    paper_bytes: float  # of a PDF, into a node
    artifact_bytes: float  # of text and record, out of it
    node_network: float  # bytes that a node's network takes


@dataclass(frozen=True, slots=True)
class Load:
    """One part of a cluster: what it would have to do in full flight, and what it can."""

    part: str
    needed: float
    most: float
    unit: str

    @property
    def share(self) -> float:
        """How much of what the part can do is used; more than 1 is where the run ends."""
        return self.needed / self.most


@dataclass(frozen=True, slots=True)
class Cluster:
    """So many nodes of so many cores, each with `shards` shards."""

    nodes: int
    cores: int
    shards: int


# docs/many-machines-model.md says what was measured, how, and what is assumed.
MEASURED = Figures(
    core_papers=12.0,
    database_cpu_seconds=1.7e-3,
    database_transactions=1.7,
    database_log_bytes=4_300,
    database_cores=16,
    database_log_limit=500 * MEGABYTE,
    connections_a_shard=2,
    connections_a_node=5,
    connections=2_000,
    governor_cpu_seconds=1.8e-3,
    reads=1,
    writes=2,
    reads_limit=5_500,
    writes_limit=3_500,
    paper_bytes=1.2 * MEGABYTE,
    artifact_bytes=0.10 * MEGABYTE,
    node_network=25 * GIGABIT_BYTES,
)


def speed(cluster: Cluster, figures: Figures) -> float:
    """Papers a second of all cores, if nothing else held them back."""
    return cluster.nodes * cluster.cores * figures.core_papers


def loads(cluster: Cluster, figures: Figures) -> Sequence[Load]:
    """What each part would have to do at that speed."""
    papers = speed(cluster, figures)
    connections = cluster.nodes * (cluster.shards * figures.connections_a_shard + figures.connections_a_node)
    network = papers / cluster.nodes * (figures.paper_bytes + figures.artifact_bytes)
    return (
        Load("PostgreSQL: cores", papers * figures.database_cpu_seconds, figures.database_cores, "cores"),
        Load(
            "PostgreSQL: log",
            papers * figures.database_log_bytes / MEGABYTE,
            figures.database_log_limit / MEGABYTE,
            "MB/s",
        ),
        Load("PostgreSQL: connections", connections, figures.connections, "connections"),
        Load("object store: writes", papers * figures.writes, figures.writes_limit, "requests/s a prefix"),
        Load("object store: reads", papers * figures.reads, figures.reads_limit, "requests/s a prefix"),
        Load("network of a node", network / MEGABYTE, figures.node_network / MEGABYTE, "MB/s"),
        Load("governor, if every paper asks it", papers * figures.governor_cpu_seconds, 1.0, "of one core"),
    )


def nodes_at_most(load: str, cores: int, shards: int, figures: Figures) -> float:
    """With how many nodes a part is at its end; infinite for what each node has for itself."""
    one = next(each for each in loads(Cluster(1, cores, shards), figures) if each.part == load)
    two = next(each for each in loads(Cluster(2, cores, shards), figures) if each.part == load)
    return float("inf") if two.needed == one.needed else 1 / one.share


def table(clusters: Sequence[Cluster], figures: Figures) -> Iterator[str]:
    """The table in Markdown: one line a part, one column a cluster, and the nodes at which the part ends."""
    first = clusters[0]
    yield f"| | most | {' | '.join(_name(each) for each in clusters)} | ends at |"
    yield f"| --- | --- | {'--- | ' * len(clusters)}--- |"
    rates = " | ".join(f"{speed(each, figures):,.0f}" for each in clusters)
    yield f"| papers/s of all cores | | {rates} | |"
    hours = " | ".join(_time(ARXIV_PAPERS / speed(each, figures)) for each in clusters)
    yield f"| three million papers in | | {hours} | |"
    of_clusters = [loads(each, figures) for each in clusters]
    for number, load in enumerate(of_clusters[0]):
        cells = " | ".join(_cell(each[number]) for each in of_clusters)
        end = nodes_at_most(load.part, first.cores, first.shards, figures)
        shown = "each has its own" if end == float("inf") else f"{end:,.0f} nodes" if end >= 1 else "one node"
        yield f"| {load.part} ({load.unit}) | {load.most:,.0f} | {cells} | {shown} |"


def _name(cluster: Cluster) -> str:
    return f"{cluster.nodes} {'node' if cluster.nodes == 1 else 'nodes'}"


def _cell(load: Load) -> str:
    needed = f"{load.needed:,.0f}" if load.needed >= 10 else f"{load.needed:.1f}"
    return f"**{needed}**" if load.share > 1 else needed


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


CLUSTERS = (Cluster(1, 64, 64), Cluster(10, 64, 64), Cluster(100, 64, 64))


if __name__ == "__main__":
    print("\n".join(table(CLUSTERS, MEASURED)))
