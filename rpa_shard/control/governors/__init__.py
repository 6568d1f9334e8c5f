"""Who grants permits to the shards of a run: the governors of hosts and of models, wherever they are.

`local` has both in the supervisor, for a run on one machine. For a run on many, `reaching` asks those of the node that
governs, and `serving` is what that node does, and how it becomes the one. `memory` keeps what the next governor must
know: in files of the data folder, or in the database; `at_rest` shows it where nothing runs. `factory` chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from rpa_shard.ipc.calls import CallMessage, ModelStates
from rpa_shard.ipc.messages import PermitMessage, ToShard
from rpa_shard.ipc.run_status import HostStatus

Send = Callable[[int, ToShard], None]


class Governors(Protocol):
    """The governors, as the supervisor sees them. Never blocks for long; used by one thread."""

    @property
    def trouble(self) -> str | None:
        """Why no permits are granted at all, in one line, if that is so."""

    def handle(self, shard: int, message: PermitMessage | CallMessage) -> None:
        """Handles what a shard has sent."""

    def forget(self, shard: int) -> None:
        """A shard is gone: its permits are free again, what it had under way counts as spent."""

    def act(self, shards: Collection[int], send: Send) -> None:
        """Sends the living shards what has changed, and the permits that were granted."""

    def descriptor(self) -> int | None:
        """What becomes readable when there is something to `act` on; None if only time and messages bring that."""

    def seconds_to_next_grant(self) -> float | None:
        """How long until the clock allows another grant; None if the clock alone allows none."""

    def hosts(self) -> Mapping[str, HostStatus]:
        """Every governed host and its state."""

    def models(self) -> ModelStates:
        """How things stand with every model, and with the budget."""

    def refusal(self) -> str | None:
        """Why no model is asked until a person acts, in one line, if that is so."""

    def close(self) -> None:
        """The run ends: keeps everything for the next one."""
