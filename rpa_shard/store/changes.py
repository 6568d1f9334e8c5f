"""What is to be changed about a set of papers from outside a run, and what came of it.

Guarantee: frozen values, the same for every engine. Limit: how a change is made is the engine's concern
(`Ledger.remove`, `Ledger.redo`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Target(NamedTuple):
    """A paper to change: only if its row has not changed since `changed_at`, where that is given."""

    paper_id: str
    changed_at: float | None = None


# Is called with ids just before their rows are changed, while no other process can change them. What it raises leaves
# the rows as they are.
Before = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Changes:
    """How many papers were changed, and how many were left.

    Left are those that are `held` (being worked on), have `moved` on since they were read, are `waiting` anyway, or
    have no row.
    """

    done: int = 0
    held: int = 0
    moved: int = 0
    waiting: int = 0
    unknown: int = 0

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            self.done + other.done,
            self.held + other.held,
            self.moved + other.moved,
            self.waiting + other.waiting,
            self.unknown + other.unknown,
        )


# Two times of the same change of a row may differ by what is lost on the way to the store and back.
SAME_TIME_SECONDS = 1e-4


def has_moved(changed_at: float, target: Target) -> bool:
    """Whether a row, changed at this time, is not as the target says any more."""
    return target.changed_at is not None and abs(changed_at - target.changed_at) > SAME_TIME_SECONDS


def outdated_from(now: float, changed_at: float) -> float:
    """What was made up to `now` of a paper that changed last at `changed_at` is older than this moment.

    Records tell whole seconds; the clock may have been set back since; and what is made again within the same second
    says that it was made at this moment.
    """
    return float(max(int(now) + 1, int(changed_at) + 2))
