"""What a dead shard held goes back to the queue.

Guarantee: every lease that it held is free, and the paper that it was parsing, known from its breadcrumb, is a suspect;
doing it twice does no more. Limit: only for a shard whose process is gone; the caller holds the run's lock.
"""

from __future__ import annotations

from typing import NamedTuple

from rpa_shard.ipc.breadcrumb import read_breadcrumb
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of


class Reclaimed(NamedTuple):
    """How many leases went back, and the ids among them of suspects."""

    leases: int
    suspects: frozenset[str]


def reclaim_from(folder: DataFolder, shard: int, *, charge_suspect: bool = False) -> Reclaimed:
    """Frees the leases of a dead shard. Raises StoreError.

    `charge_suspect` where the suspect caused the death; one whose shard was ended from outside pays no attempt.
    """
    path = folder.run.breadcrumb_file(shard)
    crumb = read_breadcrumb(path)
    suspects = {crumb.paper_id: charge_suspect} if crumb else {}
    leases = engine_of(folder).reclaim(shard, suspects)
    # Last: killed before, the next one finds it again.
    path.unlink(missing_ok=True)
    return Reclaimed(leases, frozenset(suspects))
