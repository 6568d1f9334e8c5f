"""Where shards run: the protocol between the supervisor and whatever starts them.

Guarantee of every placement: `start` gives a shard that lives until `poll` says how it ended; messages arrive complete
and in order, or not at all; a shard whose supervisor is gone notices it. Limit: what a shard does inside is known from
its messages only.

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

    `oom_kills` is how many processes the kernel killed for want of memory while it lived, as far as that is known.
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
        """Sends a message; False if it has long stopped listening. One that is gone gets nothing."""

    def receive(self) -> Sequence[FromShard]:
        """What it has sent since this was asked last; also after its end."""

    def parsing(self) -> Crumb | None:
        """The paper that it is parsing in its own process."""

    def memory_bytes(self) -> int:
        """The memory that it holds now; 0 once it is gone."""

    def figures(self) -> ProcessFigures | None:
        """What the system says of its process; None once it is gone."""

    def close(self) -> None:
        """Lets go of what belonged to a shard that has ended."""


class Placement(AbstractContextManager["Placement"], Protocol):
    """Starts shards. While it is entered, signals and the shards' messages and deaths end a `wait`."""

    def start(self, number: int, settings: Settings) -> PlacedShard:
        """Starts shard `number`. Raises OSError if the system has no room for it."""

    def wait(self, seconds: float) -> None:
        """Returns when a shard has sent something or ended, at a signal, or after this time."""
