"""Which worker a paper belongs to, which shard a worker belongs to, and how totals are divided.

Guarantee: pure functions of their arguments, the same on every machine and in every release; a paper's worker depends
on its id and the number of workers only, never on the shard count. Limit: a hash balances the shards only to within a
few per cent.
"""

from __future__ import annotations

from hashlib import blake2b


def worker_of(paper_id: str, workers: int) -> int:
    """The worker, 0 to `workers - 1`, that `paper_id` belongs to."""
    digest = blake2b(paper_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % workers


def shard_of(worker: int, workers: int, shards: int) -> int:
    """The shard, 0 to `shards - 1`, that runs `worker`: the inverse of `workers_of`."""
    return ((worker + 1) * shards - 1) // workers


def workers_of(shard: int, workers: int, shards: int) -> range:
    """The contiguous range of workers that `shard` runs; ranges differ in length by one at most."""
    return range(shard * workers // shards, (shard + 1) * workers // shards)


def share_of(total: int, shard: int, shards: int) -> int:
    """The part of a run's `total` that `shard` gets: the parts add up to `total`, but none is less than 1."""
    return max(1, len(workers_of(shard, total, shards)))
