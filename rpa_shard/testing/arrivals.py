"""The mirror's log of arrivals: one JSON line a request, with how late the mirror itself may have been in noting it.

Guarantee: a request arrived at the noted time, or before it by no more than `late_seconds`: so the log never makes a
client look faster than it was. Limit: Unix seconds; a step of the machine's clock goes into them.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

TICK_SECONDS = 0.005
# Requests that waited while the loop stood still are handled within this after it goes on.
AFTERMATH_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request."""

    at: float
    paper_id: str
    late_seconds: float = 0.0
    fault: str | None = None
    range: str | None = None

    def as_line(self) -> str:
        content = {
            "at": self.at,
            "id": self.paper_id,
            "late": round(self.late_seconds, 4),
            "fault": self.fault,
            "range": self.range,
        }
        return json.dumps(content) + "\n"


def read_arrivals(log: Path) -> list[Arrival]:
    """All arrivals of a log, oldest first; none where there is no log yet."""
    if not log.exists():
        return []
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [Arrival(line["at"], line["id"], line["late"], line["fault"], line["range"]) for line in lines]


class LoopWatch:
    """Knows how long the running loop stood still. `watch` must run as a task."""

    def __init__(self) -> None:
        self._turned = time.monotonic()
        self._still_seconds = 0.0
        self._still_until = 0.0

    async def watch(self) -> None:
        """Turns with the loop for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._look()

    def late_seconds(self) -> float:
        """How long a request that is handled now may have waited."""
        now = time.monotonic()
        still = max(0.0, now - self._turned - TICK_SECONDS)
        recent = self._still_seconds + (now - self._still_until) if now - self._still_until < AFTERMATH_SECONDS else 0.0
        return max(still, recent)

    def _look(self) -> None:
        now = time.monotonic()
        still = now - self._turned - TICK_SECONDS
        if still > TICK_SECONDS and (still >= self._still_seconds or now - self._still_until > AFTERMATH_SECONDS):
            self._still_seconds, self._still_until = still, now
        self._turned = now
