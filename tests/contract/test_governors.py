"""The governors of many machines over real sockets, with what nodes share in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.config.llm import CallLimits, LlmBudget, ModelAt
from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.serving.handshake import HandshakeError, challenge, check, hello, welcome
from rpa_shard.ipc.calls import CallEnded, CallsGranted, CallWanted, ModelStates
from rpa_shard.ipc.messages import HostBlocked, HostStates, NoPdf, NoPdfNoted
from rpa_shard.ipc.node_messages import Hello, as_line
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import PaperError
from rpa_shard.store.cluster import Cluster
from tests.governed_nodes import HOST, Node, Server, ThreadAgent, settings_of, until, working
from tests.memory_cluster import Memory, MemoryCluster

POLICY = HostPolicy(HOST, 8, 0.5, 8)
LEASE = 0.6
MODEL = ModelAt("http://127.0.0.1:1", "model", limits=CallLimits(in_flight=2))


@pytest.fixture
def memory() -> Memory:
    return Memory()


class Network:
    """What is cut off from what nodes share."""

    def __init__(self) -> None:
        self.cut_off: set[str] = set()


class CutOffCluster(MemoryCluster):
    """A connection that breaks while its node is cut off."""

    def __init__(self, memory: Memory, node: str, network: Network) -> None:
        super().__init__(memory)
        self._node, self._network = node, network

    @property
    def _memory(self) -> Memory:
        if self._node in self._network.cut_off:
            raise StoreError("no route to the store")
        return super()._memory


def node(settings: Settings, memory: Memory, shards: int = 2, network: Network | None = None) -> Node:
    @contextmanager
    def opened() -> Iterator[Cluster]:
        yield CutOffCluster(memory, settings.node, network or Network())

    return Node(settings, lambda: ThreadAgent(settings, opened), shards)


def agent_of(each: Node) -> ThreadAgent:
    agent = each.agents[-1]
    assert isinstance(agent, ThreadAgent)
    return agent


def governed(each: Node) -> Callable[[], bool]:
    return lambda: each.governors.trouble is None


def is_blocked(each: Node) -> Callable[[], bool]:
    return lambda: each.governors.hosts()[HOST].blocked == "HTTP 403"


def has_spent(each: Node, tokens: int) -> Callable[[], bool]:
    return lambda: each.governors.models().budget.today.input_tokens == tokens


async def test_all_nodes_together_keep_to_the_policy_while_connections_end_and_governors_go(
    tmp_path: Path, memory: Memory
) -> None:
    nodes = [node(settings_of(tmp_path, name, POLICY, LEASE), memory) for name in "ab"]
    async with Server().running() as server, working(nodes, server):
        await until(lambda: all(each.answered >= 8 for each in nodes))
        assert memory.governor is not None
        governing = next(each for each in nodes if each.settings.node == memory.governor.node)
        agent_of(governing).hang_up()
        before = [each.answered for each in nodes]
        await until(lambda: all(each.answered > had + 4 for each, had in zip(nodes, before, strict=True)))
        agent_of(governing).stop()  # hands over; the supervisor starts another agent
        before = [each.answered for each in nodes]
        await until(lambda: all(each.answered > had + 4 for each, had in zip(nodes, before, strict=True)))
        assert memory.governor.epoch > 1
        assert len(governing.agents) == 2
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests
    assert server.most_at_a_time <= POLICY.connections


async def test_nothing_is_sent_while_nobody_can_govern_and_who_waited_is_served_afterwards(
    tmp_path: Path, memory: Memory
) -> None:
    memory.is_away = True
    each = node(settings_of(tmp_path, "a", POLICY, LEASE), memory)
    async with Server().running() as server, working([each], server):
        await until(lambda: each.governors.trouble == "the store cannot be reached")
        assert server.arrivals == []
        memory.is_away = False
        await until(lambda: each.answered > 8)
        memory.is_away = True
        await until(lambda: not governed(each)() or _paused(server))
        had = each.answered
        memory.is_away = False
        await until(lambda: each.answered > had + 8)
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests


def _paused(server: Server) -> bool:
    return server.quiet_seconds() > 2 * LEASE


async def test_a_governor_that_loses_the_store_alone_is_left_for_the_next_one(tmp_path: Path, memory: Memory) -> None:
    """Its connections to the other nodes still stand."""
    network = Network()
    nodes = [node(settings_of(tmp_path, name, POLICY, LEASE), memory, network=network) for name in "ab"]
    async with Server().running() as server, working(nodes, server):
        await until(lambda: all(each.answered >= 8 for each in nodes))
        assert memory.governor is not None
        first = next(each for each in nodes if each.settings.node == memory.governor.node)
        other = next(each for each in nodes if each is not first)
        network.cut_off.add(first.settings.node)
        await until(lambda: other.governors.governor == other.settings.node)
        had = other.answered
        await until(lambda: other.answered > had + 8)
        assert first.governors.trouble == "no route to the store"
        network.cut_off.clear()
        had = first.answered
        await until(lambda: first.answered > had + 8)
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests


async def test_a_new_governor_counts_what_is_still_under_way(tmp_path: Path, memory: Memory) -> None:
    """Four answers take longer than the takeover, so none is asked for beside them."""
    policy = HostPolicy(HOST, 100, 0.1, 4)
    nodes = [node(settings_of(tmp_path, name, policy, LEASE), memory) for name in "ab"]
    async with Server().running() as server, working(nodes, server):
        server.seconds = 3.0
        await until(lambda: len(server.arrivals) == 4)
        assert memory.governor is not None
        first = next(each for each in nodes if each.settings.node == memory.governor.node)
        agent_of(first).stop()
        await until(lambda: memory.governor is not None and memory.governor.epoch > 1)
        server.seconds = 0.01
        await until(lambda: len(server.arrivals) > 20)
    assert server.most_at_a_time <= policy.connections


async def test_a_refusal_reaches_all_nodes_and_the_next_governor(tmp_path: Path, memory: Memory) -> None:
    nodes = [node(settings_of(tmp_path, name, POLICY, LEASE), memory) for name in "ab"]
    async with Server().running() as server, working(nodes, server, workers=0):
        await until(lambda: all(governed(each)() for each in nodes))
        nodes[0].governors.handle(0, HostBlocked(HOST, "HTTP 403"))
        for each in nodes:
            await until(is_blocked(each))
            with pytest.raises(PaperError):
                async with each.permits[1].permit(HOST):
                    raise AssertionError
        assert b"HTTP 403" in memory.remembered["hosts"][0]
        agent_of(nodes[0]).stop()
        agent_of(nodes[1]).stop()
        await until(lambda: memory.governor is not None and memory.governor.epoch > 1)
        late = node(settings_of(tmp_path, "c", POLICY, LEASE), memory)
        async with working([late], server, workers=0):
            await until(is_blocked(late))
            MemoryCluster(memory).ask_to_reopen([HOST])
            await until(lambda: late.governors.hosts()[HOST].blocked is None)


async def test_what_is_reported_while_nobody_governs_is_not_lost(tmp_path: Path, memory: Memory) -> None:
    memory.is_away = True
    each = node(settings_of(tmp_path, "a", POLICY, LEASE), memory)
    async with Server().running() as server, working([each], server, workers=0):
        await until(lambda: each.agents)
        each.governors.handle(0, HostBlocked("other.example", "HTTP 403"))
        each.governors.handle(1, NoPdf(7, HOST, None, "paper", "page", "page", "HTTP 200"))
        memory.is_away = False
        await until(lambda: NoPdfNoted(7) in each.sent[1])
        await until(lambda: "other.example" in each.governors.hosts())
        assert each.governors.hosts()["other.example"].blocked == "HTTP 403"


async def test_a_host_that_only_one_node_has_a_policy_for_is_governed_everywhere(
    tmp_path: Path, memory: Memory
) -> None:
    first = node(settings_of(tmp_path, "a", HostPolicy("elsewhere.example", 1, 1.0, 1), LEASE), memory)
    async with Server().running() as server, working([first], server, workers=0):
        await until(governed(first))
        second = node(settings_of(tmp_path, "b", POLICY, LEASE), memory)
        async with working([second], server):
            await until(lambda: second.answered > 8)
            await until(lambda: HOST in first.governors.hosts())
            states = [each for each in second.sent[0] if isinstance(each, HostStates)]
            assert all(HOST in each.hosts for each in states)
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests


def asking(root: Path, name: str, *models: ModelAt, budget: LlmBudget | None = None) -> Settings:
    base = settings_of(root, name, POLICY, LEASE)
    return Settings(
        data_dir=base.data_dir, node=name, host_policies=(POLICY,), governor_lease_seconds=LEASE,
        phases=("prep", "analyze"), llm_endpoints=models, llm_budget=budget or LlmBudget(),
    )  # fmt: skip


async def test_calls_of_all_nodes_share_what_a_model_allows_and_the_days_budget(tmp_path: Path, memory: Memory) -> None:
    budget = LlmBudget(tokens_per_day=100)
    nodes = [node(asking(tmp_path, name, MODEL, budget=budget), memory) for name in "ab"]
    async with Server().running() as server, working(nodes, server, workers=0):
        await until(lambda: all(governed(each)() for each in nodes))
        for each in nodes:
            for number in range(3):
                each.governors.handle(0, CallWanted(MODEL.name, number, 5, 5))
        await until(lambda: len(granted(nodes)) == 2)
        ended: set[tuple[str, int]] = set()
        while len(ended) < 6:
            for name, number in granted(nodes) - ended:
                assert len(granted(nodes) - ended) <= 2
                ended.add((name, number))
                owner = next(each for each in nodes if each.settings.node == name)
                owner.governors.handle(0, CallEnded(MODEL.name, number, "answered", 5, 5))
            await asyncio.sleep(0.01)
        for each in nodes:
            await until(has_spent(each, 30))
        nodes[1].governors.handle(0, CallWanted(MODEL.name, 99, 30, 30))
        await until(lambda: nodes[0].governors.models().budget.spent_seconds is not None)
        assert ("b", 99) not in granted(nodes)


def granted(nodes: list[Node]) -> set[tuple[str, int]]:
    return {
        (each.settings.node, number)
        for each in nodes
        for message in each.sent[0]
        if isinstance(message, CallsGranted)
        for number in message.numbers
    }


async def test_a_node_with_other_models_is_told_so_and_its_calls_do_not_wait(tmp_path: Path, memory: Memory) -> None:
    other = ModelAt("http://127.0.0.1:2", "other", limits=CallLimits(in_flight=1))
    first, second = node(asking(tmp_path, "a", MODEL), memory), node(asking(tmp_path, "b", other), memory)
    async with Server().running() as server, working([first], server, workers=0):
        await until(governed(first))
        async with working([second], server, workers=0):
            await until(lambda: any(isinstance(each, ModelStates) and each.models for each in second.sent[0]))
            blocked = second.governors.models().models[other.name].blocked
            assert blocked == "node a governs, and has another RPA_V2_LLM_ENDPOINTS: set the same on all nodes"


async def test_who_does_not_know_the_secret_gets_nothing(tmp_path: Path, memory: Memory) -> None:
    each = node(settings_of(tmp_path, "a", POLICY, LEASE), memory)
    async with Server().running() as server, working([each], server, workers=0):
        await until(governed(each))
        reader, writer = await asyncio.open_connection(HOST, agent_of(each).service.port)
        await reader.readuntil()
        writer.write(as_line(Hello("b", "nonce", "proof", 0.0)))
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


def test_both_sides_prove_that_they_know_the_secret() -> None:
    asked = challenge()
    said = hello("secret", asked, "a")
    check("secret", asked, said, welcome("secret", asked, said))
    with pytest.raises(HandshakeError):
        welcome("other", asked, said)
    with pytest.raises(HandshakeError):
        welcome("secret", challenge(), said)
    with pytest.raises(HandshakeError):
        check("secret", asked, said, welcome("other", asked, hello("other", asked, "a")))
    assert "secret" not in repr((asked, said, welcome("secret", asked, said)))
