"""What is kept of an analysis and a report: records that fit their schemas, Markdown that reads back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.settings import Settings
from rpa_shard.llm.question import Question
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.errors import StoreError
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.phase import ANALYZE, WRAP
from rpa_shard.phases.analyze import record as analysis_record
from rpa_shard.phases.analyze.definition import ANALYZE_DEFINITION
from rpa_shard.phases.finished import expected_files, remove_files
from rpa_shard.phases.wrap import record as report_record
from rpa_shard.phases.writing.material.markdown import as_markdown, escaped, yaml_text
from rpa_shard.phases.writing.prompts import copy_prompts, load_prompts
from rpa_shard.system.files import fingerprint_of_file
from tests.model_desk import PAPER, Office, Reply, good_answer, office

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path) as made:
        yield made


def judge(*verdicts: str, sections: list[str] | None = None) -> Any:
    """A script in which the judge says these, one after the other."""
    left = list(verdicts)

    def script(question: Question) -> Reply | None:
        if question.step != "wrap/judge":
            return None
        verdict = left.pop(0)
        reasons = ["The number in the first section is not that of Table 2."]
        return json.dumps({"reasons": reasons, "sections": sections or [], "verdict": verdict})

    return script


def front_matter(report: str) -> dict[str, Any]:
    begin, head, _ = report.split("---\n", 2)
    assert begin == ""
    found: dict[str, Any] = yaml.safe_load(head)
    return found


async def test_records_and_report_are_what_is_documented(one: Office) -> None:
    analyzed, done = await one.run(ANALYZE), await one.run(WRAP)
    analysis = json.loads(one.files.analysis.read_text())
    report = json.loads(one.files.report_record.read_text())
    jsonschema.validate(analysis, analysis_record.json_schema())
    jsonschema.validate(report, report_record.json_schema())
    assert [section["name"] for section in report["sections"]] == [
        *(section["name"] for section in analysis["sections"]), "limitations",
    ]  # fmt: skip
    assert report["tags"] == done["tags"] == ["tides", "sea level"]
    assert report["spent"]["answers"] == analyzed["answers"] + done["answers"] == 7
    written = one.files.report.read_text()
    head = front_matter(written)
    assert head["ver"] == report["schema"] == 1
    for name in ("id", "title", "authors", "source", "tags", "verdict", "repaired", "reported_at"):
        assert head[name] == report[name], name
    assert (head["model"], head["input_tokens"], head["output_tokens"], head["cost_usd"]) == (
        "small",
        7000,
        700,
        0.00105,
    )
    assert head["core_contribution"] == " ".join(report["core_contribution"].split())
    headings = [line for line in written.splitlines() if line.startswith("## ")]
    assert headings == [f"## {section['title']}" for section in report["sections"]] + ["## In this collection"]


@pytest.mark.parametrize("schema", [analysis_record.json_schema(), report_record.json_schema()])
def test_every_field_is_described(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    page = (DOCS / "analysis-record.md").read_text()
    for part in _objects(schema):
        for name, field in part["properties"].items():
            assert field.get("description"), name
            assert f"`{name}`" in page, name


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for below in schema.values():
            yield from _objects(below)


async def test_what_verify_expects_is_there_and_what_remove_removes_is_all(one: Office) -> None:
    results = {ANALYZE: await one.run(ANALYZE), WRAP: await one.run(WRAP)}
    papers, paper = str(one.folder.papers), from_canonical(PAPER)
    expected = [each for phase, result in results.items() for each in expected_files(papers, paper, phase, result)]
    assert [Path(each.path) for each in expected] == [one.files.analysis, one.files.report, one.files.report_record]
    for each in expected:
        found = fingerprint_of_file(Path(each.path))
        assert (found.size_bytes, found.sha256) == (each.size_bytes, each.sha256)
    assert list(expected_files(papers, paper, ANALYZE, {"words": 3})) == []
    there = [path for path in one.folder.papers.rglob("*") if path.is_file()]
    assert remove_files(one.folder.papers, [PAPER]) == len(there) == 6
    assert [path for path in one.folder.papers.rglob("*") if path.is_file()] == []


async def test_a_repair_writes_the_named_sections_again_and_is_judged_once_more(one: Office) -> None:
    await one.run(ANALYZE)
    one.asker.script = judge("REPAIR", "PASS", sections=["[key_outcome]", "limitations", "conclusion"])
    result = await one.run(WRAP)
    assert one.asker.steps["wrap/judge"] == one.asker.steps["wrap/repair"] == 2
    repairs = [question for question in one.asker.asked if question.step == "wrap/repair"]
    assert len({question.key for question in repairs}) == 2
    assert "The number in the first section is not that of Table 2." in repairs[0].instruction
    assert result["repaired"] == 2
    report = json.loads(one.files.report_record.read_text())
    assert report["repaired"] == ["key_outcome", "limitations"]
    assert front_matter(one.files.report.read_text())["repaired"] == ["key_outcome", "limitations"]
    asked = one.asker.steps.total()
    one.files.report.unlink()
    assert await one.run(WRAP) == result
    assert one.asker.steps.total() == asked


@pytest.mark.parametrize("verdicts", [["FAIL"], ["REPAIR", "REPAIR"], ["REPAIR", "FAIL"]])
async def test_a_report_that_is_not_passed_is_none(one: Office, verdicts: list[str]) -> None:
    await one.run(ANALYZE)
    one.asker.script = judge(*verdicts)
    for _ in range(2):
        with pytest.raises(PaperError) as caught:
            await one.run(WRAP)
        assert caught.value.failure is Failure.LLM_JUDGED
        assert "Table 2" in caught.value.detail
    assert one.asker.steps["wrap/judge"] == len(verdicts)
    assert not one.files.report.exists()


async def test_an_analysis_that_is_damaged_or_of_another_text_is_not_wrapped(one: Office) -> None:
    await one.run(ANALYZE)
    analysis = json.loads(one.files.analysis.read_text())
    for content in (b"{", json.dumps(analysis | {"text_sha256": "0" * 64}).encode(), b"[]", b'{"sections": []}'):
        one.files.analysis.write_bytes(content)
        with pytest.raises(PaperError) as caught:
            await one.run(WRAP)
        assert caught.value.failure is Failure.LLM_NO_TEXT
    assert one.asker.steps.total() == 4


async def test_prompts_of_a_user_with_other_sections_make_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    copy_prompts(folder)
    for path in (folder / "analyze").iterdir():
        path.unlink()
    (folder / "analyze" / "summary.md").write_text(
        "title: In short\nreads: document\nmax_output_tokens: 300\n\nSum it up.\n"
    )
    (folder / "analyze" / "summary.schema.json").write_text(
        '{"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}'
    )
    with office(tmp_path / "data", prompts=load_prompts(folder)) as one:
        await one.run(ANALYZE)
        await one.run(WRAP)
        report = one.files.report.read_text()
        assert front_matter(report)["core_contribution"] is None
        assert "\n## In short\n\n" in report


async def test_what_a_model_writes_adds_no_headings_and_no_html(one: Office) -> None:
    evil = (
        "# Not a heading\n---\n<script>alert(1)</script> is what the text of this paper says in its third section, too."
    )

    def script(question: Question) -> Reply | None:
        if not question.step.endswith("why_it_matters"):
            return None
        return json.dumps(good_answer(question) | {"problem": evil})

    one.asker.script = script
    await one.run(ANALYZE)
    await one.run(WRAP)
    report = one.files.report.read_text()
    assert "\\# Not a heading\n\\---\n\\<script>" in report
    assert report.count("\n# ") == 1


@given(st.text(max_size=80))
def test_any_text_reads_back_from_yaml(text: str) -> None:
    assert yaml.safe_load(f"title: {yaml_text(text)}\nnext: 1\n") == {"title": text, "next": 1}


@given(st.text(max_size=80))
def test_what_is_escaped_begins_no_heading(text: str) -> None:
    assert not any(line.lstrip(" ").startswith(("#", "```")) for line in escaped(text).split("\n"))


def test_markdown_of_nested_content() -> None:
    content = {"questions": [{"question": "Why?", "basis": "Table 2.\n\nAnd 3."}], "note": "", "more": {"a_b": [1, 2]}}
    assert as_markdown(content, {}) == (
        "**Questions.**\n\n- **Question.** Why?\n\n  **Basis.** Table 2.\n\n  And 3.\n\n"
        "**More.**\n\n- 1\n- 2"
    )  # fmt: skip


def settings_of(**knobs: str) -> Settings:
    return Settings.from_environment({f"RPA_V2_{name}": value for name, value in knobs.items()})


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({}, "RPA_V2_LLM_ENDPOINTS: no model is named"),
        ({"LLM_ENDPOINTS": "http://x.org/v1 models=m", "PROMPTS": "/nowhere/at/all"}, "there is no folder /nowhere"),
        (
            {"LLM_ENDPOINTS": "http://x.org/v1 models=m context=4096"},
            "context=4096 of m at x.org leaves a paper 4\\d\\d tokens",
        ),
    ],
)
def test_a_run_that_cannot_ask_is_refused(knobs: dict[str, str], says: str) -> None:
    with pytest.raises(StoreError, match=says):
        ANALYZE_DEFINITION.refuse(settings_of(**knobs), None, None)  # type: ignore[arg-type]


def test_a_run_that_can_ask_is_not() -> None:
    ANALYZE_DEFINITION.refuse(settings_of(LLM_ENDPOINTS="http://x.org/v1 models=m"), None, None)  # type: ignore[arg-type]
