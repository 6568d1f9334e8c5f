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
from rpa_shard.config.host_policy import HostPolicy


@dataclass(slots=True)
class Report:
    """What was done, and the result.

    `policy` is the budget of the source, `setting` says on what the trial ran and what was not installed.
    `recoveries` is the longest time until the next paper was done (seconds), by what had been done to the run.
    """

    plan: Plan
    policy: HostPolicy = POLICY
    setting: list[str] = field(default_factory=list)
    recoveries: dict[str, float] = field(default_factory=dict)
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
    shown = [*report.setting, f"{'disruption':<52} times  longest recovery"]
    shown += [_line_of(report, disruption, times) for disruption, times in report.disruptions.most_common()]
    papers = report.plan.papers
    lost = sum(each.what.endswith("has vanished") for each in report.violations)
    shown += [
        f"processes killed   {report.kills}",
        f"runs started       {report.starts}, in {report.seconds:.0f} s",
        f"papers             {papers}: {report.finished} finished, {report.failed} failed as they must",
        f"requests           {report.arrivals}, within {report.policy}",
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


def _line_of(report: Report, disruption: str, times: int) -> str:
    seconds = report.recoveries.get(disruption)
    return f"  {disruption:<50} {times:>5}" + ("" if seconds is None else f"  {seconds:>14.1f} s")


def _lines_of_calls(report: Report) -> list[str]:
    if not report.plan.asks_models:
        return []
    return [
        f"calls of models    {report.calls}, within {limit_words()}",
        f"paid again         {report.paid_again} answers that a killed process could not keep",
    ]
