"""I9 and I10: a log in which an answer is paid for twice, or a limit is exceeded, must be noticed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.chaos.calls import Kept, limits_exceeded, paid_again
from rpa_shard.testing.llm_mirror.limits import Limits
from rpa_shard.testing.llm_mirror.log import LoggedCall


def call(at: float, id_: str = "key.a.1", *, answered: bool = True, **others: Any) -> LoggedCall:
    end = at + 0.5 if answered else None
    return LoggedCall(at=at, late=others.pop("late", 0.0), id=id_, status=200, answered=end, **others)


FIRST, SECOND = call(1.0), call(3.0, "key.b.7")
KEPT = Kept("key.a.1", 2.0)


def found(*calls: LoggedCall, kept: tuple[Kept, ...] = ()) -> tuple[list[str], int]:
    again = paid_again(calls, kept)
    return [each.what for each in again.violations], again.unkept


def test_each_question_once_is_well() -> None:
    assert found(FIRST, call(1.0, "other.a.2"), kept=(KEPT,)) == ([], 0)


def test_what_was_kept_is_not_asked_again() -> None:
    for again in (SECOND, call(3.0, "key.b.7", answered=False), call(3.0, "key.a.2")):
        (what,), unkept = found(FIRST, again, kept=(KEPT,))
        assert "after its answer had been kept" in what
        assert unkept == 0


def test_what_a_killed_process_could_not_keep_is_asked_again_and_counted() -> None:
    assert found(FIRST, SECOND, kept=(Kept("key.b.7", 4.0),)) == ([], 1)


def test_a_process_that_has_an_answer_keeps_it() -> None:
    (what,), unkept = found(FIRST, call(3.0, "key.a.2"))
    assert "by the process that had its answer" in what
    assert unkept == 0


def test_a_question_is_not_asked_twice_at_once() -> None:
    (what,), _ = found(FIRST, call(1.2, "key.b.7"), kept=(KEPT,))
    assert "while its answer was under way" in what


def test_an_answer_of_no_use_may_be_followed_by_another() -> None:
    for fault in ("cut", "invalid", "echo"):
        assert found(call(1.0, fault=fault), SECOND, kept=(KEPT,)) == ([], 0)
    assert found(call(1.0, fault="slow"), SECOND, kept=(KEPT,))[0], "a slow answer is as good as any"


def test_a_call_without_an_answer_may_be_repeated() -> None:
    assert found(call(1.0, fault="500", answered=False), call(1.5, "key.a.2")) == ([], 0)


def exceeded(calls: list[LoggedCall], limits: Limits) -> int:
    return len(limits_exceeded(calls, limits))


def test_limits_of_a_window() -> None:
    calls = [call(at, input_tokens=40, output_tokens=10) for at in (0.0, 30.0, 59.9, 60.0)]
    assert exceeded(calls, Limits(requests=3, input_tokens=120, output_tokens=30)) == 0
    assert exceeded(calls, Limits(requests=2)) == 2
    assert exceeded(calls, Limits(input_tokens=119)) == 2
    assert exceeded(calls, Limits(output_tokens=29)) == 2
    calls[0].late = 0.2  # it may have arrived earlier: the window was longer
    assert exceeded(calls, Limits(requests=2)) == 1


def test_what_was_turned_away_is_a_violation_and_counts_no_further() -> None:
    beyond, limited = call(0.1, fault="beyond in_flight"), call(0.2, fault="429")
    beyond.status = limited.status = 429
    assert exceeded([call(0.0), beyond, limited], Limits(requests=1)) == 1


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9), st.integers(0, 3)), max_size=40), st.integers(1, 40))
def test_every_window_is_looked_at(drawn: list[tuple[int, int, int]], most: int) -> None:
    calls = sorted((call(float(at), input_tokens=tokens, late=float(late)) for at, tokens, late in drawn), key=at_of)
    windows = 0
    for number, first in enumerate(calls):
        inside = [each for each in calls[number:] if each.at - first.at + first.late < 60]
        windows += sum(each.input_tokens for each in inside) > most
    assert exceeded(calls, Limits(input_tokens=most)) == windows


def at_of(call: LoggedCall) -> float:
    return call.at
