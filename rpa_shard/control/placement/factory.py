"""The only place that chooses where shards run.

Guarantee: code that starts shards through this module works with any placement. Limit: today there is one: child
processes of the supervisor.
"""

from __future__ import annotations

from collections.abc import Callable

from rpa_shard.control.placement import Placement
from rpa_shard.control.placement.fork import ForkPlacement
from rpa_shard.phases.registry import PhaseRegistry
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.logs import Console


def placement_for(
    folder: DataFolder, registry: PhaseRegistry, console: Console | None, not_for_shards: Callable[[], int | None]
) -> Placement:
    """The placement of a run over `folder` whose shards run the phases of `registry`, and log to `console`, too.

    `not_for_shards` is a descriptor of this process that no shard may hold.
    """
    return ForkPlacement(folder.run, registry, console, not_for_shards)
