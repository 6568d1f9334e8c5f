"""What an account is made of, and where the papers are that shards hold.

Guarantee: frozen values; each paper that is held is in one place. Limit: a worker tells one stage, also when it asks
several questions about a paper at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rpa_shard.ipc.account import Cause, LimitOfRun
from rpa_shard.ipc.calls import ModelStates
from rpa_shard.ipc.model_status import BudgetStatus
from rpa_shard.ipc.run_status import HostStatus, RunState
from rpa_shard.ipc.shard_report import ShardReport
from rpa_shard.model.phase import Phase
from rpa_shard.system.activity import CALL, IDLE, PERMIT

SLOT = " slot"
# A turn at a host or at a model.
TURNS = (PERMIT, CALL)
NOT_WORKING = frozenset({IDLE, *TURNS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an account is made of. Times are Unix seconds.

    `shards` has the last report of each shard by its number, `restarts` when those that are gone start again.
    `short_of_room` is the folder whose disk is short of room, and why the run pauses, or None. `since` says when a wait
    began that is known already. `pace` is in papers per second while the run did not wait; 0 if none was measured.
    `limit` says how far a run with a limit is. The phases in `asking` ask the `models`.
    `ungoverned` is why nobody grants permits, if so. `is_shared`: other nodes work on the same papers.
    """

    now: float
    state: RunState
    phases: Collection[Phase]
    shard_count: int
    shards: Mapping[int, ShardReport]
    restarts: Mapping[int, float] = field(default_factory=dict)
    hosts: Mapping[str, HostStatus] = field(default_factory=dict)
    models: ModelStates = ModelStates({}, BudgetStatus())
    asking: Collection[Phase] = ()
    ungoverned: str | None = None
    is_shared: bool = False
    short_of_room: tuple[str, str] | None = None
    pace: float = 0.0
    since: Mapping[tuple[Cause, str], float] = field(default_factory=dict)
    limit: LimitOfRun | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where the papers that are held are: at hosts, at models, behind those, or really in work."""

    at_hosts: int
    at_models: int
    behind: int
    working: int

    @classmethod
    def of(cls, reports: Collection[ShardReport]) -> Places:
        stages = Counter(stage for report in reports for stage in report.workers)
        held = left = sum(report.held for report in reports)
        at_hosts = min(stages[PERMIT], left)
        left -= at_hosts
        at_models = min(stages[CALL], left)
        left -= at_models
        slots = sum(count for stage, count in stages.items() if stage.endswith(SLOT)) if _blocked(stages) else 0
        behind = min(slots, left)
        return cls(at_hosts, at_models, behind, held - at_hosts - at_models - behind)

    @property
    def hosts_hold_most(self) -> bool:
        """Whether more papers wait at hosts, and behind those, than are in work."""
        return self.at_hosts >= max(1, self.at_models) and self.at_hosts + self.behind > self.working

    @property
    def models_hold_most(self) -> bool:
        """Whether more papers wait at models, and behind those, than are in work."""
        return self.at_models > self.at_hosts and self.at_models + self.behind > self.working


def _blocked(stages: Counter[str]) -> bool:
    """Whether most of those that have a place to do something wait for their turn at a host or a model."""
    busy = sum(n for stage, n in stages.items() if stage not in NOT_WORKING and not stage.endswith(SLOT))
    return sum(stages[turn] for turn in TURNS) > busy
