"""The TCP proxy that makes partitions: what it passes, holds back, resets and heals."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from rpa_shard.testing.proxy import Proxy, Route, Traffic
from tests.rig import wait_for

QUIET_SECONDS = 0.1


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            while content := self.request.recv(1 << 16):
                self.request.sendall(content.upper())
            self.request.sendall(b"the end")


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield ("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def route(echo: tuple[str, int]) -> Iterator[Route]:
    with Proxy() as proxy:
        yield proxy.route("echo", *echo)


def connect(route: Route) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", route.port), 10))


def exactly(client: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        got = client.recv(count - len(found))
        assert got, f"ended after {found!r}"
        found += got
    return found


def assert_silent(client: socket.socket) -> None:
    client.settimeout(QUIET_SECONDS)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(10)


def test_all_bytes_pass_and_so_does_the_end_of_one_side(route: Route) -> None:
    sent = b"x" * 3_000_000
    with connect(route) as client:

        def send() -> None:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        assert exactly(client, len(sent)) == sent.upper()
        assert exactly(client, 7) == b"the end"
        assert client.recv(1) == b""
        sending.join()
    wait_for(lambda: route.connections == 0, "the connection's end")


def test_a_partition_loses_nothing_in_the_end(route: Route) -> None:
    with connect(route) as client:
        client.sendall(b"a")
        assert exactly(client, 1) == b"A"
        route.drop()
        client.sendall(b"b")
        client.shutdown(socket.SHUT_WR)
        assert_silent(client)
        with connect(route) as late:
            late.sendall(b"c")
            assert_silent(late)
            route.heal()
            assert exactly(client, 8) == b"Bthe end"
            assert exactly(late, 1) == b"C"


def test_a_route_that_is_cut_resets_old_and_new_connections(route: Route) -> None:
    with connect(route) as client:
        client.sendall(b"a")
        assert exactly(client, 1) == b"A"
        route.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionResetError), connect(route) as refused:
        refused.recv(1)
    route.heal()
    with connect(route) as client:
        client.sendall(b"b")
        assert exactly(client, 1) == b"B"


def test_a_partition_that_ends_with_a_reset(route: Route) -> None:
    with connect(route) as client:
        route.drop()
        client.sendall(b"a")
        assert_silent(client)
        route.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert route.traffic is Traffic.CUT


def test_only_the_route_that_is_told_to_drops(echo: tuple[str, int]) -> None:
    with Proxy() as proxy:
        first, second = proxy.route("first", *echo), proxy.route("second", *echo)
        first.drop()
        with connect(second) as client:
            client.sendall(b"a")
            assert exactly(client, 1) == b"A"


def test_where_nobody_listens_the_client_sees_a_reset() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        Proxy() as proxy,
        pytest.raises(ConnectionResetError),
        connect(proxy.route("nobody", "127.0.0.1", port)) as client,
    ):
        client.recv(1)


def test_the_proxy_ends_with_connections_that_are_open_and_dropped(echo: tuple[str, int]) -> None:
    with Proxy() as proxy:
        route = proxy.route("echo", *echo)
        client = socket.create_connection(("127.0.0.1", route.port), 10)
        client.sendall(b"a")
        assert exactly(client, 1) == b"A"
        route.drop()
        client.sendall(b"b")
    with client, pytest.raises(ConnectionResetError):
        client.recv(1)
    assert not [each for each in threading.enumerate() if each.name == "proxy"]
