"""Who governs: the life of an epoch, and that no two govern at a time, however slow and forgetful everything is."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.config.host_policy import PERMIT_VALID_SECONDS
from rpa_shard.control.governors.serving.election import OwnEpoch, Stage
from rpa_shard.store.cluster import Epoch
from tests.memory_cluster import Memory, MemoryCluster

LEASE = 10.0


def test_a_first_epoch_waits_only_for_permits_that_may_be_about() -> None:
    epoch = OwnEpoch(Epoch(1, 0.0), LEASE, asked_at=0.0, now=1.0)
    assert epoch.stage(1.0) is Stage.WAITING_OUT
    assert not epoch.may_grant(1.0 + PERMIT_VALID_SECONDS / 2)
    assert epoch.may_grant(1.0 + PERMIT_VALID_SECONDS + 0.01)


def test_an_epoch_waits_out_the_one_before() -> None:
    epoch = OwnEpoch(Epoch(2, 30.0), LEASE, asked_at=0.0, now=1.0)
    for now in range(2, 31):
        epoch.answered(epoch.asks(float(now)), stands=True)
        assert epoch.stage(now + 0.5) is Stage.WAITING_OUT
    assert epoch.may_grant(31.2)


def test_the_lease_counts_from_before_it_was_asked_for() -> None:
    epoch = OwnEpoch(Epoch(1, 0.0), LEASE, asked_at=0.0, now=5.0)
    assert epoch.may_grant(9.9)
    assert epoch.stage(10.0) is Stage.LAPSED
    asked_at = epoch.asks(12.0)
    assert epoch.stage(13.0) is Stage.LAPSED, "nothing has been answered yet"
    epoch.answered(asked_at, stands=True)
    assert epoch.may_grant(21.9)
    assert not epoch.may_grant(22.0)


def test_it_is_renewed_early_and_again_as_soon_after_a_failure() -> None:
    epoch = OwnEpoch(Epoch(1, 0.0), LEASE, asked_at=0.0, now=0.0)
    assert epoch.seconds_to_renewal(0.0) == 2.5
    assert epoch.seconds_to_renewal(9.0) == 0.0
    epoch.asks(9.0)
    assert epoch.seconds_to_renewal(9.0) == 2.5


def test_an_answer_that_comes_late_shortens_nothing() -> None:
    epoch = OwnEpoch(Epoch(1, 0.0), LEASE, asked_at=0.0, now=0.0)
    epoch.answered(5.0, stands=True)
    epoch.answered(2.0, stands=True)
    assert epoch.may_grant(14.0)


def test_an_epoch_that_is_over_stays_over() -> None:
    for is_given_up in (False, True):
        epoch = OwnEpoch(Epoch(1, 0.0), LEASE, asked_at=0.0, now=0.0)
        if is_given_up:
            epoch.ends()
        else:
            epoch.answered(1.0, stands=False)
        epoch.answered(2.0, stands=True)
        assert epoch.stage(2.0) is Stage.DEPOSED
        assert not epoch.may_grant(2.0)


@dataclass
class Node:
    """A node whose clock runs at its own rate, from its own beginning."""

    name: str
    rate: float
    offset: float
    cluster: MemoryCluster
    epoch: OwnEpoch | None = None
    stopped_until: float = 0.0
    # A request that has been sent: when it reaches the database, when its answer is here, and what that says.
    asked_at: float = 0.0
    arrives_at: float | None = None
    answered_at: float | None = None
    answer: Epoch | bool | None = None
    is_lost: bool = False
    granted: list[float] = field(default_factory=list)

    def clock(self, now: float) -> float:
        return self.offset + now * self.rate

    def step(self, now: float, delays: tuple[float, float], *, lost: bool) -> None:
        if now < self.stopped_until:
            return
        if self.answered_at is not None and now >= self.answered_at:
            self._hear(now)
        if self.arrives_at is None and self.answered_at is None:
            self._ask(now, delays, lost=lost)
        if self.epoch is not None and self.epoch.may_grant(self.clock(now)):
            self.granted.append(now)

    def at_database(self, now: float) -> None:
        """The request is carried out as soon as it has arrived, whether its node lives or not."""
        if self.arrives_at is None or now < self.arrives_at:
            return
        self.arrives_at = None
        if self.epoch is None:
            self.answer = self.cluster.seek_epoch(self.name, "", "", LEASE)
        else:
            self.answer = self.cluster.renew_epoch(self.epoch.number, LEASE)

    def _ask(self, now: float, delays: tuple[float, float], *, lost: bool) -> None:
        if self.epoch is not None and self.epoch.stage(self.clock(now)) is Stage.DEPOSED:
            self.epoch = None
        if self.epoch is not None and self.epoch.seconds_to_renewal(self.clock(now)) > 0:
            return
        self.asked_at = self.clock(now) if self.epoch is None else self.epoch.asks(self.clock(now))
        self.arrives_at = now + delays[0]
        self.answered_at, self.answer = now + delays[0] + delays[1], None
        self.is_lost = lost
        if lost and delays[0] > 1:
            self.arrives_at = None

    def _hear(self, now: float) -> None:
        self.answered_at = None
        if self.is_lost:
            return  # an error: nobody knows whether it was carried out
        if self.epoch is None:
            if isinstance(self.answer, Epoch):
                self.epoch = OwnEpoch(self.answer, LEASE, self.asked_at, self.clock(now))
        else:
            self.epoch.answered(self.asked_at, stands=self.answer is True)


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.lists(st.floats(0.67, 1.5), min_size=2, max_size=4))
def test_never_do_two_govern_at_a_time(seed: int, rates: list[float]) -> None:
    """With any delays, lost answers and stops, and clocks that run at `rates`."""
    now = 0.0
    memory = Memory(clock=lambda: now)
    random = Random(seed)
    nodes = [
        Node(f"n{number}", rate, random.uniform(-1e4, 1e4), MemoryCluster(memory)) for number, rate in enumerate(rates)
    ]
    last: tuple[str, float] | None = None
    for _ in range(1000):
        now += 0.1
        for node in nodes:
            node.at_database(now)
        for node in nodes:
            if random.random() < 0.005:
                node.stopped_until = now + random.uniform(0, 40)
            delays = (random.choice((0.0, 0.1, 3.0, 15.0)), random.choice((0.0, 0.1, 3.0, 15.0)))
            before = len(node.granted)
            node.step(now, delays, lost=random.random() < 0.1)
            if len(node.granted) > before:
                assert last is None or last[0] == node.name or now - last[1] >= PERMIT_VALID_SECONDS
                last = (node.name, now)
        assert sum(node.granted[-1:] == [now] for node in nodes) <= 1


def test_somebody_governs_again_after_a_death() -> None:
    now = 0.0
    memory = Memory(clock=lambda: now)
    first, second = (Node(name, 1.0, 0.0, MemoryCluster(memory)) for name in ("a", "b"))
    while now < 60.0:
        now += 0.25
        for node in (first, second) if now < 20.0 else (second,):
            node.at_database(now)
            node.step(now, (0.0, 0.0), lost=False)
    assert first.granted[0] < 1.0
    assert first.granted[-1] < 20.0
    assert 2 * LEASE - 3.0 <= second.granted[0] - first.granted[-1] <= 2 * LEASE + 3.0
