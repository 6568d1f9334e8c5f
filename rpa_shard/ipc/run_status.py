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

from rpa_shard.ipc.account import Account, PastWait
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus
from rpa_shard.ipc.shard_report import FailedAttempt, ShardReport, ShardState, Work
from rpa_shard.system.clock import Moment
from rpa_shard.system.files import replace_file
from rpa_shard.system.processes import is_alive

FORMAT = 4


class RunState(StrEnum):
    """The state of a run."""

    RUNNING = "running"
    FINISHING = "finishing"
    STOPPING = "stopping"
    RESIZING = "resizing"
    CRASH_LOOP = "crash_loop"
    ENDED = "ended"


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
    wanted: Annotated[int, Meta(description="Requests that wait for their turn there.")] = 0
    under_way: Annotated[int, Meta(description="Requests that are under way there.")] = 0

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
    recent: Annotated[tuple[float, ...], Meta(description="The rates of the last seconds, a minute at most.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """What has ended within the last hour of the run, or since it began."""

    seconds: Annotated[float, Meta(description="The time that it covers.")] = 0.0
    completed: Annotated[int, Meta(description="Claims that were completed.")] = 0
    retried: Annotated[
        Mapping[str, int], Meta(description="Attempts that failed and are followed by another one, by reason.")
    ] = field(default_factory=dict)
    failed: Annotated[Mapping[str, int], Meta(description="Papers that failed for good, by reason.")] = field(
        default_factory=dict
    )


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
    account: Annotated[Account, Meta(description="What is done, what waits, and how long it will take.")]
    work: Annotated[Work, Meta(description="What all shards of this run have done, also those that are gone.")]
    last_hour: Annotated[LastHour, Meta(description="What has ended lately.")]
    waited: Annotated[tuple[PastWait, ...], Meta(description="What the run has waited for, longest first.")]
    idle_seconds: Annotated[float, Meta(description="How long no paper was worked on because all had to wait.")]
    progress_at: Annotated[float, Meta(description="When a claim last ended, or the run began, in Unix seconds.")]
    failures: Annotated[tuple[FailedAttempt, ...], Meta(description="The last attempts that failed, oldest first.")]
    min_free_bytes: Annotated[int, Meta(description="The run pauses while a disk has less free space than this.")]
    rates: Annotated[Rates, Meta(description="Completed claims per second.")]
    deaths: Annotated[tuple[Death, ...], Meta(description="The last shards that died.")]
    handed_back: Annotated[int, Meta(description="Papers of dead shards that went back to the queue.")]
    suspects: Annotated[tuple[str, ...], Meta(description="The last papers that were being parsed when a shard died.")]
    shard_count: Annotated[int, Meta(description="How many shards the run has.")]
    shards: Annotated[tuple[ShardStatus, ...], Meta(description="The shards, by number.")]
    hosts: Annotated[Mapping[str, HostStatus], Meta(description="Governed hosts, by name.")]
    models: Annotated[Mapping[str, ModelStatus], Meta(description="Models that are asked, by name.")] = field(
        default_factory=dict
    )
    llm_budget: Annotated[BudgetStatus, Meta(description="What models may take a day, and took.")] = BudgetStatus()

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor lives."""
        return is_alive(self.pid, self.born)

    @property
    def is_on(self) -> bool:
        """Whether the run is in progress: its supervisor is alive and has not ended it."""
        return self.state is not RunState.ENDED and self.is_alive

    @property
    def completed(self) -> Mapping[str, int]:
        """Claims completed in this run, by phase."""
        return self.work.completed


def write_status(path: Path, status: RunStatus) -> None:
    """Replaces the status file. Not flushed: a loss of power ends the run anyway. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(status), durable=False)


# Made here, in one thread: the first use of a type by several threads at once can crash msgspec.
_DECODER = msgspec.json.Decoder(RunStatus)


def read_status(path: Path) -> RunStatus | None:
    """The last status, or None if there is none, it cannot be read, or it has another format."""
    try:
        return decode_status(path.read_bytes())
    except OSError:
        return None


def decode_status(content: bytes) -> RunStatus | None:
    """The status that a file, or a node, has published; None if it cannot be read, or has another format."""
    try:
        status = _DECODER.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return status if status.format == FORMAT else None


def as_json(status: RunStatus) -> dict[str, Any]:
    """The status as plain JSON values."""
    content: dict[str, Any] = msgspec.to_builtins(status)
    return content


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the status file."""
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(RunStatus)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
