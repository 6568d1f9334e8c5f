"""The governors of a run on many machines, as the supervisor of one node sees them: through its agent.

Guarantee: never waits. A shard that wants a permit gets one sooner or later, whatever becomes of agents, connections
and governing nodes; while there is none, it sends nothing to governed hosts. Limit: what it shows of hosts and models
is as old as the last message, and what every node has configured differently counts as the governing node says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from rpa_shard.config.host_policy import policies_by_host
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors import Send
from rpa_shard.control.governors.reaching.outstanding import Outstanding
from rpa_shard.control.models.broker import refusal_of
from rpa_shard.control.models.model_state import limits_in_words
from rpa_shard.ipc.calls import CallMessage, ModelStates
from rpa_shard.ipc.messages import HostStates, MessageError, PermitMessage, ToShard
from rpa_shard.ipc.model_status import BudgetStatus, ModelStatus
from rpa_shard.ipc.node_messages import (
    EVERY_SHARD,
    Acted,
    Begin,
    Governed,
    NodeMessage,
    Of,
    OfSession,
    ShardGone,
    Ungoverned,
    Views,
    of_shard,
)
from rpa_shard.ipc.run_status import HostStatus

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Agent(Protocol):
    """A process beside the supervisor that may wait for the network; see `rpa_shard.control.nodes.agent`."""

    def descriptor(self) -> int | None:
        """Becomes readable when it has sent something, or is gone; None once that is known."""

    def send(self, message: NodeMessage) -> bool:
        """Sends a message, without waiting; False if the agent is gone, or has not read for too long."""

    def receive(self) -> list[NodeMessage] | None:
        """What it has sent; None once it is gone. Raises MessageError."""

    def end(self) -> None:
        """Ends it, and waits until it is gone, for a few seconds at most."""


class RemoteGovernors:
    """The governors of all nodes. `start` starts an agent; it is called again when one is gone. Raises OSError."""

    def __init__(self, settings: Settings, start: Callable[[], Agent]) -> None:
        self._settings = settings
        self._start = start
        self._agent: Agent | None = None
        self._start_at = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._outstanding = Outstanding()
        self._governed = False
        self._trouble: str | None = "the node that governs has not been reached yet"
        self._hosts: Mapping[str, HostStatus] = {
            host: _untouched(str(policy)) for host, policy in policies_by_host(settings.host_policies).items()
        }
        self._models: Mapping[str, ModelStatus] = {}
        self._budget = BudgetStatus(budget=str(settings.llm_budget))
        # The node that governs, as far as is known.
        self.governor = ""

    @property
    def trouble(self) -> str | None:
        return self._trouble

    def handle(self, shard: int, message: PermitMessage | CallMessage) -> None:
        self._outstanding.noted(shard, message)
        self._tell(of_shard(shard, message))

    def forget(self, shard: int) -> None:
        self._outstanding.forget(shard)
        self._tell(ShardGone(shard))

    def act(self, shards: Collection[int], send: Send) -> None:
        if self._agent is None and time.monotonic() >= self._start_at:
            self._start_agent()
        if self._agent is None:
            return
        try:
            received = self._agent.receive()
        except MessageError as error:
            log.error("the agent has sent what is no message: %s", error)
            received = None
        for message in received or ():
            self._take(message, shards, send)
        if received is None:
            self._lose_agent()

    def descriptor(self) -> int | None:
        return None if self._agent is None else self._agent.descriptor()

    def seconds_to_next_grant(self) -> float | None:
        return max(0.0, self._start_at - time.monotonic()) if self._agent is None else None

    def hosts(self) -> Mapping[str, HostStatus]:
        return self._hosts

    def models(self) -> ModelStates:
        return self._states(self._models, self._budget)

    def refusal(self) -> str | None:
        return refusal_of(self.models())

    def close(self) -> None:
        if self._agent is not None:
            self._agent.end()
            self._agent = None

    def _start_agent(self) -> None:
        started = time.monotonic()
        self._start_at = started + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        try:
            self._agent = self._start()
        except OSError as error:
            log.warning("the agent of this node cannot be started: %s", error.strerror)

    def _lose_agent(self) -> None:
        assert self._agent is not None
        log.warning("the agent of this node is gone; it is started again")
        self._agent.end()
        self._agent, self._governed = None, False
        self._trouble = "the agent of this node is being started again"

    def _tell(self, message: OfSession) -> None:
        if self._agent is None or not self._governed:
            return
        self._outstanding.sent_one()
        if not self._agent.send(message):
            self._lose_agent()

    def _take(self, message: NodeMessage, shards: Collection[int], send: Send) -> None:
        match message:
            case Of(shard):
                self._deliver(shard, message, shards, send)
            case Views(hosts, models, budget):
                self._see(hosts)
                self._models, self._budget = models, budget
            case Acted(handled):
                self._outstanding.acted(handled)
            case Governed(session, node):
                self._begin(session, node)
            case Ungoverned(why):
                self._governed, self._trouble = False, why

    def _begin(self, session: int, node: str) -> None:
        log.info("node %s governs", node)
        self._governed, self._trouble, self.governor = True, None, node
        self._pause = FIRST_PAUSE_SECONDS
        assert self._agent is not None
        agent, begun = self._agent, self._agent.send(Begin(session))
        for message in self._outstanding.all_of_it():
            begun = begun and agent.send(message)
        if not begun:
            self._lose_agent()

    def _deliver(self, shard: int, message: Of, shards: Collection[int], send: Send) -> None:
        try:
            told = message.decoded()
        except MessageError as error:
            log.error("skipped a message: %s", error)
            return
        if not isinstance(told, ToShard):
            return
        if isinstance(told, HostStates):
            self._see(told.hosts)
            told = HostStates(self._hosts)
        elif isinstance(told, ModelStates):
            self._models, self._budget = told.models, told.budget
            told = self.models()
        self._outstanding.told(shard, told)
        for number in shards if shard == EVERY_SHARD else (shard,):
            send(number, told)

    def _see(self, hosts: Mapping[str, HostStatus]) -> None:
        """A host that has a policy here keeps it, also where the governing node knows of none."""
        policies = policies_by_host(self._settings.host_policies)
        ours = {host: _untouched(str(policy)) for host, policy in policies.items() if host not in hosts}
        self._hosts = {**ours, **hosts}

    def _states(self, models: Mapping[str, ModelStatus], budget: BudgetStatus) -> ModelStates:
        """Nobody waits for a model of which the governing node knows nothing."""
        if not models or not self.governor:
            return ModelStates(models, budget)
        unknown = {}
        for model in self._settings.llm_endpoints:
            if model.name not in models:
                why = f"node {self.governor} governs, and has another RPA_V2_LLM_ENDPOINTS: set the same on all nodes"
                unknown[model.name] = ModelStatus(limits=limits_in_words(model), in_flight_limit=0, blocked=why)
        return ModelStates({**models, **unknown}, budget)


def _untouched(policy: str) -> HostStatus:
    return HostStatus(policy=policy, temporary=False, factor=1.0, closings=0, closed_seconds=None, blocked=None)
