"""The run's status: complete or absent, unchanged by writing and reading, and as its schema and its page say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.ipc.run_status import (
    FORMAT,
    Death,
    ProcessFigures,
    RunState,
    RunStatus,
    as_json,
    json_schema,
    read_status,
    write_status,
)
from rpa_shard.ipc.shard_report import ShardReport, ShardState, Work
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.statuses import host_status, run_status, shard_report, shard_status, work

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
PAGE = Path(__file__).parents[2] / "docs" / "status-file.md"

FULL = run_status(
    state=RunState.CRASH_LOOP,
    cause="shards died 5 times within a minute, last: signal SIGSEGV",
    deaths=(Death(0, 1e9, "signal SIGSEGV"),),
    suspects=("2401.00001", "hep-th/9901001"),
    handed_back=3,
    shard_count=2,
    shards=(shard_status(), shard_status(number=1, state=ShardState.STUCK, report=ShardReport())),
    hosts={"a.example": host_status(closed_seconds=7.5, closings=2, factor=0.5), "b.example": host_status()},
)


@pytest.mark.parametrize("status", [run_status(), FULL])
def test_what_is_written_is_read(tmp_path: Path, status: RunStatus) -> None:
    path = tmp_path / "run" / "status.json"
    assert read_status(path) is None
    write_status(path, status)
    assert read_status(path) == status
    assert json.loads(path.read_bytes()) == json.loads(json.dumps(as_json(status)))
    assert [each.name for each in path.parent.iterdir()] == ["status.json"]


reports = st.builds(
    shard_report,
    state=st.sampled_from(ShardState),
    outstanding=st.none() | st.integers(0, 2**53),
    by_status=st.dictionaries(st.text(), st.integers(0, 2**53), max_size=3),
)
statuses = st.builds(
    run_status,
    state=st.sampled_from(RunState),
    cause=st.none() | st.text(),
    seconds=st.floats(0, 1e9),
    shards=st.lists(st.builds(shard_status, report=reports), max_size=3).map(tuple),
    hosts=st.dictionaries(st.text(), st.builds(host_status, blocked=st.none() | st.text()), max_size=2),
)


@given(statuses)
def test_any_status_survives_the_file_and_fits_the_schema(
    tmp_path_factory: pytest.TempPathFactory, status: RunStatus
) -> None:
    path = tmp_path_factory.getbasetemp() / "status.json"
    write_status(path, status)
    assert read_status(path) == status
    VALIDATOR.validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        {"format": FORMAT + 1}, {"format": FORMAT - 1}, {"format": None}, {"pid": "1"}, {"state": "asleep"},
        {"shards": None}, {"shards": [{}]}, {"written": 1.0}, {"rates": {}},
    ],
    ids=str,
)  # fmt: skip
def test_another_format_or_a_damaged_file_is_no_status(tmp_path: Path, change: Mapping[str, Any]) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({**as_json(FULL), **change}))
    assert read_status(path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"\xff": 1}'], ids=range(6))
def test_what_is_no_json_is_no_status(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    assert read_status(path) is None
    path.unlink()
    path.mkdir()
    assert read_status(path) is None


def test_fields_that_are_not_known_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({**as_json(FULL), "weather": "fine", "rates": {**as_json(FULL)["rates"], "mood": 1}}))
    assert read_status(path) == FULL


def test_sums_over_phases() -> None:
    assert work(ended={"prep": {"completed": 7, "failed": 1}, "analyze": {"completed": 3}}).completed_claims == 10
    assert Work().completed_claims == 0


def test_a_run_is_on_while_its_process_lives_and_has_not_ended_it() -> None:
    assert run_status().is_on
    assert not run_status(state=RunState.ENDED).is_on
    assert not run_status(born=1.0).is_on
    assert shard_status().is_alive
    assert not shard_status(born=1.0).is_alive


@pytest.mark.parametrize(
    ("changes", "shut"),
    [({}, False), ({"factor": 0.5}, False), ({"closed_seconds": 0.0}, True), ({"blocked": "HTTP 403"}, True)],
)
def test_which_hosts_are_shut(changes: dict[str, Any], shut: bool) -> None:
    assert host_status(**changes).is_shut == shut


def test_peaks_are_the_larger_of_each_figure() -> None:
    one = ProcessFigures(descriptors=3, tcp_sockets=1, cpu_percent=50.0, rss_bytes=10, threads=4)
    other = ProcessFigures(descriptors=2, tcp_sockets=5, cpu_percent=70.0, rss_bytes=9, threads=6)
    peak = ProcessFigures(descriptors=3, tcp_sockets=5, cpu_percent=70.0, rss_bytes=10, threads=6)
    assert one.peak_with(other) == other.peak_with(one) == peak
    assert peak.peak_with(ProcessFigures()) == peak


def test_the_schema_is_shipped_and_is_one() -> None:
    shipped = json.loads(resources.files("rpa_shard.ipc").joinpath("run_status.schema.json").read_text())
    assert shipped == json_schema()
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize(
    "change",
    [{"pid": None}, {"state": "asleep"}, {"shards": [{}]}, {"hosts": {"a": {}}}, {"work": {"totals": {"pages": "7"}}}],
    ids=str,
)
def test_the_schema_refuses_what_no_run_writes(change: Mapping[str, Any]) -> None:
    status = json.loads(json.dumps(as_json(FULL)))
    VALIDATOR.validate(status)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**status, **change})


def properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Object, field and what the schema says of it."""
    for name, described in schema["$defs"].items():
        for field, value in described.get("properties", {}).items():
            yield name, field, value


def test_every_field_is_described_in_the_schema_and_on_its_page() -> None:
    page = PAGE.read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    found = list(properties(json_schema()))
    assert len(found) > 50
    assert all(kind and meaning for _, kind, meaning in rows)
    assert sorted((field, value["description"]) for _, field, value in found) == sorted(
        (field, meaning) for field, _, meaning in rows
    )
    assert f"`format` is now {FORMAT}." in page


def test_what_a_real_run_writes_fits_the_schema(tmp_path: Path) -> None:
    """A run over two papers on this machine, to its end."""
    papers = tmp_path / "shelf"
    papers.mkdir()
    (papers / "2401.00001.pdf").write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(4, 1)) as ledger:
        ledger.add(["2401.00001", "2401.00002"])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RPA_V2_")} | {
        "RPA_V2_DATA_DIR": str(folder.root),
        "RPA_V2_SOURCES": f"file://{papers}/{{name}}.pdf",
        "RPA_V2_SHARD_COUNT": "1",
        "RPA_V2_WORKERS": "4",
    }
    done = subprocess.run(
        [sys.executable, "-m", "rpa_shard", "run"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stderr
    written = json.loads(folder.run.status_file.read_bytes())
    VALIDATOR.validate(written)
    status = read_status(folder.run.status_file)
    assert status is not None
    assert written == json.loads(json.dumps(as_json(status)))
    assert (status.state, status.cause, status.completed) == (RunState.ENDED, None, {"prep": 1})
    (shard,) = status.shards
    assert shard.report.by_status == {"prepped": 1, "failed": 1}
    assert shard.report.by_failure == {"not_found": 1}
    assert set(shard.report.gauges) == {"download", "extract", "parsing", "slow"}
