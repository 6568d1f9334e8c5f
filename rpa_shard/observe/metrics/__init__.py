"""The metrics of a run for Prometheus, or of a folder at rest.

Guarantee: names follow Prometheus' conventions; no label holds a paper's id, and every label has few values; counters
are those of the current run, or of the last one, and begin at 0 with each run. Limit: as old as the run's status, whose
time is a metric. `docs/monitoring.md` describes every metric.

`families` says which metrics there are, `exposition` writes them as text, `textfile` keeps a file of them.
"""

from __future__ import annotations

from dataclasses import replace

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.account import Limit
from rpa_shard.ipc.run_status import RunState, RunStatus, read_status
from rpa_shard.model.phase import in_order
from rpa_shard.observe.metrics.exposition import CONTENT_TYPE, open_metrics
from rpa_shard.observe.metrics.families import counts_of, families
from rpa_shard.observe.metrics.nodes import node_families
from rpa_shard.observe.metrics.textfile import MetricsFile, free_bytes, write_textfile
from rpa_shard.observe.nodes import Nodes, read_nodes
from rpa_shard.observe.snapshot import account_at_rest, hosts_at_rest
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.rows import Counts

__all__ = ["CONTENT_TYPE", "MetricsFile", "metrics_of", "metrics_of_folder", "write_textfile"]


def metrics_of_folder(folder: DataFolder, settings: Settings | None = None) -> str:
    """The metrics as OpenMetrics text; serve it as `CONTENT_TYPE`. Raises StoreError.

    Papers are counted in the store only if no run has counted them already. With `settings`, nodes have theirs, too.
    """
    run = read_status(folder.run.status_file)
    live = run is not None and run.is_on
    if run is not None and live and _has_counted(run):
        counts = counts_of(run)
    else:
        with open_ledger(folder) as ledger:
            counts = ledger.counts()
    if run is not None and not live:
        hosts = hosts_at_rest(folder)
        run = replace(run, hosts=hosts, account=account_at_rest(counts, hosts, in_order(run.phases)))
    nodes = read_nodes(folder, settings) if settings is not None else None
    return metrics_of(folder, run, counts, live=live, nodes=nodes)


def metrics_of(
    folder: DataFolder, run: RunStatus | None, counts: Counts, *, live: bool, nodes: Nodes | None = None
) -> str:
    """The metrics as OpenMetrics text, of a run, papers and nodes that are known already."""
    of_run = families(run, counts, live=live, free_bytes=free_bytes(folder.disks()))
    return open_metrics([*of_run, *node_families(nodes)])


def _has_counted(run: RunStatus) -> bool:
    """Whether the shards' figures cover all papers."""
    return run.state is not RunState.RESIZING and run.account.limited_by is not Limit.STARTING
