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


class Limit(StrEnum):
    """What limits the pace of a run."""

    STARTING = "starting"
    NETWORK = "network"
    RATE = "rate"
    ENGINE = "engine"
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
        return self.cause in (Cause.DISK, Cause.REFUSAL)


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
    text: Annotated[str, Meta(description="All of this in one line.")] = ""

    @property
    def open(self) -> int:
        """Papers on which the run still has work to do."""
        return self.in_work + self.queued + self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWait:
    """What a run has waited for, all times together."""

    cause: Annotated[Cause, Meta(description="What kind of wait it was.")]
    subject: Annotated[str, Meta(description="The host, the reason of the failure, the folder, or the shard.")]
    times: Annotated[int, Meta(description="How often it began.")]
    seconds: Annotated[float, Meta(description="How long it lasted, all times together.")]
