"""What the shards of a node wait for, what they hold, and what they have reported and nobody has acted on yet.

Guarantee: pure. Told to a governor that knows nothing of the node (`all_of_it`), it leaves every shard as if that
governor had been there from the beginning: who waits is granted a permit, what is under way counts, and no report is
lost. Limit: a want that its shard gave up at the same moment may be repeated; its permit comes back unused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rpa_shard.ipc.calls import (
    CallEnded,
    CallForgotten,
    CallMessage,
    CallsGranted,
    CallWanted,
    ModelLimited,
    ModelRefused,
)
from rpa_shard.ipc.messages import (
    HostAnswered,
    HostBlocked,
    HostLimited,
    HostStates,
    NoPdf,
    PermitMessage,
    PermitReturned,
    PermitsGranted,
    PermitsWanted,
    RequestAnswered,
    ToShard,
)
from rpa_shard.ipc.node_messages import CallHeld, OfSession, PermitHeld, of_shard
from rpa_shard.ipc.run_status import HostStatus

# What must be known to whoever governs, whoever that is.
REPORTS = HostLimited | HostBlocked | NoPdf | HostAnswered | ModelLimited | ModelRefused
MAX_REPORTS = 10_000


@dataclass(slots=True)
class _Report:
    """`number` is which message of the session it was."""

    number: int
    shard: int
    message: PermitMessage | CallMessage


class Outstanding:
    """All shards of one node."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[int, str], int] = {}
        # Whether each has been answered, by shard, host and permit.
        self._held: dict[tuple[int, str, int], bool] = {}
        self._calls_wanted: dict[tuple[int, int], CallWanted] = {}
        self._calls_held: dict[tuple[int, int], str] = {}
        self._reports: deque[_Report] = deque(maxlen=MAX_REPORTS)
        self._sent = 0

    def sent_one(self) -> None:
        """One more message of this session has been sent."""
        self._sent += 1

    def acted(self, handled: int) -> None:
        """So many messages of this session have been acted on."""
        while self._reports and self._reports[0].number <= handled:
            self._reports.popleft()

    def noted(self, shard: int, message: PermitMessage | CallMessage) -> None:
        """A shard is about to send this."""
        match message:
            case PermitsWanted(host, count):
                self._wanted[shard, host] = self._wanted.get((shard, host), 0) + count
            case RequestAnswered(host, permit):
                if (shard, host, permit) in self._held:
                    self._held[shard, host, permit] = True
            case PermitReturned(host, permit, _):
                self._held.pop((shard, host, permit), None)
            case CallWanted(_, number):
                self._calls_wanted[shard, number] = message
            case CallForgotten(_, number) | CallEnded(_, number):
                self._no_call(shard, number)
            case ModelLimited(_, number) | ModelRefused(_, number):
                self._no_call(shard, number)
        if isinstance(message, REPORTS):
            self._reports.append(_Report(self._sent + 1, shard, message))

    def told(self, shard: int, message: ToShard) -> None:
        """A shard is told this; of states, all shards are."""
        match message:
            case PermitsGranted(host, permits, _):
                self._wanted[shard, host] = max(0, self._wanted.get((shard, host), 0) - len(permits))
                self._held.update({(shard, host, permit): False for permit in permits})
            case CallsGranted(model, numbers):
                for number in numbers:
                    self._calls_wanted.pop((shard, number), None)
                    self._calls_held[shard, number] = model
            case HostStates(hosts):
                self._wanted = {key: wants for key, wants in self._wanted.items() if wants and _waits(hosts, key[1])}

    def forget(self, shard: int) -> None:
        """A shard is gone. What it has reported stays."""
        self._wanted = {key: wants for key, wants in self._wanted.items() if key[0] != shard}
        self._held = {key: answered for key, answered in self._held.items() if key[0] != shard}
        self._calls_wanted = {key: wanted for key, wanted in self._calls_wanted.items() if key[0] != shard}
        self._calls_held = {key: model for key, model in self._calls_held.items() if key[0] != shard}

    def all_of_it(self) -> Iterator[OfSession]:
        """What a new session begins with; each counts as sent."""
        reports = list(self._reports)
        self._reports.clear()
        self._sent = 0
        for (shard, host, permit), answered in self._held.items():
            yield self._counted(PermitHeld(shard, host, permit, answered))
        for (shard, number), model in self._calls_held.items():
            yield self._counted(CallHeld(shard, model, number))
        for each in reports:
            yield self._counted(of_shard(each.shard, each.message))
            self._reports.append(_Report(self._sent, each.shard, each.message))
        for (shard, host), wants in self._wanted.items():
            if wants:
                yield self._counted(of_shard(shard, PermitsWanted(host, wants)))
        for (shard, _), wanted in self._calls_wanted.items():
            yield self._counted(of_shard(shard, wanted))

    def _counted(self, message: OfSession) -> OfSession:
        self._sent += 1
        return message

    def _no_call(self, shard: int, number: int) -> None:
        self._calls_wanted.pop((shard, number), None)
        self._calls_held.pop((shard, number), None)


def _waits(hosts: Mapping[str, HostStatus], host: str) -> bool:
    """Whether a shard that is told these states goes on waiting for a permit for the host."""
    return host in hosts and hosts[host].blocked is None
