"""Asking about one paper: kept answers first, several at a time, and no answer that has come is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.llm.errors import OverlongError
from rpa_shard.llm.question import Answer, Question
from rpa_shard.model.failure import Failure, PaperError, PhasePausedError
from rpa_shard.model.phase import ANALYZE, WRAP
from rpa_shard.phases.runner import Attempt, Slots
from rpa_shard.phases.writing.answers import KeptAnswers
from rpa_shard.phases.writing.desk import PAPERS
from rpa_shard.system.activity import CALL, begin
from tests.model_desk import MODEL, Office, Reply, ScriptedAsker, answer_of, good_answer, office

STEPS = {f"analyze/{name}" for name in ("key_outcome", "why_it_matters", "how_to_reproduce_it", "open_questions")}


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path) as made:
        yield made


def attempt() -> Attempt:
    return Attempt(Slots({PAPERS: 10}))


async def until(condition: object) -> None:
    """Waits for a condition that other tasks make true."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def kept_steps(one: Office) -> list[str]:
    return [kept.step for kept in KeptAnswers(one.files.answers).all()]


async def test_all_writers_are_asked_at_a_time_with_the_same_beginning(one: Office) -> None:
    one.asker.gate = asyncio.Event()
    running = asyncio.create_task(one.run(ANALYZE))
    await until(lambda: len(one.asker.asked) == 4)
    assert kept_steps(one) == []
    one.asker.gate.set()
    await running
    one.asker.gate = None
    await one.run(WRAP)
    assert len({(question.system, question.document) for question in one.asker.asked}) == 1
    assert all(question.instruction.endswith(prompt_end(question, one)) for question in one.asker.asked)
    assert "Similar papers:\n- On Tides (2401.00002)" in one.asker.asked[1].instruction


def prompt_end(question: Question, one: Office) -> str:
    prompts = one.desk.prompts
    every = (*prompts.analyze, prompts.limitations, prompts.tags_prompt, prompts.judge)
    return next(prompt.instruction for prompt in every if prompt.step == question.step)


async def test_what_was_answered_is_not_asked_again(one: Office) -> None:
    first = await one.run(ANALYZE)
    content = one.files.analysis.read_bytes()
    one.files.analysis.unlink()
    assert await one.run(ANALYZE) == first
    assert one.files.analysis.read_bytes() == content
    assert one.asker.steps == dict.fromkeys(STEPS, 1)
    assert one.desk.totals == {"kept_answers": 4}


async def test_a_kept_answer_of_no_use_is_asked_for_again_and_stays(one: Office) -> None:
    replies: list[Reply | None] = ["no JSON"]
    one.asker.script = lambda question: replies.pop() if question.step.endswith("key_outcome") and replies else None
    with pytest.raises(PaperError) as caught:
        await one.run(ANALYZE)
    assert caught.value.failure is Failure.LLM_INVALID
    assert sorted(kept_steps(one)) == sorted(STEPS)
    assert not one.files.analysis.exists()
    result = await one.run(ANALYZE)
    assert one.asker.steps == dict.fromkeys(STEPS, 1) | {"analyze/key_outcome": 2}
    assert (result["answers"], result["sections"], result["micro_usd"]) == (5, 4, 750)


async def test_an_answer_of_a_model_that_is_not_asked_any_more_does_not_count(one: Office) -> None:
    one.asker.script = lambda question: answer_of(json.dumps(good_answer(question)), model="other")
    await one.run(ANALYZE)
    one.asker.script = lambda question: None
    assert (await one.run(ANALYZE))["models"] == [MODEL.model]
    assert one.asker.steps == dict.fromkeys(STEPS, 2)


async def test_when_the_shard_drains_what_is_under_way_is_waited_for_and_kept(one: Office) -> None:
    one.asker.gate = asyncio.Event()
    one.asker.turns = asyncio.Semaphore(2)
    trying = attempt()
    running = asyncio.create_task(one.run(ANALYZE, trying))
    await until(lambda: len(one.asker.asked) == 2)
    assert not trying.interruptible
    trying.want_back()
    await asyncio.sleep(0)
    one.asker.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert one.asker.steps.total() == 2
    assert len(kept_steps(one)) == 2
    assert (await one.run(ANALYZE))["answers"] == 4
    assert one.asker.steps == dict.fromkeys(STEPS, 1)


class FailingOver(ScriptedAsker):
    """Asks a second model, as if the first had failed."""

    async def ask(self, question: Question) -> Answer:
        for _ in range(2):
            begin(CALL)
            answer = await super().ask(question)
        return answer


async def test_what_is_under_way_is_not_asked_of_another_model_once_the_paper_is_wanted_back(tmp_path: Path) -> None:
    with office(tmp_path, asker=FailingOver()) as one:
        one.asker.gate = asyncio.Event()
        trying = attempt()
        running = asyncio.create_task(one.run(ANALYZE, trying))
        await until(lambda: len(one.asker.asked) == 4)
        trying.want_back()
        one.asker.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert one.asker.steps == dict.fromkeys(STEPS, 1)
        assert kept_steps(one) == []


async def test_what_takes_longer_than_the_drain_allows_is_given_up(tmp_path: Path) -> None:
    with office(tmp_path, drain_seconds=0.01) as one:
        one.asker.gate = asyncio.Event()
        trying = attempt()
        running = asyncio.create_task(one.run(ANALYZE, trying))
        await until(lambda: len(one.asker.asked) == 4)
        trying.want_back()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert kept_steps(one) == []


async def test_a_shard_that_drains_begins_no_question(one: Office) -> None:
    trying = attempt()
    trying.must_finish()
    trying.want_back()
    with pytest.raises(asyncio.CancelledError):
        await one.run(ANALYZE, trying)
    assert one.asker.asked == []


async def test_after_a_failure_those_that_wait_are_given_up_and_those_under_way_kept(one: Office) -> None:
    one.asker.turns = asyncio.Semaphore(1)
    one.asker.script = lambda question: PaperError(Failure.LLM_REJECTED, "no")
    with pytest.raises(PaperError, match="llm_rejected"):
        await one.run(ANALYZE)
    assert one.asker.steps.total() < 4


async def test_a_pause_hands_the_paper_back_and_a_failure_goes_before_a_pause(one: Office) -> None:
    def script(question: Question) -> Reply | None:
        return PhasePausedError("the budget is spent") if question.step.endswith("key_outcome") else None

    one.asker.script = script
    with pytest.raises(PhasePausedError):
        await one.run(ANALYZE)
    one.asker.script = lambda question: script(question) or answer_of("", finish="refused", says="filter")
    with pytest.raises((PaperError, PhasePausedError)):
        await one.run(ANALYZE)


async def test_a_document_that_is_too_long_for_the_endpoint_is_cut_again_once(one: Office) -> None:
    one.asker.context_tokens = 100_000
    limit = [0]

    def script(question: Question) -> Reply | None:
        limit[0] = limit[0] or len(question.document) - 100
        if len(question.document) > limit[0]:
            one.asker.context_tokens = 4200
            return OverlongError("context of 4200", 4200)
        return None

    one.asker.script = script
    result = await one.run(ANALYZE)
    assert result["complete"] is False
    analysis = json.loads(one.files.analysis.read_text())
    assert analysis["document"]["left_out"] or analysis["document"]["shortened"] is not None


async def test_a_paper_that_never_fits(one: Office) -> None:
    one.asker.script = lambda question: OverlongError("too long", None)
    with pytest.raises(PaperError) as caught:
        await one.run(ANALYZE)
    assert caught.value.failure is Failure.LLM_OVERLONG
    one.asker.context_tokens = 2000
    with pytest.raises(PaperError, match="too little of its text"):
        await one.run(ANALYZE)


@pytest.mark.parametrize("damage", ["scan", "no text", "other text", "no record", "old record"])
async def test_a_paper_without_text_is_never_asked_about(one: Office, damage: str) -> None:
    files = one.files
    if damage == "scan":
        record = json.loads(files.record.read_text())
        files.text.write_text("[PAGE 1]\n")
        from rpa_shard.system.files import fingerprint_of_file

        empty = {"page_offsets": [[9, 9]], "sections": [], "references": [], "abstract": None, "layout": None}
        files.record.write_text(json.dumps(record | empty | {"text_sha256": fingerprint_of_file(files.text).sha256}))
    elif damage == "no text":
        files.text.unlink()
    elif damage == "other text":
        files.text.write_text("another text")
    elif damage == "no record":
        files.record.unlink()
    else:
        record = json.loads(files.record.read_text())
        del record["sections"]
        files.record.write_text(json.dumps(record))
    with pytest.raises(PaperError) as caught:
        await one.run(ANALYZE)
    assert caught.value.failure is Failure.LLM_NO_TEXT
    assert one.asker.asked == []
