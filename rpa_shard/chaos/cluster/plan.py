"""What is done to nodes and to what they share: drawn from a seed, and the knobs of every node.

Guarantee: pure; the same seed draws the same again. Limit: as for a run on one machine, what a disruption hits depends
on the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from rpa_shard.chaos.plan import KNOBS
from rpa_shard.chaos.schedule import SHARD_POINTS, Draws, Start
from rpa_shard.config.host_policy import HostPolicy

# Less than the nodes could use together, so that the budget is what holds them back.
POLICY = HostPolicy("127.0.0.1", 30, 0.5, 32)
NODE_LEASE_SECONDS = 2.0
GOVERNOR_LEASE_SECONDS = 1.0
LEASE_SECONDS = 2.0
CLUSTER_KNOBS = {
    **KNOBS,
    "RPA_V2_HOST_POLICY": str(POLICY),
    "RPA_V2_LEASE_TTL_SECONDS": f"{LEASE_SECONDS:g}",
    "RPA_V2_NODE_LEASE_SECONDS": f"{NODE_LEASE_SECONDS:g}",
    "RPA_V2_GOVERNOR_LEASE_SECONDS": f"{GOVERNOR_LEASE_SECONDS:g}",
    "RPA_V2_NODE_ADDRESS": "127.0.0.1",
    "RPA_V2_PREP_EXTRACT_WORKERS": "2",
}
# Points between an artifact and its row, where files are in the object store already.
PUBLISHING_POINTS = ("before_publish", "mid_publish", "after_publish")
SHARD_COUNTS = (1, 1, 2)
# So many at first, and so many that may join.
NODES, LATER = 3, 1


class Blow(StrEnum):
    """Something that happens to a node, or to what nodes share."""

    KILL_NODE = "a node killed, with all of its processes"
    KILL_SHARD = "a shard killed"
    KILL_SUPERVISOR = "a supervisor killed"
    KILL_AGENT = "what speaks for a node killed"
    STOP_NODE = "a node stopped past its leases, and continued"
    STOP_AGENT = "a node silent for the others past its leases"
    CUT_NODE = "a node cut off from the database for a while"
    CUT_SHORTLY = "the connections of a node to the database reset"
    RESTART_DATABASE = "PostgreSQL restarted"
    KILL_DATABASE = "PostgreSQL killed, and away for a while"
    STORE_FAILS = "the object store answered 503 for a while"
    DRAIN = "a node drained"
    RESIZE = "a node resized while it ran"
    KILL_ARMED = "a node killed, and started with a point to die at"
    JOIN = "a node joined late"
    KILL_HEAD = "Ray's head killed, and the run started again"


WEIGHTS = {
    Blow.KILL_NODE: 24,
    Blow.KILL_SHARD: 20,
    Blow.KILL_SUPERVISOR: 10,
    Blow.KILL_AGENT: 8,
    Blow.STOP_NODE: 5,
    Blow.STOP_AGENT: 4,
    Blow.CUT_NODE: 6,
    Blow.CUT_SHORTLY: 3,
    Blow.RESTART_DATABASE: 3,
    Blow.KILL_DATABASE: 4,
    Blow.STORE_FAILS: 4,
    Blow.DRAIN: 3,
    Blow.RESIZE: 3,
    Blow.KILL_ARMED: 10,
    Blow.JOIN: 3,
    Blow.KILL_HEAD: 2,
}
KILLS = frozenset(
    {
        Blow.KILL_NODE,
        Blow.KILL_SHARD,
        Blow.KILL_SUPERVISOR,
        Blow.KILL_AGENT,
        Blow.KILL_DATABASE,
        Blow.KILL_ARMED,
        Blow.KILL_HEAD,
    }
)
# Ray starts nodes, so they cannot be given a point to die at.
NOT_ON_RAY = frozenset({Blow.KILL_ARMED})
ONLY_ON_RAY = frozenset({Blow.KILL_HEAD})


class ClusterSchedule(Draws):
    """The disruptions and starts of a seed, of those that `blows` names."""

    def __init__(self, seed: int, blows: Sequence[Blow]) -> None:
        super().__init__(seed, "blows", "nodes", SHARD_COUNTS)
        self._blows = list(blows)

    def blow(self) -> Blow:
        """The next thing to do."""
        return self._disruptions.choices(self._blows, [WEIGHTS[each] for each in self._blows])[0]

    def start(self, *, armed: bool) -> Start:
        """How to start a node next; `armed` with a point at which one of its shards dies."""
        draw = self._starts
        shards, pool = self._shards_and_pool()
        point, number = draw.choice(SHARD_POINTS + PUBLISHING_POINTS), draw.randint(1, 5)
        return Start(shards, pool, f"{point}=kill@{1 if point == 'mid_drain' else number}" if armed else "")
