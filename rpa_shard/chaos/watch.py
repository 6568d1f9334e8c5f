"""When to disrupt a run, and how long it takes to recover.

Guarantee: disruptions are spread evenly over the papers, whatever the speed of the machine. Limit: progress is papers
that are done, so a run whose last papers are slow looks as if it recovered slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

from rpa_shard.chaos.plan import Plan
from rpa_shard.chaos.report import Report

# The longest time between disruptions, with or without progress.
MAX_PAUSE_SECONDS = 10.0
# The last papers are not disturbed, so that the disruptions are spread over all others.
DISTURBED_SHARE = 0.9


@dataclass(slots=True)
class Watch:
    """Decides when to disrupt, and measures how long the run takes to recover."""

    plan: Plan
    begun: float
    done: int = 0
    moved_at: float = 0.0
    disrupted_at: float = 0.0
    # The first disruption since the last progress.
    open_disruption: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        self.moved_at = self.disrupted_at = self.begun

    def note(self, done: int | None, now: float, report: Report) -> None:
        """So many papers are done now; None if that is not known."""
        if done is None or done <= self.done:
            return
        self.done, self.moved_at = done, now
        if self.open_disruption is not None:
            after, since = self.open_disruption
            report.recoveries[after] = max(report.recoveries.get(after, 0.0), now - since)
            if now - since > report.longest_recovery_seconds:
                report.longest_recovery_seconds, report.longest_recovery_after = now - since, after
            self.open_disruption = None

    def is_time(self, kills: int, now: float) -> bool:
        """Whether a disruption is due: they are spread evenly over the papers."""
        late = self.plan.minutes is not None and now - self.begun > self.plan.minutes * 60
        if kills >= self.plan.kills or late:
            return False
        due = kills / self.plan.kills <= self.done / (self.plan.papers * DISTURBED_SHARE)
        return due or now - self.disrupted_at > MAX_PAUSE_SECONDS

    def disrupted(self, disruption: str | None, now: float) -> None:
        """A disruption was tried; None if it hit nothing."""
        if disruption is not None:
            self.disrupted_at = now
            self.open_disruption = self.open_disruption or (disruption, now)
