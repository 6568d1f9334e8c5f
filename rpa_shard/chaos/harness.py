"""Chaos: a real run against a mirror that injects faults, disturbed until all papers are done, and then verified.

Guarantee: every disruption and every start is drawn from the seed; every reported violation was found in the folder, in
the mirror's log or among the processes. When it ends, no process is left. Limit: the moment at which a disruption
happens depends on the machine, so a seed repeats what was done, not exactly what was hit.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from rpa_shard.chaos import calls, invariants
from rpa_shard.chaos.actions import Actions
from rpa_shard.chaos.invariants import Violation
from rpa_shard.chaos.papers import expected_ends, make_papers
from rpa_shard.chaos.plan import (
    KNOBS,
    LLM_LATENCY_SECONDS,
    LLM_LIMITS,
    WORKERS,
    Plan,
    endpoint_knobs,
    limit_words,
)
from rpa_shard.chaos.report import Report
from rpa_shard.chaos.run_process import RunProcess
from rpa_shard.chaos.schedule import Schedule
from rpa_shard.chaos.verdict import check_arrivals, check_leftovers, check_rows
from rpa_shard.chaos.watch import Watch
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import outstanding
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.testing.faults import parse_faults
from rpa_shard.testing.llm_mirror import LlmMirrorProcess
from rpa_shard.testing.llm_mirror.log import read_calls
from rpa_shard.testing.mirror import MirrorProcess

POLL_SECONDS = 0.05
CHECKPOINT_SECONDS = 10.0
NO_PROGRESS_SECONDS = 300.0
REPORT_EVERY_DISRUPTIONS = 25
# The log of the endpoint of models.
CALLS = "calls.jsonl"
# A run that ended by one of these has work left.
_STOP_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_CUT_SHORT = {-signal.SIGKILL, *(-each for each in _STOP_SIGNALS), *(128 + each for each in _STOP_SIGNALS)}


class Chaos:
    """One trial in the folder `root`, which is created."""

    def __init__(self, plan: Plan, root: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._root = root
        self._say = say
        self._folder = DataFolder(root / "data")
        self._faults = parse_faults(plan.faults, plan.seed)
        self._expected = expected_ends(plan.papers)
        self._schedule = Schedule(plan.seed, plan.points)
        self._report = Report(plan)
        self._known: dict[tuple[str, str], str] = {}
        self._next_checkpoint = 0.0

    def run(self) -> Report:
        """Runs the trial."""
        begun = time.monotonic()
        make_papers(self._folder, WORKERS, self._expected, self._root, as_archive=self._plan.from_archive)
        arrivals = self._root / "arrivals.jsonl"
        with ExitStack() as opened:
            mirror = opened.enter_context(
                MirrorProcess(self._root / "shelf", self._plan.faults, self._plan.seed, arrivals)
            )
            knobs = KNOBS | {
                "RPA_V2_DATA_DIR": str(self._folder.root),
                "RPA_V2_SOURCES": f"{mirror.url}/pdf/{{id}}",
                "RPA_V2_KEEP_PDF": str(int(self._plan.keep_pdf)),
            }
            if self._plan.asks_models:
                knobs |= endpoint_knobs(self._plan.phases, opened.enter_context(self._endpoint()).base_url)
            run = RunProcess(self._folder, knobs, self._root / "run.log")
            try:
                self._disturb(run)
            finally:
                run.end()
        self._report.starts = run.started
        self._verify_invariants(arrivals)
        self._report.seconds = time.monotonic() - begun
        return self._report

    def _endpoint(self) -> LlmMirrorProcess:
        """What answers as the models."""
        return LlmMirrorProcess(
            log=self._root / CALLS,
            faults=self._plan.llm_faults,
            faults_by="document",
            seed=self._plan.seed,
            limits=limit_words(),
            latency_seconds=LLM_LATENCY_SECONDS,
        )

    def _disturb(self, run: RunProcess) -> None:
        """Runs and disrupts until every paper is done."""
        actions = Actions(run, self._folder, self._schedule, self._report.disruptions)
        watch = Watch(self._plan, time.monotonic())
        run.start(self._schedule.start(armed=False))
        while True:
            actions.follow_up()
            now = time.monotonic()
            watch.note(self._done(), now, self._report)
            if run.exit_code is not None:
                actions.follow_up()
                if self._is_over(run):
                    break
                self._checkpoint(now)
                run.start(self._schedule.start(armed=actions.take_armed()))
            elif watch.is_time(actions.kills, now):
                disruption = actions.disrupt()
                watch.disrupted(disruption, now)
                if disruption is not None and self._report.disruptions.total() % REPORT_EVERY_DISRUPTIONS == 0:
                    self._say(f"{actions.kills} kills, {watch.done} of {self._plan.papers} papers done")
            if now - watch.moved_at > NO_PROGRESS_SECONDS:
                self._report.violations.append(Violation("I1", "the run no longer makes progress"))
                break
            time.sleep(POLL_SECONDS)
        actions.finish()
        self._report.kills = actions.kills

    def _is_over(self, run: RunProcess) -> bool:
        """Whether an ended run has finished all papers; to end otherwise without being cut short is a violation."""
        code = run.exit_code
        if code in _CUT_SHORT:
            return False
        if code not in (0, 1) or self._done() != self._plan.papers:
            last = (self._root / "run.log").read_text(errors="replace").splitlines()[-1:]
            self._report.violations.append(Violation("I1", f"a run ended with exit code {code}: {''.join(last)}"))
        return True

    def _done(self) -> int | None:
        """How many papers are finished or failed; None during a move, when they cannot be counted."""
        try:
            with open_ledger(self._folder) as ledger:
                by_status = ledger.counts().by_status
        except StoreError:
            return None
        return sum(by_status.values()) - outstanding(by_status, self._plan.phases)

    def _checkpoint(self, now: float) -> None:
        """Between two runs, from time to time: no paper is lost so far, and no finished result has changed."""
        if now < self._next_checkpoint:
            return
        self._next_checkpoint = now + CHECKPOINT_SECONDS
        try:
            with open_ledger(self._folder) as ledger:
                found = invariants.known_results(ledger)
                self._report.violations += invariants.lost_papers(ledger, self._expected)
        except StoreError:  # a move was cut short: the next start finishes it
            return
        self._report.violations += invariants.changed_results(self._known, found)
        self._known = found

    def _verify_invariants(self, log: Path) -> None:
        finished_at = check_rows(self._report, self._folder, self._expected, self._known, self._faults)
        check_leftovers(self._report, [self._folder])
        if self._plan.asks_models:
            self._verify_calls(self._expected)
        check_arrivals(self._report, log, finished_at)

    def _verify_calls(self, ids: Iterable[str]) -> None:
        """I9 and I10."""
        asked = read_calls(self._root / CALLS)
        again = calls.paid_again(asked, calls.kept_answers(self._folder, ids))
        self._report.calls, self._report.paid_again = len(asked), again.unkept
        self._report.violations += again.violations
        self._report.violations += calls.limits_exceeded(asked, LLM_LIMITS)
