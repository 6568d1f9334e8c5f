"""The eight ways in which the first system's analysis broke, each tried again.

What belongs to the governor of models (answers of 429 from many processes) is in its own tests as well; here it is seen
from a paper.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.llm.errors import ModelRefusedError
from rpa_shard.llm.question import Question
from rpa_shard.llm.replies import failure_of_reply
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Phase
from rpa_shard.model.retry import POLICIES, is_final
from rpa_shard.phases.signals.stop_words import EMPTY_WORDS
from rpa_shard.phases.writing.prompts import load_prompts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, released
from rpa_shard.system import failpoints
from tests.model_desk import PAPER, Office, Reply, answer_of, good_answer, office

WRITERS = [prompt.name for prompt in load_prompts(None).analyze]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path) as made:
        yield made


def only(step: str, reply: Reply) -> object:
    """A script that says something else to one step."""
    return lambda question: reply if question.step == step else None


@pytest.mark.parametrize(
    "reply",
    [
        PaperError(Failure.LLM_FAILED, "500"),
        PhasePausedError("the budget is spent"),
        RuntimeError("a defect of ours"),
        "null",
        "None",
        "{}",
        "Error code: 429 - rate limit reached",
        answer_of("", finish="refused", says="content_filter"),
        answer_of('{"problem": "a', finish="cut"),
    ],
    ids=lambda reply: str(getattr(reply, "finish", reply))[:30],
)
@pytest.mark.parametrize("writer", WRITERS)
async def test_1_a_paper_is_analyzed_only_with_all_its_sections(one: Office, writer: str, reply: Reply) -> None:
    """A writer's error became None, and the paper was saved as analyzed; 230 reports held error messages."""
    one.asker.script = only(f"analyze/{writer}", reply)  # type: ignore[assignment]
    with pytest.raises((PaperError, PhasePausedError, RuntimeError)):
        await one.run(ANALYZE)
    assert not one.files.analysis.exists()
    one.asker.script = lambda question: None
    assert (await one.run(ANALYZE))["sections"] == len(WRITERS)


async def test_1_the_judge_is_shown_what_the_sections_say(one: Office) -> None:
    """The judge looked at the structure only."""
    await one.run(ANALYZE)
    await one.run(WRAP)
    (judged,) = (question for question in one.asker.asked if question.step == "wrap/judge")
    for section in json.loads(one.files.report_record.read_text())["sections"]:
        assert f"[{section['name']}] {section['title']}" in judged.instruction
        first = next(iter(section["content"].values()))
        assert first if isinstance(first, list) else first[:60] in judged.instruction
    assert "ruler, a notebook and patience" in judged.document


@pytest.mark.parametrize("listed", [(), ("tides", "sea level")])
async def test_2_a_stop_word_is_never_a_tag(one: Office, listed: tuple[str, ...]) -> None:
    """A pattern in a raw string never matched, so reports were tagged `across`, `these`, `https`."""
    await one.run(ANALYZE)
    one.desk.signals.listed = listed  # type: ignore[attr-defined]
    stop_words = ["across", "these", "https", *sorted(EMPTY_WORDS)[:5]]
    one.asker.script = only("wrap/tags", json.dumps({"tags": stop_words[:8]}))  # type: ignore[assignment]
    with pytest.raises(PaperError) as caught:
        await one.run(WRAP)
    assert caught.value.failure is Failure.LLM_INVALID
    one.asker.script = only("wrap/tags", json.dumps({"tags": ["across", "Tides", "https"]}))  # type: ignore[assignment]
    assert (await one.run(WRAP))["tags"] == ["tides"]


async def test_2_a_tag_that_is_not_in_the_list_is_none(one: Office) -> None:
    await one.run(ANALYZE)
    tags = ["quantum gravity", "Sea Levels"]
    one.asker.script = only("wrap/tags", json.dumps({"tags": tags}))  # type: ignore[assignment]
    assert (await one.run(WRAP))["tags"] == ["sea level"]


async def test_2_nor_is_one_of_an_answer_that_was_kept(one: Office) -> None:
    await one.run(ANALYZE)
    one.asker.script = only("wrap/tags", json.dumps({"tags": ["quantum gravity"]}))  # type: ignore[assignment]
    for _ in range(2):
        with pytest.raises(PaperError) as caught:
            await one.run(WRAP)
        assert caught.value.failure is Failure.LLM_INVALID


def test_3_every_failure_of_a_model_has_its_attempts_and_no_money_is_none_of_them() -> None:
    """Transient errors were tried for ever; 402 counted as transient."""
    failures = [failure for failure in Failure if failure.value.startswith("llm_")]
    without_end = [failure for failure in failures if not is_final(failure, 10)]
    assert without_end == [Failure.LLM_UNREACHABLE], "no connection is not the paper's fault"
    assert all(POLICIES[failure].max_delay_seconds <= 900 for failure in failures)
    found = failure_of_reply(402, {}, b'{"error": {"message": "Insufficient balance"}}', None, time.time())
    assert isinstance(found, ModelRefusedError)


async def test_4_a_closed_model_costs_a_paper_nothing_and_sends_nothing(one: Office) -> None:
    """40,086 answers of 429 in 57 minutes: the gates lived in one process, and were ignored."""
    one.asker.script = lambda question: PhasePausedError("small at 127.0.0.1:9 asked us to slow down")
    with pytest.raises(PhasePausedError):
        await one.run(ANALYZE)
    assert not one.files.answers.exists()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("point", ["write_artifact", "sync_artifact"])
async def test_5_what_cannot_be_written_is_not_done(
    one: Office, monkeypatch: pytest.MonkeyPatch, point: str, error: str
) -> None:
    """`done` was marked although the report's file could not be written."""
    await one.run(ANALYZE)
    monkeypatch.setitem(failpoints._ARMED, point, (error, failpoints._reached[point] + 1))
    with pytest.raises(OSError, match="failpoint"):
        await one.run(WRAP)
    monkeypatch.undo()
    asked = one.asker.steps.total()
    assert (await one.run(WRAP))["verdict"] == "PASS"
    assert one.files.report.exists()
    assert one.asker.steps.total() == asked, "nothing is paid twice for it"


@pytest.mark.parametrize("phase", [ANALYZE, WRAP], ids=lambda phase: phase.name)
async def test_6_who_has_lost_the_lease_saves_nothing(tmp_path: Path, phase: Phase) -> None:
    """The fence token was never checked by a save, and a release deleted the row."""
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(10, 1)) as ledger:
        ledger.add([PAPER])
    async with engine_of(folder).open_store(0, 300.0) as store:
        for each in (PREP, ANALYZE):
            if each is phase:
                break
            (claim,) = await store.claim(each, 1)
            assert await store.finish(claim, completed(each, {"by": "us"}))
        (lost,) = await store.claim(phase, 1)
        assert await store.finish(lost, released(phase, "its shard was killed"))
        (held,) = await store.claim(phase, 1)
        assert not await store.finish(lost, completed(phase, {"by": "a ghost"}))
        assert not await store.finish(lost, released(phase, "late"))
        assert await store.finish(held, completed(phase, {"by": "the holder"}))
    with open_ledger(folder) as ledger:
        row = ledger.paper(PAPER)
        assert row is not None
        assert (row.status, row.results[phase.name]) == (phase.to_status, {"by": "the holder"})


async def test_7_a_row_keeps_no_text(one: Office) -> None:
    """The full text lay in the row and in each checkpoint."""
    results = [await one.run(ANALYZE), await one.run(WRAP)]
    rows = json.dumps(results)
    assert len(rows) < 2500
    assert len(one.files.analysis.read_bytes()) > 5 * len(json.dumps(results[0]))
    assert "notebook" not in rows


async def test_8_all_questions_about_a_paper_begin_alike(one: Office) -> None:
    """Four prompts sent the text again, each behind another system prompt: no cache could keep anything."""

    def script(question: Question) -> Reply | None:
        if question.step == "wrap/judge" and one.asker.steps["wrap/judge"] == 1:
            return json.dumps(good_answer(question, "REPAIR"))
        return None

    one.asker.script = script
    await one.run(ANALYZE)
    await one.run(WRAP)
    assert one.asker.steps["wrap/repair"] > 0
    beginnings = {(question.system, question.document) for question in one.asker.asked}
    assert len(beginnings) == 1
    text = one.asker.asked[0].document
    assert "ruler, a notebook and patience" in text
    assert all("ruler, a notebook and patience" not in load.instruction for load in one.desk.prompts.analyze)
