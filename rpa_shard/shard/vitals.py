"""A shard's own figures: the lag of its loop, and what it has done.

Guarantee: lag is measured all the time, with a fixed amount of memory and well under 1 % of a core. Limit: descriptors,
CPU and memory are measured from outside, by the supervisor, so that measuring never adds to the lag.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping

from rpa_shard.ipc.shard_report import Ending, FailedAttempt, LoopLag, Work
from rpa_shard.model.distribution import Durations
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import Status
from rpa_shard.store.outcome import Outcome

TICK_SECONDS = 0.02
FAILURES_KEPT = 10
DETAIL_CHARACTERS = 200


class Counters:
    """What a shard has done since it started."""

    def __init__(self) -> None:
        self._ended: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._retried: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._durations: defaultdict[str, Durations] = defaultdict(Durations)
        self._failures: deque[FailedAttempt] = deque(maxlen=FAILURES_KEPT)

    def ended(self, claim: Claim, outcome: Outcome, *, written: bool) -> None:
        """A claim has ended; if that was not `written`, its lease was lost."""
        ending = ending_of(outcome) if written else Ending.LOST_LEASE
        self._ended[claim.phase.name][ending] += 1
        if ending is Ending.COMPLETED:
            self._attempts[str(claim.attempt)] += 1
        if ending in (Ending.FAILED, Ending.POSTPONED) and outcome.failure is not None:
            (self._failed if ending is Ending.FAILED else self._retried)[outcome.failure] += 1
            self._failures.append(
                FailedAttempt(
                    time.time(),
                    claim.paper_id,
                    claim.phase.name,
                    claim.attempt,
                    outcome.failure,
                    (outcome.detail or "")[:DETAIL_CHARACTERS],
                    ending is Ending.FAILED,
                )
            )

    @property
    def ends(self) -> Mapping[str, Mapping[str, int]]:
        """How many claims have ended, by phase, then by how."""
        return self._ended

    def took(self, spent: Mapping[str, float]) -> None:
        """An attempt has spent so many seconds in each stage."""
        for stage, seconds in spent.items():
            self._durations[stage].add(seconds)

    def failures(self) -> tuple[FailedAttempt, ...]:
        """The last attempts that failed, oldest first."""
        return tuple(self._failures)

    def work(self, totals: Mapping[str, int], tallies: Mapping[str, Mapping[str, int]]) -> Work:
        """All of it, together with what the phases have counted."""
        attempts = {"attempt": dict(self._attempts)} if self._attempts else {}
        return Work(
            ended={phase: dict(by) for phase, by in self._ended.items()},
            retried=dict(self._retried),
            failed=dict(self._failed),
            totals=totals,
            tallies={**tallies, **attempts},
            durations={stage: durations.so_far() for stage, durations in self._durations.items()},
        )


def ending_of(outcome: Outcome) -> Ending:
    """How a claim ends with this outcome."""
    if outcome.result is not None:
        return Ending.COMPLETED
    if outcome.failure is None:
        return Ending.RELEASED
    return Ending.FAILED if outcome.status is Status.FAILED else Ending.POSTPONED


def loop_lag(lag: Durations) -> LoopLag:
    """What has been measured of the loop's lag."""
    so_far = lag.so_far()
    return LoopLag(
        p50_seconds=so_far.quantile_seconds(0.5),
        p99_seconds=so_far.quantile_seconds(0.99),
        max_seconds=so_far.max_seconds,
    )


async def measure_lag(lag: Durations) -> None:
    """Wakes up every `TICK_SECONDS` until cancelled, and records how late it was."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        # uvloop's clock counts full milliseconds, so a tick may seem early.
        lag.add(max(0.0, loop.time() - due))
