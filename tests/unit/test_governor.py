"""The governor's rule: in no window does a host get more than its policy allows, whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.config.host_policy import (
    ARXIV_HOST,
    PUBLISHED,
    HostPolicy,
    host_of,
    parse_policies,
    policies_by_host,
    polite_url,
)
from rpa_shard.control.politeness.governor import RECOVERY_SECONDS, Governor
from rpa_shard.control.politeness.host_state import LAST_WORDS_SECONDS, changes
from rpa_shard.control.politeness.in_a_row import Given
from rpa_shard.ipc.messages import Ending, Instead

HOST = "source.example"
FLOOR_SECONDS = 60.0


def governor(policy: HostPolicy | None = None, now: float = 0.0) -> Governor:
    policies = {HOST: policy or HostPolicy(HOST, 4, 1.0, 4)}
    return Governor(policies, FLOOR_SECONDS, permit_seconds=660.0, now=now)


@dataclass
class Sim:
    """Drives a governor by its own clock; answers at once unless told otherwise."""

    governor: Governor
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)

    def step(self, *, answer: bool = True) -> int:
        """Takes the permits that are granted now; returns how many."""
        granted = [(grant.shard, permit) for grant in self.governor.grants(self.now) for permit in grant.ids]
        self.sent += [self.now] * len(granted)
        self.held += granted
        if answer:
            self.answer_all()
        return len(granted)

    def answer_all(self) -> None:
        for _, permit in self.held:
            self.governor.back(HOST, permit, "ok", self.now)
        self.held.clear()

    def wait(self) -> bool:
        """Lets the clock run to the next moment at which something may be granted."""
        seconds = self.governor.seconds_to_next_grant(self.now)
        if seconds is None:
            return False
        self.now += seconds + 1e-6
        return True

    def first(self, number: int = 1) -> None:
        """Continues until this many were granted."""
        goal = len(self.sent) + number
        while len(self.sent) < goal:
            assert self.wait()
            self.step()


def assert_kept(intervals: list[tuple[float, float]], policy: HostPolicy) -> None:
    """No window of the policy can hold too many: requests arrive at any moment of their intervals, to our worst."""
    for latest, _ in intervals:
        before = [end for begun, end in intervals if begun <= latest and end > latest - policy.per_seconds]
        assert len(before) <= policy.requests


@settings(max_examples=300, deadline=None)
@given(
    requests=st.integers(1, 8),
    per_seconds=st.floats(0.1, 5),
    connections=st.integers(1, 8),
    events=st.lists(
        st.sampled_from(
            ["want 0", "want 1", "want 2", "wait", "tick", "begun", "ok", "failed", "die 0", "die 1", "limited",
             "unused", "block", "reopen", "idle"]
        ),
        max_size=80,
    ),
)  # fmt: skip
def test_the_budget_holds_over_any_window(
    requests: int, per_seconds: float, connections: int, events: list[str]
) -> None:
    """However long requests are under way: each arrives at some time between its permit and its answer."""
    policy = HostPolicy(HOST, requests, per_seconds, connections)
    sim = Sim(governor(policy))
    begun: dict[int, float] = {}
    ended: dict[int, float] = {}
    for event in events:
        holders = {permit for _, permit in sim.held}
        held = sim.held[0][1] if sim.held else None
        if event == "tick":
            sim.now += 0.07
        elif event == "wait":
            sim.wait()
        elif event == "begun" and held is not None:
            sim.governor.answered(HOST, held, sim.now)
            ended.setdefault(held, sim.now)
        else:
            happen(sim, event)
        for permit in holders - {permit for _, permit in sim.held}:
            dead = event.startswith("die") or event == "block"
            ended.setdefault(permit, sim.now + (LAST_WORDS_SECONDS if dead else 0.0))
            if event == "unused" and ended[permit] == sim.now:
                del begun[permit]
        sim.step(answer=False)
        begun |= {permit: sim.now for _, permit in sim.held if permit not in begun}
        assert len(sim.held) <= connections
    assert_kept([(at, ended.get(permit, float("inf"))) for permit, at in begun.items()], policy)
    assert all(at >= per_seconds for at in begun.values()), "as if a burst had just been sent"


def happen(sim: Sim, event: str) -> None:
    """One thing that may happen to a host."""
    word, _, shard = event.partition(" ")
    answered = sim.held.pop()[1] if word in {"ok", "failed", "unused", "lost", "limited"} and sim.held else None
    match word:
        case "want":
            sim.governor.want(int(shard), HOST, 2)
        case "ok" | "failed" | "unused" if answered is not None:
            sim.governor.back(HOST, answered, word, sim.now)
        case "limited" if answered is not None:
            sim.governor.limited(HOST, answered, 5.0, sim.now)
        case "late":
            sim.governor.limited(HOST, None, None, sim.now)
        case "die":
            sim.governor.forget(int(shard), sim.now)
            sim.held = [(holder, permit) for holder, permit in sim.held if holder != int(shard)]
        case "block":
            sim.governor.block(HOST, "HTTP 403", sim.now)
            sim.held.clear()
        case "reopen":
            sim.governor.reopen(HOST, sim.now)
        case "idle":
            sim.now += 50.0


@settings(max_examples=200, deadline=None)
@given(
    connections=st.integers(1, 4),
    events=st.lists(
        st.sampled_from(
            ["want 0", "want 1", "ok", "failed", "unused", "lost", "limited", "late", "die 0", "die 1", "block",
             "reopen", "idle", "restart"]
        ),
        max_size=60,
    ),
)  # fmt: skip
def test_a_closed_host_gets_one_probe_at_a_time_and_is_never_stuck(connections: int, events: list[str]) -> None:
    policy = HostPolicy(HOST, 4, 1.0, connections)
    sim = Sim(governor(policy))
    for event in events:
        if event == "restart":
            saved = sim.governor.hosts(sim.now)[HOST]
            sim = Sim(governor(policy, sim.now), sim.now)
            sim.governor.restore(HOST, saved, 0.0, sim.now)
        else:
            happen(sim, event)
        state = sim.governor.hosts(sim.now)[HOST]
        granted = sim.step(answer=False)
        if state.blocked:
            assert granted == 0
        elif state.closed_seconds is not None:
            assert granted <= (state.closed_seconds == 0.0)
    sim.governor.reopen(HOST, sim.now)
    sim.governor.want(7, HOST, 1000)
    sim.now += 24 * 3600.0
    for _ in range(20):
        sim.step()
        sim.wait()
    assert sim.governor.hosts(sim.now)[HOST].closed_seconds is None
    sim.first(100)


def test_the_full_rate_is_used() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 400)
    sim.first(400)
    assert sim.now == pytest.approx(100, rel=0.02), "where answers come at once"


def test_a_window_runs_from_the_answer() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 8)
    sim.first(4)
    sim.governor.want(0, HOST, 8)
    assert sim.governor.hosts(sim.now)
    sim.wait()
    assert sim.step(answer=False) == 4
    sim.now += 30
    assert sim.step(answer=False) == 0, "four are on their way, and may arrive at any moment"
    assert sim.governor.seconds_to_next_grant(sim.now) is None
    for _, permit in sim.held:
        sim.governor.answered(HOST, permit, sim.now)
    assert sim.governor.seconds_to_next_grant(sim.now) is None, "all connections are taken by their bodies"
    sim.answer_all()
    assert sim.governor.seconds_to_next_grant(sim.now) == pytest.approx(1.0)


def test_a_permit_that_was_not_used_costs_nothing() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 4)
    sim.wait()
    assert sim.step(answer=False) == 4
    for _, permit in sim.held:
        sim.governor.back(HOST, permit, "unused", sim.now)
    sim.held.clear()
    sim.governor.want(0, HOST, 4)
    assert sim.step() == 4


def test_shards_take_turns() -> None:
    sim = Sim(governor())
    for shard in (0, 1):
        sim.governor.want(shard, HOST, 100)
    sim.wait()
    shards = sorted(grant.shard for grant in sim.governor.grants(sim.now) for _ in grant.ids)
    assert shards == [0, 0, 1, 1]


def test_connections_are_bounded_and_come_back() -> None:
    sim = Sim(governor(HostPolicy(HOST, 100, 0.1, 2)))
    sim.governor.want(0, HOST, 5)
    sim.wait()
    assert sim.step(answer=False) == 2
    assert not sim.wait()
    sim.governor.forget(0, sim.now)
    sim.governor.want(1, HOST, 5)
    sim.now += 1
    assert sim.step() == 2


def test_a_permit_that_is_never_returned_expires() -> None:
    sim = Sim(governor(HostPolicy(HOST, 10, 0.1, 1)))
    sim.governor.want(0, HOST, 2)
    sim.wait()
    assert sim.step(answer=False) == 1
    sim.now += 659
    assert sim.step(answer=False) == 0
    sim.now += 2
    assert sim.step(answer=False) == 1


def closed_seconds(sim: Sim) -> float:
    found = sim.governor.hosts(sim.now)[HOST].closed_seconds
    assert isinstance(found, float)
    return found


@pytest.mark.parametrize(("retry_after", "expected"), [(None, 60.0), (5.0, 60.0), (300.0, 300.0), (10**9, 86400.0)])
def test_a_limit_closes_for_the_longer_of_wish_and_floor(retry_after: float | None, expected: float) -> None:
    sim = Sim(governor())
    sim.governor.limited(HOST, None, retry_after, sim.now)
    assert closed_seconds(sim) == expected


def test_the_floor_ends_somewhere() -> None:
    sim = Sim(governor())
    for _ in range(2000):
        sim.governor.limited(HOST, None, None, sim.now)
        sim.governor.want(0, HOST, 1)
        sim.governor.limited(HOST, probe(sim), None, sim.now)
    assert closed_seconds(sim) == 3600.0


def test_answers_that_come_together_count_once() -> None:
    sim = Sim(governor())
    for _ in range(4):
        sim.governor.limited(HOST, None, None, sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS


def test_one_probe_then_half_the_rate_then_slow_recovery() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 10_000)
    sim.first(8)
    sim.governor.limited(HOST, None, None, sim.now)
    sim.now += FLOOR_SECONDS - 1
    assert sim.step(answer=False) == 0
    sim.now += 1.1
    assert sim.step(answer=False) == 1, "one probe"
    sim.now += 5
    assert sim.step(answer=False) == 0, "and nobody else until it is back"
    sim.answer_all()
    assert sim.governor.hosts(sim.now)[HOST].factor == 0.5
    begun = sim.now
    sim.first(40)
    slow = sim.now - begun
    assert slow == pytest.approx(10 * 2, rel=0.15)
    sim.now += RECOVERY_SECONDS
    sim.step()
    assert sim.governor.hosts(sim.now)[HOST].factor == 0.625
    for _ in range(10):
        sim.now += RECOVERY_SECONDS
        sim.step()
    assert sim.governor.hosts(sim.now)[HOST].factor == 1.0
    assert sim.governor.hosts(sim.now)[HOST].closings == 0


def probe(sim: Sim) -> int:
    sim.wait()
    assert sim.step(answer=False) == 1
    return sim.held.pop()[1]


def test_a_refused_probe_doubles_the_floor_and_a_lost_one_does_not_open() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.limited(HOST, None, None, sim.now)
    for floor in (120.0, 240.0, 480.0):
        sim.governor.limited(HOST, probe(sim), None, sim.now)
        assert closed_seconds(sim) == floor
    sim.governor.back(HOST, probe(sim), "failed", sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS
    probe(sim)
    sim.governor.forget(0, sim.now)
    sim.governor.want(1, HOST, 1)
    sim.now += 10
    assert sim.step(answer=False) == 1, "its shard died: another probe"


@pytest.mark.parametrize("ending", ["unused", "failed"])
def test_a_lost_probe_shortens_no_pause(ending: Ending) -> None:
    """Regression: a late answer that asked for an hour counted for nothing once the probe was given back."""
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.limited(HOST, None, None, sim.now)
    lost = probe(sim)
    sim.governor.limited(HOST, None, 5000.0, sim.now)
    sim.governor.back(HOST, lost, ending, sim.now)
    assert closed_seconds(sim) == 5000.0


def test_a_refusal_closes_until_a_person_acts() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.block(HOST, "HTTP 403", sim.now)
    sim.now += 10**6
    sim.governor.want(0, HOST, 100)
    assert sim.step() == 0
    assert sim.governor.seconds_to_next_grant(sim.now) is None
    assert sim.governor.reopen(HOST, sim.now)
    assert not sim.governor.reopen(HOST, sim.now)
    sim.governor.want(0, HOST, 100)
    assert sim.step(answer=False) == 1, "a probe: nobody knows yet whether it still refuses us"
    sim.now += 5
    assert sim.step(answer=False) == 0
    sim.answer_all()
    assert sim.governor.hosts(sim.now)[HOST].factor == 0.5


def test_a_host_without_a_policy_that_refused_us_is_free_again_in_the_end() -> None:
    sim = Sim(Governor({}, FLOOR_SECONDS, 660.0, 0.0))
    sim.governor.block(HOST, "HTTP 403", sim.now)
    assert sim.governor.reopen(HOST, sim.now)
    sim.governor.want(0, HOST, 1)
    sim.first()
    for _ in range(10):
        sim.now += RECOVERY_SECONDS
        sim.step()
    assert sim.governor.hosts(sim.now) == {}


def test_a_host_without_a_policy_gets_a_temporary_one() -> None:
    sim = Sim(Governor({}, FLOOR_SECONDS, 660.0, 0.0))
    assert sim.governor.hosts(0.0) == {}
    sim.governor.limited(HOST, None, None, sim.now)
    assert sim.governor.hosts(0.0)[HOST].temporary
    sim.governor.want(0, HOST, 1)
    sim.governor.back(HOST, probe(sim), "ok", sim.now)
    for _ in range(10):
        sim.now += RECOVERY_SECONDS
        sim.step()
    assert sim.governor.hosts(sim.now) == {}
    sim.governor.want(0, HOST, 1)
    assert sim.step() == 0, "it needs none any more"


def test_what_was_known_survives_a_new_start() -> None:
    sim = Sim(governor())
    sim.governor.limited(HOST, None, 500.0, sim.now)
    saved = sim.governor.hosts(sim.now)[HOST]
    for seconds_since, expected in ((100.0, 400.0), (10_000.0, 0.0), (-10_000.0, 500.0)):
        again = Sim(governor(now=7.0), now=7.0)
        again.governor.restore(HOST, saved, seconds_since, 7.0)
        assert closed_seconds(again) == expected
    sim.governor.block(HOST, "HTTP 403", sim.now)
    again = Sim(governor())
    again.governor.restore(HOST, sim.governor.hosts(0.0)[HOST], 1.0, 0.0)
    assert again.governor.hosts(0.0)[HOST].blocked == "HTTP 403"
    calm = Sim(Governor({}, FLOOR_SECONDS, 660.0, 0.0))
    calm.governor.restore(HOST, governor().hosts(0.0)[HOST], 1.0, 0.0)
    assert calm.governor.hosts(0.0) == {}


def test_which_changes_are_reported() -> None:
    made = governor()
    before = made.hosts(0.0)
    assert list(changes(before, made.hosts(5.0))) == []
    made.limited(HOST, None, None, 5.0)
    assert list(changes(before, made.hosts(5.0))) == [HOST]
    assert list(changes(made.hosts(5.0), made.hosts(9.0))) == []
    assert list(changes({}, before)) == [HOST]


def test_policies_are_written_and_read() -> None:
    (policy,) = parse_policies("Export.arXiv.org=1/3@1")
    assert policy == HostPolicy(ARXIV_HOST, 1, 3.0, 1)
    assert parse_policies(str(policy)) == (policy,)
    assert policy.is_within(PUBLISHED[ARXIV_HOST])
    assert not HostPolicy(ARXIV_HOST, 8, 2.0, 4).is_within(PUBLISHED[ARXIV_HOST]), "a larger burst"
    assert not HostPolicy(ARXIV_HOST, 4, 0.5, 4).is_within(PUBLISHED[ARXIV_HOST])
    assert policies_by_host((policy,)) == {ARXIV_HOST: policy}
    assert parse_policies("[::1]=1/1@1 0:0:0:0:0:0:0:2=2/1@1 Source.Example.=3/1@1 arxiv.org=1/9@1") == (
        HostPolicy("::1", 1, 1.0, 1), HostPolicy("::2", 2, 1.0, 1), HostPolicy(HOST, 3, 1.0, 1),
        HostPolicy(ARXIV_HOST, 1, 9.0, 1),
    )  # fmt: skip
    assert parse_policies("jp.arxiv.org=1/9@1 xxx.lanl.gov=1/9@1") == (HostPolicy(ARXIV_HOST, 1, 9.0, 1),) * 2
    for wrong in (
        "source.example:8080=1/1@1",
        "cafe:80=1/1@1",
        "x",
        "x=1",
        "x=0/1@1",
        "x=1/0@1",
        "x=1/1@0",
        "x=1/1",
        "=1/1@1",
        "x=-1/1@1",
    ):
        with pytest.raises(ValueError, match=wrong.split("=")[0] or "="):
            parse_policies(wrong)


def test_urls_of_arxivs_main_host_become_those_of_its_host_for_programs() -> None:
    assert polite_url("http://www.arxiv.org/pdf/2401.00001?a=b") == "https://export.arxiv.org/pdf/2401.00001?a=b"
    assert polite_url("https://mirror.example/pdf/1") == "https://mirror.example/pdf/1"
    for host in ("de.arxiv.org", "xxx.lanl.gov", "lanl.arxiv.org:80", "Browse.ArXiv.org", "xxx.itp.ac.cn"):
        assert polite_url(f"http://{host}/pdf/1") == "https://export.arxiv.org/pdf/1"
    for url in ("http://notarxiv.org/pdf/1", "http://arxiv.org.example/pdf/1", "http://export.arxiv.org/pdf/1"):
        assert polite_url(url) == url
    assert polite_url("https://ArXiv.org./pdf/1") == "https://export.arxiv.org/pdf/1"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Mirror.Example:8080/x", "mirror.example"),
        ("https://export.arxiv.org./x", ARXIV_HOST),
        ("https://ＥＸＰＯＲＴ.arxiv.org/x", ARXIV_HOST),
        ("http://[0:0::1]:80/x", "::1"),
        (f"http://{'ü' * 80}/x", "ü" * 80),
        ("file:///x", ""),
    ],
)
def test_a_host_is_written_in_one_way(url: str, host: str) -> None:
    assert host_of(url) == host


def page(paper: int, says: str = "Are you a robot?", instead: Instead = "page") -> Given:
    return Given(f"paper {paper}", "captcha", instead, says)


def test_a_page_for_everybody_closes_a_host_as_a_limit_does_and_then_as_a_refusal() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    for paper in range(5):
        assert not sim.governor.hosts(sim.now)[HOST].is_shut
        sim.governor.no_pdf(HOST, None, page(paper), sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS
    assert sim.governor.hosts(sim.now)[HOST].why == "gave 5 answers in a row without a PDF: Are you a robot?"
    sim.governor.no_pdf(HOST, None, page(6), sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS, "it was under way when the host was closed"
    permit = probe(sim)
    sim.governor.back(HOST, permit, "undecided", sim.now)
    assert sim.step() == 0, "nobody knows yet what the probe found"
    sim.governor.no_pdf(HOST, permit, page(7), sim.now)
    assert closed_seconds(sim) == 2 * FLOOR_SECONDS
    permit = probe(sim)
    sim.governor.back(HOST, permit, "undecided", sim.now)
    sim.governor.no_pdf(HOST, permit, page(8), sim.now)
    assert sim.governor.hosts(sim.now)[HOST].blocked == "gave 7 answers in a row without a PDF: Are you a robot?"
    assert len(sim.sent) == 2
    assert sim.governor.reopen(HOST, sim.now)
    sim.governor.want(0, HOST, 100)
    permit = probe(sim)
    sim.governor.back(HOST, permit, "undecided", sim.now)
    sim.governor.no_pdf(HOST, permit, page(9), sim.now)
    assert sim.governor.hosts(sim.now)[HOST].blocked is None, "the one paper may have none"
    assert closed_seconds(sim) == FLOOR_SECONDS


def test_the_first_page_of_a_row_is_told_to_all_shards() -> None:
    made = governor()
    for paper in range(4):
        made.no_pdf(HOST, None, page(paper), 0.0)
    assert (made.newly_doubted(), made.newly_doubted()) == ([HOST], [])
    made.well_answered(HOST, 0.0, with_pdf=True)
    made.no_pdf(HOST, None, page(0), 0.0)
    assert made.newly_doubted() == [], "a page of this paper's own"
    made.no_pdf(HOST, None, page(5), 0.0)
    assert made.newly_doubted() == [HOST]


def test_a_probe_whose_pdf_comes_from_elsewhere() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.limited(HOST, None, None, sim.now)
    sim.governor.back(HOST, probe(sim), "undecided", sim.now)
    assert sim.governor.hosts(sim.now)[HOST].is_shut
    sim.governor.well_answered(HOST, sim.now, with_pdf=True)
    assert not sim.governor.hosts(sim.now)[HOST].is_shut


def test_a_probe_that_is_redirected_within_the_host() -> None:
    """Regression: the redirect to a login page reopened the host for everybody."""
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.limited(HOST, None, None, sim.now)
    sim.governor.back(HOST, probe(sim), "redirected", sim.now)
    assert closed_seconds(sim) == 0.0, "what it leads to may be asked for at once"
    permit = probe(sim)
    sim.governor.back(HOST, permit, "undecided", sim.now)
    sim.governor.no_pdf(HOST, permit, page(1), sim.now)
    assert sim.governor.hosts(sim.now)[HOST].is_shut
    sim.governor.back(HOST, probe(sim), "ok", sim.now)
    assert not sim.governor.hosts(sim.now)[HOST].is_shut


def test_a_probe_whose_end_is_never_known() -> None:
    sim = Sim(governor())
    sim.governor.want(0, HOST, 100)
    sim.governor.limited(HOST, None, None, sim.now)
    sim.governor.back(HOST, probe(sim), "undecided", sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS
    probe(sim)


@pytest.mark.parametrize("policy", [{}, {HOST: HostPolicy(HOST, 4, 1.0, 4)}])
def test_promises_cost_a_host_no_rate(policy: dict[str, HostPolicy]) -> None:
    sim = Sim(Governor(policy, FLOOR_SECONDS, 660.0, 0.0))
    for paper in range(20):
        sim.governor.no_pdf(HOST, None, page(paper, instead="promise"), sim.now)
    assert closed_seconds(sim) == FLOOR_SECONDS
    sim.governor.want(0, HOST, 1)
    permit = probe(sim)
    sim.governor.back(HOST, permit, "undecided", sim.now)
    sim.governor.no_pdf(HOST, permit, page(100, instead="promise"), sim.now)
    found = sim.governor.hosts(sim.now)
    assert found.keys() == policy.keys()
    assert all(not state.is_shut and state.factor == 1.0 and state.closings == 0 for state in found.values())


def test_a_limit_during_a_rest_counts_as_a_limit() -> None:
    sim = Sim(governor())
    for paper in range(20):
        sim.governor.no_pdf(HOST, None, page(paper, instead="error"), sim.now)
    sim.governor.limited(HOST, None, 500.0, sim.now)
    sim.governor.want(0, HOST, 1)
    sim.governor.back(HOST, probe(sim), "ok", sim.now)
    assert sim.governor.hosts(sim.now)[HOST].factor == 0.5


def test_hosts_that_are_remembered_are_bounded() -> None:
    made = Governor({}, FLOOR_SECONDS, 660.0, 0.0)
    for number in range(20_000):
        made.no_pdf(f"host {number}", None, page(1), 0.0)
    assert len(made._in_a_row) <= 10_000
    assert made.hosts(0.0) == {}
