"""Answers that are kept: on disk before anything depends on them, whatever is left of a line by a killed process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.llm.question import Answer, Parameters, Question, Usage
from rpa_shard.phases.writing import answers
from rpa_shard.phases.writing.answers import KeptAnswers


def question(step: str = "analyze/why", **changes: str) -> Question:
    return Question(
        paper_id="2401.00001",
        step=step,
        prompt_sha256=changes.get("prompt", "p"),
        input_sha256=changes.get("input", "i"),
        system=changes.get("system", "s"),
        document=changes.get("document", "d"),
        instruction=changes.get("instruction", "w"),
        schema={},
        parameters=Parameters(max_output_tokens=100),
    )


def answer(text: str = "{}", model: str = "m") -> Answer:
    return Answer(
        model=model,
        place="localhost:1",
        text=text,
        finish="complete",
        usage=Usage(10, 5),
        request_id="r",
        asked_at=1.0,
        answered_at=2.0,
    )


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "2401" / "p.answers.jsonl"
    kept = KeptAnswers(path)
    first = kept.keep(question(), answer("no use"))
    second = kept.keep(question(), answer("better", "other"))
    kept.keep(question("wrap/tags"), answer("tags"))
    assert (first.attempt, second.attempt) == (1, 2)
    again = KeptAnswers(path)
    assert again.given(question().key) == [first, second]
    assert again.given(question().key, ["other"]) == [second]
    assert again.given(question(prompt="changed").key) == []
    assert len(again.all()) == 3


def test_the_key_depends_on_what_is_asked_and_not_on_how_much_of_it_fitted() -> None:
    same = question(document="shorter", instruction="with another neighbour")
    assert same.key == question().key
    others = [question("analyze/how"), question(prompt="q"), question(input="j")]
    assert len({each.key for each in [question(), *others]}) == 4


@given(kept=st.lists(st.text(max_size=30), min_size=1, max_size=4), share=st.floats(0, 1))
def test_whatever_a_killed_process_left_of_a_line_the_lines_before_stay(
    tmp_path_factory: pytest.TempPathFactory, kept: list[str], share: float
) -> None:
    path = tmp_path_factory.mktemp("answers") / "p.answers.jsonl"
    file = KeptAnswers(path)
    sizes = []
    for text in kept:
        file.keep(question(), answer(text))
        sizes.append(path.stat().st_size)
    cut = round(share * sizes[-1])
    path.write_bytes(path.read_bytes()[:cut])
    whole = sum(size <= cut for size in sizes)
    found = KeptAnswers(path)
    assert [each.answer.text for each in found.given(question().key)] == kept[:whole]
    found.keep(question(), answer("next"))
    assert [each.answer.text for each in KeptAnswers(path).given(question().key)] == [*kept[:whole], "next"]


def test_a_full_disk_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.answers.jsonl"
    file = KeptAnswers(path)
    file.keep(question(), answer("first"))

    def half(descriptor: int, content: bytes, offset: int) -> None:
        import os

        os.pwrite(descriptor, content[: len(content) // 2], offset)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full, pytest.raises(OSError, match="No space"):
        full.setattr(answers, "_write", half)
        file.keep(question(), answer("second"))
    file.keep(question(), answer("third"))
    assert [each.answer.text for each in KeptAnswers(path).given(question().key)] == ["first", "third"]


def test_a_damaged_line_is_asked_again_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "p.answers.jsonl"
    file = KeptAnswers(path)
    file.keep(question(), answer("first"))
    file.keep(question("wrap/tags"), answer("second"))
    path.write_bytes(path.read_bytes().replace(b'"first"', b'"fi\xffst"'))
    found = KeptAnswers(path)
    assert found.given(question().key) == []
    assert [each.answer.text for each in found.all()] == ["second"]
