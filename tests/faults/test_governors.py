"""One governor for several nodes, with real agents over a real PostgreSQL, while all of them come to grief."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rpa_shard.config.host_policy import HostPolicy
from rpa_shard.testing.postgres_server import NotInstalledError, PostgresServer
from tests.governed_nodes import HOST, Node, Server, forked, settings_of, until, working

POLICY = HostPolicy(HOST, 8, 0.5, 8)
LEASE = 0.6


@pytest.fixture
def nodes(tmp_path: Path, database: str) -> list[Node]:
    return [forked(settings_of(tmp_path, name, POLICY, LEASE, database)) for name in ("a", "b", "c")]


def governing(nodes: list[Node]) -> Node:
    """The node that the others say governs."""
    return next(each for each in nodes if each.settings.node == nodes[0].governors.governor)


@contextmanager
def server_of_its_own() -> Iterator[tuple[PostgresServer, str]]:
    """A server that may be stopped, with a database that has the schema."""
    pytest.importorskip("psycopg", reason="pip install 'rpa-shard[cluster]'")
    from rpa_shard.store.postgres.connections import connected
    from rpa_shard.store.postgres.migrating import migrate

    try:
        # Not below pytest's folder, into which no other user may look.
        with TemporaryDirectory(prefix="rpa-postgres-") as root, PostgresServer(Path(root) / "server") as postgres:
            url = postgres.create_database("papers")
            with connected(url) as connection:
                migrate(connection)
            yield postgres, url
    except NotInstalledError as error:
        pytest.skip(str(error))


async def all_go_on(nodes: list[Node]) -> None:
    before = [each.answered for each in nodes]
    await until(lambda: all(each.answered > had + 2 for each, had in zip(nodes, before, strict=True)))


async def test_no_window_has_too_many_requests_while_governors_are_killed_and_stopped(nodes: list[Node]) -> None:
    async with Server().running() as server, working(nodes, server):
        await all_go_on(nodes)
        first = governing(nodes)
        first.signal(signal.SIGKILL)
        others = [each for each in nodes if each is not first]
        await until(lambda: all(each.governors.trouble for each in others))
        await all_go_on(nodes)
        assert len(first.agents) == 2

        second = governing(nodes)
        second.signal(signal.SIGSTOP)
        rest = [each for each in nodes if each is not second]
        await all_go_on(rest)
        assert governing(rest) is not second
        second.signal(signal.SIGCONT)
        await all_go_on(nodes)
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests
    assert server.most_at_a_time <= POLICY.connections


async def test_a_database_that_crashes_only_makes_them_wait(tmp_path: Path) -> None:
    """For longer than the lease: nothing is sent until it is back."""
    with server_of_its_own() as (postgres, url):
        nodes = [forked(settings_of(tmp_path, name, POLICY, LEASE, url)) for name in ("a", "b")]
        async with Server().running() as server, working(nodes, server):
            await all_go_on(nodes)
            await asyncio.to_thread(postgres.stop, signal.SIGKILL)
            await until(lambda: server.quiet_seconds() > 2 * LEASE)
            await asyncio.to_thread(postgres.start)
            await all_go_on(nodes)
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests


async def test_a_node_that_leaves_hands_over_at_once(nodes: list[Node]) -> None:
    async with Server().running() as server, working(nodes[:2], server):
        await all_go_on(nodes[:2])
        first = governing(nodes[:2])
        other = next(each for each in nodes[:2] if each is not first)
        await asyncio.to_thread(first.leave)
        await all_go_on([other])
        assert other.governors.governor == other.settings.node
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests


async def test_nobody_waits_for_the_lease_of_an_agent_that_is_known_to_be_dead(tmp_path: Path, database: str) -> None:
    node = forked(settings_of(tmp_path, "a", POLICY, 1000.0, database))
    async with Server().running() as server, working([node], server):
        await all_go_on([node])
        node.signal(signal.SIGKILL)
        await until(lambda: len(node.agents) == 2)
        await all_go_on([node])
    assert server.busiest(POLICY.per_seconds) <= POLICY.requests
    assert server.most_at_a_time <= POLICY.connections
