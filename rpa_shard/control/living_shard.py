"""What the supervisor knows of one living shard: its last report, when it arrived, and the system's figures.

Guarantee: the figures of a shard that has gone stay as they were at the last look. Limit: as old as the shard's last
report and the supervisor's last look, a second or so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from rpa_shard.control.decisions import Parsing, ShardView
from rpa_shard.control.placement import PlacedShard
from rpa_shard.ipc.calls import CallMessage
from rpa_shard.ipc.messages import Broke, PermitMessage, Reported
from rpa_shard.ipc.run_status import ProcessFigures, ShardStatus
from rpa_shard.ipc.shard_report import ShardReport, ShardState

# A shard reports once a second; after this long without a report its loop is stuck.
STUCK_SECONDS = 5.0


class LivingShard:
    """A shard, from its start until its end has been handled."""

    def __init__(self, placed: PlacedShard) -> None:
        self.placed = placed
        self.report = ShardReport()
        # Why it broke, if it could still report that.
        self.broke_of: str | None = None
        self._received_at = time.monotonic()
        self._figures = ProcessFigures()
        self._peak = ProcessFigures()

    @property
    def number(self) -> int:
        return self.placed.number

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory that it was observed to hold."""
        return self._peak.rss_bytes

    def receive(self) -> Iterator[PermitMessage | CallMessage]:
        """Reads its messages; returns those for the governors."""
        for message in self.placed.receive():
            self._received_at = time.monotonic()
            match message:
                case Reported(report):
                    self.report = report
                case Broke(cause):
                    self.broke_of = cause
                case _:
                    yield message

    def look(self) -> None:
        """Takes the figures of its process."""
        figures = self.placed.figures()
        if figures is not None:
            self._figures = figures
            self._peak = self._peak.peak_with(figures)

    def view(self) -> ShardView:
        """What the decisions are based on."""
        crumb = self.placed.parsing()
        parsing = None
        if crumb is not None:
            memory_bytes = self.placed.memory_bytes()
            self._peak = self._peak.peak_with(ProcessFigures(rss_bytes=memory_bytes))
            parsing = Parsing(crumb.paper_id, time.monotonic() - crumb.since_monotonic, memory_bytes)
        return ShardView(
            self.report.state, self.report.outstanding, self._silent_seconds(), self._figures.rss_bytes, parsing
        )

    def status(self, *, restarts: int, descriptor_budget: int) -> ShardStatus:
        """Its entry in the run's status."""
        silent_seconds = self._silent_seconds()
        return ShardStatus(
            number=self.number,
            pid=self.placed.pid,
            born=self.placed.born,
            state=ShardState.STUCK if silent_seconds > STUCK_SECONDS else self.report.state,
            silent_seconds=round(silent_seconds, 1),
            restarts=restarts,
            descriptor_budget=descriptor_budget,
            report=self.report,
            process=self._figures,
            peak=self._peak,
        )

    def _silent_seconds(self) -> float:
        return time.monotonic() - self._received_at
