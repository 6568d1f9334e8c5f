"""The account of a run: what is done, what waits for what until when, what limits the pace, how long it will take.

Guarantee: one value, made once a second (`rpa_shard.control.accounting`), which everything that shows a run shows: the
bar, `status`, the log, the health check, `top`, the page, the metrics. Limit: it describes the run when the status was
written; an estimate of the time left is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta


class Cause(StrEnum):
    """What papers wait for."""

    HOST = "host"
    REFUSAL = "refusal"
    BACK_OFF = "back_off"
    DISK = "disk"
    RATE = "rate"
    RESTART = "restart"
    # A model is left alone for a while, allows no more calls now, refuses us, or the day's budget is spent.
    MODEL = "model"
    MODEL_RATE = "model_rate"
    MODEL_REFUSAL = "model_refusal"
    BUDGET = "budget"
    # No node that governs hosts and models can be reached.
    GOVERNOR = "governor"
    # Other nodes of the run have them, or had them when they were lost.
    NODE = "node"


class Limit(StrEnum):
    """What limits the pace of a run."""

    STARTING = "starting"
    NETWORK = "network"
    RATE = "rate"
    ENGINE = "engine"
    MODEL = "model"
    WAITING = "waiting"
    NOTHING_LEFT = "nothing_left"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something that papers wait for."""

    cause: Annotated[Cause, Meta(description="What kind of wait it is.")]
    subject: Annotated[str, Meta(description="The host, the reason of the failure, the folder, or the shard.")]
    papers: Annotated[int, Meta(description="How many papers wait for it; 0 if that is not known.")]
    since: Annotated[float, Meta(description="Since when, in Unix seconds.")]
    until: Annotated[
        float | None, Meta(description="When the first of them may go on, in Unix seconds; null if nobody knows.")
    ]
    why: Annotated[str, Meta(description="Why, in one line.")]

    @property
    def needs_a_person(self) -> bool:
        """Whether it may last until somebody acts."""
        return self.cause in (Cause.DISK, Cause.REFUSAL, Cause.MODEL_REFUSAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOfRun:
    """How far a run with a limit is."""

    papers: Annotated[int, Meta(description="How many papers it takes: as many as its limit says, or as there were.")]
    ended: Annotated[
        int, Meta(description="How many of these are done, have failed, or were put back to wait for another attempt.")
    ]

    def of(self, open_papers: int) -> int:
        """On how many of the open papers of the folder the run still works."""
        return min(open_papers, self.papers - self.ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How a run is doing. Each paper counts once: done, failed, in work, queued or waiting."""

    total: Annotated[int, Meta(description="All papers of the folder.")] = 0
    done: Annotated[int, Meta(description="Papers that have been through the phases of this run.")] = 0
    failed: Annotated[int, Meta(description="Papers that failed for good.")] = 0
    in_work: Annotated[int, Meta(description="Papers that are being worked on.")] = 0
    queued: Annotated[int, Meta(description="Papers whose turn will come.")] = 0
    waiting: Annotated[int, Meta(description="Papers that wait for what `waits` says.")] = 0
    waits: Annotated[tuple[Wait, ...], Meta(description="What is waited for: first what holds up most papers.")] = ()
    limited_by: Annotated[Limit, Meta(description="What limits the pace now.")] = Limit.STARTING
    pace: Annotated[float, Meta(description="Papers per second while the run does not wait.")] = 0.0
    left_seconds: Annotated[
        float | None, Meta(description="How long the run is likely to take from now; null if nobody can tell.")
    ] = None
    limit: Annotated[LimitOfRun | None, Meta(description="How far a run with a limit is; null if it has none.")] = None
    text: Annotated[str, Meta(description="All of this in one line.")] = ""

    @property
    def open(self) -> int:
        """Papers of the folder that are not done and have not failed."""
        return self.in_work + self.queued + self.waiting

    @property
    def to_do(self) -> int:
        """Papers on which this run still has work to do."""
        return self.open if self.limit is None else self.limit.of(self.open)

    @property
    def progress(self) -> tuple[int, int]:
        """How many papers have ended, and of how many: of those that the run takes, or of the folder."""
        return (self.limit.ended, self.limit.papers) if self.limit else (self.done + self.failed, self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWait:
    """What a run has waited for, all times together."""

    cause: Annotated[Cause, Meta(description="What kind of wait it was.")]
    subject: Annotated[str, Meta(description="The host, the reason of the failure, the folder, or the shard.")]
    times: Annotated[int, Meta(description="How often it began.")]
    seconds: Annotated[float, Meta(description="How long it lasted, all times together.")]
