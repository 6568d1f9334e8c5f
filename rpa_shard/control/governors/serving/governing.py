"""The governors of one epoch at work, in a thread of their own: messages of nodes in, permits out.

Guarantee: nothing is granted outside the time in which the epoch governs (`election.OwnEpoch`), nor before what must
be saved has been saved. A (node's connection, shard) pair is a shard to the governors; what a connection had ends with
it. Nodes are sent away as soon as another node may govern. Limit: while the database takes its
time to save, all wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Protocol

from rpa_shard.config.host_policy import parse_policies
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.local import LocalGovernors
from rpa_shard.control.governors.memory import DeposedError, Memory, UnsavedError
from rpa_shard.ipc.calls import CallMessage, CallsGranted
from rpa_shard.ipc.messages import HostStates, MessageError, PermitMessage, PermitsGranted, ToShard
from rpa_shard.ipc.node_messages import (
    EVERY_SHARD,
    CallHeld,
    Hello,
    NodeMessage,
    Of,
    PermitHeld,
    ShardGone,
    Views,
    of_shard,
)
from rpa_shard.model.errors import StoreError

log = logging.getLogger(__name__)

TURN_SECONDS = 0.05
VIEWS_SECONDS = 1.0
# After an epoch has begun, nodes have so long to say what they have under way, before anything is granted.
SETTLE_SECONDS = 1.0
# Permits of different epochs have different numbers.
PERMITS_OF_AN_EPOCH = 2**32
SHARDS = EVERY_SHARD + 1


class NodeLink(Protocol):
    """The connection of one node, as the governors see it. Its methods may be called from any thread."""

    number: int
    handled: int

    def send(self, message: NodeMessage) -> None:
        """Sends a message, without waiting."""

    def close(self) -> None:
        """Ends the connection; the node comes again."""


@dataclass(frozen=True, slots=True)
class _Came:
    """A node's connection has begun (`hello`), has brought a message, or (with neither) has ended."""

    link: NodeLink
    hello: Hello | None = None
    message: NodeMessage | None = None


class GoverningThread:
    """The governors of one epoch. `came` and its like are called by the thread that has the connections."""

    def __init__(
        self,
        settings: Settings,
        epoch: int,
        memory: Memory,
        may_grant: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._epoch = epoch
        self._memory = memory
        self._may_grant = may_grant
        self._clock = clock
        self._inbox: SimpleQueue[_Came | None] = SimpleQueue()
        self._links: dict[int, NodeLink] = {}
        self._shards: set[int] = set()
        self._views_at = 0.0
        self._settled_at = 0.0
        self._ended = threading.Event()
        self._says_unsaved = True
        # Whose messages have been handled, but not acted on; and who has not been told yet how things stand.
        self._unacted: list[NodeLink] = []
        self._uninformed: list[NodeLink] = []

    def came(self, link: NodeLink, hello: Hello) -> None:
        """A node has proved that it is one."""
        self._inbox.put(_Came(link, hello=hello))

    def brought(self, link: NodeLink, message: NodeMessage) -> None:
        """A node has sent a message of its session."""
        self._inbox.put(_Came(link, message=message))

    def left(self, link: NodeLink) -> None:
        """A node's connection has ended."""
        self._inbox.put(_Came(link))

    def end(self) -> None:
        """Ends `run`: everything that can be kept is."""
        self._ended.set()
        self._inbox.put(None)

    def run(self) -> None:
        """Governs until `end`, or until another epoch has begun. Nothing of it is in another thread."""
        try:
            governors = self._begun()
            while governors is not None and not self._ended.is_set():
                self._turn(governors)
            if governors is not None and self._may_grant():
                governors.close()
        except DeposedError:
            log.warning("another node has taken over")
        finally:
            self._hang_up()

    def _begun(self) -> LocalGovernors | None:
        """The governors, once the epoch before is over and what it has kept can be read."""
        while not self._ended.is_set():
            if self._may_grant():
                try:
                    first = self._epoch * PERMITS_OF_AN_EPOCH
                    self._settled_at = self._clock() + SETTLE_SECONDS
                    return LocalGovernors(self._settings, self._memory, first_permit=first)
                except StoreError as error:
                    log.warning("what the last governor has kept cannot be read: %s", error)
            self._ended.wait(TURN_SECONDS)
        return None

    def _turn(self, governors: LocalGovernors) -> None:
        wait = governors.seconds_to_next_grant()
        for each in self._news(TURN_SECONDS if wait is None else wait):
            self._take(governors, each)
        if not self._may_grant():
            self._hang_up()
            self._ended.wait(TURN_SECONDS)
            return
        if self._clock() < self._settled_at:
            return
        try:
            governors.act(_Everybody(self._shards, self._links), self._send)
        except UnsavedError as error:
            if self._says_unsaved:
                log.warning("%s: nothing is granted meanwhile", error)
            self._says_unsaved = False
            self._ended.wait(TURN_SECONDS)
            return
        self._says_unsaved = True
        for link in self._unacted:
            link.handled += 1
        self._unacted.clear()
        self._inform(governors)
        self._show(governors)

    def _news(self, seconds: float) -> Iterator[_Came]:
        """What has come, after at most so many seconds."""
        try:
            each = self._inbox.get(timeout=min(seconds, TURN_SECONDS)) if seconds > 0 else self._inbox.get_nowait()
            for _ in count():
                if each is not None:
                    yield each
                each = self._inbox.get_nowait()
        except Empty:
            return

    def _take(self, governors: LocalGovernors, each: _Came) -> None:
        link = each.link
        if each.hello is not None:
            self._links[link.number] = link
            self._uninformed.append(link)
            self._learn(governors, each.hello)
        elif each.message is not None:
            self._handle(governors, link, each.message)
            self._unacted.append(link)
        else:
            self._links.pop(link.number, None)
            for number in [number for number in self._shards if number // SHARDS == link.number]:
                self._gone(governors, number)

    def _learn(self, governors: LocalGovernors, hello: Hello) -> None:
        ours = {str(model.name) for model in self._settings.llm_endpoints}
        if set(hello.models) != ours:
            log.warning("node %s has other models in RPA_V2_LLM_ENDPOINTS: those of this node count", hello.node)
        try:
            governors.learn(policy for each in hello.policies for policy in parse_policies(each))
        except ValueError:
            log.warning("node %s has sent policies of hosts that cannot be read", hello.node)

    def _handle(self, governors: LocalGovernors, link: NodeLink, message: NodeMessage) -> None:
        match message:
            case Of(shard):
                self._pass_on(governors, self._number(link, shard), message)
            case ShardGone(shard):
                self._gone(governors, self._number(link, shard))
            case PermitHeld(shard, host, permit, answered):
                governors.adopt_request(self._number(link, shard), host, permit, answered=answered)
            case CallHeld(shard, model, number):
                governors.adopt_call(self._number(link, shard), model, number)

    def _pass_on(self, governors: LocalGovernors, number: int, message: Of) -> None:
        try:
            said = message.decoded()
        except MessageError as error:
            log.error("skipped a message: %s", error)
            return
        if isinstance(said, PermitMessage | CallMessage):
            governors.handle(number, said)

    def _number(self, link: NodeLink, shard: int) -> int:
        number = link.number * SHARDS + min(max(shard, 0), EVERY_SHARD - 1)
        self._shards.add(number)
        return number

    def _gone(self, governors: LocalGovernors, number: int) -> None:
        governors.forget(number)
        self._shards.discard(number)

    def _send(self, number: int, message: ToShard) -> None:
        link = self._links.get(number // SHARDS)
        if link is None:
            return
        if isinstance(message, PermitsGranted | CallsGranted) and not self._may_grant():
            link.close()  # it was late when all was saved: the node asks the next governor
            return
        link.send(of_shard(number % SHARDS, message))

    def _inform(self, governors: LocalGovernors) -> None:
        """Tells new nodes how things stand."""
        for link in self._uninformed:
            link.send(of_shard(EVERY_SHARD, HostStates(governors.hosts())))
            link.send(of_shard(EVERY_SHARD, governors.models()))
            self._views_at = 0.0
        self._uninformed.clear()

    def _hang_up(self) -> None:
        """Another node may govern by now, so all nodes are to look who does."""
        for link in self._links.values():
            link.close()

    def _show(self, governors: LocalGovernors) -> None:
        now = self._clock()
        if now >= self._views_at:
            self._views_at = now + VIEWS_SECONDS
            states = governors.models()
            views = Views(governors.hosts(), states.models, states.budget)
            for link in self._links.values():
                link.send(views)


class _Everybody(Collection[int]):
    """All shards of all nodes: what is for all of them is sent to each node once."""

    def __init__(self, shards: Collection[int], links: Collection[int]) -> None:
        self._shards = shards
        self._links = links

    def __contains__(self, number: object) -> bool:
        return number in self._shards

    def __iter__(self) -> Iterator[int]:
        return (link * SHARDS + EVERY_SHARD for link in self._links)

    def __len__(self) -> int:
        return len(self._links)
