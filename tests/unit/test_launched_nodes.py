"""A node that ends with whoever started it, and what is understood of Ray's answers: without Ray."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from rpa_shard import cli
from rpa_shard.control.nodes.launchers.machines import Machine, MachinesLostError, NodeEnd
from rpa_shard.control.nodes.launchers.ray_actor import NodeProcess, last_line
from rpa_shard.control.nodes.launchers.ray_placement import Head, answers, machine_of, reason_of
from rpa_shard.control.nodes.until_closed import NoPipeError, drain_when_closed
from tests.rig import wait_for

# Says that it is ready, and ends with 143 when it is told to.
NODE = """
import os, signal, sys
from rpa_shard.control.nodes.until_closed import drain_when_closed
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
drain_when_closed()
print("node", os.environ["RPA_V2_NODE"], flush=True)
while True:
    signal.pause()
"""
LAUNCHER = """
import sys, time
from rpa_shard.control.nodes.launchers.ray_actor import NodeProcess
print(NodeProcess({"RPA_V2_DATA_DIR": sys.argv[1], "RPA_V2_NODE": "a"}, ("-c", sys.argv[2])).pid(), flush=True)
time.sleep(600)
"""


def node(folder: Path, program: str = NODE) -> NodeProcess:
    return NodeProcess({"RPA_V2_DATA_DIR": str(folder), "RPA_V2_NODE": "a"}, ("-c", program))


def is_ready(folder: Path) -> bool:
    return last_line(folder / "logs" / "node.txt") == "node a"


def test_a_node_drains_when_it_is_asked(tmp_path: Path) -> None:
    made = node(tmp_path)
    wait_for(lambda: is_ready(tmp_path), "the node is ready")
    made.drain()
    assert made.wait() == (143, "node a")
    made.drain()
    made.kill()


def test_a_node_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    made = node(tmp_path, "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()")
    child = int(wait_for(lambda: last_line(tmp_path / "logs" / "node.txt"), "it has a child"))
    made.kill()
    assert made.wait()[0] == -9
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie", "its child is gone")


def test_a_node_drains_when_its_launcher_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(tmp_path), NODE], stdout=subprocess.PIPE, text=True
    ) as launcher:
        assert launcher.stdout is not None
        process = psutil.Process(int(launcher.stdout.readline()))
        try:
            wait_for(lambda: is_ready(tmp_path), "the node is ready")
            launcher.kill()
            wait_for(lambda: not process.is_running() or process.status() == "zombie", "the node has ended")
        finally:
            launcher.kill()


def test_a_wait_does_not_keep_others_from_asking(tmp_path: Path) -> None:
    """As the threads of an actor do."""
    made = node(tmp_path)
    ends: list[tuple[int, str]] = []
    waiting = threading.Thread(target=lambda: ends.append(made.wait()))
    waiting.start()
    wait_for(lambda: is_ready(tmp_path), "the node is ready")
    made.drain()
    waiting.join(30)
    assert ends == [(143, "node a")]


def test_a_pipe_that_is_closed_already_ends_the_node(tmp_path: Path) -> None:
    program = NODE.replace("drain_when_closed()\n", "sys.stdin.read()\ndrain_when_closed()\n")
    ended = subprocess.run(
        [sys.executable, "-c", program], input=b"", env={**os.environ, "RPA_V2_NODE": "a"},
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 143


def test_what_cannot_be_noticed_is_refused() -> None:
    with Path(os.devnull).open() as nothing, pytest.raises(NoPipeError, match="a pipe as standard input"):
        drain_when_closed(nothing.fileno())


def test_what_ray_says_of_a_machine() -> None:
    found = machine_of(
        {
            "NodeID": "0123abc",
            "NodeManagerHostname": "worker 1.example",
            "NodeManagerAddress": "192.0.2.7",
            "Resources": {"CPU": 7.9, "memory": 1.0},
        }
    )
    assert found == Machine("0123abc", "worker-1.example", "192.0.2.7", 7)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("The actor died in its creation task, ray::X\n  …\nOSError: full\n", "OSError: full"),
        ("The actor died unexpectedly before finishing this task.\n\tclass_name: NodeProcess", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_why_an_actor_could_not_start(message: str, reason: str) -> None:
    assert reason_of(message) == reason


def test_ends_in_words() -> None:
    assert [str(NodeEnd(code, said)) for code, said in [(2, "no"), (-9, ""), (None, "")]] == [
        "exit code 2: no",
        "signal SIGKILL",
        "what ran it is gone",
    ]


def test_a_silent_head_is_said_once_and_then_lost() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        head = Head(address, 60.0, said.append)
        assert head.answers()
    assert not head.answers()
    assert said == [], "not at once"
    head._reached -= 10
    assert not (head.answers() or head.answers())
    assert said == [f"Ray's head at {address} cannot be reached; the nodes go on for now"]
    head._reached = time.monotonic() - 61
    with pytest.raises(MachinesLostError, match="start Ray again"):
        head.answers()
    assert head.is_lost


@pytest.mark.parametrize("address", ["", "nonsense", "host:port", "127.0.0.1:1"])
def test_nothing_answers_at_a_wrong_address(address: str) -> None:
    assert not answers(address)


@pytest.mark.parametrize(
    ("options", "knobs", "said"),
    [
        ([], {}, "RPA_V2_STORE=postgresql://… and RPA_V2_ARTIFACTS="),
        ([], {"RPA_V2_STORE": "postgresql://rpa@127.0.0.1/x"}, "RPA_V2_ARTIFACTS="),
        (
            ["--limit", "3"],
            {"RPA_V2_STORE": "postgresql://rpa@127.0.0.1/x", "RPA_V2_ARTIFACTS": "file:///shared"},
            "--limit, --stats",
        ),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(
    options: list[str],
    knobs: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in knobs.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["run", "--on", "ray", *options]) == 2
    assert said in capsys.readouterr().err


def test_a_run_on_ray_without_ray_or_with_a_wrong_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from rpa_shard.config.errors import SettingsError
    from rpa_shard.control.nodes.launchers.ray_placement import connected

    with monkeypatch.context() as without:
        without.setitem(sys.modules, "ray", None)
        with pytest.raises(SettingsError, match="pip install"), connected(print):
            pass
    pytest.importorskip("ray", reason="pip install 'rpa-shard[cluster]'")
    code = (
        "import sys\nfrom rpa_shard.cli import main\n"
        "from rpa_shard.control.nodes.launchers.ray_placement import connected\n"
        "from rpa_shard.config.errors import SettingsError\n"
        "try:\n    connected(print).__enter__()\nexcept SettingsError as error:\n    print(error)\n"
    )
    for address, said in [("127.0.0.1:1", "no Ray answers there"), ("ray://127.0.0.1:10001", "give HOST:PORT")]:
        ended = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "RAY_ADDRESS": address}, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert said in ended.stdout, ended.stderr
