"""The claims of a shard against a store in memory, on a loop whose time is made up: laws that hold in any order."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.ipc.allowance import Allowance
from rpa_shard.ipc.model_status import Standing
from rpa_shard.model.failure import Failure
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, PREP, Phase, Status
from rpa_shard.shard import claims as claims_module
from rpa_shard.shard.claims import GATHER_SECONDS, POLL_SECONDS, Claims
from rpa_shard.shard.vitals import Counters
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import Outcome, completed, failed, postponed, released
from rpa_shard.store.rows import NEVER, Counts

Step = tuple[Any, ...]

OUTCOMES: Mapping[str, Callable[[Phase], Outcome]] = {
    "completed": lambda phase: completed(phase, {}),
    "soon again": lambda phase: postponed(phase, Failure.NETWORK, "refused", 0.5, charged=True, suspect=False),
    "much later": lambda phase: postponed(phase, Failure.NETWORK, "refused", 100.0, charged=True, suspect=False),
    "failed": lambda phase: failed(phase, Failure.BAD_PDF, "no pages"),
    "interrupted": lambda phase: released(phase, "interrupted"),
}
LEASE_SECONDS, RENEW_SECONDS = 3.0, 1.0
MANY = {"pending": 1000}
STANDINGS = {"open": Standing(True), "closed": Standing(False, 60.0), "stopped": Standing(False, None)}
# After this nothing happens any more but what is tried again and again.
SETTLED_SECONDS = 3 * POLL_SECONDS


class _Jumping(selectors.SelectSelector):
    """Instead of waiting for time to pass, lets it have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for ever"
        self.now += timeout
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """A loop without real waits."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


@dataclass
class Paper:
    """A row."""

    status: Status
    due: float
    lease_id: str | None = None
    expires_at: float = 0.0
    attempts: int = 0
    failed_at: float = -1.0


class MemoryStore:
    """`rpa_shard.store.protocol.Store` in memory. Each call takes the time that is next in `seconds`."""

    def __init__(self, seconds: Sequence[float], now: Callable[[], float]) -> None:
        self.papers: dict[str, Paper] = {}
        self.issued: list[str] = []
        self.handed_back: list[str] = []
        self.ended: list[tuple[str, Phase, Outcome]] = []
        self.before_claim: Callable[[Phase, int], None] = lambda phase, limit: None
        self.after_claim: Callable[[Phase, bool], None] = lambda phase, is_all: None
        self.before_return: Callable[[], None] = lambda: None
        self._seconds = list(seconds)
        self._now = now
        self._call = 0

    def add(self, phase: Phase, papers: int) -> None:
        for _ in range(papers):
            self.papers[f"2401.{len(self.papers):05}"] = Paper(phase.from_status, self._now())

    def leased(self) -> list[str]:
        return [paper.lease_id for paper in self.papers.values() if paper.lease_id is not None]

    def due(self, phase: Phase, not_failed_since: float = NEVER) -> list[str]:
        return [
            paper_id
            for paper_id, paper in self.papers.items()
            if paper.status is phase.from_status and paper.due <= self._now() and paper.failed_at < not_failed_since
        ]

    async def claim(self, phase: Phase, limit: int, not_failed_since: float = NEVER) -> list[Claim]:
        self.before_claim(phase, limit)
        await self._take_time()
        claims = []
        for paper_id in self.due(phase, not_failed_since)[:limit]:
            paper = self.papers[paper_id]
            paper.status, paper.attempts = phase.active_status, paper.attempts + 1
            paper.lease_id, paper.expires_at = f"lease-{len(self.issued)}", self._now() + LEASE_SECONDS
            self.issued.append(paper.lease_id)
            claims.append(Claim(paper_id, phase, paper.lease_id, paper.attempts))
        self.after_claim(phase, len(claims) < limit)
        await self._take_time()
        self.before_return()
        return claims

    async def claim_named(self, phase: Phase, paper_ids: Sequence[str]) -> list[Claim]:
        raise AssertionError("a shard claims what is due")

    async def next_attempt_at(self, phase: Phase, not_failed_since: float = NEVER) -> float | None:
        await self._take_time()
        waiting = [each for each in self.papers.values() if each.status is phase.from_status]
        return min((each.due for each in waiting if each.failed_at < not_failed_since), default=None)

    async def renew(self, claims: Collection[Claim]) -> set[str]:
        await self._take_time()
        lost = set()
        for claim in claims:
            paper = self.papers[claim.paper_id]
            if paper.lease_id == claim.lease_id:
                paper.expires_at = self._now() + LEASE_SECONDS
            else:
                lost.add(claim.lease_id)
        return lost

    async def reclaim_expired(self, held: Collection[str]) -> int:
        await self._take_time()
        expired = [
            paper
            for paper in self.papers.values()
            if paper.lease_id is not None and paper.lease_id not in held and paper.expires_at <= self._now()
        ]
        for paper in expired:
            paper.status, paper.lease_id = PREP.from_status, None
        return len(expired)

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        # Like every store, it writes even if the caller is cancelled.
        return await asyncio.shield(self._finish(claim, outcome))

    async def _finish(self, claim: Claim, outcome: Outcome) -> bool:
        await self._take_time()
        paper = self.papers[claim.paper_id]
        if paper.lease_id != claim.lease_id or paper.expires_at <= self._now():
            return False
        if outcome.event == "released":
            self.handed_back.append(claim.lease_id)
        self.ended.append((claim.paper_id, claim.phase, outcome))
        paper.status, paper.due, paper.lease_id = outcome.status, self._now() + outcome.delay_seconds, None
        paper.failed_at = -1.0 if outcome.failure is None else self._now()
        await self._take_time()
        return True

    async def counts(self) -> Counts:
        return Counts(Counter(paper.status.value for paper in self.papers.values()))

    async def _take_time(self) -> None:
        self._call += 1
        await asyncio.sleep(self._seconds[self._call % len(self._seconds)])


@dataclass
class Worker:
    """One worker; `ends` tells it how the claim in hand is to end."""

    task: asyncio.Task[None] | None = None
    claim: Claim | None = None
    ends: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    cancelled: bool = False

    @property
    def is_done(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def has_no_paper(self) -> bool:
        return self.claim is None and not self.is_done

    @property
    def asks(self) -> bool:
        return self.has_no_paper and not self.cancelled


class Bench:
    """Claims, the store behind them, the workers before them, and what was broken."""

    def __init__(self, group: int, seconds: Sequence[float], allowance: Allowance | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = MemoryStore(seconds, self.loop.time)
        self.store.before_claim = self.before_claim
        self.store.after_claim = self.after_claim
        self.store.before_return = self.before_return
        self.counters = Counters()
        self.standing = STANDINGS["open"]
        leases = LeaseValidity(LEASE_SECONDS, self.loop.time)
        self.claims = Claims(
            self.store, self.counters, [PREP, ANALYZE], group, leases, [ANALYZE], lambda: self.standing
        )
        self.allowance, self.not_failed_since = allowance, NEVER
        if allowance is not None:
            self.not_failed_since = self.loop.time()
            self.claims.limit(allowance, self.not_failed_since)
        self.workers: list[Worker] = []
        self.given: list[str] = []
        self.paused = self.closed = self.later_phase_is_empty = False
        self.at_next_handover: list[Step] = []
        self.broken: list[str] = []

    def law(self, holds: bool, text: str) -> None:
        if not holds:
            self.broken.append(text)

    def before_claim(self, phase: Phase, limit: int) -> None:
        asking = sum(worker.asks for worker in self.workers)
        living = sum(not worker.is_done for worker in self.workers)
        self.law(not self.closed, "claimed after the end")
        self.law(not self.paused, "claimed in a pause")
        self.law(1 <= limit <= asking, f"{limit} claims asked for, {asking} workers ask")
        self.law(len(self.store.leased()) + limit <= living, f"more claims than {living} workers")
        self.law(limit <= self.may_take(phase), "more than may be taken")
        # A paper that is just being handed back still counts as taken.
        going_back = max(0, self.claims.held - len(self.store.leased()))
        self.law(phase is PREP or self.standing.may_ask, "claimed for a phase that may not go on")
        later_phase_is_done = (
            self.later_phase_is_empty or not self.standing.may_ask or self.may_take(ANALYZE) <= going_back
        )
        self.law(phase is ANALYZE or later_phase_is_done, "an earlier phase before a later one")
        self.later_phase_is_empty = False

    def after_claim(self, phase: Phase, is_all: bool) -> None:
        self.later_phase_is_empty = phase is ANALYZE and is_all

    def may_take(self, phase: Phase) -> int:
        """How many papers may still be taken, by what the store knows."""
        if self.allowance is None:
            return 1000
        taken = sum(paper.status is phase.active_status for paper in self.store.papers.values())
        for _, each, outcome in self.store.ended:
            has_had_its_turn = outcome.result is not None or outcome.failure is not None
            taken += has_had_its_turn and each is phase
            taken -= outcome.result is not None and each.to_status is phase.from_status
        return self.allowance.papers[phase.name] - taken

    def before_return(self) -> None:
        """What was to happen at a handover does: workers have their claims then, and have not yet woken up."""
        for step in self.at_next_handover:
            self.loop.call_soon(self.do, step)
        self.at_next_handover.clear()

    def do(self, step: Step) -> Awaitable[None] | None:
        name, *arguments = step
        over = self.allowance is not None and self.claims.still_open(MANY) == 0
        self.law(not over or not self.is_something_to_come(begun=True), "said to be over too early")
        done: Awaitable[None] | None = getattr(self, name)(*arguments)
        return done

    def at_handover(self, *step: Any) -> None:
        self.at_next_handover.append(step)

    async def work(self, worker: Worker) -> None:
        while (claim := await self.claims.next()) is not None:
            self.law(not self.closed, "begun after the end")
            self.law(claim.lease_id not in self.given, "given to two workers")
            self.given.append(claim.lease_id)
            worker.claim, worker.ends = claim, self.loop.create_future()
            self.law(await self.claims.finish(claim, await worker.ends), "a lease was lost")
            worker.claim = None

    def ask(self) -> None:
        worker = Worker()
        self.workers.append(worker)
        worker.task = self.loop.create_task(self.work(worker))

    def cancel(self, pick: int) -> None:
        """Cancels one that has no paper to work on, perhaps once more, while it hands one back."""
        if without := [worker for worker in self.workers if worker.has_no_paper]:
            worker = without[pick % len(without)]
            worker.cancelled = True
            assert worker.task is not None
            worker.task.cancel()

    def end(self, pick: int, how: str) -> None:
        if holding := [each for each in self.workers if each.claim is not None and not each.ends.done()]:
            worker = holding[pick % len(holding)]
            assert worker.claim is not None
            worker.ends.set_result(OUTCOMES[how](worker.claim.phase))

    def pause(self) -> None:
        self.paused = not self.closed
        self.claims.pause()

    def models(self, standing: str) -> None:
        self.standing = STANDINGS[standing]
        self.claims.look_again()

    def resume(self) -> None:
        self.paused = False
        self.claims.resume()

    def add(self, phase: Phase, papers: int) -> None:
        self.store.add(phase, papers)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def close(self) -> None:
        self.closed, self.paused = True, False
        self.claims.close()

    async def settle(self) -> None:
        """Waits until all that can be done is done."""
        self.claims.ran_dry.clear()
        await asyncio.sleep(SETTLED_SECONDS)
        in_hand = [worker for worker in self.workers if worker.claim is not None]
        asking = [worker for worker in self.workers if worker.asks]
        due = sum(
            len(self.store.due(phase, self.not_failed_since))
            for phase in (PREP, ANALYZE)
            if self.may_take(phase) and (phase is PREP or self.standing.may_ask)
        )
        self.law(self.claims.held == len(self.store.leased()) == len(in_hand), "claims that nobody works on")
        if self.closed:
            self.law(not asking, "a worker waits after the end")
        elif not self.paused and asking:
            self.law(due == 0, "a worker waits, and so does a paper")
            self.law(bool(in_hand) or self.claims.ran_dry.is_set(), "nothing is left, and nobody says so")
            self.law(self.claims.still_open(MANY) == len(in_hand) or self.is_something_to_come(), "open for ever")

    def is_something_to_come(self, *, begun: bool = False) -> bool:
        """Whether papers that may be taken wait for their time, of all or of those that have been begun.

        Without a limit there may always be more.
        """
        return self.allowance is None or any(
            paper.status is phase.from_status and paper.failed_at < self.not_failed_since and self.may_take(phase)
            for paper in self.store.papers.values()
            for phase in (PREP, ANALYZE)
            if (paper.attempts or not begun) and (phase is PREP or not self.standing.is_stopped)
        )

    async def run(self, steps: Sequence[Step]) -> None:
        feeding = self.loop.create_task(self.claims.feed())
        renewing = self.loop.create_task(self.claims.renew(RENEW_SECONDS))
        for step in steps:
            if (waiting := self.do(step)) is not None:
                await waiting
        await self.settle()
        self.close()
        while any(worker.claim is not None for worker in self.workers):
            self.end(0, "interrupted")
            await asyncio.sleep(SETTLED_SECONDS)
        await self.settle()
        self.law(feeding.done(), "still feeding")
        self.law(await self.claims.next() is None, "a claim after the end")
        for task in (feeding, renewing, *(each.task for each in self.workers if each.task is not None)):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        without_worker = set(self.store.issued) - set(self.given)
        self.law(without_worker <= set(self.store.handed_back), "neither given to a worker nor handed back")
        self.law(self.counters.work({}, {}).lost_leases == 0, "a lease ran out")
        self.law(self.store.leased() == [], "a lease is left")
        if self.allowance is not None:
            failed = Counter(paper_id for paper_id, _, outcome in self.store.ended if outcome.failure is not None)
            self.law(set(failed.values()) <= {1}, "taken again after it had its turn")


picks = st.integers(0, 10)
phases = st.sampled_from([PREP, ANALYZE])
# A turn of the loop, and less and more than each of the waits in there.
pauses = st.sampled_from([0.0, 0.0, 0.01, GATHER_SECONDS / 2, GATHER_SECONDS, 0.4, POLL_SECONDS * 1.1])
ask, end, wait = (
    st.tuples(st.just("ask")),
    st.tuples(st.just("end"), picks, st.sampled_from(["completed", *OUTCOMES])),
    st.tuples(st.just("wait"), pauses),
)
steps = st.one_of(
    ask, ask, end, end, wait, wait,
    st.tuples(st.just("cancel"), picks),
    st.tuples(st.just("at_handover"), st.just("cancel"), picks),
    st.tuples(st.just("at_handover"), st.sampled_from(["close", "pause"])),
    st.tuples(st.just("add"), phases, picks),
    st.tuples(st.sampled_from(["pause", "resume", "resume", "settle"])),
    st.tuples(st.just("models"), st.sampled_from(["closed", "stopped", "open", "open"])),
)  # fmt: skip
# Short ones are easier to read, long ones get further.
scripts = st.lists(steps, max_size=8) | st.lists(steps, min_size=16, max_size=50)
latencies = st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.05]), min_size=1, max_size=7)


def on_bench(
    group: int,
    seconds: Sequence[float],
    script: Callable[[Bench], Coroutine[Any, Any, None]],
    allowance: Allowance | None = None,
) -> list[str]:
    """The laws that do not hold when a script has run."""

    async def drive() -> list[str]:
        bench = Bench(group, seconds, allowance)
        await script(bench)
        return bench.broken

    with closing(Loop()) as loop, mock.patch.object(claims_module, "SteadyClock", lambda: loop.time):
        return loop.run_until_complete(drive())


@settings(max_examples=800, deadline=None)
@given(st.integers(1, 4), latencies, scripts, st.lists(steps, max_size=3))
def test_the_laws_of_claims(
    group: int, seconds: Sequence[float], before: Sequence[Step], after_the_end: Sequence[Step]
) -> None:
    close: list[Step] = [("close",)] if after_the_end else []
    assert on_bench(group, seconds, lambda bench: bench.run([*before, *close, *after_the_end])) == []


allowances = st.fixed_dictionaries({"prep": picks, "analyze": picks}).map(Allowance)


@settings(max_examples=800, deadline=None)
@given(st.integers(1, 4), latencies, scripts, allowances)
def test_the_laws_of_claims_with_a_limit(
    group: int, seconds: Sequence[float], steps: Sequence[Step], allowance: Allowance
) -> None:
    assert on_bench(group, seconds, lambda bench: bench.run(steps), allowance) == []


def test_papers_that_wait_for_a_person_are_left_to_another_run() -> None:
    by_status = {"pending": 1, "prepping": 2, "prepped": 40, "analyzing": 8, "analyzed": 100, "failed": 5}

    async def script(bench: Bench) -> None:
        for standing, papers in (("open", 51), ("closed", 51), ("stopped", 11)):
            bench.models(standing)
            bench.law(bench.claims.still_open(by_status) == papers, standing)

    assert on_bench(1, [0.0], script) == []


def test_a_paper_of_a_run_with_a_limit_waits_for_models_that_may_be_asked_again() -> None:
    async def script(bench: Bench) -> None:
        bench.add(PREP, 1)
        feeding = bench.loop.create_task(bench.claims.feed())
        bench.ask()
        await asyncio.sleep(GATHER_SECONDS + 0.1)
        bench.models("stopped")
        bench.end(0, "completed")
        await asyncio.sleep(2 * POLL_SECONDS)
        bench.law(bench.claims.still_open(MANY) == 0, "it is left to another run")
        bench.models("closed")
        bench.law(bench.claims.still_open(MANY) == 1, "it waits for them")
        bench.close()
        await feeding

    assert on_bench(1, [0.0], script, Allowance({"prep": 1, "analyze": 0})) == []


def test_a_phase_that_may_go_on_is_looked_at_at_once() -> None:
    async def script(bench: Bench) -> None:
        bench.models("closed")
        bench.add(ANALYZE, 1)
        tasks = [bench.loop.create_task(each) for each in (bench.claims.feed(), bench.claims.renew(RENEW_SECONDS))]
        bench.ask()
        await asyncio.sleep(GATHER_SECONDS + 0.1)
        bench.law(not bench.given, "claimed too early")
        bench.models("open")
        await asyncio.sleep(GATHER_SECONDS + 0.1)
        bench.law(len(bench.given) == 1, "has waited for the next look")
        bench.end(0, "completed")
        await asyncio.sleep(0.1)
        bench.close()
        await tasks[0]
        tasks[1].cancel()

    assert on_bench(2, [0.0], script) == []


def test_what_a_phase_made_is_claimed_at_once_and_that_nothing_is_left_is_said_at_once() -> None:
    """Not only when the store is looked at again."""

    async def script(bench: Bench) -> None:
        bench.add(PREP, 1)
        tasks = [bench.loop.create_task(each) for each in (bench.claims.feed(), bench.claims.renew(RENEW_SECONDS))]
        for _ in range(2):
            bench.ask()
            await asyncio.sleep(SETTLED_SECONDS)
        bench.end(0, "completed")
        await asyncio.sleep(GATHER_SECONDS + 0.1)
        phases = [worker.claim.phase for worker in bench.workers if worker.claim is not None]
        bench.law(phases == [ANALYZE], "what prep made has waited")
        await asyncio.sleep(SETTLED_SECONDS)
        bench.claims.ran_dry.clear()
        bench.end(0, "completed")
        await asyncio.sleep(0.01)
        bench.law(bench.claims.ran_dry.is_set(), "not said that nothing is left")
        bench.close()
        await tasks[0]
        tasks[1].cancel()

    assert on_bench(2, [0.0], script) == []


def test_a_paper_goes_back_even_if_its_worker_is_cancelled_while_it_hands_it_back() -> None:
    """The claims are closed when the worker has its paper; both phases are asked, which takes four times 0.05 s."""

    async def script(bench: Bench) -> None:
        await bench.run([("at_handover", "close"), ("add", PREP, 1), ("ask",), ("wait", 0.21), ("cancel", 0)])
        (worker,) = bench.workers
        assert worker.task is not None
        bench.law(worker.task.cancelled(), "handed back before it was cancelled")
        bench.law(bench.store.handed_back == bench.store.issued == ["lease-0"], "not handed back once")

    assert on_bench(1, [0.05], script) == []
