"""Rules of the partition: every worker in one shard, balanced, stable; shares add up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.partition import shard_of, share_of, worker_of, workers_of

counts = st.integers(1, 300).flatmap(lambda workers: st.tuples(st.just(workers), st.integers(1, workers)))


@given(counts)
def test_ranges_cover_all_workers_once_and_are_balanced(workers_and_shards: tuple[int, int]) -> None:
    workers, shards = workers_and_shards
    ranges = [workers_of(shard, workers, shards) for shard in range(shards)]
    assert [worker for each in ranges for worker in each] == list(range(workers))
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
    for shard, each in enumerate(ranges):
        assert all(shard_of(worker, workers, shards) == shard for worker in each)


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_shares_add_up_and_are_never_less_than_one(total: int, shards: int) -> None:
    shares = [share_of(total, shard, shards) for shard in range(shards)]
    assert min(shares) >= 1
    assert sum(shares) == max(total, shards)


def test_a_papers_worker_never_changes() -> None:
    # If this fails, every existing data folder would have its papers in the wrong shard files.
    assert [worker_of(each, 200) for each in ("2401.00001", "hep-th/9901001", "https://a.org/x.pdf")] == [121, 192, 191]
