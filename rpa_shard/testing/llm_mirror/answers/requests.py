"""What a request for a chat completion asks for: its texts, the schema of the answer, and how it is to be sent.

Guarantee: pure; every request that OpenAI's client can make is understood, or refused with a message. Limit: of several
choices, tools, images and sound, nothing is made; tokens are counted as four bytes each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

BYTES_PER_TOKEN = 4
STRUCTURES = ("json_schema", "json_object", "none")
Structure = Literal["json_schema", "json_object", "none"]
# What may separate a document from the instruction after it, where both are in one message.
_SEPARATOR = re.compile(r"\n\s*(?:</[\w-]+>|-{3,}|={3,}|\*{3,})\s*\n")


class RequestError(Exception):
    """A request is refused with 400; the message says why, `param` which part of it is meant."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param = message, param


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request. `key` stands for the question: requests with the same key ask the same.

    `prompt` is all its text, of which `document` is what is asked about and `instruction` what is to be done.
    """

    key: str
    request_id: str
    model: str
    prompt: str
    document: str
    instruction: str
    structure: Structure
    schema: Mapping[str, Any] | None
    stream: bool
    with_usage: bool
    max_output_tokens: int | None
    input_tokens: int


def tokens_of(text: str) -> int:
    """How many tokens a text has, by this endpoint's simple count."""
    return -(-(len(text) if text.isascii() else len(text.encode(errors="replace"))) // BYTES_PER_TOKEN)


def parse_request(body: Any, request_id: str = "") -> ChatRequest:
    """Understands the JSON of a request; `request_id` is what its sender calls it. Raises RequestError."""
    if not isinstance(body, dict):
        raise RequestError("the body is no JSON object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise RequestError("'messages' must be a list of messages", "messages")
    model = body.get("model")
    if not isinstance(model, str):
        raise RequestError("you must provide a model parameter", "model")
    document, instruction = _parts(messages)
    structure, schema = _format(body.get("response_format"))
    prompt = "\n".join(text for each in messages for text in _texts(each))
    options = body.get("stream_options")
    return ChatRequest(
        key=request_id.partition(".")[0] or blake2b(prompt.encode(errors="replace"), digest_size=16).hexdigest(),
        request_id=request_id,
        model=model,
        prompt=prompt,
        document=document,
        instruction=instruction,
        structure=structure,
        schema=schema if schema is not None else schema_in(instruction),
        stream=body.get("stream") is True,
        with_usage=isinstance(options, dict) and options.get("include_usage") is True,
        max_output_tokens=_most(body),
        input_tokens=tokens_of(prompt),
    )


def schema_in(text: str) -> Mapping[str, Any] | None:
    """The last JSON Schema that is written in a text, if there is one."""
    decoder, found, place = json.JSONDecoder(), None, text.find("{")
    while place >= 0:
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
        else:
            found = value if isinstance(value, dict) and ("properties" in value or "$ref" in value) else found
        place = text.find("{", place)
    return found


def _most(body: Mapping[str, Any]) -> int | None:
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if most is not None and (not isinstance(most, int) or most < 1):
        raise RequestError("max_tokens must be at least 1", "max_tokens")
    return most


def _format(wanted: Any) -> tuple[Structure, Mapping[str, Any] | None]:
    kind = wanted.get("type") if isinstance(wanted, dict) else "text"
    if kind == "text":
        return "none", None
    if kind == "json_object":
        return "json_object", None
    named = wanted.get("json_schema") if kind == "json_schema" else None
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(named, dict) or not isinstance(named.get("name"), str) or not isinstance(schema, dict):
        raise RequestError("response_format must be text, json_object, or json_schema with a name and a schema")
    return "json_schema", schema


def _parts(messages: list[Any]) -> tuple[str, str]:
    """The document, and the instruction after it: the last text, or what follows the last separator."""
    texts = [text for each in messages if each.get("role") == "user" for text in _texts(each)]
    if not texts:
        raise RequestError("there must be a message of the user", "messages")
    if len(texts) > 1:
        return "\n".join(texts[:-1]), texts[-1]
    (text,) = texts
    separators = list(_SEPARATOR.finditer(text))
    place = separators[-1].end() if separators else text.rfind("\n\n") + 1
    return text[:place], text[place:]


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    if content is None:
        return []
    parts = content if isinstance(content, list) else [content]
    if not all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in parts):
        raise RequestError("the content of a message must be text", "messages")
    return [each["text"] for each in parts]
