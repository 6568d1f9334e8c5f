"""What a shard says of itself, once a second.

Guarantee: frozen values; what a shard has done since it started is in `Work`, whose figures only grow, so that those of
all shards, the living and the dead, add up to those of the run. Limit: papers in work and failures are the first few,
so that a report stays small; their numbers are complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from rpa_shard.model.distribution import Distribution

# Of the complete run: each shard shows its part.
IN_WORK_SHOWN = 200


class ShardState(StrEnum):
    """The state of a shard: `stuck` and `dead` are set by the supervisor, the others by the shard."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"
    STUCK = "stuck"
    DEAD = "dead"


class Ending(StrEnum):
    """How a claim ended."""

    COMPLETED = "completed"
    POSTPONED = "postponed"
    FAILED = "failed"
    RELEASED = "released"
    LOST_LEASE = "lost_lease"


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of something bounded is in use."""

    in_use: Annotated[int, Meta(description="How many are in use now.")]
    limit: Annotated[int, Meta(description="The most that may be in use at a time.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLag:
    """How late a shard's event loop was, since the shard started."""

    p50_seconds: Annotated[float, Meta(description="Half of all ticks were no later than this.")] = 0.0
    p99_seconds: Annotated[float, Meta(description="99 % of all ticks were no later than this.")] = 0.0
    max_seconds: Annotated[float, Meta(description="The latest tick.")] = 0.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """Papers that wait for another attempt."""

    papers: Annotated[int, Meta(description="How many wait.")]
    first_at: Annotated[float, Meta(description="When the first of them may be tried again, in Unix seconds.")]
    last_at: Annotated[float, Meta(description="When the last of them may be tried again, in Unix seconds.")]

    def plus(self, other: BackOff) -> BackOff:
        """Both together."""
        return BackOff(self.papers + other.papers, min(self.first_at, other.first_at), max(self.last_at, other.last_at))


@dataclass(frozen=True, slots=True)
class PaperInWork:
    """A paper that a worker holds."""

    paper_id: Annotated[str, Meta(description="The paper's id.")]
    phase: Annotated[str, Meta(description="The phase that works on it.")]
    stage: Annotated[str, Meta(description="What its worker does now.")]
    stage_seconds: Annotated[float, Meta(description="For how long it has done so.")]
    seconds: Annotated[float, Meta(description="The time since the paper was claimed.")]
    attempt: Annotated[int, Meta(description="The number of this attempt, from 1.")]


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that failed."""

    at: Annotated[float, Meta(description="When, in Unix seconds.")]
    paper_id: Annotated[str, Meta(description="The paper's id.")]
    phase: Annotated[str, Meta(description="The phase in which it failed.")]
    attempt: Annotated[int, Meta(description="The number of the attempt, from 1.")]
    reason: Annotated[str, Meta(description="The class of the failure.")]
    detail: Annotated[str, Meta(description="The failure in one line, shortened.")]
    final: Annotated[bool, Meta(description="Whether the paper has failed for good.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was done since a beginning: that of a shard, or of the run. Every figure only grows."""

    ended: Annotated[
        Mapping[str, Mapping[str, int]],
        Meta(
            description="Claims that ended, by phase, then by how: completed, postponed, failed, released, lost_lease."
        ),
    ] = field(default_factory=dict)
    retried: Annotated[
        Mapping[str, int], Meta(description="Attempts that failed and are followed by another one, by reason.")
    ] = field(default_factory=dict)
    failed: Annotated[Mapping[str, int], Meta(description="Papers that failed for good, by reason.")] = field(
        default_factory=dict
    )
    totals: Annotated[Mapping[str, int], Meta(description="Sums of the phases, by name.")] = field(default_factory=dict)
    tallies: Annotated[
        Mapping[str, Mapping[str, int]],
        Meta(description="Completed papers by a property and its value: source, flag, attempt."),
    ] = field(default_factory=dict)
    durations: Annotated[
        Mapping[str, Distribution], Meta(description="How long papers were in each stage, by stage.")
    ] = field(default_factory=dict)

    @property
    def completed(self) -> dict[str, int]:
        """Claims that were completed, by phase."""
        return {phase: by[Ending.COMPLETED] for phase, by in self.ended.items() if by.get(Ending.COMPLETED)}

    @property
    def completed_claims(self) -> int:
        """Claims that were completed, in all phases."""
        return sum(self.completed.values())

    @property
    def ended_claims(self) -> int:
        """Claims that ended in whatever way."""
        return sum(sum(by.values()) for by in self.ended.values())

    @property
    def lost_leases(self) -> int:
        """Results that were thrown away because their lease was lost."""
        return sum(by.get(Ending.LOST_LEASE, 0) for by in self.ended.values())

    def plus(self, other: Work) -> Work:
        """Both together."""
        return Work(
            ended=_nested_sum(self.ended, other.ended),
            retried=_sum(self.retried, other.retried),
            failed=_sum(self.failed, other.failed),
            totals=_sum(self.totals, other.totals),
            tallies=_nested_sum(self.tallies, other.tallies),
            durations={
                stage: self.durations.get(stage, Distribution()).plus(other.durations.get(stage, Distribution()))
                for stage in {**self.durations, **other.durations}
            },
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


def _nested_sum(
    one: Mapping[str, Mapping[str, int]], other: Mapping[str, Mapping[str, int]]
) -> dict[str, Mapping[str, int]]:
    return {name: _sum(one.get(name, {}), other.get(name, {})) for name in {**one, **other}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """A shard's report on itself."""

    state: Annotated[ShardState, Meta(description="The state of the shard.")] = ShardState.BOOTING
    outstanding: Annotated[
        int | None, Meta(description="Papers on which this run still has work to do; null before the first count.")
    ] = None
    by_status: Annotated[Mapping[str, int], Meta(description="The shard's papers by status.")] = field(
        default_factory=dict
    )
    by_failure: Annotated[Mapping[str, int], Meta(description="The shard's failed papers by reason.")] = field(
        default_factory=dict
    )
    back_offs: Annotated[
        Mapping[str, BackOff], Meta(description="The shard's papers that wait for another attempt, by reason.")
    ] = field(default_factory=dict)
    held: Annotated[int, Meta(description="Papers under a lease of this shard.")] = 0
    workers: Annotated[tuple[str, ...], Meta(description="What each worker does now: a stage, or idle.")] = ()
    in_work: Annotated[
        tuple[PaperInWork, ...], Meta(description="The papers that have been held longest, longest first.")
    ] = ()
    failures: Annotated[tuple[FailedAttempt, ...], Meta(description="The last attempts that failed.")] = ()
    gauges: Annotated[Mapping[str, Gauge], Meta(description="Slots and pools in use, by name.")] = field(
        default_factory=dict
    )
    loop_lag: Annotated[LoopLag, Meta(description="How late the event loop was.")] = LoopLag()
    work: Annotated[Work, Meta(description="What the shard has done since it started.")] = Work()
