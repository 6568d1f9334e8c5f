"""`hosts` and `plan`: what they know of the run that is on, of hosts that are shut, of papers that wait."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rpa_shard.config.host_policy import ARXIV_HOST, parse_policies
from rpa_shard.config.settings import Settings
from rpa_shard.control.politeness.host_state import temporary_policy
from rpa_shard.ipc.run_status import HostStatus, RunState, write_status
from rpa_shard.ipc.saved_hosts import save_hosts
from rpa_shard.ipc.shard_report import BackOff
from rpa_shard.observe import plan as plan_module
from rpa_shard.observe.hosts import KnownHosts, host_lines, known_hosts
from rpa_shard.observe.plan import PlanLine, lines, plan
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.system.clock import Moment
from tests.statuses import host_status, run_status

OTHER = "source.example"
MEAN_BYTES = 1_000_000.0
OURS = Settings(shard_count=1, host_policies=parse_policies(f"{ARXIV_HOST}=1/3@1"))


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def on(folder: DataFolder, hosts: Mapping[str, HostStatus], age_seconds: float = 0.0) -> None:
    now = Moment.now()
    then = replace(
        now, unix_seconds=now.unix_seconds - age_seconds, monotonic_seconds=now.monotonic_seconds - age_seconds
    )
    write_status(folder.run.status_file, run_status(hosts=hosts, written=then))


def test_policies_are_those_of_the_run_that_is_on(folder: DataFolder) -> None:
    arxiv = host_status(policy=f"{ARXIV_HOST}=2/5@2", wanted=12, under_way=1)
    on(folder, {ARXIV_HOST: arxiv})
    known = known_hosts(folder, OURS)
    assert known.policies == {ARXIV_HOST: parse_policies(arxiv.policy)[0]}
    first, *others = host_lines(known)
    assert first.startswith("policies of the run that is on (process ")
    assert others == [f"{ARXIV_HOST}=2/5@2", "  12 requests waiting for a turn, 1 under way"]


@pytest.mark.parametrize("changes", [{"state": RunState.ENDED}, {"born": 1.0}])
def test_without_a_run_they_are_those_of_the_caller(folder: DataFolder, changes: dict[str, object]) -> None:
    write_status(folder.run.status_file, run_status(hosts={ARXIV_HOST: host_status()}, **changes))
    assert host_lines(known_hosts(folder, OURS)) == [f"{ARXIV_HOST}=1/3@1"]


def test_what_the_last_run_saved_is_shown_under_the_policies_of_the_next(folder: DataFolder) -> None:
    save_hosts(
        folder.run.governor_file,
        {
            ARXIV_HOST: host_status(policy=f"{ARXIV_HOST}=4/1@4", factor=0.25),
            OTHER: host_status(blocked="HTTP 403: no", wanted=7),
        },
    )
    known = known_hosts(folder, OURS)
    assert known.policies[OTHER] == temporary_policy(OTHER)
    assert host_lines(known) == [
        f"{ARXIV_HOST}=1/3@1",
        "  asked at 25 % of its rate",
        f"{OTHER} (no published rate)",
        "  refuses us: HTTP 403: no",
        f"  once you know why: rpa-shard hosts --reopen {OTHER}",
    ]


@pytest.mark.parametrize(
    ("closed_seconds", "age_seconds", "shown"),
    [
        (60.0, 0.0, r"  left alone until [\d:]+: HTTP 429"),
        (60.0, 90.0, r"  left alone until one request shows whether it is over: HTTP 429"),
        (0.0, 0.0, r"  left alone until one request shows whether it is over: HTTP 429"),
    ],
)
def test_a_pause_goes_on_after_the_status_was_written(
    folder: DataFolder, closed_seconds: float, age_seconds: float, shown: str
) -> None:
    on(folder, {OTHER: host_status(closed_seconds=closed_seconds, why="HTTP 429")}, age_seconds)
    assert re.fullmatch(shown, host_lines(known_hosts(folder, OURS))[2])


def known_of(**changes: object) -> KnownHosts:
    return KnownHosts(None, {ARXIV_HOST: host_status(policy=f"{ARXIV_HOST}=4/1@4", **changes)})


def planned(
    monkeypatch: pytest.MonkeyPatch, known: KnownHosts, papers: int = 400, sources: tuple[str, ...] = ("arxiv",)
) -> PlanLine:
    monkeypatch.setattr(plan_module, "usable_cores", lambda: 4)
    settings = replace(OURS, sources=sources)
    (line,) = plan(["2401.00001"] * papers, settings, known, None, MEAN_BYTES)
    return line


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 120.0),
        ({"closed_seconds": 300.0}, 420.0),
        ({"closed_seconds": 0.0}, 120.0),
        ({"factor": 0.5}, 220.0),
        ({"factor": 0.5, "closed_seconds": 30.0}, 250.0),
        ({"blocked": "HTTP 403"}, None),
    ],
)
def test_times_know_what_keeps_a_host_from_being_asked(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], seconds: float | None
) -> None:
    found = planned(monkeypatch, known_of(**changes)).seconds
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_plan_follows_the_policies_of_the_run_that_is_on(monkeypatch: pytest.MonkeyPatch, folder: DataFolder) -> None:
    on(folder, {ARXIV_HOST: host_status(policy=f"{ARXIV_HOST}=2/1@2")})
    assert planned(monkeypatch, known_hosts(folder, OURS)).seconds == pytest.approx(240.0)


def test_papers_of_a_host_that_refuses_us_come_from_the_next_source(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = known_of(blocked="HTTP 403")
    assert planned(monkeypatch, refusing, sources=("arxiv", "gcs")).source == "storage.googleapis.com"
    assert planned(monkeypatch, refusing, sources=("arxiv", "https://arxiv.org/pdf/{id}")).source == ARXIV_HOST


def shown(line: PlanLine, back_offs: Mapping[str, BackOff] | None = None) -> list[str]:
    return lines([line], OURS, back_offs or {}, measured=True)


def test_a_plan_says_why_it_takes_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shown(planned(monkeypatch, known_of(closed_seconds=300.0, why="asked for a pause", factor=0.5)))
    assert found[:3] == [
        "source           papers    time    bytes",
        "export.arxiv.org    400 8.7 min 400.0 MB",
        "  4 in 1 s allowed",
    ]
    assert re.fullmatch(r"  left alone until \d\d:\d\d: asked for a pause", found[3])
    assert found[4] == "  asked at 50 % of its rate"
    assert "after the pause that a host asked for" in found[6]
    assert not any("pause" in line for line in shown(planned(monkeypatch, known_of())))


def test_a_plan_names_a_host_that_needs_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    found = shown(planned(monkeypatch, known_of(blocked="HTTP 403: no")))
    assert found[1:4] == [
        "export.arxiv.org    400    - 400.0 MB",
        "  refuses us: HTTP 403: no",
        "  once you know why: rpa-shard hosts --reopen export.arxiv.org",
    ]
    assert "-: no time can be given, it needs a person" in found


def test_a_plan_names_papers_that_wait_for_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    line = planned(monkeypatch, known_of())
    found = shown(line, {"network": BackOff(3, 1e9, 1e9 + 60), "timeout": BackOff(1_200, 1e9, 1e9)})
    waiting = [each for each in found if each.startswith("waiting")]
    assert [each.partition(",")[0] for each in waiting] == [
        "waiting 1",
        "waiting 3 of them for another attempt after network",
    ]
    assert re.fullmatch(r"waiting 1,200 of them for another attempt after timeout, at .+", waiting[0])
    assert " between " in waiting[1]
    assert not any(each.startswith("waiting") for each in shown(line))


def line_of(source: str, seconds: float | None) -> PlanLine:
    return PlanLine(source, 100, None, seconds, 10_000_000)


@pytest.mark.parametrize(
    ("seconds", "last_attempt_seconds", "together"),
    [
        ([60.0, 300.0], None, "5.0 min"),
        ([60.0, None], None, "60 s"),
        ([None, None], None, "-"),
        ([60.0, 300.0], 7_200.5, "2.0 h"),
        ([60.0], 600.5, "10 min"),
        ([900.0], 600.5, None),
        ([60.0], None, None),
    ],
)
def test_sources_are_asked_at_the_same_time(
    seconds: list[float | None], last_attempt_seconds: float | None, together: str | None
) -> None:
    now = time.time()
    back_offs = {"network": BackOff(3, now, now + last_attempt_seconds)} if last_attempt_seconds else {}
    sources = [line_of(f"{number}.example", each) for number, each in enumerate(seconds)]
    found = [each.split() for each in lines(sources, OURS, back_offs, measured=True) if each.startswith("together")]
    if together is None:
        assert found == []
    else:
        papers, megabytes = str(100 * len(seconds)), f"{10 * len(seconds)}.0"
        assert found == [["together", papers, *together.split(), megabytes, "MB"]]
