"""What is done to a run, and how each of its processes is started: drawn from a seed.

Guarantee: pure; the same seed draws the same disruptions and the same starts in the same order. Limit: the exact moment
of a disruption, and so what it hits, depends on the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

# Points of a shard's work, and of a move between shard files, at which a process may be made to die.
SHARD_POINTS = (
    "after_claim", "mid_download", "after_rename", "mid_extraction", "after_artifacts", "before_commit",
    "after_commit", "mid_drain",
)  # fmt: skip
# Those of a shard that asks models.
MODEL_POINTS = (
    "keep_answer", "after_answer", "before_analysis", "after_analysis", "before_report", "after_report",
)  # fmt: skip
RESIZE_POINTS = ("resize_noted", "resize_copied", "resize_deleted", "resize_moved", "resize_removed")
SYSTEM_ERRORS = ("ENOSPC", "EMFILE", "EIO")
SHARD_COUNTS = (1, 2, 2, 3, 4, 8)


class Disruption(StrEnum):
    """Something that happens to a run from outside."""

    KILL_SHARD = "a shard killed"
    KILL_CHILD = "an extraction child killed"
    KILL_SUPERVISOR = "the supervisor killed"
    KILL_ALL = "all processes killed at once"
    STOP_SHARD = "a shard stopped for a while, past its leases"
    TERMINATE = "asked to end by SIGTERM"
    INTERRUPT = "asked to end by SIGINT"
    HANG_UP = "asked to end by SIGHUP"
    TERMINATE_TWICE = "asked twice to end"
    RESIZE = "resized while it runs"
    RESIZE_CUT = "resized while it runs, and killed during the move"
    RESTART_ARMED = "killed, and started with a point to die at"


_WEIGHTS = {
    Disruption.KILL_SHARD: 30,
    Disruption.KILL_CHILD: 10,
    Disruption.KILL_SUPERVISOR: 10,
    Disruption.KILL_ALL: 10,
    Disruption.STOP_SHARD: 4,
    Disruption.TERMINATE: 3,
    Disruption.INTERRUPT: 3,
    Disruption.HANG_UP: 2,
    Disruption.TERMINATE_TWICE: 3,
    Disruption.RESIZE: 5,
    Disruption.RESIZE_CUT: 8,
    Disruption.RESTART_ARMED: 12,
}


@dataclass(frozen=True, slots=True)
class Start:
    """How a run is started: `failpoints` as `RPA_SHARD_FAILPOINTS` has them, or nothing."""

    shards: int
    pool: str
    failpoints: str


class Draws:
    """What every trial draws from its seed: `disruptions` and `starts` name what is drawn apart from all else."""

    def __init__(self, seed: int, disruptions: str, starts: str, shard_counts: Sequence[int]) -> None:
        # Separate, so that the disruptions do not depend on how often the run had to be started.
        self._disruptions = Random(f"{seed} {disruptions}")  # noqa: S311  # repeatable, not secret
        self._starts = Random(f"{seed} {starts}")  # noqa: S311
        self._shard_counts = shard_counts

    def share(self) -> float:
        """A number in [0, 1) for the choices that a disruption makes."""
        return self._disruptions.random()

    def shard_count(self) -> int:
        """The number of shards to which a living run is resized."""
        return self._disruptions.choice(self._shard_counts)

    def _shards_and_pool(self) -> tuple[int, str]:
        """With how many shards, and with which pool, to start next."""
        return self._starts.choice(self._shard_counts), self._starts.choices(("thread", "process"), (3, 1))[0]


class Schedule(Draws):
    """The disruptions and starts of a seed. `points`: where in its work a shard may be made to die."""

    def __init__(self, seed: int, points: tuple[str, ...] = SHARD_POINTS) -> None:
        super().__init__(seed, "disruptions", "starts", SHARD_COUNTS)
        self._points = (*points, *RESIZE_POINTS)

    def disruption(self) -> Disruption:
        """The next thing to do."""
        return self._disruptions.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    def start(self, *, armed: bool) -> Start:
        """How to start the run next; `armed` with a point at which one of its processes dies or meets an error."""
        draw = self._starts
        shards, pool = self._shards_and_pool()
        point = draw.choice(self._points)
        error = f"write_artifact={draw.choice(SYSTEM_ERRORS)}@{draw.randint(1, 5)}"
        number = 1 if point.startswith("resize") or point == "mid_drain" else draw.randint(1, 5)
        failpoints = draw.choices((f"{point}=kill@{number}", error), (5, 1))[0]
        return Start(shards, pool, failpoints if armed else "")
