"""The run's status, which the supervisor publishes once a second.

Guarantee: a typed value with a format number; the file is replaced complete, so a reader never sees half of it; it
names its writer (process and start) and when it was written. `run_status.schema.json` is its JSON Schema, for monitors.
Limit: as old as its last write; the reader must check whether the processes in it are still alive
(`rpa_shard.system.processes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from rpa_shard.system.clock import Moment
from rpa_shard.system.files import replace_file
from rpa_shard.system.processes import is_alive

FORMAT = 2


class RunState(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    FINISHING = "finishing"
    STOPPING = "stopping"
    RESIZING = "resizing"
    CRASH_LOOP = "crash_loop"
    ENDED = "ended"


class ShardState(StrEnum):
    """The state of a shard: `stuck` and `dead` are set by the supervisor, the others by the shard."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    ENDED = "ended"
    STUCK = "stuck"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Gauge:
    """How much of something bounded is in use."""

    in_use: Annotated[int, Meta(description="How many are in use now.")]
    limit: Annotated[int, Meta(description="The most that may be in use at a time.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLag:
    """How late a shard's event loop was, since the shard started."""

    p50_seconds: Annotated[float, Meta(description="Half of all ticks were no later than this.")] = 0.0
    p99_seconds: Annotated[float, Meta(description="99 % of all ticks were no later than this.")] = 0.0
    max_seconds: Annotated[float, Meta(description="The latest tick.")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """A shard's report on itself."""

    state: Annotated[ShardState, Meta(description="The state of the shard.")] = ShardState.BOOTING
    outstanding: Annotated[
        int | None, Meta(description="Papers on which this run still has work to do; null before the first count.")
    ] = None
    by_status: Annotated[Mapping[str, int], Meta(description="The shard's papers by status.")] = field(
        default_factory=dict
    )
    by_failure: Annotated[Mapping[str, int], Meta(description="The shard's failed papers by reason.")] = field(
        default_factory=dict
    )
    completed: Annotated[Mapping[str, int], Meta(description="Claims completed since it started, by phase.")] = field(
        default_factory=dict
    )
    attempts_failed: Annotated[int, Meta(description="Attempts that failed since it started.")] = 0
    lost_leases: Annotated[int, Meta(description="Results thrown away because their lease was lost.")] = 0
    held: Annotated[int, Meta(description="Papers under a lease of this shard.")] = 0
    gauges: Annotated[Mapping[str, Gauge], Meta(description="Slots and pools in use, by name.")] = field(
        default_factory=dict
    )
    totals: Annotated[Mapping[str, int], Meta(description="Sums of the phases since it started, by name.")] = field(
        default_factory=dict
    )
    loop_lag: Annotated[LoopLag, Meta(description="How late the event loop was.")] = LoopLag()

    @property
    def completed_claims(self) -> int:
        """Claims that this shard has completed, in all phases."""
        return sum(self.completed.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """The system's figures of a process."""

    descriptors: Annotated[int, Meta(description="Open file descriptors.")] = 0
    tcp_sockets: Annotated[int, Meta(description="TCP sockets, counted now and then.")] = 0
    cpu_percent: Annotated[float, Meta(description="CPU since the last look, in percent of one core.")] = 0.0
    rss_bytes: Annotated[int, Meta(description="Resident memory.")] = 0
    threads: Annotated[int, Meta(description="Threads.")] = 0

    def peak_with(self, other: ProcessFigures) -> ProcessFigures:
        """The larger of each figure."""
        return ProcessFigures(
            descriptors=max(self.descriptors, other.descriptors),
            tcp_sockets=max(self.tcp_sockets, other.tcp_sockets),
            cpu_percent=max(self.cpu_percent, other.cpu_percent),
            rss_bytes=max(self.rss_bytes, other.rss_bytes),
            threads=max(self.threads, other.threads),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStatus:
    """One shard, living or gone."""

    number: Annotated[int, Meta(description="The shard's number, from 0.")]
    pid: Annotated[int, Meta(description="Its process id.")]
    born: Annotated[float, Meta(description="When its process started, in seconds since the machine booted.")]
    state: Annotated[ShardState, Meta(description="The shard's own state, or stuck or dead.")]
    silent_seconds: Annotated[float, Meta(description="The time since its last report.")]
    restarts: Annotated[int, Meta(description="How often it died in this run.")]
    descriptor_budget: Annotated[int, Meta(description="The maximum number of descriptors that it may need.")]
    report: Annotated[ShardReport, Meta(description="The last report of the shard.")]
    process: Annotated[ProcessFigures, Meta(description="Its process at the last look.")]
    peak: Annotated[ProcessFigures, Meta(description="The highest figures so far.")]

    @property
    def is_alive(self) -> bool:
        """Whether its process lives."""
        return is_alive(self.pid, self.born)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """One governed host. Durations count from when the status was written."""

    policy: Annotated[str, Meta(description="What the host allows: HOST=REQUESTS/SECONDS@CONNECTIONS.")]
    temporary: Annotated[bool, Meta(description="Whether the policy is temporary.")]
    factor: Annotated[float, Meta(description="The share of the allowed rate that is used, up to 1.")]
    closings: Annotated[int, Meta(description="How often in a row it asked us to slow down.")]
    closed_seconds: Annotated[
        float | None, Meta(description="How long it is still left alone; 0 while a probe decides; null if it is open.")
    ]
    blocked: Annotated[str | None, Meta(description="Why no request is sent until a person acts, or null.")]
    why: Annotated[str | None, Meta(description="Why it is left alone, or was last, in its own words; or null.")] = None

    @property
    def is_shut(self) -> bool:
        """Whether it is closed or refuses us."""
        return self.blocked is not None or self.closed_seconds is not None


@dataclass(frozen=True, slots=True)
class Rates:
    """Completed claims per second."""

    last_10_seconds: Annotated[float, Meta(description="Over the last ten seconds.")]
    last_60_seconds: Annotated[float, Meta(description="Over the last minute.")]
    whole_run: Annotated[float, Meta(description="Over the complete run.")]
    spread: Annotated[float, Meta(description="The standard deviation of the rates per second, over their mean.")]


@dataclass(frozen=True, slots=True)
class Death:
    """A shard that died, or could not be started."""

    shard: Annotated[int, Meta(description="The shard's number.")]
    at: Annotated[float, Meta(description="When, in Unix seconds.")]
    cause: Annotated[str, Meta(description="The cause, in one line.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The status of a run over one data folder, `run/status.json`."""

    format: Annotated[int, Meta(description="The format of this file.")] = FORMAT
    pid: Annotated[int, Meta(description="The supervisor's process id.")]
    born: Annotated[float, Meta(description="When the supervisor started, in seconds since the machine booted.")]
    started_at: Annotated[float, Meta(description="When the run began, in Unix seconds.")]
    written_at: Annotated[float, Meta(description="When this was written, in Unix seconds.")]
    written: Annotated[Moment, Meta(description="The same, in a form whose age does not change when the clock is set.")]
    seconds: Annotated[float, Meta(description="How long the run has lasted.")]
    state: Annotated[RunState, Meta(description="The state of the run.")]
    cause: Annotated[str | None, Meta(description="What stopped the run, if it stopped by itself.")]
    paused: Annotated[bool, Meta(description="Whether nothing is claimed because the disk is short of room.")]
    daemon: Annotated[bool, Meta(description="Whether the run waits for more papers when all are done.")]
    phases: Annotated[tuple[str, ...], Meta(description="The phases of this run, earliest first.")]
    completed: Annotated[Mapping[str, int], Meta(description="Claims completed in this run, by phase.")]
    rates: Annotated[Rates, Meta(description="Completed claims per second.")]
    deaths: Annotated[tuple[Death, ...], Meta(description="The last shards that died.")]
    handed_back: Annotated[int, Meta(description="Papers of dead shards that went back to the queue.")]
    suspects: Annotated[tuple[str, ...], Meta(description="The last papers that were being parsed when a shard died.")]
    shard_count: Annotated[int, Meta(description="How many shards the run has.")]
    shards: Annotated[tuple[ShardStatus, ...], Meta(description="The shards, by number.")]
    hosts: Annotated[Mapping[str, HostStatus], Meta(description="Governed hosts, by name.")]

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor lives."""
        return is_alive(self.pid, self.born)

    @property
    def is_on(self) -> bool:
        """Whether the run is in progress: its supervisor is alive and has not ended it."""
        return self.state is not RunState.ENDED and self.is_alive

    @property
    def completed_claims(self) -> int:
        """Claims completed in this run, in all phases."""
        return sum(self.completed.values())


def write_status(path: Path, status: RunStatus) -> None:
    """Replaces the status file. Not flushed: a loss of power ends the run anyway. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(status), durable=False)


def read_status(path: Path) -> RunStatus | None:
    """The last status, or None if there is none, it cannot be read, or it has another format."""
    try:
        status = msgspec.json.decode(path.read_bytes(), type=RunStatus)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return status if status.format == FORMAT else None


def as_json(status: RunStatus) -> dict[str, Any]:
    """The status as plain JSON values."""
    content: dict[str, Any] = msgspec.to_builtins(status)
    return content


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the status file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(RunStatus)}
