"""Where shards run: the protocol between the supervisor and what starts them.

Guarantee of every placement: `start` returns a shard that lives until `poll` reports how it ended; messages arrive
complete and in order, or not at all; a shard notices when its supervisor is gone. Limit: what happens inside a shard is
known only from its messages.

`factory` chooses the placement; `fork` runs shards as child processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.breadcrumb import Crumb
from rpa_shard.ipc.messages import FromShard, ToShard
from rpa_shard.ipc.run_status import ProcessFigures
from rpa_shard.system.deaths import signal_name


@dataclass(frozen=True, slots=True)
class Exited:
    """A shard ended by itself, with an exit code."""

    code: int

    def __str__(self) -> str:
        return f"exit code {self.code}"


@dataclass(frozen=True, slots=True)
class DiedOf:
    """A signal ended a shard.

    `oom_kills` is how many processes the kernel killed for lack of memory while it lived, as far as that is known.
    """

    signal: int
    oom_kills: int = 0

    def __str__(self) -> str:
        return f"signal {signal_name(self.signal)}"


ShardExit = Exited | DiedOf


class PlacedShard(Protocol):
    """One shard, where it was placed."""

    @property
    def number(self) -> int:
        """The shard's number."""

    @property
    def pid(self) -> int:
        """Its process id, on the machine where it runs."""

    @property
    def born(self) -> float:
        """When its process started, in seconds since that machine booted."""

    def poll(self) -> ShardExit | None:
        """How it ended, or None while it lives."""

    def kill(self) -> None:
        """Ends it at once."""

    def send(self, message: ToShard) -> bool:
        """Sends a message; False if it has not read its messages for a long time. A shard that is gone gets nothing."""

    def receive(self) -> Sequence[FromShard]:
        """What it has sent since the last call; works after its end too."""

    def parsing(self) -> Crumb | None:
        """The paper that it is parsing in its own process."""

    def memory_bytes(self) -> int:
        """The memory that it holds now; 0 once it is gone."""

    def figures(self) -> ProcessFigures | None:
        """The system's figures of its process; None once it is gone."""

    def close(self) -> None:
        """Releases the resources of a shard that has ended."""


class Placement(AbstractContextManager["Placement"], Protocol):
    """Starts shards. While it is entered, a signal, a shard's message or a shard's death ends a `wait`."""

    def start(self, number: int, settings: Settings) -> PlacedShard:
        """Starts shard `number`. Raises OSError if the system lacks the resources."""

    def wait(self, seconds: float, descriptor: int | None = None) -> None:
        """Returns when a shard has sent something or ended, on a signal, after this time, or if one can read there."""
