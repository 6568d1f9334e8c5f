"""A run's status as a healthy run of one shard writes it, to be changed by each test where it matters."""

from __future__ import annotations

import os
import time
from typing import Any

from rpa_shard.ipc.run_status import (
    Gauge,
    HostStatus,
    LoopLag,
    ProcessFigures,
    Rates,
    RunState,
    RunStatus,
    ShardReport,
    ShardState,
    ShardStatus,
)
from rpa_shard.system.clock import Moment
from rpa_shard.system.processes import born


def shard_status(**changes: Any) -> ShardStatus:
    """A shard that works; its process is this one."""
    healthy: dict[str, Any] = {
        "number": 0,
        "pid": os.getpid(),
        "born": born(os.getpid()),
        "state": ShardState.READY,
        "silent_seconds": 0.2,
        "restarts": 0,
        "descriptor_budget": 400,
        "report": shard_report(),
        "process": ProcessFigures(descriptors=30, threads=20, rss_bytes=90_000_000),
        "peak": ProcessFigures(descriptors=40, threads=20, rss_bytes=95_000_000),
    }
    return ShardStatus(**healthy | changes)


def shard_report(**changes: Any) -> ShardReport:
    """The report of such a shard."""
    healthy: dict[str, Any] = {
        "state": ShardState.READY,
        "outstanding": 5,
        "by_status": {"pending": 3, "prepping": 2, "prepped": 7},
        "completed": {"prep": 7},
        "held": 2,
        "gauges": {"download": Gauge(1, 32), "extract": Gauge(1, 8), "parsing": Gauge(1, 6)},
        "totals": {"downloaded_bytes": 10_000},
        "loop_lag": LoopLag(p50_seconds=0.001, p99_seconds=0.004, max_seconds=0.01),
    }
    return ShardReport(**healthy | changes)


def host_status(**changes: Any) -> HostStatus:
    """A host that is open."""
    healthy: dict[str, Any] = {
        "policy": "source.example=4/1@4",
        "temporary": False,
        "factor": 1.0,
        "closings": 0,
        "closed_seconds": None,
        "blocked": None,
    }
    return HostStatus(**healthy | changes)


def run_status(**changes: Any) -> RunStatus:
    """A run of one shard that has worked for a while; its supervisor is this process as well."""
    healthy: dict[str, Any] = {
        "pid": os.getpid(),
        "born": born(os.getpid()),
        "started_at": time.time() - 100,
        "written_at": time.time(),
        "written": Moment.now(),
        "seconds": 100.0,
        "state": RunState.RUNNING,
        "cause": None,
        "paused": False,
        "daemon": False,
        "phases": ("prep",),
        "completed": {"prep": 7},
        "rates": Rates(3.0, 3.0, 3.0, 0.1),
        "deaths": (),
        "handed_back": 0,
        "suspects": (),
        "shard_count": 1,
        "shards": (shard_status(),),
        "hosts": {},
    }
    return RunStatus(**healthy | changes)
