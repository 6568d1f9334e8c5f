"""Lines of batches: what OpenAI and vLLM write, and what nobody should."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.llm import ModelAt, Price
from rpa_shard.llm.batch import AnswerLine, answer_line, answer_of, custom_id, request_line
from rpa_shard.llm.question import Parameters, Question

KEY = "a" * 64
SMALL = ModelAt("http://127.0.0.1:1/v1", "small", price=Price(1.0, 10.0))
BODY = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}


def question(paper_id: str = "2401.00001") -> Question:
    return Question(
        paper_id=paper_id,
        step="analyze/key_outcome",
        prompt_sha256="p",
        input_sha256="i",
        system="s",
        document="d",
        instruction="i",
        schema={},
        parameters=Parameters(max_output_tokens=10),
    )


@given(st.text(min_size=1))
def test_a_question_is_found_again_whatever_its_paper_is_called(paper_id: str) -> None:
    asked = question(paper_id)
    line = json.loads(request_line(asked, SMALL))
    body = line.pop("body")
    assert line == {"custom_id": custom_id(asked), "method": "POST", "url": "/v1/chat/completions"}
    assert (body["model"], body["max_completion_tokens"], "stream" in body) == ("small", 10, False)
    assert body["messages"][1]["content"].startswith("d")
    answered = {"id": "batch_req_1", "custom_id": line["custom_id"], "response": {"status_code": 200, "body": BODY}}
    found = answer_line(json.dumps(answered).encode())
    assert (found.key, found.paper_id, found.id, found.says) == (asked.key, paper_id, "batch_req_1", "")
    assert found.answer is not None
    assert found.answer.text == "{}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"response": {"status_code": 200, "request_id": "r", "body": BODY}, "error": None}, ("r", "{}", "")),
        ({"id": "vllm-1", "response": {"request_id": "vllm-batch-1", "body": BODY}}, ("vllm-batch-1", "{}", "")),
        (
            {"id": "b", "response": {"status_code": 400, "body": {"error": {"message": "too\nlong"}}}},
            ("b", None, "400: too long"),
        ),
        ({"response": None, "error": {"code": "batch_expired", "message": "expired"}}, ("", None, "expired")),
        ({"response": {"status_code": 200, "body": BODY}, "error": {"code": "x"}}, ("", None, "x")),
        ({"response": {"status_code": 500}}, ("", None, "500")),
        ({"response": {"status_code": 200, "body": "text"}}, ("", None, "text")),
        ({}, ("", None, "the line says nothing")),
        ({"response": {"body": {}}}, ("", None, "no chat completion in it")),
        ({"response": {"body": {"choices": []}}}, ("", None, "no chat completion in it")),
        ({"response": {"body": {"choices": "x"}}}, ("", None, "no chat completion in it")),
        ({"response": {"body": {"error": {"message": "no"}}}}, ("", None, "no chat completion in it")),
    ],
)
def test_answers_and_errors(line: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = answer_line(json.dumps({"custom_id": f"{KEY}/x", **line}).encode())
    assert (found.key, found.paper_id) == (KEY, "x")
    assert (found.id, found.answer.text if found.answer is not None else None, found.says) == expected


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"7", b"{}", b'{"custom_id": "request-1"}', b'{"custom_id": 7}', b"\xff"]
)
def test_lines_that_are_no_answers(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^no "):
        answer_line(line)


def completion(text: str, reason: str = "stop", **usage: int) -> AnswerLine:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    response = {"request_id": "req_1", "body": {"choices": [choice], "usage": usage or None}}
    return answer_line(json.dumps({"custom_id": f"{KEY}/2401.00001", "response": response}).encode())


def test_what_an_answer_cost() -> None:
    line = completion('{"a": 1}', prompt_tokens=100, completion_tokens=50, total_tokens=150)
    answer = answer_of(line, question(), SMALL, 7.0, 0.5)
    assert (answer.text, answer.finish, answer.micro_usd) == ('{"a": 1}', "complete", 300)
    assert answer.request_id.startswith("batch req_1 ")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.estimated) == (100, 50, False)
    assert (answer.model, answer.place, answer.asked_at, answer.answered_at) == ("small", "127.0.0.1:1", 7.0, 7.0)
    assert answer_of(line, question(), SMALL, 7.0, 1.0).micro_usd == 600


def test_answers_that_are_of_no_use_are_answers_too() -> None:
    cut = answer_of(completion('{"a": ', "length"), question(), SMALL, 7.0, 0.5)
    assert (cut.text, cut.finish, cut.usage.estimated) == ('{"a": ', "cut", True)
    assert answer_of(completion("", "content_filter"), question(), SMALL, 7.0, 0.5).finish == "refused"
