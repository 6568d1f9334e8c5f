"""When a permit was granted, by the clock of the node that uses it: never later than the truth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.governors.reaching.stamps import DRIFT, FAR_SECONDS, PINGS_JUDGED, Distance, Stamps


def test_what_is_not_known_is_very_old() -> None:
    assert Stamps().own(1e6) == 0.0


def test_a_quick_ping_makes_it_exact() -> None:
    stamps = Stamps()
    stamps.pong(sent_at=100.0, clock=5000.0)
    assert stamps.own(5000.0) == 100.0
    assert 100.99 < stamps.own(5001.0) <= 101.0


def test_a_slow_ping_spoils_nothing_until_the_quick_one_is_old() -> None:
    stamps = Stamps()
    stamps.pong(100.0, 5000.0)
    stamps.pong(101.0, 5003.0)
    assert stamps.own(5003.0) > 102.9
    stamps.pong(10_101.0, 15_001.5)
    assert stamps.own(15_001.5) == 10_101.0


@given(
    st.floats(-1e6, 1e6),
    st.floats(-DRIFT / 3, DRIFT / 3),
    st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 3)), min_size=1, max_size=20),
    st.floats(0, 5),
)
def test_it_is_never_too_late(offset: float, rate: float, pings: list[tuple[float, float]], later: float) -> None:
    """`offset` and `rate` are what the other clock is off; each ping waits, and takes its time to get there."""

    def there(now: float) -> float:
        return offset + now * (1 + rate)

    stamps, now = Stamps(), 1e4
    for wait, takes in pings:
        now += wait
        stamps.pong(now, there(now + takes))
        now += takes
    assert stamps.own(there(now + later)) <= now + later + 1e-6


def test_a_node_that_is_always_far_away_is_told_of_once() -> None:
    distance = Distance()
    assert [distance.pong(2 * FAR_SECONDS) for _ in range(PINGS_JUDGED - 1)] == [None] * (PINGS_JUDGED - 1)
    assert distance.pong(FAR_SECONDS) == FAR_SECONDS
    assert distance.pong(FAR_SECONDS) is None


def test_one_quick_answer_is_enough_to_be_near() -> None:
    distance = Distance()
    distance.pong(0.001)
    assert {distance.pong(2 * FAR_SECONDS) for _ in range(PINGS_JUDGED - 1)} == {None}
