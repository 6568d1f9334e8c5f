"""The governor against a model of its hosts: its rules hold for any sequence of events."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS, HostPolicy
from rpa_shard.control.politeness.governor import Governor
from rpa_shard.control.politeness.host_state import LAST_WORDS_SECONDS, temporary_policy
from rpa_shard.control.politeness.in_a_row import Given, InARow, Measure
from rpa_shard.ipc.messages import Ending, Instead

GOVERNED, FREE = "governed.example", "free.example"
FLOOR_SECONDS, PERMIT_SECONDS = 60.0, 600.0
# Of a clock in seconds.
ROUNDING = 1e-6

hosts = st.sampled_from([GOVERNED, FREE])
shards = st.integers(0, 2)
picks = st.integers(0, 10**6)
endings = st.sampled_from(["ok", "ok", "redirected", "undecided", "failed", "unused"])
papers = st.sampled_from([f"paper {number}" for number in range(8)])
pages = st.sampled_from(["captcha", "captcha", "captcha", "other page"])
insteads = st.sampled_from(["page", "page", "promise", "error"])
waits = st.none() | st.sampled_from([0.0, 5.0, 100.0, 5000.0, 10.0**9])


@dataclass
class Model:
    """The true state of one host, from the messages to and from the governor. Times are the test's clock."""

    policy: HostPolicy
    wanted: Counter[int] = field(default_factory=Counter)
    # Permits that are out: who has them, and since when.
    lent: dict[int, tuple[int, float]] = field(default_factory=dict)
    # When each request may have arrived, from its grant on; unbounded until its answer begins.
    arrivals: dict[int, tuple[float, float]] = field(default_factory=dict)
    blocked: bool = False
    closed: bool = False
    # Until when the host asked us to leave it alone.
    not_before: float = -math.inf
    probe: int | None = None
    # A probe that was answered, while it is not known yet with what its paper's download ends.
    undecided: int | None = None

    def open(self) -> None:
        self.closed, self.not_before, self.undecided = False, -math.inf, None

    def arrived(self, permit: int, at: float) -> None:
        begun, end = self.arrivals.get(permit, (0.0, 0.0))
        if end == math.inf:
            self.arrivals[permit] = (begun, at)

    def lose(self, permit: int, now: float) -> None:
        """No report on a permit will come any more."""
        del self.lent[permit]
        self.arrived(permit, now + LAST_WORDS_SECONDS)
        if self.probe == permit:
            self.probe = None

    def in_window_before(self, now: float) -> int:
        """How many requests may arrive within the window that ends now, or after it."""
        return sum(end > now - self.policy.per_seconds + ROUNDING for _, end in self.arrivals.values())


class GovernorMachine(RuleBasedStateMachine):
    """Two hosts, of which one has a policy, and three shards."""

    @initialize(requests=st.integers(1, 5), per_seconds=st.sampled_from([0.1, 1.0, 3.0]), connections=st.integers(1, 4))
    def start(self, requests: int, per_seconds: float, connections: int) -> None:
        self.now = 1000.0
        self.policy = HostPolicy(GOVERNED, requests, per_seconds, connections)
        self.gone: list[tuple[str, int]] = []
        self.governor = self.new_governor()
        self.models = {GOVERNED: self.new_model(self.policy)}
        # The rules for one host are tested by themselves.
        self.in_a_row: defaultdict[str, InARow] = defaultdict(InARow)

    def new_governor(self) -> Governor:
        return Governor({GOVERNED: self.policy}, FLOOR_SECONDS, PERMIT_SECONDS, self.now)

    def new_model(self, policy: HostPolicy) -> Model:
        """A host of which nothing is known: a full burst may just have been sent to it."""
        burst = {-number: (self.now, self.now + LAST_WORDS_SECONDS) for number in range(1, policy.requests + 1)}
        return Model(policy, arrivals=burst)

    def model(self, host: str) -> Model:
        """The model of a host that is governed from now on, if it was not."""
        if host not in self.models:
            self.models[host] = self.new_model(temporary_policy(host))
        return self.models[host]

    def held(self, pick: int) -> tuple[str, int] | None:
        """One of the permits that are out."""
        out = [(host, permit) for host, model in self.models.items() for permit in model.lent]
        return out[pick % len(out)] if out else None

    def probes(self) -> list[tuple[str, int]]:
        return [(host, model.probe) for host, model in self.models.items() if model.probe is not None]

    @rule(host=hosts, shard=shards, permits=st.integers(1, 4))
    def want(self, host: str, shard: int, permits: int) -> None:
        self.governor.want(shard, host, permits)
        if host in self.models and not self.models[host].blocked:
            self.models[host].wanted[shard] += permits

    @rule(pick=picks)
    def answered(self, pick: int) -> None:
        if (held := self.held(pick)) is not None:
            host, permit = held
            self.governor.answered(host, permit, self.now)
            self.models[host].arrived(permit, self.now)

    @rule(pick=picks, ending=endings)
    def back(self, pick: int, ending: Ending) -> None:
        if (held := self.held(pick)) is not None:
            self.give_back(*held, ending)

    def give_back(self, host: str, permit: int, ending: Ending) -> None:
        model = self.models[host]
        self.governor.back(host, permit, ending, self.now)
        del model.lent[permit]
        self.gone.append((host, permit))
        if ending == "unused" and model.arrivals[permit][1] == math.inf:
            del model.arrivals[permit]
        model.arrived(permit, self.now)
        if model.probe == permit:
            model.probe = None
            if ending == "ok":
                model.open()
                self.drop_free()
            elif ending not in ("unused", "redirected"):
                model.not_before = max(model.not_before, self.now + FLOOR_SECONDS)
            model.undecided = permit if ending == "undecided" else None

    @rule(host=hosts, shard=shards)
    def close_and_probe(self, host: str, shard: int) -> None:
        """A short cut to the point where a closed host is tried again."""
        self.limited(host, 0, by_permit=False, retry_after=None)
        self.want(host, shard, 2)
        self.advance_to_next_grant()

    @precondition(lambda self: self.probes())
    @rule(pick=picks, retry_after=waits)
    def another_limit_meanwhile(self, pick: int, retry_after: float | None) -> None:
        """The answer to a request that was under way before the probe."""
        host, _ = self.probes()[pick % len(self.probes())]
        self.limited(host, 0, by_permit=False, retry_after=retry_after)

    @precondition(lambda self: self.probes())
    @rule(pick=picks, ending=endings)
    def probe_back(self, pick: int, ending: Ending) -> None:
        self.give_back(*self.probes()[pick % len(self.probes())], ending)

    @rule(
        host=hosts,
        pick=picks,
        by_permit=st.booleans(),
        retry_after=waits,
    )
    def limited(self, host: str, pick: int, by_permit: bool, retry_after: float | None) -> None:
        held = self.held(pick) if by_permit else None
        permit = None
        if held is not None:
            host, permit = held
        model = self.model(host)
        if permit is not None:
            del model.lent[permit]
            self.gone.append((host, permit))
            model.arrived(permit, self.now)
            if model.probe == permit:
                model.probe = None
        self.governor.limited(host, permit, retry_after, self.now)
        if not model.closed:
            model.probe = None
        pause = min(max(retry_after or 0.0, FLOOR_SECONDS), MAX_PAUSE_SECONDS)
        model.closed, model.not_before = True, max(model.not_before, self.now + pause)

    def drop_free(self) -> None:
        """A host without a policy that has recovered is not governed any more."""
        for host in self.models.keys() - self.governor.hosts(self.now).keys():
            assert host == FREE
            del self.models[host]

    @rule(host=hosts, paper=papers, page=pages, instead=insteads, settles=st.booleans())
    def no_pdf(self, host: str, paper: str, page: str, instead: Instead, settles: bool) -> None:
        model = self.models.get(host)
        was_open = model is None or not (model.closed or model.blocked)
        permit = model.undecided if model is not None and settles else None
        given = Given(paper, page, instead, "so it says")
        self.governor.no_pdf(host, permit, given, self.now)
        if was_open:
            measure = self.in_a_row[host].add(given)
        elif model is not None and permit is not None and not model.blocked:
            measure, model.undecided = self.in_a_row[host].probed(given), None
            if measure is Measure.NONE:
                model.open()
                self.drop_free()
        else:
            return
        if measure is Measure.NONE:
            return
        model = self.model(host)
        if measure is Measure.REFUSED:
            self.note_block(host, model)
            return
        model.closed, model.not_before = True, max(model.not_before, self.now + FLOOR_SECONDS)

    @rule(host=hosts, paper=st.integers(0, 10**6), page=pages)
    def a_page_for_many(self, host: str, paper: int, page: str) -> None:
        """A short cut to the point where pages close a host."""
        for number in range(5):
            self.no_pdf(host, f"paper {paper + number}", page, "page", settles=True)

    @rule(host=hosts, with_pdf=st.booleans())
    def well_answered(self, host: str, with_pdf: bool) -> None:
        self.governor.well_answered(host, self.now, with_pdf=with_pdf)
        if with_pdf:
            self.in_a_row[host].pdf()
        model = self.models.get(host)
        if model is not None and model.undecided is not None and not model.blocked:
            model.open()
            self.drop_free()

    def note_block(self, host: str, model: Model) -> None:
        model.blocked, model.undecided = True, None
        self.in_a_row.pop(host, None)
        model.wanted.clear()
        self.lose_all(model)

    @rule(host=hosts)
    def block(self, host: str) -> None:
        model = self.model(host)
        self.governor.block(host, "HTTP 403", self.now)
        self.note_block(host, model)

    @rule(host=hosts)
    def reopen(self, host: str) -> None:
        model = self.models.get(host)
        is_shut = model is not None and (model.blocked or (model.closed and model.not_before > self.now))
        reopened = self.governor.reopen(host, self.now)
        assert reopened or not is_shut
        if reopened:
            assert model is not None
            model.blocked, model.closed, model.probe, model.undecided = False, True, None, None
            self.in_a_row.pop(host, None)
            model.not_before = self.now

    @rule(shard=shards)
    def forget(self, shard: int) -> None:
        self.governor.forget(shard, self.now)
        for model in self.models.values():
            del model.wanted[shard]
            for permit in [permit for permit, (holder, _) in model.lent.items() if holder == shard]:
                model.lose(permit, self.now)

    @rule(seconds=st.sampled_from([0.001, 0.05, 0.2, 0.5, 1.0, 3.0, 59.0, 61.0, 700.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def advance_to_next_grant(self) -> None:
        seconds = self.governor.seconds_to_next_grant(self.now)
        if seconds is not None:
            assert seconds >= 0.0
            self.now += seconds + ROUNDING
            self.grant()

    @rule(age_seconds=st.sampled_from([-5000.0, 0.0, 1.0, 100.0, 10.0**6]))
    def restart(self, age_seconds: float) -> None:
        """The run ends and another one begins, some time after its states were saved."""
        saved = self.governor.hosts(self.now)
        before = self.models
        self.gone.clear()
        self.in_a_row.clear()
        for model in before.values():
            self.lose_all(model)
        self.governor = self.new_governor()
        self.models = {GOVERNED: self.new_model(self.policy)}
        for host, status in saved.items():
            self.governor.restore(host, status, age_seconds, self.now)
            if host == GOVERNED or host in self.governor.hosts(self.now):
                model = self.model(host)
                model.blocked = before[host].blocked
                model.closed = before[host].closed
                if model.closed:
                    left = max(0.0, before[host].not_before - self.now)
                    model.not_before = self.now + max(0.0, left - max(0.0, age_seconds))
        # Requests of the earlier run arrive at the same host; its permit numbers are used again.
        earlier = before[GOVERNED].arrivals.values()
        self.models[GOVERNED].arrivals |= {-1000 - number: each for number, each in enumerate(earlier)}

    @precondition(lambda self: self.gone)
    @rule(
        pick=picks, word=st.sampled_from(["answered", "back", "other host"]), ending=st.sampled_from(["ok", "unused"])
    )
    def messages_about_a_permit_that_is_gone(self, pick: int, word: str, ending: Ending) -> None:
        """They change nothing; nor do messages about numbers that were never granted."""
        host, permit = self.gone[pick % len(self.gone)]
        if word == "other host":
            host = FREE if host == GOVERNED else GOVERNED
            if permit in self.models.get(host, Model(self.policy)).lent:
                return
        before = self.governor.hosts(self.now)
        if word == "answered":
            self.governor.answered(host, permit, self.now)
        else:
            self.governor.back(host, permit, ending, self.now)
        self.governor.back(host, 10**9, ending, self.now)
        assert self.governor.hosts(self.now) == before

    @rule()
    def grant(self) -> None:
        before = self.governor.hosts(self.now)
        wait = self.governor.seconds_to_next_grant(self.now)
        granted = self.governor.grants(self.now)
        assert granted or wait != 0.0, "the supervisor would turn in vain"
        for model in self.models.values():
            for permit in [each for each, (_, at) in model.lent.items() if self.now - at > PERMIT_SECONDS]:
                model.lose(permit, self.now)
        for each in granted:
            assert each.granted_at == self.now
            assert each.ids
            assert before[each.host].blocked is None
            for permit in each.ids:
                self.check_grant(self.models[each.host], each.shard, permit)
        self.drop_free()

    def check_grant(self, model: Model, shard: int, permit: int) -> None:
        assert not model.blocked
        assert permit not in model.arrivals
        assert model.wanted[shard] > 0
        model.wanted[shard] -= 1
        model.lent[permit] = (shard, self.now)
        model.arrivals[permit] = (self.now, math.inf)
        assert len(model.lent) <= model.policy.connections
        assert model.in_window_before(self.now) <= model.policy.requests
        if model.closed:
            assert model.probe is None, "one probe at a time"
            assert self.now >= model.not_before - ROUNDING, "left alone as long as it asked"
            model.probe, model.undecided = permit, None

    def lose_all(self, model: Model) -> None:
        for permit in [*model.lent]:
            model.lose(permit, self.now)

    @invariant()
    def states_are_sane(self) -> None:
        if not hasattr(self, "governor"):
            return
        states = self.governor.hosts(self.now)
        assert states.keys() == self.models.keys()
        for host, state in states.items():
            model = self.models[host]
            assert (state.blocked is not None) == model.blocked
            assert (state.closed_seconds is not None) == model.closed
            assert 0 < state.factor <= 1
            assert state.closings >= 0
            assert state.temporary == (host == FREE)
            if state.closed_seconds is not None:
                assert max(0.0, model.not_before - self.now) <= state.closed_seconds + ROUNDING
                assert state.closed_seconds <= MAX_PAUSE_SECONDS + ROUNDING

    def teardown(self) -> None:
        """Whatever has happened: once a person has reopened the host and it answers, all waiting workers are served."""
        if not hasattr(self, "governor"):
            return
        for host in self.models:
            self.governor.reopen(host, self.now)
            for shard in range(3):
                self.governor.forget(shard, self.now)
        self.now += 2 * MAX_PAUSE_SECONDS
        self.governor.want(0, GOVERNED, 20)
        served = 0
        for _ in range(200):
            for each in self.governor.grants(self.now):
                served += len(each.ids) if each.host == GOVERNED else 0
                for permit in each.ids:
                    self.governor.back(each.host, permit, "ok", self.now)
            seconds = self.governor.seconds_to_next_grant(self.now)
            if seconds is None:
                break
            self.now += seconds + ROUNDING
        assert served == 20


GovernorMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestGovernor: Any = GovernorMachine.TestCase
