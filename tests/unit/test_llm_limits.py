"""The limits of the mirror of a model's endpoint: strict in every window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.testing.llm_mirror.limits import Limits, Windows, parse_limits


def test_words() -> None:
    assert parse_limits("") == Limits()
    found = parse_limits("requests=60 input_tokens=9000 output_tokens=800 in_flight=8")
    assert found == Limits(60, 9000, 800, 8)
    for wrong in ("requests", "requests=0", "tokens=5", "requests=-1", "requests=1.5"):
        with pytest.raises(ValueError, match="limit"):
            parse_limits(wrong)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=60),
    st.integers(1, 5),
)
def test_no_window_exceeds_a_limit(calls: list[tuple[int, int, int, int]], requests: int) -> None:
    windows, now = Windows(Limits(requests, 100, 80, window_seconds=20)), 0
    admitted: list[tuple[float, int, int]] = []
    for pause, input_tokens, reserved, took in calls:
        now += pause
        over = windows.over(now, input_tokens, reserved)
        if over is not None:
            assert 0 < over.retry_after_seconds <= 20
            continue
        call = windows.admit(now, input_tokens, reserved)
        windows.settle(call, input_tokens, min(reserved, took))
        admitted.append((now, input_tokens, min(reserved, took)))
    for at, *_ in admitted:
        window = [each for each in admitted if at <= each[0] < at + 20]
        assert len(window) <= requests
        assert sum(each[1] for each in window) <= 100
        assert sum(each[2] for each in window) <= 80


def test_what_has_left_the_window_makes_room() -> None:
    windows = Windows(Limits(requests=2, output_tokens=100, window_seconds=60))
    windows.admit(0.0, 0, 90)
    over = windows.over(10.0, 0, 20)
    assert over is not None
    assert (over.limit, over.retry_after_seconds) == ("output_tokens", 50.0)
    assert windows.over(60.0, 0, 20) is None


def test_what_is_settled_or_forgotten_makes_room() -> None:
    windows = Windows(Limits(requests=1, output_tokens=100))
    call = windows.admit(0.0, 0, 100)
    windows.settle(call, 0, 10)
    over = windows.over(1.0, 0, 90)
    assert over is not None
    assert over.limit == "requests"
    windows.forget(call)
    assert windows.over(2.0, 0, 100) is None
    windows.admit(2.5, 0, 0)
    windows.settle(call, 0, 100)
    over = windows.over(3.0, 0, 100)
    assert over is not None
    assert over.limit == "requests", "what is forgotten counts no more, whatever becomes of it"
