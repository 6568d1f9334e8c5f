"""Reports for people and programs: `show`, `export --what reports`, the Python API."""

from __future__ import annotations

import asyncio
import csv
import json
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import rpa_shard
from rpa_shard.cli.main import main
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Phase
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.wrap.record import json_schema
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, postponed
from tests.model_desk import PAPER, Office, office, prepped_paper

Captured = pytest.CaptureFixture[str]
FAILED, WAITING = "2401.00002", "2401.00003"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A paper with a report, one whose analysis failed after an answer, one that waits."""
    root = tmp_path_factory.mktemp("reports") / "data"
    with open_ledger(DataFolder(root), Layout(200, 1)) as ledger:
        ledger.add([PAPER, FAILED, WAITING])
    for paper_id in (PAPER, FAILED):
        prepped_paper(DataFolder(root), paper_id)
    with office(root) as at:
        asyncio.run(go_through(at))
    answers = files_at(root).answers.read_text().splitlines(keepends=True)
    cut = json.loads(answers[0])
    cut["answer"] |= {"finish": "cut", "says": "too long"}
    files_at(root, FAILED).answers.write_text(json.dumps(cut) + "\n")
    return root


async def go_through(at: Office) -> None:
    async with engine_of(at.folder).open_store(0, 60.0) as store:
        for claim in await store.claim_named(PREP, [PAPER, FAILED]):
            content = files_at(at.folder.root, claim.paper_id).record.read_bytes()
            await store.finish(claim, completed(PREP, row_result(json.loads(content), content, pdf_kept=False)))
        for phase in (ANALYZE, WRAP):
            for claim in await store.claim_named(phase, [PAPER]):
                await store.finish(claim, completed(phase, {**await at.run(phase), "attempts": 1}))
        for claim in await store.claim_named(ANALYZE, [FAILED]):
            await store.finish(claim, failed(ANALYZE, Failure.LLM_CUT, "cut at 10 tokens"))
        for claim in await store.claim_named(PREP, [WAITING]):
            await store.finish(claim, postponed(PREP, Failure.NETWORK, "x", 0.0, charged=True, suspect=False))


def files_at(root: Path, paper_id: str = PAPER) -> PaperFiles:
    return files_of(root / "papers", from_canonical(paper_id))


@pytest.fixture
def root(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """To be looked at only."""
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(made))
    return made


def shown(capsys: Captured, paper_id: str) -> list[str]:
    capsys.readouterr()
    assert main(["show", paper_id]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_paper_with_a_report_is_shown(root: Path, capsys: Captured) -> None:
    lines = shown(capsys, PAPER)
    by_label = {line.split()[0]: line for line in lines if line and not line.startswith(" ")}
    assert by_label["analysis"].startswith("analysis  4 sections by small, 4 answers, 4,000 + 400 tokens, $0.0006")
    assert by_label["report"] == f"report    3 answers, 3,000 + 300 tokens, $0.0004: {files_at(root).report}"
    assert by_label["tags"] == "tags      tides, sea level"
    listed = [line.split()[-1] for line in lines if " bytes  " in line]
    files = files_at(root)
    assert listed[-4:] == list(map(str, (files.answers, files.analysis, files.report, files.report_record)))
    assert "answers" not in by_label, "they are in the report"


def test_what_was_answered_about_a_paper_that_failed(root: Path, capsys: Captured) -> None:
    lines = shown(capsys, FAILED)
    assert "failure   llm_cut in analyze: cut at 10 tokens" in lines
    at = lines.index("answers (1)")
    assert lines[at + 1].startswith("  analyze/key_outcome  cut (too long), ")
    assert lines[at + 1].endswith(" words, 1,000 + 100 tokens, small at 127.0.0.1:9")
    assert not any(line.startswith(("analysis", "report")) for line in lines)


def test_a_paper_without_answers_is_shown_as_before(root: Path, capsys: Captured) -> None:
    assert [line.split()[0] for line in shown(capsys, WAITING)[:3]] == ["paper", "status", "failure"]
    assert not any(line.startswith(("analysis", "report", "answers")) for line in shown(capsys, WAITING))


def test_what_was_left_out_is_said(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    root = tmp_path / "data"
    shutil.copytree(made, root)
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(root))
    path = files_at(root).analysis
    record = json.loads(path.read_bytes())
    record["document"] |= {"left_out": ["A Proofs", "B More"], "shortened": "5 Results"}
    path.write_text(json.dumps(record))
    lines = shown(capsys, PAPER)
    assert "left out  “A Proofs”, “B More”: the paper is too long for the model" in lines
    assert "shortened “5 Results”" in lines


def exported(tmp_path: Path, capsys: Captured, name: str, *options: str) -> tuple[int, Path, str]:
    capsys.readouterr()
    code = main(["export", "--what", "reports", "--out", str(tmp_path / name), *options])
    return code, tmp_path / name, capsys.readouterr().err


def test_reports_are_exported_with_their_records(root: Path, tmp_path: Path, capsys: Captured) -> None:
    record = json.loads(files_at(root).report_record.read_bytes())
    markdown = files_at(root).report.read_text()
    code, out, said = exported(tmp_path, capsys, "r.jsonl")
    (row,) = map(json.loads, out.read_text().splitlines())
    assert (code, "exported 1 papers" in said) == (0, True)
    assert row == {**record, "arxiv_id": PAPER, "arxiv_version": 1, "report": markdown}
    assert record.keys() == json_schema()["properties"].keys()
    _, out, _ = exported(tmp_path, capsys, "short.jsonl", "--no-text")
    assert json.loads(out.read_text()).keys() == row.keys() - {"report"}


def test_reports_as_parquet_and_csv(root: Path, tmp_path: Path, capsys: Captured) -> None:
    record = json.loads(files_at(root).report_record.read_bytes())
    _, out, _ = exported(tmp_path, capsys, "r.parquet")
    (row,) = pyarrow.parquet.read_table(out).to_pylist()
    assert row.keys() == {*record, "arxiv_id", "arxiv_version", "report"}
    contents = [{**section, "content": json.loads(section["content"])} for section in row["sections"]]
    assert contents == record["sections"]
    times = {name: row.pop(name) for name in ("analyzed_at", "reported_at")}
    assert {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items()} == {
        name: record[name] for name in times
    }
    same = set(record) - {"sections", *times}
    assert {name: row[name] for name in same} == {name: record[name] for name in same}
    _, out, _ = exported(tmp_path, capsys, "r.csv")
    (cells,) = csv.DictReader(out.read_text().splitlines())
    assert (cells["id"], cells["tags"], cells["sections_count"]) == (PAPER, "tides; sea level", "5")
    assert (cells["spent_micro_usd"], "report" in cells) == ("1050", False)
    assert exported(tmp_path, capsys, "long.csv", "--text")[0] == 0
    assert "report" in (tmp_path / "long.csv").read_text().splitlines()[0]


@pytest.mark.parametrize("damaged", ["report", "report_record"])
def test_a_report_that_is_damaged_is_counted_and_left_out(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, damaged: str
) -> None:
    root = tmp_path / "data"
    shutil.copytree(made, root)
    path: Path = getattr(files_at(root), damaged)
    path.write_text("{}")
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(root))
    code, out, said = exported(tmp_path, capsys, "r.jsonl")
    assert (code, out.read_text()) == (1, "")
    assert "1 with missing or damaged files" in said
    with pytest.raises(rpa_shard.StoreError, match=r"is not as recorded: see `.*verify`"):
        _ = rpa_shard.open(root)[PAPER].report
    path.unlink()
    with pytest.raises(rpa_shard.StoreError, match=r"No such file .*: see `.*verify`"):
        _ = rpa_shard.open(root)[PAPER].report


@pytest.mark.parametrize(
    ("options", "line"),
    [(["--clean"], "no clean text"), (["--format", "bibtex"], "is the name of jsonl")],
)
def test_what_makes_no_sense(root: Path, tmp_path: Path, capsys: Captured, options: list[str], line: str) -> None:
    code, _, said = exported(tmp_path, capsys, "r.jsonl", *options)
    assert (code, line in said) == (2, True)


def test_analysis_and_report_from_python(root: Path) -> None:
    corpus = rpa_shard.open(root)
    paper = corpus[PAPER]
    report, analysis = paper.report, paper.analysis
    assert report is not None
    assert analysis is not None
    assert (report.tags, report.verdict, report.models) == (("tides", "sea level"), "PASS", ("small",))
    assert report.markdown == files_at(root).report.read_text()
    assert (analysis.spent.answers, report.spent.answers, report.spent_on_wrap.micro_usd) == (4, 7, 450)
    assert report.section("key_outcome").content == analysis.section("key_outcome").content
    assert report.signals.neighbours[0].title == "On Tides"
    with pytest.raises(KeyError):
        report.section("nonsense")
    assert pickle.loads(pickle.dumps(report)) == report
    assert repr(report) == f"<Report {PAPER}: tides, sea level>"
    for other in (FAILED, WAITING):
        assert (corpus[other].report, corpus[other].analysis) == (None, None)


@pytest.mark.parametrize("phase", [ANALYZE, WRAP])
def test_the_types_have_the_fields_of_the_records(root: Path, phase: Phase) -> None:
    files = files_at(root)
    record: Mapping[str, Any] = json.loads((files.analysis if phase is ANALYZE else files.report_record).read_bytes())
    kind = rpa_shard.Analysis if phase is ANALYZE else rpa_shard.Report
    assert {each.name for each in fields(kind)} - {"markdown"} == record.keys()
