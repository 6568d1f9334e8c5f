"""The pure parts of the supervisor: when to restart, how fast the run is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.control.politeness.broker import read_saved
from rpa_shard.control.restarts import MAX_DELAY_SECONDS, Restarts
from rpa_shard.control.throughput import Throughput
from rpa_shard.ipc.run_status import born, is_alive, read_status, write_status
from rpa_shard.system.clock import moment


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", '{"saved": AT, "hosts": []}', '{"saved": "x", "hosts": {}}',
        '{"saved": AT, "hosts": {"a": {}}}', '{"saved": AT, "hosts": {"a": null}}',
        '{"saved": AT, "hosts": {"a": {"blocked": null, "closed_seconds": "x", "closings": 1, "factor": 1}}}',
        '{"saved": AT, "hosts": {"a": {"blocked": null, "closed_seconds": 1, "closings": 1, "factor": 0}}}',
    ],
)  # fmt: skip
def test_states_of_hosts_that_somebody_has_damaged(tmp_path: Path, content: str) -> None:
    (tmp_path / "governor.json").write_text(content.replace("AT", json.dumps(moment())))
    assert read_saved(tmp_path / "governor.json") == []


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


def test_the_status_file_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "run" / "status.json"
    assert read_status(path) is None
    write_status(path, {"pid": 1})
    assert read_status(path) == {"format": 1, "pid": 1}
    path.write_text("{")
    assert read_status(path) is None


def test_a_process_is_alive_only_as_itself() -> None:
    me = born(os.getpid())
    assert is_alive(os.getpid(), me)
    assert not is_alive(os.getpid(), me - 1000), "the id of a dead process may be used again"
    assert not is_alive(2**22 + 1, 0.0)
