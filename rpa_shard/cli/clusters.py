"""A run that is placed on the machines of a cluster: `run --on ray`.

Guarantee: the figures of its end are the database's; exit codes are those of a run. Limit: what is shown meanwhile is
who joins and leaves; `status` and `top` show the work.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rpa_shard.cli.knobs import given_by
from rpa_shard.cli.output import CRASH_LOOP, OK, SOME_FAILED, UsageError, print_lines, say
from rpa_shard.config.settings import Settings
from rpa_shard.store.data_folder import DataFolder

if TYPE_CHECKING:
    from rpa_shard.control.nodes.launchers.placing import PlacingEnd


def run_on_ray(parsed: argparse.Namespace, settings: Settings) -> int:
    """Places a node on every machine of a Ray cluster, until nothing is left to do."""
    from rpa_shard.control.nodes.launchers.environment import environment_of_node
    from rpa_shard.control.nodes.launchers.placing import Placing, Rules
    from rpa_shard.control.nodes.launchers.ray_actor import NODE_COMMAND
    from rpa_shard.control.nodes.launchers.ray_placement import connected
    from rpa_shard.model.phase import outstanding
    from rpa_shard.observe.summary import advice_lines
    from rpa_shard.store.factory import open_ledger

    _refuse(parsed, settings)
    folder = DataFolder.of(settings)
    given = given_by(parsed)

    def work_is_left() -> bool:
        with open_ledger(folder) as ledger:
            return bool(outstanding(ledger.counts().by_status, settings.run_phases))

    if not parsed.daemon and not work_is_left():
        return _finish(parsed, settings, None)
    tell = _nothing if parsed.quiet else say
    for line in advice_lines(settings):
        tell(line)
    with connected(tell, (*NODE_COMMAND, *(("--daemon",) if parsed.daemon else ()))) as machines:
        end = Placing(
            machines,
            lambda machine, name: environment_of_node(machine, name, settings, given),
            work_is_left,
            tell,
            Rules(
                settings.crash_loop_deaths,
                settings.retry_delay_scale,
                settings.drain_seconds,
                settings.lease_ttl_seconds,
            ),
        ).run()
    return _finish(parsed, settings, end)


def _nothing(line: str) -> None:
    """Shows nobody a line."""


def _refuse(parsed: argparse.Namespace, settings: Settings) -> None:
    """Raises UsageError for what does not go with many machines."""
    if settings.store is None or settings.artifacts is None:
        raise UsageError(
            "--on ray needs a place for rows and for files that all machines reach: RPA_V2_STORE=postgresql://… and "
            "RPA_V2_ARTIFACTS=s3://… (or file:///a/shared/folder)"
        )
    if parsed.limit is not None or parsed.stats is not None or parsed.progress not in (None, "lines"):
        raise UsageError("--limit, --stats and --progress bar or json are for a run on this machine, not for --on ray")


def _finish(parsed: argparse.Namespace, settings: Settings, end: PlacingEnd | None) -> int:
    """Shows what the database says at the end; returns the exit code."""
    from rpa_shard.observe.status import count_lines
    from rpa_shard.store.factory import open_ledger

    with open_ledger(DataFolder.of(settings)) as ledger:
        counts = ledger.counts()
    if not parsed.quiet:
        print_lines(count_lines(counts) if counts.by_status else ["nothing is queued"])
    if end is not None and end.cause is not None:
        say(f"stopped: {end.cause}")
        return CRASH_LOOP
    if end is not None and end.signal:
        return 128 + end.signal
    failed = counts.by_status.get("failed", 0)
    return SOME_FAILED if failed or (end is not None and end.has_failures) else OK
