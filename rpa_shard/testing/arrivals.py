"""The mirror's log of arrivals: one JSON line per request, with how late the mirror may have logged it.

Guarantee: a request arrived at the logged time, or at most `late_seconds` before it, so the log never makes a client
look faster than it was. Limit: Unix seconds; they contain any step of the machine's clock.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

TICK_SECONDS = 0.005
# Requests that waited while the loop was blocked are handled within this time after it continues.
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
    """All arrivals of a log, oldest first; empty if the log does not exist yet."""
    if not log.exists():
        return []
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [Arrival(line["at"], line["id"], line["late"], line["fault"], line["range"]) for line in lines]


class LoopWatch:
    """Measures how long the running loop was blocked. `watch` must run as a task."""

    def __init__(self) -> None:
        self._ticked_at = time.monotonic()
        self._blocked_seconds = 0.0
        self._blocked_until = 0.0

    async def watch(self) -> None:
        """Measures until it is cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._tick()

    def late_seconds(self) -> float:
        """How long a request that is handled now may have waited."""
        now = time.monotonic()
        blocked = max(0.0, now - self._ticked_at - TICK_SECONDS)
        since = now - self._blocked_until
        return max(blocked, self._blocked_seconds + since if since < AFTERMATH_SECONDS else 0.0)

    def _tick(self) -> None:
        now = time.monotonic()
        blocked = now - self._ticked_at - TICK_SECONDS
        is_over = now - self._blocked_until > AFTERMATH_SECONDS
        if blocked > TICK_SECONDS and (blocked >= self._blocked_seconds or is_over):
            self._blocked_seconds, self._blocked_until = blocked, now
        self._ticked_at = now
