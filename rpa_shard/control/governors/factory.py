"""The only place that chooses which governors a run has: its own, or those of all nodes.

Guarantee: a run over a data folder alone loads nothing of what many machines need. Limit: two kinds.
"""

from __future__ import annotations

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors import Governors
from rpa_shard.control.governors.local import LocalGovernors
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.nodes.launching import Member
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.logs import Console


def governors_for(settings: Settings, folder: DataFolder, member: Member | None, console: Console | None) -> Governors:
    """The governors of a run over `folder`, which is a node if it is a `member`."""
    if member is None:
        return LocalGovernors(settings, FileMemory(folder.run))
    from rpa_shard.control.governors.reaching.remote import RemoteGovernors
    from rpa_shard.control.nodes.agent import starter

    return RemoteGovernors(settings, starter(settings, folder, member, console))
