"""How many workers and shards the papers of a store are spread over.

Guarantee: pure; where a paper belongs depends on its id and the layout only. Limit: the store moves papers to another
layout (`StoreEngine.reshard`).
"""

from __future__ import annotations

from dataclasses import dataclass

from rpa_shard.model.partition import shard_of, worker_of


@dataclass(frozen=True, slots=True)
class Layout:
    """How many workers there are, and how many shards share them."""

    workers: int
    shards: int

    def worker_of(self, paper_id: str) -> int:
        """The worker that the paper belongs to: the shard key of its row."""
        return worker_of(paper_id, self.workers)

    def shard_of_worker(self, worker: int) -> int:
        """The shard that runs a worker."""
        return shard_of(worker, self.workers, self.shards)

    def shard_of(self, paper_id: str) -> int:
        """The shard that the paper belongs to."""
        return self.shard_of_worker(self.worker_of(paper_id))


@dataclass(frozen=True, slots=True)
class StoredLayout:
    """The layout of a store, and the one that its papers are being moved to, if a move is under way."""

    layout: Layout
    moving_to: Layout | None = None
