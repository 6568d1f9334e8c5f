"""The language between supervisor and shard: one JSON object a line over a socket pair.

Guarantee: messages arrive whole and in order, or not at all. Limit: no answers are promised; each end acts on what it
hears and notices by end of file that the other one is gone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DRAIN: Mapping[str, Any] = {"type": "drain"}
PAUSE: Mapping[str, Any] = {"type": "pause"}
GO_ON: Mapping[str, Any] = {"type": "go_on"}


@dataclass(frozen=True, slots=True)
class Report:
    """What a shard says about itself once a second. Lag in seconds; rates are the supervisor's to work out."""

    state: str
    outstanding: int | None
    by_status: Mapping[str, int] = field(default_factory=dict)
    by_failure: Mapping[str, int] = field(default_factory=dict)
    prep_done: int = 0
    attempts_failed: int = 0
    lost_leases: int = 0
    held: int = 0
    downloading: int = 0
    extracting: int = 0
    lag_p50_seconds: float = 0.0
    lag_p99_seconds: float = 0.0
    lag_max_seconds: float = 0.0
    downloaded_bytes: int = 0

    def as_message(self) -> Mapping[str, Any]:
        return {"type": "report", **asdict(self)}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Report:
        return cls(**{name: value for name, value in message.items() if name != "type"})


def encode(message: Mapping[str, Any]) -> bytes:
    """One message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line."""
    message: dict[str, Any] = json.loads(line)
    return message


class Inbox:
    """Turns received bytes into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[dict[str, Any]]:
        """The messages that are complete now."""
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [decode(line) for line in lines]
