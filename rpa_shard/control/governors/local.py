"""The governors of a run on one machine: in the supervisor itself.

Guarantee: as in `rpa_shard.control.politeness.broker` and `rpa_shard.control.models.broker`. Limit: runs inside the
supervisor's only thread; a permit waits for that thread's next turn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors import Send
from rpa_shard.control.governors.memory import Memory
from rpa_shard.control.models.broker import CallBroker
from rpa_shard.control.politeness.broker import PermitBroker
from rpa_shard.ipc.calls import CallMessage, ModelStates
from rpa_shard.ipc.messages import PermitMessage
from rpa_shard.ipc.run_status import HostStatus


class LocalGovernors:
    """The governor of hosts and that of models, which remember what `memory` has."""

    def __init__(self, settings: Settings, memory: Memory, *, first_permit: int = 1) -> None:
        self._permits = PermitBroker(settings, memory, first_permit=first_permit)
        self._calls = CallBroker(settings, memory)

    @property
    def trouble(self) -> str | None:
        return None

    def handle(self, shard: int, message: PermitMessage | CallMessage) -> None:
        if isinstance(message, CallMessage):
            self._calls.handle(shard, message)
        else:
            self._permits.handle(shard, [message])

    def adopt_request(self, shard: int, host: str, permit: int, *, answered: bool) -> None:
        """A shard has a request under way that an earlier governor has granted."""
        self._permits.adopt(shard, host, permit, answered=answered)

    def adopt_call(self, shard: int, model: str, number: int) -> None:
        """A shard has a call under way that an earlier governor has granted."""
        self._calls.adopt(shard, model, number)

    def learn(self, policies: Iterable[HostPolicy]) -> None:
        """These policies hold, too, for hosts that have none here."""
        self._permits.learn(policies)

    def forget(self, shard: int) -> None:
        self._permits.forget(shard)
        self._calls.forget(shard)

    def act(self, shards: Collection[int], send: Send) -> None:
        self._permits.act(shards, send)
        self._calls.act(shards, send)

    def descriptor(self) -> int | None:
        return None

    def seconds_to_next_grant(self) -> float | None:
        waits = (self._permits.seconds_to_next_grant(), self._calls.seconds_to_next_grant())
        return min((seconds for seconds in waits if seconds is not None), default=None)

    def hosts(self) -> Mapping[str, HostStatus]:
        return self._permits.hosts()

    def models(self) -> ModelStates:
        return self._calls.states()

    def refusal(self) -> str | None:
        return self._calls.refusal()

    def close(self) -> None:
        self._calls.close()
