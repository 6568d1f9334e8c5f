"""The governor at work: what shards and people learn, and in which order."""

from __future__ import annotations

from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.control.governors.memory import FileMemory
from rpa_shard.control.politeness.broker import PermitBroker
from rpa_shard.control.politeness.in_a_row import SAME_PAGES
from rpa_shard.ipc.messages import HostBlocked, HostDoubted, HostStates, NoPdf, NoPdfNoted, ToShard
from rpa_shard.ipc.saved_hosts import read_hosts
from rpa_shard.maintain.reopen import reopen
from rpa_shard.observe.hosts import host_lines, known_hosts
from rpa_shard.store.data_folder import DataFolder

HOST = "source.example"


def page(number: int) -> NoPdf:
    return NoPdf(number, HOST, None, f"paper {number}", "captcha", "page", "HTTP 200: Are you a robot?")


class Bench:
    def __init__(self, root: Path) -> None:
        self.settings = Settings(data_dir=root)
        self.folder = DataFolder(root)
        self.broker = PermitBroker(self.settings, FileMemory(self.folder.run))
        self.sent: list[tuple[int, ToShard]] = []

    def act(self, *shards: int) -> None:
        self.broker.act(shards, lambda number, message: self.sent.append((number, message)))


def test_a_report_is_noted_after_what_follows_from_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.act(0, 1)
    bench.sent.clear()
    bench.broker.handle(0, [page(number) for number in range(SAME_PAGES - 1)])
    bench.act(0, 1)
    noted = [(0, NoPdfNoted(number)) for number in range(SAME_PAGES - 1)]
    assert bench.sent == [(0, HostDoubted(HOST)), (1, HostDoubted(HOST)), *noted]
    bench.sent.clear()
    bench.broker.handle(1, [page(99)])
    bench.act(0, 1)
    *states, last = bench.sent
    assert [(number, type(message)) for number, message in states] == [(0, HostStates), (1, HostStates)]
    assert last == (1, NoPdfNoted(99))
    (saved,) = [each for each in read_hosts(bench.folder.run.governor_file) if each.host == HOST]
    assert saved.status.is_shut
    shown = "\n".join(host_lines(known_hosts(bench.folder, bench.settings)))
    assert f"\n{HOST} (no published rate)\n  left alone until " in shown
    assert "5 answers in a row without a PDF: HTTP 200: Are you a robot?" in shown


def test_a_shard_that_is_gone_is_told_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.broker.handle(0, [page(1)])
    bench.broker.handle(1, [page(2)])
    bench.broker.forget(0)
    bench.act(0)
    assert not any(isinstance(message, NoPdfNoted) for _, message in bench.sent)


def test_a_refusal_that_a_person_has_ended_reaches_no_shard_of_the_next_run(tmp_path: Path) -> None:
    """Regression: the first papers of that run failed, because their shard had heard of the refusal only."""
    bench = Bench(tmp_path)
    bench.broker.handle(0, [HostBlocked(HOST, "HTTP 403")])
    bench.act(0)
    reopen(bench.folder, [HOST])
    hosts = PermitBroker(bench.settings, FileMemory(bench.folder.run)).hosts()
    assert hosts[HOST].blocked is None
    assert hosts[HOST].closed_seconds == 0.0, "a probe is to show whether it can be opened"
