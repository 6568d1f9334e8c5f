"""What a dead shard held goes back to the queue.

Guarantee: every lease that it held is free, and the paper that it was parsing, told from its breadcrumb, is a suspect;
done twice it is done once. Limit: only for a shard whose process is gone; the caller holds the run's lock.
"""

from __future__ import annotations

from typing import NamedTuple

from rpa_shard.ipc.breadcrumb import read_breadcrumb
from rpa_shard.store.folder import DataFolder
from rpa_shard.store.sqlite.ledger import reclaim


class Reclaimed(NamedTuple):
    """How many leases went back, and the ids among them of suspects."""

    leases: int
    suspects: frozenset[str]


def reclaim_from(folder: DataFolder, shard: int) -> Reclaimed:
    """Frees the leases of a dead shard. Raises StoreError."""
    path = folder.breadcrumb_file(shard)
    crumb = read_breadcrumb(path)
    suspects = frozenset({crumb.paper_id} if crumb else ())
    leases = reclaim(folder, shard, suspects)
    # Last: killed before, the next one finds it again.
    path.unlink(missing_ok=True)
    return Reclaimed(leases, suspects)
