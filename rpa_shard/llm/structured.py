"""How an endpoint is made to answer in JSON, and what else it accepts in a request.

Guarantee: pure; whatever an endpoint rejects, the next dialect asks for less, so that finding out ends. Limit: an
endpoint that accepts a schema and ignores it is noticed by its answers only (`obeys`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rpa_shard.config.llm import Structured
from rpa_shard.llm.question import Question
from rpa_shard.llm.replies import Said

# Statuses by which servers say that they do not know, or not accept, a parameter.
_NOT_ACCEPTED = frozenset({400, 422, 500, 501})
_ABOUT_JSON = re.compile(r"response_format|json_schema|json_object|structured|schema|grammar|guided", re.IGNORECASE)
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\r?\n(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
# So many places where an object may begin are looked at: a text full of braces must not take for ever.
_MAX_BEGINNINGS = 50
SCHEMA_HEAD = "Answer with one JSON object and nothing else. It must be valid against this JSON Schema:"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a model at an endpoint is sent. `fixed`: the user has said how it is made to answer in JSON."""

    structured: Structured = "json_schema"
    strict: bool = True
    fixed: bool = False
    max_tokens_name: str = "max_tokens"
    stream_options: bool = True
    temperature: bool = True

    @classmethod
    def first(cls, structured: Structured) -> Dialect:
        """What is tried first."""
        return cls() if structured == "probe" else cls(structured, fixed=True)


def adapted(dialect: Dialect, status: int, said: Said) -> Dialect | None:
    """What to try after a request in `dialect` was not accepted; None if that has other reasons."""
    if status not in _NOT_ACCEPTED:
        return None
    text = f"{said.param} {said.message} {' '.join(said.codes)}"
    if "max_completion_tokens" in text and dialect.max_tokens_name == "max_tokens":
        return replace(dialect, max_tokens_name="max_completion_tokens")
    if "stream_options" in text and dialect.stream_options:
        return replace(dialect, stream_options=False)
    if _ABOUT_JSON.search(text):
        return _less(dialect)
    if "temperature" in text and dialect.temperature:
        return replace(dialect, temperature=False)
    return None


def _less(dialect: Dialect) -> Dialect | None:
    """The same, with less asked of the structure."""
    if dialect.structured == "json_schema" and dialect.strict:
        return replace(dialect, strict=False)
    if dialect.fixed or dialect.structured == "none":
        return None
    return replace(dialect, structured="json_object" if dialect.structured == "json_schema" else "none")


def body_of(question: Question, model: str, dialect: Dialect, *, stream: bool) -> dict[str, Any]:
    """The body of a request for a chat completion."""
    instruction = question.instruction
    if dialect.structured != "json_schema":
        schema = json.dumps(question.schema, ensure_ascii=False)
        instruction = f"{instruction}\n\n{SCHEMA_HEAD}\n{schema}"
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": f"{question.document}\n\n{instruction}"},
        ],
        dialect.max_tokens_name: question.parameters.max_output_tokens,
    }
    if question.parameters.temperature is not None and dialect.temperature:
        body["temperature"] = question.parameters.temperature
    if dialect.structured != "none":
        body["response_format"] = _response_format(question, dialect)
    if stream:
        body["stream"] = True
        if dialect.stream_options:
            body["stream_options"] = {"include_usage": True}
    return body


def _response_format(question: Question, dialect: Dialect) -> dict[str, Any]:
    if dialect.structured == "json_object":
        return {"type": "json_object"}
    name = _NAME.sub("_", question.step.rpartition("/")[2])[:64] or "answer"
    described: dict[str, Any] = {"name": name, "schema": question.schema}
    if dialect.strict and is_strict(question.schema):
        described["strict"] = True
    return {"type": "json_schema", "json_schema": described}


def is_strict(schema: Any) -> bool:
    """Whether a schema is what OpenAI calls strict: every object has all its properties and no others."""
    return all(
        each.get("additionalProperties") is False and set(each.get("required", ())) == set(each.get("properties", ()))
        for each in _objects(schema)
    )


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a schema that describe objects."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" or isinstance(schema.get("properties"), Mapping):
            yield schema
        for each in schema.values():
            yield from _objects(each)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from _objects(each)


def json_text(text: str) -> str:
    """The JSON object of an answer, cut out of Markdown or prose; the text itself if there is none."""
    text = _THOUGHT.sub("", text, count=1).strip()
    if _object_end(text, 0) == len(text):
        return text
    for match in _FENCE.finditer(text):
        inner = match[1].strip()
        if _object_end(inner, 0) == len(inner):
            return inner
    for found in _beginnings(text):
        end = _object_end(text, found)
        if end is not None:
            return text[found:end]
    return text


def obeys(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether an answer is an object with all the properties that a schema requires."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and all(name in value for name in schema.get("required", ()))


_JSON = json.JSONDecoder()


def _object_end(text: str, begin: int) -> int | None:
    """Where the object ends that begins there; None if none does."""
    if not text.startswith("{", begin):
        return None
    try:
        return _JSON.raw_decode(text, begin)[1]
    except (ValueError, RecursionError):
        return None


def _beginnings(text: str) -> Iterator[int]:
    place = -1
    for _ in range(_MAX_BEGINNINGS):
        place = text.find("{", place + 1)
        if place < 0:
            return
        yield place
