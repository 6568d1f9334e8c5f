"""Whether a paper is to blame for a shard's death, and the kernel's counts of kills for lack of memory."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from rpa_shard.control.blame import is_papers_doing
from rpa_shard.control.placement import DiedOf, Exited, ShardExit
from rpa_shard.system.memory import oom_kills

BUDGET_BYTES = 1_000_000_000
MUCH, LITTLE = 900_000_000, 100_000_000


def killed(by: signal.Signals, oom: int = 0) -> ShardExit:
    return DiedOf(by, oom)


def blamed(exit: ShardExit, *, killed_for_paper: bool = False, peak: int = LITTLE) -> bool:
    return is_papers_doing(
        exit, killed_for_paper=killed_for_paper, peak_memory_bytes=peak, memory_budget_bytes=BUDGET_BYTES
    )


@pytest.mark.parametrize(
    "by",
    [
        signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS,
        signal.SIGXCPU, signal.SIGXFSZ,
    ],
)  # fmt: skip
@pytest.mark.parametrize("peak", [0, MUCH])
def test_a_crash_of_native_code_is_blamed_on_the_paper(by: signal.Signals, peak: int) -> None:
    assert blamed(killed(by), peak=peak)


@pytest.mark.parametrize(
    "by",
    [
        signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGPIPE, signal.SIGALRM,
    ],
)  # fmt: skip
@pytest.mark.parametrize("peak", [0, MUCH])
def test_a_signal_from_outside_is_not_blamed_on_the_paper(by: signal.Signals, peak: int) -> None:
    assert not blamed(killed(by, oom=1), peak=peak)


@pytest.mark.parametrize("code", [0, 1, 2, 70, 137, 139, 255])
@pytest.mark.parametrize("peak", [0, MUCH])
def test_an_exit_is_not_blamed_on_the_paper(code: int, peak: int) -> None:
    """Not even one whose code looks like a signal: the shard itself chose it."""
    assert not blamed(Exited(code), peak=peak)


@pytest.mark.parametrize(
    ("oom", "peak", "guilty"),
    [
        (0, 0, False), (0, MUCH, False), (0, 2 * BUDGET_BYTES, False),
        (1, 0, False), (1, LITTLE, False), (1, BUDGET_BYTES // 2 - 1, False),
        (1, BUDGET_BYTES // 2, True), (1, MUCH, True), (3, 2 * BUDGET_BYTES, True),
    ],
)  # fmt: skip
def test_a_kill_counts_only_where_memory_was_short_and_the_shard_held_much(oom: int, peak: int, guilty: bool) -> None:
    assert blamed(killed(signal.SIGKILL, oom), peak=peak) == guilty


@pytest.mark.parametrize("exit", [killed(signal.SIGKILL), killed(signal.SIGTERM), Exited(1), Exited(0)], ids=str)
@pytest.mark.parametrize("peak", [0, MUCH])
def test_a_kill_because_of_the_paper_is_blamed_on_it(exit: ShardExit, peak: int) -> None:
    assert blamed(exit, killed_for_paper=True, peak=peak)


def test_how_an_exit_is_described() -> None:
    assert str(Exited(70)) == "exit code 70"
    assert str(killed(signal.SIGSEGV)) == "signal SIGSEGV"
    assert str(DiedOf(63)) == "signal 63"


EVENTS = "low 0\nhigh 0\nmax 7\noom 4\noom_kill {}\noom_group_kill 9\n"
VMSTAT = "nr_free_pages 123\noom_kill {}\noom_kill_more 9\npgfault 5\n"


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        (None, {}, 0),
        ("0::/\n", {}, 0),
        ("0::/\n", {"groups/memory.events": EVENTS.format(2)}, 2),
        ("0::/a/b\n", {"groups/a/b/memory.events": EVENTS.format(3), "groups/memory.events": EVENTS.format(9)}, 3),
        ("0::/a b:c\n", {"groups/a b:c/memory.events": EVENTS.format(3)}, 3),
        # A machine with both versions of control groups: ours is the line numbered 0.
        (
            "5:memory:/x\n1:name=systemd:/y\n0::/z\n",
            {"groups/z/memory.events": EVENTS.format(1), "groups/x/memory.events": EVENTS.format(9)},
            1,
        ),
        ("5:memory:/x\n", {"groups/memory.events": EVENTS.format(6)}, 6),
        (None, {"proc/vmstat": VMSTAT.format(5)}, 5),
        ("0::/a\n", {"proc/vmstat": VMSTAT.format(5), "groups/a/memory.events": EVENTS.format(2)}, 7),
        ("0::/a\n", {"proc/vmstat": VMSTAT.format("many"), "groups/a/memory.events": EVENTS.format(2)}, 2),
        ("0::/a\n", {"proc/vmstat": VMSTAT.format(""), "groups/a/memory.events": "oom 4\n"}, 0),
        ("", {"groups/memory.events": EVENTS.format(6)}, 6),
        ("what is this\n", {"groups/memory.events": EVENTS.format(6)}, 6),
        ("0::/\udcff\n", {"groups/memory.events": EVENTS.format(6), "proc/vmstat": VMSTAT.format(1)}, 7),
    ],
)
def test_kills_for_lack_of_memory(tmp_path: Path, cgroup: str | None, files: Mapping[str, str], expected: int) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    assert oom_kills(proc, groups) == 0
    if cgroup is not None:
        (proc / "self").mkdir(parents=True)
        (proc / "self" / "cgroup").write_bytes(cgroup.encode(errors="surrogateescape"))
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert oom_kills(proc, groups) == expected


def test_this_machine_answers() -> None:
    assert oom_kills() >= 0
