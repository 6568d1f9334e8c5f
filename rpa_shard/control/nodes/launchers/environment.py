"""The variables with which a node is started on another machine.

Guarantee: a node has the knobs of whoever started the run, but a name, an address and a data folder of its own, and as
many shards as it has cores unless a number was given; no secret is among them. Limit: a path means the same folder on
every machine only if each has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rpa_shard.config.given import Given
from rpa_shard.config.settings import Settings, knobs
from rpa_shard.control.nodes.launchers.machines import Machine

SHARDS, DATA_DIR, NODE, ADDRESS = "RPA_V2_SHARD_COUNT", "RPA_V2_DATA_DIR", "RPA_V2_NODE", "RPA_V2_NODE_ADDRESS"
# What cannot be the same on all nodes; several may share a machine, and would overwrite each other's metrics.
_OWN = frozenset({DATA_DIR, NODE, ADDRESS, "RPA_V2_METRICS_FILE"})


def environment_of_node(
    machine: Machine, name: str, settings: Settings, given: Mapping[str, Given]
) -> Mapping[str, str]:
    """The variables of the node called `name`; `given` are the knobs that `settings` were made of."""
    found = {
        field.metadata["knob"]: _text(getattr(settings, field.name), given[field.metadata["knob"]])
        for field in knobs()
        if field.metadata["knob"] in given and not field.metadata["secret"] and field.metadata["knob"] not in _OWN
    }
    found.setdefault(SHARDS, str(min(machine.cores, settings.workers)))
    return found | {DATA_DIR: str(settings.data_dir / "nodes" / name), NODE: name, ADDRESS: machine.address}


def _text(value: object, given: Given) -> str:
    """The text of a value: paths of the file of knobs are relative to that."""
    return str(value) if isinstance(value, Path) else given.text
