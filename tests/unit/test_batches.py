"""Batches from end to end, without a run: questions to a file, answers from one, the papers as far as they get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.cli.main import main
from rpa_shard.llm.question import Parameters, Question
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.phase import ANALYZE, PREP
from rpa_shard.phases.files import files_of
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.store.rows import PaperRow
from tests.model_desk import good_answer, prepped_paper

FIRST, SECOND = "2401.00001", "2401.00002"
PAPERS = (FIRST, SECOND)
LAYOUT = Layout(200, 2)
# What is answered to a line of a batch, as a body, or a status and what is said.
Reply = dict[str, Any] | tuple[int, str]
Answers = Callable[[str, dict[str, Any]], Reply | None]


@dataclass
class Desk:
    """A data folder with two prepped papers, and the commands on it."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    said: list[str] = field(default_factory=list)
    round: int = 0

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.root / "data")

    def command(self, *arguments: str) -> int:
        self.capsys.readouterr()
        code = main(["analyze", *arguments])
        output, errors = self.capsys.readouterr()
        self.said = output.splitlines() + errors.splitlines()
        return code

    def questions(self, *arguments: str) -> list[dict[str, Any]]:
        """What a batch would ask now."""
        self.round += 1
        assert self.command("--batch-out", str(self.root / f"q{self.round}.jsonl"), *arguments) == 0, self.said
        files = sorted(self.root.glob(f"q{self.round}-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def take_in(self, lines: Iterable[dict[str, Any]], *arguments: str) -> int:
        path = self.root / "a.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return self.command("--batch-in", str(path), *arguments)

    def row(self, paper_id: str) -> PaperRow:
        with open_ledger(self.folder) as ledger:
            row = ledger.paper(paper_id)
        assert row is not None
        return row

    def statuses(self) -> list[str]:
        return [self.row(each).status.value for each in PAPERS]

    def kept(self, paper_id: str) -> list[str]:
        answers = KeptAnswers(files_of(self.folder.papers, from_canonical(paper_id)).answers).all()
        return sorted(each.step for each in answers)

    def files(self) -> set[tuple[Path, int]]:
        return {(path, path.stat().st_mtime_ns) for path in (self.root / "data" / "papers").rglob("*")}


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RPA_V2_LLM_ENDPOINTS", "http://127.0.0.1:9/v1 models=small price=1/10")
    made = Desk(tmp_path, capsys)
    with open_ledger(made.folder, LAYOUT) as ledger:
        ledger.add(PAPERS)
    for paper_id in PAPERS:
        prepped_paper(made.folder, paper_id)
        content = files_of(made.folder.papers, from_canonical(paper_id)).record.read_bytes()
        async with engine_of(made.folder).open_store(LAYOUT.shard_of(paper_id), 60.0) as store:
            for claim in await store.claim_named(PREP, [paper_id]):
                await store.finish(claim, completed(PREP, row_result(json.loads(content), content, pdf_kept=False)))
    return made


def answered(lines: Iterable[dict[str, Any]], reply: Answers = lambda step, line: None) -> list[dict[str, Any]]:
    """The lines of a file of answers: good ones, except where `reply` says something else."""
    made = []
    for number, line in enumerate(lines):
        body = line["body"]
        step = body["response_format"]["json_schema"]["name"]
        said = reply(step, line) or good_body(body)
        response = {"status_code": 200, "request_id": f"{line['custom_id'][:8]}-{number}", "body": said}
        if isinstance(said, tuple):
            response |= {"status_code": said[0], "body": {"error": {"message": said[1]}}}
        made.append({"id": f"b{number}", "custom_id": line["custom_id"], "response": response, "error": None})
    return made


def good_body(body: dict[str, Any], finish: str = "stop", **others: Any) -> dict[str, Any]:
    document, _, instruction = body["messages"][1]["content"].rpartition("=" * 20)
    question = Question(
        paper_id="",
        step="",
        prompt_sha256="",
        input_sha256="",
        system="",
        document=document,
        instruction=instruction,
        schema=body["response_format"]["json_schema"]["schema"],
        parameters=Parameters(max_output_tokens=1),
    )
    content = good_answer(question) | others
    if "tags" in content:
        listed = instruction.partition("The list of tags:")[2].splitlines()
        content["tags"] = [line[2:] for line in listed if line.startswith("- ")][:2] or content["tags"]
    message = {"role": "assistant", "content": json.dumps(content)}
    usage = {"prompt_tokens": 2000, "completion_tokens": 200}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}


def test_papers_go_from_text_to_a_report_in_three_batches(desk: Desk) -> None:
    before = desk.files()
    first = desk.questions()
    assert len(first) == 8
    assert desk.said[0].startswith("8 questions about 2 papers (2 for analyze, 0 for wrap) to 1 files, ")
    assert (desk.files(), desk.statuses()) == (before, ["prepped", "prepped"]), "questions change nothing"
    answers = answered(first)
    assert desk.take_in(answers) == 0, desk.said
    assert desk.said == ["kept 8 answers about 2 papers", "papers    2 analyzed"]
    assert desk.statuses() == ["analyzed", "analyzed"]
    assert desk.row(FIRST).results["analyze"]["micro_usd"] == 4 * (2000 * 1 + 200 * 10) // 2, "half the price"
    assert desk.take_in(answers) == 0
    assert desk.said == ["kept 0 answers about 2 papers", "left out  8 are kept already"]
    for steps in (["limitations", "tags"], ["judge"]):
        asked = desk.questions()
        assert sorted({each["body"]["response_format"]["json_schema"]["name"] for each in asked}) == steps
        assert desk.take_in(answered(asked)) == 0, desk.said
    assert desk.statuses() == ["done", "done"]
    assert len(desk.kept(FIRST)) == 7
    assert desk.questions() == []
    assert main(["verify"]) == 0


def test_a_paper_waits_for_its_other_answers_free_of_charge(desk: Desk) -> None:
    answers = answered(desk.questions(FIRST, "--limit", "1"))
    assert len(answers) == 4
    assert desk.take_in(answers[:2]) == 0
    assert desk.said == ["kept 2 answers about 1 papers", "papers    1 wait for more answers"]
    row = desk.row(FIRST)
    assert (row.status, row.attempts, row.failure, len(desk.kept(FIRST))) == ("prepped", 0, None, 2)
    assert len(desk.questions(FIRST)) == 2, "what is kept is not asked again"
    assert desk.take_in(answers) == 0
    assert desk.statuses() == ["analyzed", "prepped"]
    assert len(desk.kept(FIRST)) == 4


def test_an_answer_of_no_use_is_an_attempt_once(desk: Desk) -> None:
    asked = desk.questions(FIRST)

    def cut(step: str, line: dict[str, Any]) -> Reply | None:
        return good_body(line["body"], "length") if step == "key_outcome" else None

    answers = answered(asked, cut)
    assert desk.take_in(answers) == 0, "another one may follow"
    assert desk.said == ["kept 4 answers about 1 papers", "papers    1 failed, and wait for another answer"]
    row = desk.row(FIRST)
    assert (row.status, row.attempts, row.failure) == ("prepped", 1, "llm_cut")
    assert desk.take_in(answers) == 0
    assert (desk.row(FIRST).attempts, len(desk.kept(FIRST))) == (1, 4)
    again = desk.questions(FIRST)
    assert [each["custom_id"] for each in again] == [
        each["custom_id"] for each in asked if each["body"]["response_format"]["json_schema"]["name"] == "key_outcome"
    ]
    assert desk.take_in(answered(again)) == 0
    assert (desk.statuses()[0], len(desk.kept(FIRST))) == ("analyzed", 5)


def test_what_a_killed_command_held_is_taken_in_by_the_next(desk: Desk) -> None:
    answers = answered(desk.questions(FIRST))

    async def claim() -> None:
        async with engine_of(desk.folder).open_store(LAYOUT.shard_of(FIRST), 60.0) as store:
            assert len(await store.claim_named(ANALYZE, [FIRST])) == 1

    asyncio.run(claim())
    assert desk.statuses()[0] == "analyzing"
    assert desk.take_in(answers) == 0
    assert desk.statuses()[0] == "analyzed"


def test_lines_without_an_answer_change_nothing(desk: Desk) -> None:
    answers = answered(desk.questions(FIRST), lambda step, line: (400, "too long"))
    assert desk.take_in([*answers, {"custom_id": "another"}]) == 1
    assert desk.said[:2] == ["kept 0 answers about 1 papers", "no answer 4: 400: too long"]
    assert desk.said[2].startswith("no answer 1 lines; line 5: no answer to a question of")
    row = desk.row(FIRST)
    assert (row.status, row.attempts, desk.kept(FIRST)) == ("prepped", 0, [])
    with open_ledger(desk.folder) as ledger:
        assert len(ledger.history(FIRST)) == 1, "it was not even claimed"


def test_answers_to_what_is_not_asked_any_more_are_left_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answered(desk.questions())
    mine = desk.root / "prompts"
    assert main(["prompts", "--copy", str(mine)]) == 0
    monkeypatch.setenv("RPA_V2_PROMPTS", str(mine))
    changed = mine / "analyze" / "key_outcome.md"
    changed.write_text(changed.read_text() + "Be brief.\n")
    with open_ledger(desk.folder) as ledger:
        ledger.add(["2401.00009"])
    stranger = answers[0] | {"custom_id": answers[0]["custom_id"][:65] + "2401.00008"}
    waiting = answers[0] | {"custom_id": answers[0]["custom_id"][:65] + "2401.00009"}
    assert desk.take_in([*answers, stranger, waiting]) == 1
    assert desk.said[:2] == ["kept 6 answers about 4 papers", "papers    2 wait for more answers"]
    assert sorted(desk.said[2:]) == [
        "left out  1 are about papers that wait for no answer",
        "left out  1 are about papers that were never added",
        "left out  2 answer questions that are not asked any more: the prompts or the text have changed since",
    ]


def test_only_the_chosen_papers(desk: Desk) -> None:
    assert len(desk.questions(SECOND)) == 4
    assert desk.questions("--status", "analyzed") == []
    answers = answered(desk.questions())
    assert desk.take_in(answers, SECOND) == 0
    assert desk.statuses() == ["prepped", "analyzed"]
    assert desk.command("--batch-out", str(desk.root / "x.jsonl"), "--dry-run") == 0
    assert desk.said == ["6 questions about 2 papers (1 for analyze, 1 for wrap)"]
    assert list(desk.root.glob("x-*")) == []


def test_answers_are_not_taken_in_during_a_run(desk: Desk) -> None:
    answers = answered(desk.questions())
    with desk.folder.run.run_lock():
        assert desk.take_in(answers) == 2
        assert "another run is working" in desk.said[0]
        assert len(desk.questions()) == 8, "questions may be written"
    assert desk.kept(FIRST) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--batch-in", "nowhere.jsonl"], "No such file"),
        (["--batch-in", "x", "--dry-run"], "has no --dry-run"),
        (["--batch-out", "x", "--daemon"], "are for a run"),
        (["--batch-out", "x", "--status", "done"], "give no other --status"),
        (["--batch-out", "x", "--price-factor", "1"], "give --batch-in"),
        (["--force"], "give --batch-out"),
        (["--batch-out", "-"], "no name of files"),
    ],
)
def test_mistakes(desk: Desk, arguments: list[str], line: str) -> None:
    assert desk.command(*arguments) == 2
    assert len(desk.said) == 1
    assert line in desk.said[0]
