"""What the tasks of a process are doing, for those who watch.

Guarantee: a task that has an activity is in one stage at a time, and the time in each stage is added up; entering a
stage costs a microsecond. Limit: for tasks only; what a thread does for a task counts as the stage of the task.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

IDLE = "idle"
# Waits for its turn at a host.
PERMIT = "permit"
# Waits for its turn at a model; waits for its answer.
CALL = "call permit"
ASKING = "asking"


class Activity:
    """The stages of one task. `begin` is for the task itself; anybody may look."""

    def __init__(self) -> None:
        self.stage = IDLE
        self.since = time.monotonic()
        self._spent: dict[str, float] = {}
        _current.set(self)

    def begin(self, stage: str) -> str:
        """Enters a stage; returns the one before."""
        now = time.monotonic()
        before, self.stage = self.stage, stage
        self._spent[before] = self._spent.get(before, 0.0) + now - self.since
        self.since = now
        return before

    def take_spent(self) -> dict[str, float]:
        """The seconds in each stage that has ended since the last call."""
        spent, self._spent = self._spent, {}
        return spent


_current: ContextVar[Activity | None] = ContextVar("activity", default=None)


def current() -> Activity | None:
    """The activity of the current task."""
    return _current.get()


def begin(stage: str) -> str:
    """The current task enters a stage; returns the one before. Nothing happens if it has no activity."""
    activity = _current.get()
    return activity.begin(stage) if activity is not None else IDLE
