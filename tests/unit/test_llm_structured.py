"""How an endpoint is made to answer in JSON, what is learned about it, and how many tokens a text has."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.llm import ModelAt, Structured
from rpa_shard.llm import learning
from rpa_shard.llm.learning import IGNORED_ANSWERS, Learned
from rpa_shard.llm.question import Parameters, Question
from rpa_shard.llm.replies import Said
from rpa_shard.llm.structured import Dialect, adapted, body_of, is_strict, json_text, obeys
from rpa_shard.llm.tokens import Correction, estimated_tokens, is_plausible

SCHEMA = {
    "type": "object",
    "properties": {"why": {"type": "string"}},
    "required": ["why"],
    "additionalProperties": False,
}
QUESTION = Question(
    paper_id="2401.00001",
    step="analyze/why it matters",
    prompt_sha256="a",
    input_sha256="b",
    system="You read papers.",
    document="A paper.",
    instruction="Say why it matters.",
    schema=SCHEMA,
    parameters=Parameters(max_output_tokens=100),
)


def body(dialect: Dialect, question: Question = QUESTION, *, stream: bool = True) -> dict[str, Any]:
    return body_of(question, "m", dialect, stream=stream)


def test_the_document_comes_before_the_instruction_and_is_the_same_in_all_modes() -> None:
    users = []
    for structured in ("json_schema", "json_object", "none"):
        system, user = body(Dialect(structured))["messages"]
        assert system == {"role": "system", "content": "You read papers."}
        assert user["content"].startswith("A paper.\n\nSay why it matters.")
        users.append(user["content"])
    assert users[1] == users[2]
    assert users[0] == "A paper.\n\nSay why it matters."
    assert users[1].endswith(json.dumps(SCHEMA))


def test_a_request() -> None:
    sent = body(Dialect())
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "why_it_matters", "schema": SCHEMA, "strict": True},
    }
    assert sent["max_tokens"] == 100
    assert sent["stream_options"] == {"include_usage": True}
    assert "temperature" not in sent
    warm = replace(QUESTION, parameters=Parameters(max_output_tokens=100, temperature=0.5))
    assert body(Dialect(), warm)["temperature"] == 0.5
    sent = body(Dialect("none", max_tokens_name="max_completion_tokens", temperature=False), warm, stream=False)
    assert sent.keys() == {"model", "messages", "max_completion_tokens"}
    assert "stream_options" not in body(Dialect(stream_options=False))


def rejected(dialect: Dialect, message: str) -> Dialect:
    found = adapted(dialect, 400, Said(message))
    assert found is not None
    return found


def test_what_is_rejected_is_asked_for_no_more() -> None:
    first = Dialect.first("probe")
    renamed = rejected(first, "'max_tokens' is not supported. Use 'max_completion_tokens' instead.")
    assert renamed == replace(first, max_tokens_name="max_completion_tokens")
    assert not rejected(first, "Unknown argument: stream_options").stream_options
    assert not rejected(first, "'temperature' does not support 0.5 with this model").temperature
    modes = [first]
    while (following := adapted(modes[-1], 422, Said("Invalid schema", param="response_format"))) is not None:
        modes.append(following)
    assert [(mode.structured, mode.strict) for mode in modes] == [
        ("json_schema", True), ("json_schema", False), ("json_object", False), ("none", False),
    ]  # fmt: skip
    assert adapted(first, 400, Said("roles must alternate")) is None
    assert adapted(first, 503, Said("response_format")) is None
    assert adapted(first, 500, Said("response_format: 'json_schema' is no value")) is not None, "llama-cpp-python"


@pytest.mark.parametrize("structured", ["json_object", "none"])
def test_what_the_user_has_said_is_not_changed(structured: Structured) -> None:
    assert adapted(Dialect.first(structured), 400, Said("response_format is not supported")) is None


@given(st.lists(st.sampled_from(["response_format", "stream_options", "max_completion_tokens", "temperature"])))
def test_finding_out_ends(complaints: list[str]) -> None:
    dialects = [Dialect()]
    for complaint in complaints:
        following = adapted(dialects[-1], 400, Said(complaint))
        if following is not None:
            dialects.append(following)
    assert len(set(dialects)) == len(dialects) <= 7


def test_strict_schemas() -> None:
    assert is_strict(SCHEMA)
    assert not is_strict({**SCHEMA, "required": []})
    assert not is_strict({"type": "array", "items": {"type": "object", "properties": {}}})
    assert "strict" not in body(Dialect(strict=False))["response_format"]["json_schema"]


OBJECT = '{"why": "because of {braces}"}'


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"\n {OBJECT} \n",
        f"```json\n{OBJECT}\n```",
        f"Here it is:\n\n```\n{OBJECT}\n```\nI hope that it helps.",
        f"Here it is: {OBJECT} Anything else?",
        f"In {{braces}}, not JSON: {OBJECT}",
        f'<think>{{"why": "a draft"}}</think>\n{OBJECT}',
        f"```python\nprint()\n```\n```json\r\n{OBJECT}\r\n```",
    ],
)
def test_json_is_cut_out_of_what_surrounds_it(text: str) -> None:
    assert json_text(text) == OBJECT


@pytest.mark.parametrize("text", ["", "prose", "[1]", '{"why": "cut', "{" * 10_000, "7", "```json\nno\n```"])
def test_what_has_no_json_stays_as_it_is(text: str) -> None:
    assert json_text(text) == text


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text()))), st.text("ab \n."))
def test_any_object_is_found_in_prose(value: dict[str, Any], prose: str) -> None:
    assert json.loads(json_text(f"{prose}{json.dumps(value)}{prose}")) == value


def test_answers_that_obey_a_schema() -> None:
    assert obeys(OBJECT, SCHEMA)
    for text in ("", "[]", "{}", '{"how": 1}', "prose"):
        assert not obeys(text, SCHEMA)


MODEL = ModelAt("http://127.0.0.1:1/v1", "m", context_tokens=1000)


async def test_one_question_finds_out_and_the_others_wait() -> None:
    learned = Learned(MODEL)
    tried: list[int] = []
    may_go_on = asyncio.Event()

    async def ask(number: int, *, fails: bool = False) -> None:
        async with learned.turn():
            tried.append(number)
            if fails:
                raise ConnectionError
            await may_go_on.wait()
            learned.accepted()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(ask(0, fails=True)), *(asyncio.create_task(ask(number)) for number in range(1, 5))]
    await asyncio.sleep(0.001)
    assert tried == [0, 1]
    tasks[2].cancel()
    may_go_on.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(tried) == [0, 1, 3, 4]


async def test_nobody_waits_long_for_a_question_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "TRIAL_SECONDS", 0.01)
    learned = Learned(MODEL)
    async with learned.turn(), learned.turn(), learned.turn():
        learned.accepted()


def test_what_another_question_has_found_out_is_tried_first() -> None:
    learned = Learned(MODEL)
    sent = learned.dialect
    assert learned.rejected(sent, 400, Said("response_format"))
    now = learned.dialect
    assert learned.rejected(sent, 400, Said("response_format"))
    assert learned.dialect == now
    assert not learned.rejected(now, 400, Said("roles must alternate"))


def test_a_server_that_ignores_schemas_is_given_them_in_words() -> None:
    learned = Learned(MODEL)
    for _ in range(IGNORED_ANSWERS):
        assert learned.dialect.structured == "json_schema"
        learned.answered(learned.dialect, "prose", SCHEMA)
    assert learned.dialect.structured == "none"
    obeying = Learned(MODEL)
    obeying.answered(obeying.dialect, OBJECT, SCHEMA)
    for _ in range(2 * IGNORED_ANSWERS):
        obeying.answered(obeying.dialect, "prose", SCHEMA)
    assert obeying.dialect.structured == "json_schema"


def test_the_context_only_shrinks_and_not_without_end() -> None:
    learned = Learned(MODEL)
    assert learned.overflowed(1000, 900)
    assert learned.overflowed(1000, 5000)
    assert learned.context_tokens == 900
    assert not learned.overflowed(800, 900)
    for _ in range(20):
        learned.overflowed(1000, None)
    assert learned.context_tokens == 500
    assert not learned.overflowed(500, None)


def test_what_an_endpoint_says_of_its_model_counts_for_more_than_an_error() -> None:
    learned = Learned(MODEL)
    learned.has_context(None)
    learned.has_context(5000)
    assert learned.context_tokens == 1000
    learned.has_context(800)
    assert not learned.overflowed(700, 300)
    assert learned.context_tokens == 800


@given(st.text(), st.text())
def test_estimates_of_parts_are_about_those_of_the_whole(one: str, other: str) -> None:
    whole, parts = estimated_tokens(one + other), estimated_tokens(one) + estimated_tokens(other)
    assert abs(whole - parts) <= 1
    assert (estimated_tokens(one) == 0) == (not one)


def test_estimates_are_rather_too_many() -> None:
    # Counted with cl100k_base.
    for text, tokens in (
        ("We propose a new method to train large language models, and evaluate it.", 15),
        ("我们提出了一种新的方法来训练大型语言模型", 24),
        ("∑ᵢ αᵢ∇θ ℒ(θ)", 14),
    ):
        assert tokens <= estimated_tokens(text) <= 2.5 * tokens


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=30), st.integers(0, 10**6))
def test_a_correction_is_bounded(calls: list[tuple[int, int]], estimate: int) -> None:
    correction = Correction()
    for estimated, measured in calls:
        correction = correction.after(estimated, measured)
    assert max(1, 0.39 * estimate) <= correction.corrected(estimate) <= max(1, 4.01 * estimate)


@given(st.floats(0.5, 2.0), st.integers(100, 10**5))
def test_a_correction_becomes_what_is_measured(ratio: float, estimate: int) -> None:
    correction = Correction()
    for _ in range(100):
        correction = correction.after(estimate, round(estimate * ratio))
    assert correction.corrected(estimate) == pytest.approx(estimate * ratio, rel=0.05)


def test_senseless_counts() -> None:
    assert is_plausible(1000, 1200)
    for measured in (-5, 0, 10, 10**9):
        assert not is_plausible(measured, 1200)
