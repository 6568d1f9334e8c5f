"""The syntax of a mirror's faults."""

from __future__ import annotations

import pytest

from rpa_shard.testing.faults import ALWAYS, Fault, FaultCounter, parse_faults


def test_words() -> None:
    assert parse_faults("").faults == ()
    plan = parse_faults("429=5:2%, html:3.5%*2, norange", seed=4)
    assert plan.faults == (Fault("429", 0.02, 1, "5"), Fault("html", 0.035, 2))
    assert (plan.ranges, plan.seed, plan.faults[0].status, plan.faults[1].status) == (False, 4, 429, None)
    assert parse_faults("403*always").faults == (Fault("403", 1.0, ALWAYS),)


@pytest.mark.parametrize("wrong", ["crash", "429:", "html*", "html:60%,reset:60%", "99", "600"])
def test_wrong_words(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"no such fault|more than 100 %"):
        parse_faults(wrong)


def test_shares_and_seeds() -> None:
    ids = [f"2401.{number:05}" for number in range(1, 5001)]
    plan = parse_faults("html:10%,reset:10%", seed=1)
    met = [plan.fault_of(paper_id) for paper_id in ids]
    assert met == [parse_faults("html:10%,reset:10%", seed=1).fault_of(paper_id) for paper_id in ids]
    assert met != [parse_faults("html:10%,reset:10%", seed=2).fault_of(paper_id) for paper_id in ids]
    for kind in ("html", "reset"):
        assert 400 < sum(1 for fault in met if fault is not None and fault.kind == kind) < 600


def test_a_fault_wears_off() -> None:
    counter = FaultCounter(parse_faults("html*2"))
    assert [counter.next("a") is None for _ in range(4)] == [False, False, True, True]
    assert counter.next("b") is not None
