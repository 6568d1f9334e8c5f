"""Claims for idle workers, and the leases of all papers that are held.

Guarantee: no more papers are claimed than there are idle workers, so no claimed paper waits for a worker; later phases
are served first, so that papers in progress get finished; nothing is claimed during a pause, nor for a phase that asks
models while none may be asked, and no paper is handed out once the claims are closed; with an allowance, no more papers
are taken than it holds, and none twice; every lease is renewed, even during a drain, until its claim is ended, and the
work on one that turns out to be lost is interrupted. Limit: renewal runs on the loop; a loop that stalls for longer
than a lease loses its leases, and the fence in the store then discards its work.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress

from rpa_shard.ipc.allowance import Allowance
from rpa_shard.ipc.model_status import Standing
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase, outstanding
from rpa_shard.shard.vitals import Counters
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.store.outcome import Outcome, released
from rpa_shard.store.protocol import Store
from rpa_shard.store.rows import NEVER
from rpa_shard.system.clock import SteadyClock

log = logging.getLogger(__name__)

# How long idle workers wait for others, so that one transaction claims for all of them; a full group does not wait.
GATHER_SECONDS = 0.2
# How often an idle shard looks for papers that were added meanwhile.
POLL_SECONDS = 1.0
MIN_POLL_SECONDS = 0.03
# How soon leases are renewed again if they could not be renewed.
RENEW_AGAIN_SECONDS = 1.0


class Claims:
    """The claims of one shard over `phases`. `feed` and `renew` must run as tasks while workers work.

    `leases` is kept up to date with what is known of them.
    A `group` of idle workers, or more, does not wait for others. The phases in `asking` ask models; `standing` says
    whether any may be asked.
    """

    def __init__(
        self,
        store: Store,
        counters: Counters,
        phases: Collection[Phase],
        group: int,
        leases: LeaseValidity,
        asking: Collection[Phase] = (),
        standing: Callable[[], Standing] = lambda: Standing(True),
    ) -> None:
        self._store = store
        self._counters = counters
        # Latest first.
        self._phases = tuple(reversed(tuple(phases)))
        self._asking = frozenset(asking)
        self._standing = standing
        self._from_statuses = frozenset(phase.from_status for phase in self._phases)
        self._group = group
        self._clock = SteadyClock()
        self._leases = leases
        self._held: dict[str, Claim] = {}
        # Of those that are held, the leases that turned out to be lost; and what interrupts the work on a claim.
        self._lost: set[str] = set()
        self._interrupts: dict[str, Callable[[], None]] = {}
        self._idle_workers: deque[asyncio.Future[Claim | None]] = deque()
        self._wanted = asyncio.Event()
        self._wanted_by_group = asyncio.Event()
        self._closed = asyncio.Event()
        self._not_paused = asyncio.Event()
        self._not_paused.set()
        # Set when the next look need not wait: the claims are closed, or a phase has produced work for the next one.
        self._look_now = asyncio.Event()
        self._nothing_to_claim = False
        # None: there is no limit.
        self._allowance: Allowance | None = None
        self._not_failed_since = NEVER
        # The phases for which papers may wait, for their time or for models.
        self._may_wait = frozenset(self._phases)
        # Set when nothing is left to claim, and again when the last claim after that is ended.
        self.ran_dry = asyncio.Event()

    @property
    def held(self) -> int:
        """The papers leased to this shard."""
        return len(self._held)

    def limit(self, allowance: Allowance, not_failed_since: float) -> None:
        """Takes no more papers than this, and none whose last attempt failed then (Unix seconds) or later."""
        self._allowance, self._not_failed_since = allowance, not_failed_since

    def still_open(self, by_status: Mapping[str, int]) -> int:
        """On how many of the shard's papers, which are given by status, it still has work to do.

        Papers that wait for models of which none is asked until a person acts are left to another run.
        """
        stopped = self._stopped()
        open_papers = outstanding(by_status, self._phases)
        open_papers -= sum(by_status.get(phase.from_status, 0) for phase in stopped)
        if self._allowance is None:
            return open_papers
        return min(open_papers, self.held + sum(map(self._left, self._may_wait - stopped)))

    async def next(self) -> Claim | None:
        """The next paper to work on; None once the shard drains."""
        if self._closed.is_set():
            return None
        waiting: asyncio.Future[Claim | None] = asyncio.get_running_loop().create_future()
        self._idle_workers.append(waiting)
        self._wanted.set()
        if len(self._idle_workers) >= self._group:
            self._wanted_by_group.set()
        try:
            claim = await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled() and (claim := waiting.result()) is not None:
                await self._hand_back(claim)
            raise
        if claim is not None and self._closed.is_set():  # between the claim and this turn of the loop
            await self._hand_back(claim)
            return None
        return claim

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """Ends a claim in the store; False if its lease was lost."""
        try:
            written = await self._store.finish(claim, outcome)
        finally:
            self._held.pop(claim.lease_id, None)
            self._lost.discard(claim.lease_id)
            if outcome.failure is None and outcome.status in self._from_statuses:
                self._may_wait = frozenset(self._phases)
                self._look_now.set()
            if self._nothing_to_claim and not self._held:
                self.ran_dry.set()
        self._counters.ended(claim, outcome, written=written)
        if not written:
            log.warning("lost_lease arxiv_id=%s: the work of attempt %d is thrown away", claim.paper_id, claim.attempt)
        return written

    def is_lost(self, claim: Claim) -> bool:
        """Whether the lease of a held claim has turned out to be lost."""
        return claim.lease_id in self._lost

    @contextmanager
    def if_lost(self, claim: Claim, interrupt: Callable[[], None]) -> Iterator[None]:
        """Calls `interrupt`, once, if the lease of a held claim turns out to be lost while the block runs."""
        self._interrupts[claim.lease_id] = interrupt
        try:
            yield
        finally:
            del self._interrupts[claim.lease_id]

    def look_again(self) -> None:
        """Something has changed that may allow claims."""
        self._look_now.set()

    def pause(self) -> None:
        """No more claims for now."""
        if not self._closed.is_set():
            self._not_paused.clear()

    def resume(self) -> None:
        """Ends a pause."""
        self._not_paused.set()

    def close(self) -> None:
        """No more claims: idle workers get None."""
        self._closed.set()
        self._wanted.set()
        self._wanted_by_group.set()
        self._not_paused.set()
        self._look_now.set()

    async def feed(self) -> None:
        """Makes claims for idle workers until `close`."""
        while not self._closed.is_set():
            await self._wanted.wait()
            await _wait_for(self._wanted_by_group, GATHER_SECONDS)
            await self._not_paused.wait()
            self._look_now.clear()
            self._nothing_to_claim = await self._claim_for_idle_workers()
            if self._nothing_to_claim:
                self.ran_dry.set()
                if not self._closed.is_set():
                    await _wait_for(self._look_now, await self._seconds_to_next_attempt())
        while self._idle_workers:
            _give(self._idle_workers.popleft(), None)

    async def renew(self, every_seconds: float) -> None:
        """Renews all held leases until cancelled, and hands back expired ones that no worker here holds.

        It does so at once if somebody doubts the leases.
        """
        seconds = every_seconds
        while True:
            await _wait_for(self._leases.doubted, seconds)
            begun_at = self._leases.renewal_begins()
            held = [claim for claim in self._held.values() if claim.lease_id not in self._lost]
            lost = await self._store.renew(held) if held else set()
            if lost is None:
                seconds = min(every_seconds, RENEW_AGAIN_SECONDS)
                continue
            seconds = every_seconds
            for lease_id in lost & self._held.keys():
                self._lose(lease_id)
            self._leases.renewed(begun_at)
            await self._store.reclaim_expired(self._held.keys())

    def _lose(self, lease_id: str) -> None:
        log.warning("lost_lease arxiv_id=%s: found when renewing", self._held[lease_id].paper_id)
        self._lost.add(lease_id)
        if (interrupt := self._interrupts.get(lease_id)) is not None:
            interrupt()

    async def _claim_for_idle_workers(self) -> bool:
        """Claims for the workers that are idle now; True if nothing is left to claim."""
        nothing_to_claim = await self._claim_from_phases()
        if not self._idle_workers:
            self._wanted.clear()
        if len(self._idle_workers) < self._group:
            self._wanted_by_group.clear()
        return nothing_to_claim

    async def _claim_from_phases(self) -> bool:
        self._forget_cancelled_workers()
        # Workers that ask meanwhile wait for the next round, when later phases go first again.
        unserved = len(self._idle_workers)
        nothing_to_claim = True
        for phase in self._phases:
            self._forget_cancelled_workers()
            limit = min(unserved, len(self._idle_workers))
            if not limit or self._closed.is_set() or not self._not_paused.is_set():
                return False
            allowed = min(limit, self._left(phase)) if self._may_claim(phase) else 0
            begun_at = self._leases.now()
            claims = await self._store.claim(phase, allowed, self._not_failed_since) if allowed else []
            self._leases.claimed(begun_at)
            self._held.update((claim.lease_id, claim) for claim in claims)
            unserved -= len(claims)
            nothing_to_claim = nothing_to_claim and not claims
            without_worker = [claim for claim in claims if not self._hand_out(claim)]
            await asyncio.gather(*map(self._hand_back, without_worker))
        return nothing_to_claim

    def _left(self, phase: Phase) -> int:
        """How many more papers of a phase may be taken."""
        if self._allowance is None:
            return sys.maxsize
        allowed = self._allowance.after(self._counters.ends, self._phases).papers[phase.name]
        return max(0, allowed - sum(claim.phase is phase for claim in self._held.values()))

    def _may_claim(self, phase: Phase) -> bool:
        """Whether papers of a phase may be claimed now."""
        return phase not in self._asking or self._standing().may_ask

    def _stopped(self) -> frozenset[Phase]:
        """The phases that wait until a person acts."""
        return self._asking if self._asking and self._standing().is_stopped else frozenset()

    def _forget_cancelled_workers(self) -> None:
        self._idle_workers = deque(each for each in self._idle_workers if not each.done())

    def _hand_out(self, claim: Claim) -> bool:
        """Gives a claim to an idle worker; False if none is left."""
        while self._idle_workers:
            if _give(self._idle_workers.popleft(), claim):
                return True
        return False

    async def _hand_back(self, claim: Claim) -> None:
        """Gives a claim back to the store."""
        await self.finish(claim, released(claim.phase, "no worker was left for it", suspect=claim.suspect))

    async def _seconds_to_next_attempt(self) -> float:
        times = {
            phase: await self._store.next_attempt_at(phase, self._not_failed_since)
            for phase in self._phases
            if self._left(phase)
        }
        waiting = {phase: time for phase, time in times.items() if time is not None}
        due = min((time for phase, time in waiting.items() if self._may_claim(phase)), default=None)
        self._may_wait = frozenset(self._phases if self._look_now.is_set() else waiting)
        return POLL_SECONDS if due is None else min(max(due - self._clock(), MIN_POLL_SECONDS), POLL_SECONDS)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, but no longer than this."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _give(waiting: asyncio.Future[Claim | None], claim: Claim | None) -> bool:
    """Ends a worker's wait; False if it is no longer waiting, because it was cancelled."""
    if waiting.done():
        return False
    waiting.set_result(claim)
    return True
