"""The policy table and the back-off computed from it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.failure import Failure
from rpa_shard.model.retry import POLICIES, delay_seconds, is_final

failures = st.sampled_from(Failure)
jitters = st.floats(0, 1, exclude_max=True)


def test_every_failure_has_a_policy_that_says_what_it_means() -> None:
    assert set(POLICIES) == set(Failure)
    assert all(policy.meaning for policy in POLICIES.values())


@given(failures, st.integers(1, 10_000), jitters)
def test_delays_stay_below_the_ceiling_and_above_half_of_the_full_delay(
    failure: Failure, attempt: int, jitter: float
) -> None:
    policy = POLICIES[failure]
    delay = delay_seconds(failure, attempt, jitter)
    assert delay <= policy.max_delay_seconds
    assert delay >= min(policy.first_delay_seconds, policy.max_delay_seconds) / 2


@given(failures, st.integers(1, 100), jitters)
def test_delays_never_shrink_with_attempts(failure: Failure, attempt: int, jitter: float) -> None:
    assert delay_seconds(failure, attempt + 1, jitter) >= delay_seconds(failure, attempt, jitter)


@given(failures, st.integers(1, 10_000))
def test_what_costs_no_attempt_is_never_final(failure: Failure, attempt: int) -> None:
    policy = POLICIES[failure]
    assert is_final(failure, attempt) == (policy.charged and attempt >= policy.attempts)
    if policy.permanent:
        assert is_final(failure, 1)


def test_the_table_in_the_documents_is_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "when-a-source-says-no.md").read_text()
    for failure, policy in POLICIES.items():
        attempts = str(policy.attempts) if policy.charged else "no limit"
        waits = "-" if policy.permanent else f"{policy.first_delay_seconds:g} to {policy.max_delay_seconds:g}"
        assert f"| `{failure.value}` | {attempts} | {waits} | {policy.meaning} |\n" in page, failure
