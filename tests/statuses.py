"""A run's status as a healthy run of one shard writes it, to be changed by each test where it matters."""

from __future__ import annotations

import os
import time
from typing import Any

from rpa_shard.ipc.account import Account, Limit
from rpa_shard.ipc.model_status import ModelStatus, Spent
from rpa_shard.ipc.run_status import HostStatus, LastHour, ProcessFigures, Rates, RunState, RunStatus, ShardStatus
from rpa_shard.ipc.shard_report import Gauge, LoopLag, PaperInWork, ShardReport, ShardState, Work
from rpa_shard.model.distribution import Distribution
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
        "held": 2,
        "workers": ("download", "extract", "idle"),
        "in_work": (
            PaperInWork("2401.00001", "prep", "extract", 0.3, 1.5, 1),
            PaperInWork("2401.00002", "prep", "download", 0.2, 0.2, 1),
        ),
        "gauges": {"download": Gauge(1, 32), "extract": Gauge(1, 8), "parsing": Gauge(1, 6)},
        "loop_lag": LoopLag(p50_seconds=0.001, p99_seconds=0.004, max_seconds=0.01),
        "work": work(),
    }
    return ShardReport(**healthy | changes)


def work(**changes: Any) -> Work:
    """What such a shard has done."""
    healthy: dict[str, Any] = {
        "ended": {"prep": {"completed": 7}},
        "totals": {"downloaded_bytes": 10_000, "pages": 70},
        "tallies": {"source": {"source.example": 7}, "attempt": {"1": 7}},
        "durations": {"download": Distribution({100: 7}, 0.9, 0.14), "extract": Distribution({90: 7}, 0.35, 0.06)},
    }
    return Work(**healthy | changes)


def account(**changes: Any) -> Account:
    """The account of a run that works."""
    healthy: dict[str, Any] = {
        "total": 12,
        "done": 7,
        "in_work": 2,
        "queued": 3,
        "limited_by": Limit.NETWORK,
        "pace": 3.0,
        "left_seconds": 2.0,
        "text": "58 % · 7 done · 2 in work · 3 queued · 3.0 papers/s · 2 s left",
    }
    return Account(**healthy | changes)


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


def model_status(**changes: Any) -> ModelStatus:
    """A model that is open and busy."""
    busy: dict[str, Any] = {
        "limits": "http://127.0.0.1:8000/v1 models=qwen3 requests=600 in_flight=64",
        "in_flight_limit": 64,
        "under_way": 60,
        "wanted": 12,
        "last_minute": Spent(requests=300, input_tokens=1_234_567, output_tokens=245_000, micro_usd=81_000),
        "today": Spent(requests=40_123, input_tokens=987_654_321, output_tokens=45_600_000, micro_usd=12_345_678),
    }
    return ModelStatus(**busy | changes)


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
        "account": account(),
        "work": work(),
        "last_hour": LastHour(seconds=100.0, completed=7),
        "waited": (),
        "idle_seconds": 0.0,
        "progress_at": time.time(),
        "failures": (),
        "min_free_bytes": 500_000_000,
        "rates": Rates(3.0, 3.0, 3.0, 0.1),
        "deaths": (),
        "handed_back": 0,
        "suspects": (),
        "shard_count": 1,
        "shards": (shard_status(),),
        "hosts": {},
    }
    return RunStatus(**healthy | changes)
