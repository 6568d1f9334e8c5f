"""The health of a run: the four proofs, whether all its processes are alive, whether it gets on, and if not, why.

Guarantee: what can be measured from outside is measured now (processes, descriptors, disk, leases in the store), not
taken from the run's own figures; a run that waits for a reason that is told and ends by itself is never critical; one
line for each check, however many shards there are; exit codes are those of monitoring plugins (0 OK, 1 warning, 2
critical, 3 unknown). Limit: lag, rates, waits and failures are the run's own figures, at most as old as `FRESH_SECONDS`
while it is healthy.

The four proofs are those that the old single-process design failed: the loop does not stall, lease and status agree,
papers are finished at a steady rate, descriptors and extraction threads stay bounded.
"""

from __future__ import annotations

from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.observe.health.check import SEVERITY, Check, Level, as_json, lines, worst
from rpa_shard.observe.health.measure import Measured, measure
from rpa_shard.observe.health.models import model_check
from rpa_shard.observe.health.nodes import check_nodes
from rpa_shard.observe.health.papers import lease_check, suspect_check
from rpa_shard.observe.health.processes import lag_check, resource_check, run_check, shard_check
from rpa_shard.observe.health.progress import disk_check, failure_check, paused_check, throughput_check, waiting_check
from rpa_shard.observe.health.refusals import host_check
from rpa_shard.store.data_folder import DataFolder

__all__ = ["SEVERITY", "Check", "Level", "as_json", "check_folder", "check_run", "lines", "worst"]


def check_run(settings: Settings) -> list[Check]:
    """Every check of the run that the settings name, also where its rows are in a database. Raises OSError.

    A machine that is no node is asked about nodes alone.
    """
    folder = DataFolder.of(settings)
    nodes = check_nodes(folder, settings)
    if nodes is None:
        return check_folder(settings.data_dir, settings.min_free_bytes)
    found = measure(folder, settings.min_free_bytes)
    if found.run is None:
        return [nodes]
    return [nodes, *_checks(found)]


def check_folder(root: Path, min_free_bytes: int | None = None) -> list[Check]:
    """Every check of the current run in a data folder, or of the last run.

    `min_free_bytes` counts for a folder in which no run has been yet; None is the knob's default. Raises OSError.
    """
    return _checks(measure(DataFolder(root), Settings().min_free_bytes if min_free_bytes is None else min_free_bytes))


def _checks(found: Measured) -> list[Check]:
    if found.run is None:
        unknown = Check("run", Level.UNKNOWN, found.why_no_run)
        return [unknown] if found.free is None else [unknown, disk_check(found)]
    checks = (
        run_check, shard_check, waiting_check, paused_check, host_check, model_check, failure_check,
        throughput_check, lag_check, lease_check, suspect_check, resource_check, disk_check,
    )  # fmt: skip
    return [check(found) for check in checks]
