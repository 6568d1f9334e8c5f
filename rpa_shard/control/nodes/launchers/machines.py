"""Machines that can have nodes, and what is known of a node that was placed on one.

Guarantee: plain values and protocols. Limit: which machines there are and how a process gets to one is known by what
implements them: Ray (`ray_placement`), or another launcher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rpa_shard.system.deaths import signal_name


class MachinesLostError(Exception):
    """Nobody knows any more which machines there are; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that can have a node: `id` is unique for ever, `host` is its name, `cores` are those we may use."""

    id: str
    host: str
    address: str
    cores: int


@dataclass(frozen=True, slots=True)
class NodeEnd:
    """How a node ended: its exit code, minus a signal's number, None if what ran it is gone; what it said last."""

    code: int | None
    said: str = ""

    def __str__(self) -> str:
        if self.code is None:
            return f"it could not be started: {self.said}" if self.said else "what ran it is gone"
        how = f"exit code {self.code}" if self.code >= 0 else f"signal {signal_name(-self.code)}"
        return f"{how}: {self.said}" if self.said else how


class PlacedNode(Protocol):
    """A node that was placed. None of these waits."""

    def has_started(self) -> bool:
        """Whether its process was started."""

    def end(self) -> NodeEnd | None:
        """How it ended; None while it lives, or may."""

    def drain(self) -> None:
        """Asks it to hand back what it holds, and to end."""

    def kill(self) -> None:
        """Ends it at once."""


class Machines(Protocol):
    """The machines of a cluster."""

    def alive(self) -> Sequence[Machine]:
        """Those that there are now. Raises MachinesLostError."""

    def place(self, machine: Machine, environment: Mapping[str, str]) -> PlacedNode:
        """Starts a node on a machine, with these variables."""

    def wait(self, seconds: float) -> None:
        """Returns after this time, or when something happened."""
