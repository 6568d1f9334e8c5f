"""One worker: an asyncio task that takes a paper, lets its phase's runner work on it, ends the claim, and goes on.

Guarantee: whatever happens to an attempt, its claim is ended exactly once; a drain hands back, free of charge, what may
be interrupted and lets the rest finish; so does a lost lease, after which the worker goes on. Limit: the number of
workers bounds papers in flight; the slots of the phases, not the workers, bound downloads, extractions and the like.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from rpa_shard.ipc.shard_report import PaperInWork
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Phase
from rpa_shard.phases.runner import Attempt, PhaseRunner, Slots
from rpa_shard.shard.claims import Claims
from rpa_shard.shard.verdict import verdict
from rpa_shard.shard.vitals import Counters
from rpa_shard.store.outcome import Outcome, completed, released
from rpa_shard.system.activity import IDLE, Activity
from rpa_shard.system.errors import cause_and_place, is_systems_fault
from rpa_shard.system.failpoints import reach

log = logging.getLogger(__name__)

# The stage of a worker whose result is being written to the store.
COMMIT = "commit"
# How an attempt ends whose lease is lost; its end meets the fence.
LOST = "lease lost"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What the workers of a shard share."""

    claims: Claims
    runners: Mapping[Phase, PhaseRunner]
    slots: Slots
    counters: Counters
    delay_scale: float


class _Interruption:
    """Interrupts an attempt of the current task, but not the task."""

    def __init__(self, attempt: Attempt) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._attempt = attempt
        self._was_wanted = False
        self._cancels = 0

    def __call__(self) -> None:
        """The attempt is not wanted any more."""
        self._was_wanted = True
        if self._attempt.want_back():
            self._task.cancel()
            self._cancels = 1

    @property
    def is_only_reason(self) -> bool:
        """Whether it is why the attempt was cancelled, and nobody has cancelled the task besides."""
        return self._was_wanted and self._task.cancelling() == self._cancels

    def end(self) -> None:
        """The attempt is over: the task is as if it had not been cancelled by this."""
        if self._cancels:
            self._task.uncancel()
            self._cancels = 0


class Worker:
    """One worker; `run` is its task."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._attempt: Attempt | None = None
        self._activity: Activity | None = None
        self._claim: Claim | None = None
        self._claimed_at = 0.0
        # Set by a cancellation, whether the shard drains or breaks; from then on it takes no more papers.
        self._cancelled = False

    def drain(self, task: asyncio.Task[None]) -> None:
        """Interrupts the current paper if it can be handed back without losing work, now or later."""
        if self._attempt is not None and self._attempt.want_back():
            task.cancel()

    async def run(self) -> None:
        """Works until the claims are closed or the task is cancelled."""
        claims = self._context.claims
        activity = self._activity = Activity()
        while not self._cancelled and (claim := await claims.next()) is not None:
            reach("after_claim")
            self._claim, self._claimed_at = claim, time.monotonic()
            activity.begin(claim.phase.name)
            activity.take_spent()
            outcome = await self._work_on(claim)
            activity.begin(COMMIT)
            written = await claims.finish(claim, outcome)
            activity.begin(IDLE)
            seconds, self._claim = time.monotonic() - self._claimed_at, None
            if written:
                if outcome.result is not None or outcome.failure is not None:
                    self._context.counters.took({**activity.take_spent(), claim.phase.name: seconds})
                self._log(claim, outcome, seconds)

    @property
    def stage(self) -> str:
        """What it does now."""
        return self._activity.stage if self._activity is not None else IDLE

    def in_work(self) -> PaperInWork | None:
        """The paper that it holds, or None."""
        claim, activity = self._claim, self._activity
        if claim is None or activity is None:
            return None
        now = time.monotonic()
        return PaperInWork(
            claim.paper_id,
            claim.phase.name,
            activity.stage,
            round(now - activity.since, 3),
            round(now - self._claimed_at, 3),
            claim.attempt,
        )

    async def _work_on(self, claim: Claim) -> Outcome:
        context = self._context
        if context.claims.is_lost(claim):  # before its turn came
            return released(claim.phase, LOST, suspect=claim.suspect)
        attempt = self._attempt = Attempt(context.slots)
        interruption = _Interruption(attempt)
        try:
            with context.claims.if_lost(claim, interruption):
                result = await context.runners[claim.phase].run(claim, attempt)
            return completed(claim.phase, {**result, "attempts": claim.attempt})
        except asyncio.CancelledError:
            if interruption.is_only_reason:
                return released(claim.phase, LOST, suspect=claim.suspect)
            self._cancelled = True
            return released(claim.phase, "shutdown", suspect=claim.suspect)
        except PhasePausedError as paused:
            return released(claim.phase, f"paused: {paused}", suspect=claim.suspect)
        except PaperError as error:
            failed = error
        except OSError as error:
            if not is_systems_fault(error):
                log.exception("bug arxiv_id=%s", claim.paper_id)
            failed = PaperError(Failure.DISK_FULL if is_systems_fault(error) else Failure.BUG, str(error))
        except Exception as error:
            log.exception("bug arxiv_id=%s", claim.paper_id)
            failed = PaperError(Failure.BUG, cause_and_place(error))
        finally:
            interruption.end()
            self._attempt = None
        return verdict(claim, failed, random.random(), context.delay_scale)  # noqa: S311  # jitter, not a secret

    def _log(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        phase = claim.phase
        if outcome.result is not None:
            log.info(
                "%s DONE arxiv_id=%s ms=%.0f %s",
                phase.name.upper(),
                claim.paper_id,
                seconds * 1000,
                self._context.runners[phase].summary(outcome.result),
            )
        elif outcome.failure is not None:
            log.warning(
                "%s %s arxiv_id=%s attempt=%d reason=%s: %s",
                phase.name,
                outcome.event,
                claim.paper_id,
                claim.attempt,
                outcome.failure,
                outcome.detail,
            )
