"""The queue of all shards as one: the first of it are taken, and all shards get their part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.phase import ANALYZE, PREP
from rpa_shard.store.queue import Place, Queued, shares_of

NOW = 100.0
places = st.builds(
    Place.of, st.sampled_from((PREP, ANALYZE)), st.integers(-1, 1), st.sampled_from((1.0, 2.0, 101.0)), st.just(NOW)
)
queues = st.lists(
    st.builds(Queued, places, st.integers(0, 2), st.sampled_from(("prep", "analyze")), st.integers(1, 9)), max_size=12
)


def test_who_comes_first() -> None:
    in_order = [
        Place.of(ANALYZE, -5, 50.0, NOW), Place.of(PREP, 5, 60.0, NOW), Place.of(PREP, 0, 1.0, NOW),
        Place.of(PREP, 0, 100.0, NOW), Place.of(PREP, 0, 101.0, NOW), Place.of(ANALYZE, 9, 102.0, NOW),
    ]  # fmt: skip
    assert sorted(set(in_order)) == in_order


def test_papers_that_share_a_place_are_taken_from_all_shards() -> None:
    place = Place.of(PREP, 0, 1.0, NOW)
    queued = [Queued(place, shard, "prep", 1000) for shard in range(4)]
    assert shares_of(queued, 100) == {shard: {"prep": 25} for shard in range(4)}
    assert sum(each["prep"] for each in shares_of(queued, 3).values()) == 3


@given(queues, st.integers(0, 60))
def test_as_many_as_were_asked_for_and_none_before_its_turn(queued: list[Queued], papers: int) -> None:
    shares = shares_of(queued, papers)
    assert sum(sum(each.values()) for each in shares.values()) == min(papers, sum(each.papers for each in queued))
    for shard, by_phase in shares.items():
        for phase, taken in by_phase.items():
            here = [each for each in queued if (each.shard, each.phase) == (shard, phase)]
            first = min(each.place for each in here)
            before = sum(each.papers for each in queued if each.place < first)
            assert 0 < taken <= sum(each.papers for each in here)
            assert before < papers
