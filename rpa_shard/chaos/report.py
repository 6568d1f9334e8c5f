"""What a trial did, and what came of it, for a terminal.

Guarantee: every invariant that was checked has its line, and every violation that fits. Limit: the table says how often
something was done, the log of the runs says when.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rpa_shard.chaos import invariants
from rpa_shard.chaos.calls import MEANING_OF_CALLS
from rpa_shard.chaos.invariants import Violation
from rpa_shard.chaos.plan import POLICY, Plan, limit_words


@dataclass(slots=True)
class Report:
    """What was done, and the result."""

    plan: Plan
    disruptions: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    starts: int = 0
    finished: int = 0
    failed: int = 0
    repeated: int = 0
    arrivals: int = 0
    calls: int = 0
    paid_again: int = 0
    seconds: float = 0.0
    longest_recovery_seconds: float = 0.0
    longest_recovery_after: str = "nothing"
    violations: list[Violation] = field(default_factory=list)


def lines(report: Report) -> list[str]:
    """The table for a terminal."""
    shown = [f"{'disruption':<52} times"]
    shown += [f"  {disruption:<50} {times:>5}" for disruption, times in report.disruptions.most_common()]
    papers = report.plan.papers
    lost = sum(each.what.endswith("has vanished") for each in report.violations)
    shown += [
        f"processes killed   {report.kills}",
        f"runs started       {report.starts}, in {report.seconds:.0f} s",
        f"papers             {papers}: {report.finished} finished, {report.failed} failed as they must",
        f"requests           {report.arrivals}, within {POLICY}",
        *_lines_of_calls(report),
        f"lost               {lost}",
        f"done twice         {report.repeated}",
        f"longest recovery   {report.longest_recovery_seconds:.1f} s, after: {report.longest_recovery_after}",
    ]
    broken = Counter(each.invariant for each in report.violations)
    for name, meaning in (invariants.MEANING | (MEANING_OF_CALLS if report.plan.asks_models else {})).items():
        shown.append(f"{name:<4}{f'BROKEN {broken[name]} times' if broken[name] else 'holds':<18} {meaning}")
    shown += [f"  {each.invariant}: {each.what}" for each in report.violations[:20]]
    return [*shown, f"seed               {report.plan.seed}"]


def _lines_of_calls(report: Report) -> list[str]:
    if not report.plan.asks_models:
        return []
    return [
        f"calls of models    {report.calls}, within {limit_words()}",
        f"paid again         {report.paid_again} answers that a killed process could not keep",
    ]
