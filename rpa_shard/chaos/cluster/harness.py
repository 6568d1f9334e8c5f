"""A trial on many nodes: a run over PostgreSQL and an object store, disturbed until all papers are done, then verified.

Guarantee: every disruption and every start is drawn from the seed; every reported violation was found in the database,
in the object store, in a node's folder, in the mirror's log or among the processes. When it ends, no process is left.
Limit: the moment at which a disruption happens depends on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rpa_shard.chaos import invariants
from rpa_shard.chaos.cluster.actions import ClusterActions
from rpa_shard.chaos.cluster.fleet import Fleet, StartedNodes
from rpa_shard.chaos.cluster.plan import LATER, NODES, NOT_ON_RAY, ONLY_ON_RAY, POLICY, Blow, ClusterSchedule
from rpa_shard.chaos.cluster.servers import Servers, serving
from rpa_shard.chaos.harness import CHECKPOINT_SECONDS, NO_PROGRESS_SECONDS, REPORT_EVERY_DISRUPTIONS
from rpa_shard.chaos.invariants import Violation
from rpa_shard.chaos.papers import expected_ends, make_papers
from rpa_shard.chaos.plan import WORKERS, Plan
from rpa_shard.chaos.report import Report
from rpa_shard.chaos.verdict import check_arrivals, check_leftovers, check_rows
from rpa_shard.chaos.watch import Watch
from rpa_shard.model.errors import StoreError
from rpa_shard.model.phase import outstanding
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.testing.faults import parse_faults

On = Literal["nodes", "ray"]
POLL_SECONDS = 0.1
# The database is asked how many papers are done no more often than this, and answers within a time.
COUNT_SECONDS = 0.5
ANSWER_SECONDS = 3.0
# What all nodes may take to notice that nothing is left.
END_SECONDS = 60.0
# A node may end in this time after something that its exit code blames was away.
EXCUSED_SECONDS = 15.0


class ClusterChaos:
    """One trial in the folder `root`, which exists."""

    def __init__(self, plan: Plan, on: On, root: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._on = on
        self._root = root
        self._say = say
        self._faults = parse_faults(plan.faults, plan.seed)
        self._expected = expected_ends(plan.papers)
        allowed = NOT_ON_RAY if on == "ray" else ONLY_ON_RAY
        self._schedule = ClusterSchedule(plan.seed, [each for each in Blow if each not in allowed])
        self._report = Report(plan, POLICY)
        self._known: dict[tuple[str, str], str] = {}
        self._counted_at = self._checked_at = self._disturbed_at = 0.0

    def run(self) -> Report:
        """Runs the trial. Raises NotInstalledError where there is no PostgreSQL, or no Ray."""
        begun = time.monotonic()
        with serving(self._root, self._plan) as servers:
            self._report.setting = servers.setting
            folder = DataFolder(self._root / "trial", servers.store, servers.artifacts, "trial")
            make_papers(folder, WORKERS, self._expected, self._root, as_archive=False)
            fleet = self._fleet(servers)
            try:
                self._disturb(fleet, servers, folder)
            finally:
                fleet.end()
            self._report.starts = fleet.started
            finished_at = check_rows(self._report, folder, self._expected, self._known, self._faults)
            check_leftovers(self._report, fleet.folders())
            check_arrivals(self._report, servers.arrivals, finished_at)
        self._report.seconds = time.monotonic() - begun
        return self._report

    def _fleet(self, servers: Servers) -> Fleet:
        if self._on == "ray":
            from rpa_shard.chaos.cluster.on_ray import RayNodes

            return RayNodes(self._root / "ray", servers, NODES, LATER)
        return StartedNodes(self._root / "nodes", servers, self._schedule, NODES, LATER)

    def _disturb(self, fleet: Fleet, servers: Servers, folder: DataFolder) -> None:
        """Runs and disrupts until every paper is done and every node has ended."""
        actions = ClusterActions(fleet, servers, self._schedule, self._report.disruptions)
        watch = Watch(self._plan, time.monotonic())
        fleet.start()
        while watch.done < self._plan.papers:
            now = time.monotonic()
            actions.follow_up()
            fleet.tend()
            self._note_ends(fleet, actions, now)
            if now - self._counted_at >= COUNT_SECONDS:
                self._counted_at = now
                watch.note(self._done(folder), now, self._report)
                self._checkpoint(folder, now)
            if watch.is_time(actions.kills, now):
                self._strike(actions, watch, now)
            if now - watch.moved_at > NO_PROGRESS_SECONDS:
                self._report.violations.append(Violation("I1", "the run no longer makes progress"))
                break
            time.sleep(POLL_SECONDS)
        actions.finish()
        self._wait_for_ends(fleet)
        self._report.kills = actions.kills

    def _strike(self, actions: ClusterActions, watch: Watch, now: float) -> None:
        disruption = actions.disrupt()
        watch.disrupted(disruption, now)
        if disruption is not None and self._report.disruptions.total() % REPORT_EVERY_DISRUPTIONS == 0:
            self._say(f"{actions.kills} kills, {watch.done} of {self._plan.papers} papers done")

    def _note_ends(self, fleet: Fleet, actions: ClusterActions, now: float) -> None:
        """A node may give up only while something that it needs is away."""
        if actions.is_disturbed:
            self._disturbed_at = now
        for each in fleet.unexpected():
            if now - self._disturbed_at > EXCUSED_SECONDS:
                self._report.violations.append(Violation("I1", each))
            else:
                self._say(each)
                self._report.disruptions["a node that gave up meanwhile, and was started again"] += 1

    def _wait_for_ends(self, fleet: Fleet) -> None:
        give_up = time.monotonic() + END_SECONDS
        while not fleet.have_ended():
            if time.monotonic() > give_up:
                self._report.violations.append(Violation("I6", "all papers are done, but a node goes on"))
                return
            time.sleep(POLL_SECONDS)

    def _done(self, folder: DataFolder) -> int | None:
        """How many papers are finished or failed; None while the database is away."""
        try:
            with open_ledger(folder, seconds=ANSWER_SECONDS) as ledger:
                by_status = ledger.counts().by_status
        except StoreError:
            return None
        return sum(by_status.values()) - outstanding(by_status, self._plan.phases)

    def _checkpoint(self, folder: DataFolder, now: float) -> None:
        """From time to time: no paper is lost so far, and no finished result has changed."""
        if now - self._checked_at < CHECKPOINT_SECONDS:
            return
        self._checked_at = now
        try:
            with open_ledger(folder, seconds=ANSWER_SECONDS) as ledger:
                found = invariants.known_results(ledger)
                lost = invariants.lost_papers(ledger, self._expected)
        except StoreError:
            return
        self._report.violations += lost + invariants.changed_results(self._known, found)
        self._known = found
