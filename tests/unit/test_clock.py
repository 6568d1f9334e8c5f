"""The system's clock is set by hours, forward and back: no lease ends or stays because of it, no wait grows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest

from rpa_shard.ipc.run_status import HostStatus
from rpa_shard.ipc.saved_hosts import read_hosts, save_hosts
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, postponed
from rpa_shard.system.clock import Moment, SteadyClock
from rpa_shard.system.processes import born, is_alive

HOURS = 5 * 3600.0
FORWARD_AND_BACK = pytest.mark.parametrize("step", [HOURS, -HOURS])


def set_clock(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Sets the clock as a person would; the monotonic clock continues."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)


def test_a_steady_clock_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = SteadyClock()
    before = steady()
    set_clock(monkeypatch, -HOURS)
    assert before <= steady() < before + 60
    set_clock(monkeypatch, 3 * HOURS)
    assert steady() >= before + HOURS, "a step forward is believed"


@FORWARD_AND_BACK
async def test_a_lease_that_is_held_neither_ends_nor_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    folder = DataFolder(tmp_path)
    with open_ledger(folder, Layout(1, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    async with engine_of(folder).open_store(0, 300) as store:
        claims = await store.claim(PREP, 2)
        set_clock(monkeypatch, step)
        assert await store.reclaim_expired({claim.lease_id for claim in claims}) == 0
        assert await store.renew(claims) == set()
        assert await store.finish(claims[0], completed(PREP, {})), "the fence knows the holder, not the clock"
    # The shard is gone; the next one starts under the clock as it is now.
    assert engine_of(folder).reclaim(0, {}) == 1
    async with engine_of(folder).open_store(0, 300) as store:
        assert [claim.paper_id for claim in await store.claim(PREP, 2)] == [claims[1].paper_id]


@FORWARD_AND_BACK
async def test_no_wait_grows_with_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Regression: what was queued or postponed under a clock that was ahead waited until that time had come."""
    folder = DataFolder(tmp_path)
    with monkeypatch.context() as stepped:
        set_clock(stepped, step)
        with open_ledger(folder, Layout(1, 1)) as ledger:
            ledger.add(["2401.00001", "2401.00002"])
        async with engine_of(folder).open_store(0, 300) as store:
            (claim,) = await store.claim(PREP, 1)
            await store.finish(claim, postponed(PREP, Failure.NETWORK, "", 600, charged=True, suspect=False))
    engine_of(folder).reclaim(0, {})
    async with engine_of(folder).open_store(0, 300) as store:
        claimed = {each.paper_id for each in await store.claim(PREP, 2)}
        due = await store.next_attempt_at(PREP)
    if step > 0:
        assert claimed == {"2401.00001", "2401.00002"} - {claim.paper_id}
        assert due is not None
        assert 0 < due - time.time() <= 600
    else:
        assert len(claimed) == 2


@FORWARD_AND_BACK
def test_the_time_since_a_moment_knows_no_steps(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    noted = msgspec.json.decode(msgspec.json.encode(Moment.now()), type=Moment)
    set_clock(monkeypatch, step)
    assert 0 <= noted.seconds_since() < 60


@pytest.mark.parametrize("boot", ["another", ""])
def test_after_a_boot_only_the_time_of_day_counts(monkeypatch: pytest.MonkeyPatch, boot: str) -> None:
    """Also if the system does not identify its boots."""
    noted = replace(Moment.now(), boot=boot)
    set_clock(monkeypatch, 100)
    assert 100 <= noted.seconds_since() < 160
    set_clock(monkeypatch, -HOURS)
    assert noted.seconds_since() == 0


def test_a_system_that_does_not_tell_its_boots() -> None:
    """In a process of its own, because a process asks only once."""
    program = (
        "from pathlib import Path\n"
        "def refuse(path): raise PermissionError(path)\n"
        "Path.read_text = refuse\n"
        "from rpa_shard.system.clock import Moment\n"
        "noted = Moment.now()\n"
        "assert noted.boot == '', noted\n"
        "assert 0 <= noted.seconds_since() < 60, noted\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@FORWARD_AND_BACK
def test_a_closed_host_stays_closed_for_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    path = tmp_path / "governor.json"
    closed = HostStatus(
        policy="a.org=4/1@4", temporary=False, factor=1.0, closings=1, closed_seconds=600.0, blocked=None
    )
    save_hosts(path, {"a.org": closed})
    set_clock(monkeypatch, step)
    (saved,) = read_hosts(path)
    assert (saved.host, saved.status) == ("a.org", closed)
    assert 0 <= saved.age_seconds < 60


@FORWARD_AND_BACK
def test_a_process_is_itself_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """Regression: a step made a living run look dead, because Unix times of processes come from the clock."""
    before = born(os.getpid())
    real = psutil.boot_time()
    monkeypatch.setattr("psutil.boot_time", lambda: real + step)
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: real + step)
    assert is_alive(os.getpid(), before)
