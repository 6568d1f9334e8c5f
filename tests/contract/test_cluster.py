"""The contract of what nodes share, over PostgreSQL and over the one in memory that stands in for it."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rpa_shard.model.errors import StoreError
from rpa_shard.store.cluster import Cluster, NodeRequests, NodeTakenError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_cluster
from rpa_shard.store.layout import Layout
from rpa_shard.testing.postgres_server import NotInstalledError, PostgresServer
from rpa_shard.testing.proxy import Proxy
from tests.memory_cluster import Memory, MemoryCluster

LONG, SHORT = 60.0, 0.05
Open = Callable[[], Cluster]


@pytest.fixture(params=["memory", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Makes connections to the same store."""
    if request.param == "memory":
        memory = Memory()
        yield lambda: MemoryCluster(memory)
        return
    folder = DataFolder(tmp_path, store=request.getfixturevalue("database"), node="n1")
    engine_of(folder).create(Layout(8, 1))
    with ExitStack() as opened:
        yield lambda: opened.enter_context(open_cluster(folder))


@pytest.fixture
def cluster(connect: Open) -> Cluster:
    return connect()


def until_it_is(wanted: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not wanted():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_refused(cluster: Cluster) -> bool:
    """Whether the database cannot be used, which is said in one line."""
    try:
        cluster.nodes()
    except StoreError as error:
        assert "\n" not in str(error)
        return True
    return False


def test_a_name_belongs_to_one_incarnation_until_its_lease_ends(cluster: Cluster, connect: Open) -> None:
    first = cluster.join("n1", "10.0.0.1", LONG)
    with pytest.raises(NodeTakenError, match="RPA_V2_NODE"):
        connect().join("n1", "10.0.0.2", LONG)
    cluster.leave(first)
    second = connect().join("n1", "10.0.0.2", LONG)
    assert second.incarnation != first.incarnation
    assert cluster.renew(first, LONG, b"late") is None
    cluster.leave(first)  # not its own any more
    (row,) = cluster.nodes()
    assert row.is_member
    assert (row.incarnation, row.address, row.report) == (second.incarnation, "10.0.0.2", b"")


def test_an_incarnation_known_to_have_ended_is_replaced_at_once(cluster: Cluster) -> None:
    first = cluster.join("n1", "10.0.0.1", LONG)
    with pytest.raises(NodeTakenError):
        cluster.join("n1", "10.0.0.1", LONG, replaces="another")
    second = cluster.join("n1", "10.0.0.1", LONG, replaces=first.incarnation)
    assert cluster.renew(second, LONG, b"") == NodeRequests()


def test_a_node_that_is_silent_stops_being_a_member_and_may_return(cluster: Cluster, connect: Open) -> None:
    silent = cluster.join("n1", "10.0.0.1", SHORT)
    until_it_is(lambda: not cluster.nodes()[0].is_member)
    assert cluster.nodes()[0].lease_seconds is not None
    assert cluster.renew(silent, LONG, b"back") == NodeRequests()
    assert cluster.nodes()[0].is_member
    with pytest.raises(NodeTakenError):
        connect().join("n1", "10.0.0.2", LONG)


def test_nodes_are_by_name_with_what_they_published(cluster: Cluster) -> None:
    for name in ("n2", "N1", "n1"):
        cluster.renew(cluster.join(name, "10.0.0.1", LONG), LONG, name.encode())
    left = cluster.join("n0", "10.0.0.1", LONG)
    cluster.leave(left)
    rows = cluster.nodes()
    assert [(row.node, row.report) for row in rows] == [("N1", b"N1"), ("n0", b""), ("n1", b"n1"), ("n2", b"n2")]
    assert [row.lease_seconds is None for row in rows] == [False, True, False, False]
    assert all(0 <= row.heard_seconds_ago <= row.joined_seconds_ago < 30 for row in rows)


def test_a_request_reaches_the_node_once(cluster: Cluster, connect: Open) -> None:
    member = cluster.join("n1", "10.0.0.1", LONG)
    connect().ask("n1", NodeRequests(shards=3))
    connect().ask("n1", NodeRequests(drain=True))
    assert cluster.renew(member, LONG, b"") == NodeRequests(drain=True, shards=3)
    assert cluster.renew(member, LONG, b"") == NodeRequests()
    connect().ask("n1", NodeRequests(shards=4))
    assert cluster.renew(member, LONG, b"") == NodeRequests(shards=4)


def test_a_request_is_for_a_member_and_its_incarnation_only(cluster: Cluster) -> None:
    with pytest.raises(StoreError, match="n1"):
        cluster.ask("n1", NodeRequests(drain=True))
    member = cluster.join("n1", "10.0.0.1", LONG)
    cluster.ask("n1", NodeRequests(drain=True))
    cluster.leave(member)
    with pytest.raises(StoreError, match="n1"):
        cluster.ask("n1", NodeRequests(drain=True))
    assert cluster.renew(cluster.join("n1", "10.0.0.1", LONG), LONG, b"") == NodeRequests()


def test_one_epoch_at_a_time(cluster: Cluster, connect: Open) -> None:
    assert cluster.governing() is None
    first = cluster.seek_epoch("n1", "10.0.0.1:1", "s1", LONG)
    assert first is not None
    assert first.wait_seconds == 0
    assert connect().seek_epoch("n2", "10.0.0.2:1", "s2", LONG) is None
    assert cluster.renew_epoch(first.number, LONG)
    governing = connect().governing()
    assert governing is not None
    assert (governing.epoch, governing.node, governing.address, governing.secret) == (1, "n1", "10.0.0.1:1", "s1")
    cluster.end_epoch(first.number)
    assert cluster.governing() is None
    assert not cluster.renew_epoch(first.number, LONG)
    second = connect().seek_epoch("n2", "10.0.0.2:1", "s2", LONG)
    assert second is not None
    assert (second.number, second.wait_seconds) == (first.number + 1, 0)
    cluster.end_epoch(first.number)  # not its own any more
    assert cluster.governing() is not None


def test_an_epoch_after_a_silent_one_waits_its_lease_also_if_handed_over_early(cluster: Cluster) -> None:
    first = cluster.seek_epoch("n1", "a", "s1", SHORT)
    assert first is not None
    assert cluster.renew_epoch(first.number, 0.2)
    until_it_is(lambda: cluster.governing() is None)
    second = cluster.seek_epoch("n2", "b", "s2", LONG)
    assert second is not None
    assert second.wait_seconds == pytest.approx(0.2)
    assert not cluster.renew_epoch(first.number, LONG)
    cluster.end_epoch(second.number)
    third = cluster.seek_epoch("n3", "c", "s3", LONG)
    assert third is not None
    assert 0 <= third.wait_seconds < 0.2


def test_what_a_governor_saves_is_fenced(cluster: Cluster, connect: Open) -> None:
    assert not cluster.remember(1, "hosts", b"nobody governs")
    assert cluster.remembered("hosts") is None
    assert cluster.seek_epoch("n1", "a", "s1", LONG) is not None
    assert cluster.remember(1, "hosts", b"one")
    cluster.end_epoch(1)
    assert connect().seek_epoch("n2", "b", "s2", LONG) is not None
    assert not cluster.remember(1, "hosts", b"late")
    assert connect().remember(2, "hosts", b"two")
    remembered = cluster.remembered("hosts")
    assert remembered is not None
    assert remembered.content == b"two"
    assert 0 <= remembered.age_seconds < 30


def test_requests_to_reopen_reach_the_last_epoch_once(cluster: Cluster, connect: Open) -> None:
    connect().ask_to_reopen(["b.example", "a.example"])
    connect().ask_to_reopen(["a.example"])
    assert list(cluster.take_reopen_requests(1)) == []
    assert cluster.seek_epoch("n1", "a", "s1", LONG) is not None
    assert list(cluster.take_reopen_requests(1)) == ["a.example", "b.example"]
    assert list(cluster.take_reopen_requests(1)) == []


@pytest.fixture
def server_root() -> Iterator[Path]:
    """Not below pytest's own folder, which the user of the server may not enter."""
    with tempfile.TemporaryDirectory(prefix="rpa-postgres-", ignore_cleanup_errors=True) as root:
        yield Path(root)


def test_a_database_that_is_away_is_one_line_and_the_next_call_connects_again(
    tmp_path: Path, server_root: Path
) -> None:
    pytest.importorskip("psycopg", reason="pip install 'rpa-shard[cluster]'")
    try:
        server = PostgresServer(server_root / "server")
    except NotInstalledError as error:
        pytest.skip(str(error))
    with server:
        folder = DataFolder(tmp_path, store=server.create_database("papers"), node="n1")
        with open_cluster(folder) as cluster:
            with pytest.raises(StoreError, match="rpa-shard add"):
                cluster.nodes()
            engine_of(folder).create(Layout(8, 1))
            member = cluster.join("n1", "10.0.0.1", LONG)
            server.stop(signal.SIGKILL)
            until_it_is(lambda: is_refused(cluster))  # a backend outlives its server by a moment
            assert is_refused(cluster)
            server.start()
            assert cluster.renew(member, LONG, b"here") == NodeRequests()
            assert cluster.own_address() == "127.0.0.1"


def test_no_call_hangs_in_a_network_that_swallows_everything(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rpa_shard.store.postgres import cluster as over_postgres

    monkeypatch.setattr(over_postgres, "ANSWER_SECONDS", 0.3)
    server = urlsplit(database)
    assert server.hostname is not None
    assert server.port is not None
    engine_of(DataFolder(tmp_path, store=database, node="n1")).create(Layout(8, 1))
    with Proxy() as proxy:
        route = proxy.route("database", server.hostname, server.port)
        url = f"postgresql://{server.username}@127.0.0.1:{route.port}{server.path}"
        with open_cluster(DataFolder(tmp_path, store=url, node="n1")) as cluster:
            member = cluster.join("n1", "10.0.0.1", LONG)
            route.drop()
            assert is_refused(cluster)
            route.heal()
            assert cluster.renew(member, LONG, b"") == NodeRequests()
