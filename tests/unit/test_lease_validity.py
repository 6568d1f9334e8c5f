"""Whether the leases of a shard surely stand, in time that the tests move."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.store.lease_validity import USED_SHARE, LeaseInDoubtError, LeaseValidity

LEASE_SECONDS = 100.0
USED_SECONDS = LEASE_SECONDS * USED_SHARE


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def leases_at(clock: Clock) -> LeaseValidity:
    return LeaseValidity(LEASE_SECONDS, clock)


def test_leases_hold_until_a_lease_may_have_run_out() -> None:
    clock = Clock()
    leases = leases_at(clock)
    clock.now += USED_SECONDS - 0.1
    assert leases.holds
    leases.check()
    clock.now += 0.2
    assert not leases.holds
    with pytest.raises(LeaseInDoubtError):
        leases.check()


def test_a_renewal_counts_from_its_beginning() -> None:
    clock = Clock()
    leases = leases_at(clock)
    clock.now += 50
    begun_at = leases.renewal_begins()
    clock.now += 30
    leases.renewed(begun_at)
    clock.now += USED_SECONDS - 30.1
    assert leases.holds
    clock.now += 0.2
    assert not leases.holds


def test_a_claim_whose_answer_came_late_is_in_doubt_until_it_is_renewed() -> None:
    """The process was stopped between the claim and its answer; then a renewal came that knows nothing of it."""
    clock = Clock()
    leases = leases_at(clock)
    asked_at = leases.now()
    clock.now += 2 * LEASE_SECONDS
    leases.renewed(leases.renewal_begins())
    assert leases.holds
    leases.claimed(asked_at)
    assert not leases.holds
    leases.renewed(leases.renewal_begins())
    assert leases.holds


def test_a_claim_that_comes_during_a_renewal_is_not_renewed_by_it() -> None:
    clock = Clock()
    leases = leases_at(clock)
    asked_at = leases.now()
    clock.now += 2 * LEASE_SECONDS
    begun_at = leases.renewal_begins()
    leases.claimed(asked_at)
    leases.renewed(begun_at)
    assert not leases.holds


async def test_who_waits_asks_for_a_renewal_and_goes_on_after_it() -> None:
    clock = Clock()
    leases = leases_at(clock)
    await leases.wait()
    assert not leases.doubted.is_set()
    clock.now += LEASE_SECONDS
    waiting = [asyncio.create_task(leases.wait()) for _ in range(2)]
    await leases.doubted.wait()
    too_slow = leases.renewal_begins()
    clock.now += LEASE_SECONDS
    leases.renewed(too_slow)
    await leases.doubted.wait()  # it took longer than a lease
    assert not any(each.done() for each in waiting)
    leases.renewed(leases.renewal_begins())
    await asyncio.gather(*waiting)


class Held:
    """What is really leased, and when each lease was claimed or renewed, which nobody but the store knows."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.leases = leases_at(self.clock)
        self.since: list[float] = []
        # Claims that were made, whose answers have not come: when they were asked for, and when they were made.
        self.coming: list[tuple[float, float]] = []
        # When the renewal under way began.
        self.renewal: float | None = None

    def ask(self, seconds: float) -> None:
        asked_at = self.leases.now()
        self.clock.now += seconds
        self.coming.append((asked_at, self.clock.now))

    def answer(self, _: float) -> None:
        for asked_at, made_at in self.coming[:1]:
            self.leases.claimed(asked_at)
            self.since.append(made_at)
        del self.coming[:1]

    def begin_renewal(self, seconds: float) -> None:
        if self.renewal is None:
            self.renewal = self.leases.renewal_begins()
            self.clock.now += seconds
            self.since = [self.clock.now] * len(self.since)

    def end_renewal(self, _: float) -> None:
        if self.renewal is not None:
            self.leases.renewed(self.renewal)
            self.renewal = None

    def fail_renewal(self, _: float) -> None:
        self.renewal = None

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "answer", "begin_renewal", "end_renewal", "fail_renewal", "pass_time"]),
        st.sampled_from([0.0, 1.0, 20.0, USED_SECONDS, LEASE_SECONDS]),
    ),
    max_size=25,
)


@given(STEPS)
def test_no_lease_that_is_said_to_hold_has_run_out(steps: list[tuple[str, float]]) -> None:
    held = Held()
    for name, seconds in steps:
        getattr(held, name)(seconds)
        if held.leases.holds:
            assert all(held.clock.now < since + LEASE_SECONDS for since in held.since)
