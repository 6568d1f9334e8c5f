"""Returns the papers of a dead shard to the queue.

Guarantee: every lease that it held is free, and the paper that it was parsing, known from its breadcrumb, is a suspect;
doing it twice has no further effect. Limit: only for a shard whose process is gone; the caller holds the run's lock.
"""

from __future__ import annotations

from typing import NamedTuple

from rpa_shard.ipc.breadcrumb import read_breadcrumb
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of


class Reclaimed(NamedTuple):
    """How many leases were freed, and the ids of the suspects among them."""

    leases: int
    suspects: frozenset[str]


def reclaim_from(folder: DataFolder, shard: int, *, charge_suspect: bool = False) -> Reclaimed:
    """Frees the leases of a dead shard. Raises StoreError.

    `charge_suspect` if the suspect caused the death; a suspect whose shard was ended from outside is not charged.
    """
    path = folder.run.breadcrumb_file(shard)
    crumb = read_breadcrumb(path)
    suspects = {crumb.paper_id: charge_suspect} if crumb else {}
    leases = engine_of(folder).reclaim(shard, suspects)
    # Last: if we are killed before this, the next reclaim finds the note again.
    path.unlink(missing_ok=True)
    return Reclaimed(leases, frozenset(suspects))
