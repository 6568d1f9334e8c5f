"""The metrics: what a Prometheus parser reads in them, whatever a status holds."""

from __future__ import annotations

import json
import logging
import re
from collections import namedtuple
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as open_metrics_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from rpa_shard import __version__
from rpa_shard.cli import main
from rpa_shard.ipc.account import Cause, Limit, PastWait, Wait
from rpa_shard.ipc.run_status import HostStatus, RunState, RunStatus, read_status, write_status
from rpa_shard.ipc.shard_report import Ending, LoopLag, Work
from rpa_shard.model.distribution import Distribution, Durations
from rpa_shard.model.phase import Status
from rpa_shard.observe.metrics import MetricsFile, metrics_of_folder, textfile, write_textfile
from rpa_shard.observe.metrics.exposition import Family, open_metrics, text_format
from rpa_shard.observe.metrics.families import HOSTS_SHOWN, counts_of, families
from rpa_shard.observe.metrics.nodes import node_families
from rpa_shard.observe.nodes import Nodes
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.rows import Counts
from tests.statuses import account, host_status, run_status, shard_report, shard_status, work

DOCS = Path(__file__).parents[2] / "docs"
BOUNDED_LABELS = {"status", "reason", "version", "state", "cause", "limit", "phase", "outcome", "host", "shard",
                  "quantile", "slot", "le"}  # fmt: skip


Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]
# Its parsers have no types.
READERS: dict[str, Callable[[str], Iterable[Metric]]] = {
    "OpenMetrics": open_metrics_parser.text_string_to_metric_families,
    "text": text_string_to_metric_families,
}


def read(text: str, form: str = "OpenMetrics") -> Figures:
    """What the parser of a form reads, by name and labels."""
    return _by_name(each for family in READERS[form](text) for each in family.samples)


def read_old(text: str) -> Figures:
    """What the parser of the older text format reads."""
    return read(text, "text")


def _by_name(samples: Iterable[Sample]) -> Figures:
    found: Figures = {}
    for sample in samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in found, "twice"
        found[key] = sample.value
    return found


def of(status: RunStatus, live: bool = True) -> list[Family]:
    return families(status, counts_of(status), live=live, free_bytes=10**11)


def value(status: RunStatus, name: str, **labels: str) -> float:
    return read(open_metrics(of(status)))[name, tuple(sorted(labels.items()))]


def test_the_figures_of_a_run() -> None:
    waits = (
        Wait(cause=Cause.HOST, subject="a", papers=5, since=0.0, until=None, why=""),
        Wait(cause=Cause.HOST, subject="b", papers=6, since=0.0, until=None, why=""),
    )
    status = run_status(
        account=account(waits=waits, waiting=11),
        work=work(retried={"network": 3}, failed={"network": 1, "bad_pdf": 2}),
        waited=(PastWait(cause=Cause.DISK, subject="/data", times=2, seconds=9.5),),
        hosts={"a.example": host_status(blocked="no"), "b.example": host_status(closed_seconds=0.0)},
        shards=(shard_status(restarts=2, report=shard_report(loop_lag=LoopLag(p99_seconds=0.5))),),
    )
    figures = read(open_metrics(of(status)))
    expected: dict[tuple[str, str], float] = {
        ("rpa_build_info", f"version={__version__}"): 1,
        ("rpa_run_up", ""): 1,
        ("rpa_papers", "status=prepped"): 7,
        ("rpa_papers", "status=done"): 0,
        ("rpa_disk_free_bytes", ""): 1e11,
        ("rpa_run_state", "state=running"): 1,
        ("rpa_run_state", "state=ended"): 0,
        ("rpa_run_paused", ""): 0,
        ("rpa_account_papers", "state=waiting"): 11,
        ("rpa_waiting_papers", "cause=host"): 11,
        ("rpa_waiting_papers", "cause=disk"): 0,
        ("rpa_waited_seconds_total", "cause=disk"): 9.5,
        ("rpa_limited_by", "limit=network"): 1,
        ("rpa_pace_papers_per_second", ""): 3.0,
        ("rpa_left_seconds", ""): 2.0,
        ("rpa_claims_ended_total", "outcome=completed,phase=prep"): 7,
        ("rpa_failures_total", "reason=network"): 4,
        ("rpa_failures_total", "reason=bad_pdf"): 2,
        ("rpa_downloaded_bytes_total", ""): 10_000,
        ("rpa_leases_lost_total", ""): 0,
        ("rpa_hosts", "state=refuses"): 1,
        ("rpa_hosts", "state=closed"): 1,
        ("rpa_host_refuses", "host=a.example"): 1,
        ("rpa_host_closed", "host=b.example"): 1,
        ("rpa_host_closed", "host=a.example"): 0,
        ("rpa_shards", "state=ready"): 1,
        ("rpa_shard_restarts_total", "shard=0"): 2,
        ("rpa_loop_lag_seconds", "quantile=0.99,shard=0"): 0.5,
        ("rpa_shard_open_fds", "shard=0"): 30,
        ("rpa_slots", "slot=extract"): 8,
    }
    given = {
        (name, ",".join(f"{label}={text}" for label, text in labels)): each for (name, labels), each in figures.items()
    }
    assert {key: given.get(key) for key in expected} == expected


def test_what_nobody_can_tell_is_missing() -> None:
    text = open_metrics(families(run_status(account=account(left_seconds=None)), Counts(), live=True))
    assert "rpa_left_seconds" not in text
    assert "rpa_disk_free_bytes" not in text


@given(st.lists(st.floats(0, 10**5), max_size=50), st.lists(st.floats(0, 10**5), max_size=50))
def test_histograms_only_grow(first: list[float], second: list[float]) -> None:
    durations = Durations()
    before: list[float] = []
    for more in (first, second):
        for each in more:
            durations.add(each)
        status = run_status(work=work(durations={"download": durations.so_far()}))
        (family,) = (each for each in of(status) if each.name == "rpa_download_seconds")
        buckets = [each.value for each in family.samples if each.suffix == "_bucket"]
        assert buckets == sorted(buckets)
        assert all(now >= then for now, then in zip(buckets, before or buckets, strict=True))
        (count,) = (each.value for each in family.samples if each.suffix == "_count")
        assert buckets[-1] == count == len(first) + (len(second) if before else 0)
        before = buckets


LABELS = st.text(max_size=8)
COUNTS = st.integers(0, 2**53)
SECONDS = st.floats(0, 1e12)
BY_NAME = st.dictionaries(LABELS, COUNTS, max_size=4)
MEASURED = st.builds(
    Distribution, st.dictionaries(st.integers(0, 240), st.integers(1, 10**9), max_size=5), SECONDS, SECONDS
)
WORK = st.builds(
    Work,
    ended=st.dictionaries(LABELS, st.dictionaries(st.sampled_from(Ending), COUNTS), max_size=3),
    retried=BY_NAME,
    failed=BY_NAME,
    totals=st.dictionaries(st.sampled_from(["downloaded_bytes", "pages", "more"]), COUNTS),
    durations=st.dictionaries(st.sampled_from(["download", "extract", "other"]), MEASURED),
)
WAITS = st.builds(
    Wait, cause=st.sampled_from(Cause), subject=LABELS, papers=COUNTS, since=SECONDS, until=st.none(), why=LABELS
)
HOSTS = st.builds(
    host_status,
    blocked=st.none() | LABELS,
    closed_seconds=st.none() | SECONDS,
    why=st.none() | LABELS,
    wanted=COUNTS,
    under_way=COUNTS,
)
REPORTS = st.builds(shard_report, by_status=st.dictionaries(st.sampled_from(Status), COUNTS), by_failure=BY_NAME)
STATUSES = st.builds(
    run_status,
    state=st.sampled_from(RunState),
    paused=st.booleans(),
    account=st.builds(account, waits=st.lists(WAITS, max_size=3).map(tuple), limited_by=st.sampled_from(Limit),
                      left_seconds=st.none() | SECONDS),
    work=WORK,
    hosts=st.dictionaries(LABELS, HOSTS, max_size=4),
    shards=st.lists(REPORTS, max_size=3).map(
        lambda reports: tuple(shard_status(number=number, report=each) for number, each in enumerate(reports))
    ),
)  # fmt: skip


@settings(max_examples=60)
@given(STATUSES, st.booleans())
def test_whatever_a_status_holds_parsers_read_it(status: RunStatus, live: bool) -> None:
    made = of(status, live)
    figures = read(open_metrics(made))
    written = sum(len(each.samples) for each in made)
    assert len(figures) == written
    assert open_metrics(made).endswith("\n# EOF\n")
    assert {label for _, labels in figures for label, _ in labels} <= BOUNDED_LABELS
    assert all(re.fullmatch(r"rpa_[a-z_]+", name) for name, _ in figures)
    assert [each.name for each in made] == [each.name for each in of(run_status())], "the same families, always"


@settings(max_examples=30)
@given(STATUSES)
def test_the_older_format_has_the_same_figures(status: RunStatus) -> None:
    """But for carriage returns in labels: its parser takes one for the end of a line."""
    made = of(status)
    if "\r" in text_format(made):
        return
    assert read_old(text_format(made)) == read(open_metrics(made))


def test_the_older_format_is_that_of_the_node_exporter() -> None:
    text = text_format(of(run_status()))
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert types["rpa_claims_ended_total"] == "counter"
    assert types["rpa_build_info"] == "gauge"
    assert set(types.values()) == {"counter", "gauge", "histogram", "summary"}
    assert "# EOF" not in text
    assert "# UNIT" not in text


def test_no_paper_is_named() -> None:
    assert "2401.0000" not in open_metrics(of(run_status(suspects=("2401.00001",))))


def test_labels_may_hold_anything() -> None:
    odd = 'a"b\\c\nd\udcff'
    figures = read(open_metrics(of(run_status(hosts={odd: host_status(closed_seconds=1.0)}))))
    assert figures["rpa_host_closed", (("host", 'a"b\\c\nd\\udcff'),)] == 1


def test_many_hosts_are_bounded_and_those_that_are_shut_are_shown() -> None:
    hosts: dict[str, HostStatus] = {f"{number:04}.example": host_status() for number in range(1000)}
    hosts |= {"x.example": host_status(closed_seconds=1.0), "y.example": host_status(blocked="no")}
    figures = read(open_metrics(of(run_status(hosts=hosts))))
    assert sum(name == "rpa_host_closed" for name, _ in figures) == HOSTS_SHOWN
    assert figures["rpa_host_closed", (("host", "x.example"),)] == 1
    assert figures["rpa_host_refuses", (("host", "y.example"),)] == 1
    assert figures["rpa_hosts", (("state", "open"),)] == 1000


# A folder, and the file.


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    return made


def test_a_folder_at_rest_is_counted_in_the_store(folder: DataFolder) -> None:
    figures = read(metrics_of_folder(folder))
    assert (figures["rpa_run_up", ()], figures["rpa_papers", (("status", "pending"),)]) == (0, 2)
    write_status(folder.run.status_file, run_status(born=1.0))
    figures = read(metrics_of_folder(folder))
    assert (figures["rpa_run_up", ()], figures["rpa_papers", (("status", "pending"),)]) == (0, 2)
    assert figures["rpa_claims_ended_total", (("outcome", "completed"), ("phase", "prep"))] == 7


@pytest.mark.parametrize(
    ("changes", "pending"),
    [
        ({}, 3),
        ({"state": RunState.RESIZING}, 2),
        ({"account": account(limited_by=Limit.STARTING)}, 2),
    ],
)
def test_a_run_counts_for_itself_once_it_has(folder: DataFolder, changes: dict[str, Any], pending: int) -> None:
    write_status(folder.run.status_file, run_status(**changes))
    assert read(metrics_of_folder(folder))["rpa_papers", (("status", "pending"),)] == pending


def test_the_command(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--data-dir", str(folder.root)]) == 0
    assert read(capsys.readouterr().out)["rpa_run_up", ()] == 0
    assert main(["metrics", "--data-dir", str(folder.root / "none")]) == 2
    assert "no papers in" in capsys.readouterr().err


def test_the_file_is_replaced_now_and_then_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = namedtuple("clock", "monotonic")
    now = [100.0]
    monkeypatch.setattr(textfile, "time", clock(lambda: now[0]))
    path = tmp_path / "rpa.prom"
    keep = MetricsFile(path, [tmp_path])

    def written() -> float:
        figures = read_old(path.read_text())
        assert figures["rpa_disk_free_bytes", ()] > 0
        return figures["rpa_status_timestamp_seconds", ()]

    keep(run_status(written_at=1.0))
    assert written() == 1.0
    now[0] += 4.9
    keep(run_status(written_at=2.0))
    assert written() == 1.0
    now[0] += 0.2
    keep(run_status(written_at=3.0))
    assert written() == 3.0
    keep(run_status(written_at=4.0, state=RunState.ENDED))
    assert written() == 4.0
    assert read_old(path.read_text())["rpa_run_up", ()] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["rpa.prom"]
    assert path.stat().st_mode & 0o444 == 0o444, "the node exporter is another user"


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep = MetricsFile(tmp_path / "nowhere" / "rpa.prom")
    ended = run_status(state=RunState.ENDED)
    with caplog.at_level(logging.WARNING):
        keep(ended)
        keep(ended)
        (record,) = caplog.records
        assert "cannot be written" in record.getMessage()
        (tmp_path / "nowhere").mkdir()
        keep(ended)
        assert (tmp_path / "nowhere" / "rpa.prom").exists()
        (tmp_path / "nowhere" / "rpa.prom").unlink()
        (tmp_path / "nowhere").rmdir()
        keep(ended)
    assert len(caplog.records) == 2


def test_a_textfile_is_complete(tmp_path: Path) -> None:
    write_textfile(tmp_path / "a.prom", "one 1\n")
    write_textfile(tmp_path / "a.prom", "two 2\n")
    assert (tmp_path / "a.prom").read_text() == "two 2\n"


# The documents.

_NAMES = re.compile(r"\brpa_[a-z_]+")
_SUFFIX = re.compile(r"(_bucket|_count|_sum)$")


def known_names() -> set[str]:
    """Every name that Prometheus may be asked for."""
    found = set()
    for each in of(run_status()):
        histogram = {f"{each.name}{suffix}" for suffix in ("_bucket", "_count", "_sum")}
        found |= histogram if each.kind == "histogram" else {each.sample_name}
    return found


def test_the_page_describes_every_metric_and_no_other() -> None:
    table = re.findall(r"^\| `(rpa_[a-z_]+)", (DOCS / "monitoring.md").read_text(), re.MULTILINE)
    assert len(table) == len(set(table))
    known = [*of(run_status()), *node_families(Nodes())]
    assert set(table) == {each.sample_name for each in known}


def test_the_page_names_every_value_of_a_label() -> None:
    page = (DOCS / "monitoring.md").read_text()
    for values in (RunState, Cause, Limit, Ending):
        assert [each for each in values if f"`{each}`" not in page] == []


def test_alerts_use_metrics_that_exist() -> None:
    assert set(_NAMES.findall((DOCS / "monitoring" / "alerts.yml").read_text())) <= known_names()


def test_the_dashboard_uses_metrics_that_exist() -> None:
    dashboard = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) >= len(panels) > 5
    names = {name for each in expressions for name in _NAMES.findall(each)}
    assert names <= known_names()
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert set(_NAMES.findall(variables["instance"]["query"]["query"])) <= known_names()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert _no_overlap(dashboard["panels"])


def _no_overlap(panels: list[dict[str, Any]]) -> bool:
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    return len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Buckets of a distribution are numbers again after the status file."""
    path = tmp_path / "run" / "status.json"
    status = replace(run_status(), hosts={"a": host_status()})
    write_status(path, status)
    again = read_status(path)
    assert again is not None
    assert open_metrics(of(again)) == open_metrics(of(status))
