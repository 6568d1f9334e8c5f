"""The pure parts of the supervisor: when to restart, how fast the run is."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS
from rpa_shard.control.restarts import MAX_DELAY_SECONDS, Restarts
from rpa_shard.control.throughput import Throughput
from rpa_shard.ipc.saved_hosts import SavedHost, read_hosts
from rpa_shard.system.clock import Moment
from rpa_shard.system.processes import born, is_alive

HOST = '{"policy": "a=4/1@4", "temporary": false, "factor": 1, "closings": 1, "closed_seconds": 600, "blocked": null}'


def saved(tmp_path: Path, content: str) -> list[SavedHost]:
    path = tmp_path / "governor.json"
    now = msgspec.json.encode(Moment.now()).decode()
    path.write_bytes(content.replace("AT", now).replace("HOST", HOST).encode("latin-1"))
    return read_hosts(path)


def test_states_of_hosts_are_read(tmp_path: Path) -> None:
    assert read_hosts(tmp_path / "none.json") == []
    (host,) = saved(tmp_path, '{"saved": AT, "hosts": {"a": HOST}}')
    assert (host.host, host.status.closed_seconds) == ("a", 600.0)
    assert 0 <= host.age_seconds < 60


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "[" * 100_000, '{"saved": AT, "hosts": []}', '{"saved": "x", "hosts": {}}',
        '{"hosts": {"a": HOST}}', '{"saved": AT, "hosts": {"\xff": HOST}}',
        '{"saved": AT, "hosts": {"a": {}}}', '{"saved": AT, "hosts": {"a": null}}',
        '{"saved": AT, "hosts": {"a": HOST, "b": {}}}',
        *(
            '{"saved": AT, "hosts": {"a": ' + HOST.replace(right, wrong) + "}}"
            for right, wrong in (
                ("600", '"x"'), ('"factor": 1', '"factor": 0'), ('"factor": 1', '"factor": 1.5'),
                ('"factor": 1', '"factor": -1'), ('"closings": 1', '"closings": 0.5'), ("false", "7"),
                ('"a=4/1@4"', "null"), ('"blocked": null', '"blocked": 7'),
            )
        ),
    ],
    ids=count(),
)  # fmt: skip
def test_states_of_hosts_that_somebody_has_damaged(tmp_path: Path, content: str) -> None:
    assert saved(tmp_path, content) == []


@pytest.mark.parametrize(
    ("right", "wrong", "field", "value"),
    [
        ("600", "1e12", "closed_seconds", MAX_PAUSE_SECONDS),
        ('"closings": 1', '"closings": -3', "closings", 0),
        ('"blocked": null', '"blocked": ""', "blocked", None),
    ],
)
def test_states_that_cannot_be_are_put_right(tmp_path: Path, right: str, wrong: str, field: str, value: object) -> None:
    (host,) = saved(tmp_path, '{"saved": AT, "hosts": {"a": ' + HOST.replace(right, wrong) + "}}")
    assert getattr(host.status, field) == value


def test_restarts_back_off_and_then_the_run_stops() -> None:
    restarts = Restarts(deaths=3)
    assert [restarts.died(0, now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.25, 0.5, 1.0, None]


def test_a_quiet_minute_forgives() -> None:
    restarts = Restarts(deaths=2)
    assert restarts.died(0, 0.0) == 0.25
    assert restarts.died(0, 100.0) == 0.25
    assert restarts.died(1, 101.0) == 0.25
    assert restarts.died(0, 102.0) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 30)), max_size=50), st.integers(1, 10))
def test_never_more_deaths_in_a_minute_than_allowed(deaths: list[tuple[int, float]], allowed: int) -> None:
    restarts, now, times = Restarts(allowed), 0.0, []
    for shard, pause in deaths:
        now += pause
        times.append(now)
        delay = restarts.died(shard, now)
        assert (delay is None) == (sum(time > now - 60 for time in times) > allowed)
        assert delay is None or 0 < delay <= MAX_DELAY_SECONDS


def test_rates_over_windows() -> None:
    throughput = Throughput(now=0.0)
    for second in range(1, 101):
        throughput.sample(float(second), 2 * min(second, 90))  # two a second, then nothing
    rates = throughput.rates()
    assert rates.last_10_seconds == 0
    assert rates.last_60_seconds == pytest.approx(100 / 60)
    assert rates.whole_run == pytest.approx(1.8)
    assert rates.spread > 0


def test_an_even_pace_has_no_spread() -> None:
    throughput = Throughput(now=0.0)
    for second in range(1, 30):
        throughput.sample(float(second), 5 * second)
    assert throughput.rates().spread == pytest.approx(0)
    assert throughput.rates().last_60_seconds == pytest.approx(5)


def test_a_run_that_just_began_has_rates() -> None:
    assert Throughput(now=5.0).rates().whole_run == 0


def test_a_process_is_alive_only_as_itself() -> None:
    me = born(os.getpid())
    assert is_alive(os.getpid(), me)
    assert not is_alive(os.getpid(), me - 1000), "the id of a dead process may be used again"
    assert not is_alive(2**22 + 1, 0.0)
