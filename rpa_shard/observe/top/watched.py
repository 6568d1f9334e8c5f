"""What the view looks at: a run that is on, or a folder at rest.

Guarantee: a frozen value. Limit: of the moment when it was read; what `run` says of workers and processes holds only
while the run is on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpa_shard.ipc.account import Account
from rpa_shard.ipc.run_status import HostStatus, RunStatus
from rpa_shard.observe.nodes import Nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A data folder, whether a run is on, and what is known of it; `run` is the run that is on, or the last one.

    `hosts` are as they were `hosts_at` (Unix seconds). `problem` says in a few words why nothing newer is known.
    `nodes` are those of a run on several machines.
    """

    folder: str
    on: bool
    account: Account
    run: RunStatus
    hosts: Mapping[str, HostStatus]
    hosts_at: float
    age_seconds: float = 0.0
    problem: str = ""
    nodes: Nodes | None = None
