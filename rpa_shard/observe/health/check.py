"""What a check is, and how checks are shown.

Guarantee: pure; in the lines for a person or a monitor what is worst comes first, because many monitors show the first
line only. Limit: values only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """A check's result; the values are the exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


# Worst last: what is critical is known to need somebody.
SEVERITY = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the health check."""

    name: str
    level: Level
    text: str


def worst(checks: Iterable[Check]) -> Level:
    """The overall level: critical before unknown before warning."""
    return max((check.level for check in checks), key=SEVERITY.index, default=Level.UNKNOWN)


def lines(checks: Iterable[Check]) -> list[str]:
    """The checks for a terminal or a monitor, worst first."""
    ordered = sorted(checks, key=lambda check: -SEVERITY.index(check.level))
    return [f"{check.level.name:<8} {check.name}: {check.text}" for check in ordered]


def as_json(checks: Collection[Check]) -> dict[str, Any]:
    """The checks for a program."""
    shown = [{"name": check.name, "level": check.level.name, "text": check.text} for check in checks]
    return {"level": worst(checks).name, "checks": shown}


def some_of(names: Collection[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    shown = ", ".join(list(names)[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
