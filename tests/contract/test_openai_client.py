"""The mirror of a model's endpoint speaks OpenAI's protocol: OpenAI's own client understands it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from jsonschema import Draft202012Validator
from openai.types.chat import ChatCompletionMessageParam

from rpa_shard.testing.llm_mirror import MODEL, LlmMirror, behaviour_of
from rpa_shard.testing.llm_mirror.log import read_calls
from tests.rig import wait_for_async

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "points": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
    "required": ["text", "points"],
    "additionalProperties": False,
}
STRUCTURED: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You read papers."},
    {"role": "user", "content": "The ruler stands at the end of the pier and is read at dawn and at dusk."},
    {"role": "user", "content": "Why does it matter?"},
]


@asynccontextmanager
async def client_of(**options: Any) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        LlmMirror(behaviour_of(**options)) as mirror,
        openai.AsyncOpenAI(base_url=mirror.base_url, api_key="none", max_retries=0) as client,
    ):
        yield client


async def ask(client: openai.AsyncOpenAI, **options: Any) -> Any:
    return await client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)


async def test_models() -> None:
    async with client_of(context_tokens=5000) as client:
        (model,) = (await client.models.list()).data
        assert (model.id, model.to_dict()["max_model_len"]) == (MODEL, 5000)


async def test_an_answer_in_one_piece_and_in_many() -> None:
    async with client_of() as client:
        whole = await ask(client, response_format=STRUCTURED)
        (choice,) = whole.choices
        Draft202012Validator(SCHEMA).validate(json.loads(choice.message.content))
        assert (choice.finish_reason, choice.message.refusal) == ("stop", None)
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens

        stream = await ask(client, response_format=STRUCTURED, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
        assert "".join(pieces) == choice.message.content
        assert len(list(filter(None, pieces))) > 1
        assert chunks[-2].choices[0].finish_reason == "stop"
        assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], whole.usage.completion_tokens)


async def test_a_limit_is_enforced_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    async with client_of(limits="requests=2", log=log) as client:
        for number in range(2):
            await ask(client, extra_headers={"X-Client-Request-Id": f"abc.word.{number}"})
        with pytest.raises(openai.RateLimitError) as refused:
            await ask(client)
        assert 0 < int(refused.value.response.headers["retry-after"]) <= 60
        assert refused.value.code == "rate_limit_exceeded"
    *answered, beyond = read_calls(log)
    assert [(each.key, each.process, each.status, each.is_beyond) for each in answered] == [
        ("abc", "word", 200, False)
    ] * 2
    assert all(each.answered and each.began and each.output_tokens > 9 for each in answered)
    assert (beyond.status, beyond.fault, beyond.is_beyond, beyond.answered) == (429, "beyond requests", True, None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", openai.AuthenticationError),
        ("402", openai.APIStatusError),
        ("404", openai.NotFoundError),
        ("429=date", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
        ("overlong", openai.BadRequestError),
        ("no-schema", openai.BadRequestError),
        ("drop", openai.APIConnectionError),
        ("hang", openai.APITimeoutError),
        ("stall", openai.APITimeoutError),
    ],
)
async def test_faults_are_what_the_client_calls_them(fault: str, error: type[Exception]) -> None:
    async with client_of(faults=fault) as client:
        with pytest.raises(error):
            await ask(client, response_format=STRUCTURED, timeout=0.3 if fault in ("hang", "stall") else 30)
        assert (await ask(client)).choices, "the fault has worn off"


async def test_a_stream_that_breaks_off() -> None:
    async with client_of(faults="error-in-stream") as client:
        stream = await ask(client, stream=True)
        with pytest.raises(openai.APIError, match="error while processing"):
            _ = [chunk async for chunk in stream]


async def test_a_refusal_and_a_cut_answer() -> None:
    async with client_of(faults="refusal") as client:
        (choice,) = (await ask(client)).choices
        assert (choice.message.content, bool(choice.message.refusal)) == (None, True)
    async with client_of(faults="cut") as client:
        assert (await ask(client)).choices[0].finish_reason == "length"


async def test_what_does_not_fit_is_refused_with_the_number() -> None:
    async with client_of(context_tokens=50) as client:
        with pytest.raises(openai.BadRequestError, match="maximum context length is 50 tokens") as refused:
            await ask(client, max_tokens=40)
        assert refused.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="another", messages=MESSAGES)


async def test_a_common_beginning_is_read_from_the_cache() -> None:
    document: ChatCompletionMessageParam = {"role": "user", "content": "The ruler stands at the pier. " * 200}
    async with client_of() as client:
        for instruction, cached in (("Why?", False), ("How?", True)):
            asked: list[ChatCompletionMessageParam] = [document, {"role": "user", "content": instruction}]
            usage = (await client.chat.completions.create(model=MODEL, messages=asked)).usage
            assert usage is not None
            assert usage.prompt_tokens_details is not None
            tokens = usage.prompt_tokens_details.cached_tokens or 0
            assert (tokens > 0.8 * usage.prompt_tokens) == cached


async def test_a_batch(tmp_path: Path) -> None:
    questions = tmp_path / "batch.jsonl"
    body = {"model": MODEL, "messages": MESSAGES, "response_format": STRUCTURED}
    lines = [
        {"custom_id": f"q{number}", "method": "POST", "url": "/v1/chat/completions", "body": body} for number in (1, 2)
    ]
    lines.append({**lines[0], "custom_id": "q3", "body": {"model": MODEL}})
    questions.write_text("".join(json.dumps(each) + "\n" for each in lines))
    async with client_of() as client:
        file = await client.files.create(file=questions, purpose="batch")
        made = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )

        async def completed() -> Any:
            batch = await client.batches.retrieve(made.id)
            return batch if batch.status == "completed" else None

        batch = await wait_for_async(completed, "the batch is completed")
        assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
        answers = (await client.files.content(batch.output_file_id)).text.splitlines()
        errors = (await client.files.content(batch.error_file_id)).text.splitlines()
    assert [json.loads(each)["custom_id"] for each in answers] == ["q1", "q2"]
    text = json.loads(answers[0])["response"]["body"]["choices"][0]["message"]["content"]
    Draft202012Validator(SCHEMA).validate(json.loads(text))
    assert json.loads(errors[0])["response"]["status_code"] == 400
