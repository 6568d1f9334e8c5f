"""What the endpoint answers, in OpenAI's words: completions in one piece and in many, and errors.

Guarantee: pure; OpenAI's own client understands what is made here. Limit: always one choice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# How a reply is sent: as it should be, or never, half, slowly, and so on.
Manner = Literal["well", "hang", "stall", "slow", "drop", "error-in-stream"]
Finish = Literal["stop", "length", "content_filter"]
CREATED = 1_767_225_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An answer. `usage` is what the endpoint says that it took, None if it does not; `output_tokens` is the truth."""

    id: str
    model: str
    text: str
    output_tokens: int
    finish: Finish = "stop"
    refusal: str | None = None
    usage: Mapping[str, Any] | None = None
    manner: Manner = "well"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An error instead of an answer."""

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON of the error."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def usage_of(input_tokens: int, output_tokens: int, cached_tokens: int) -> dict[str, Any]:
    """What a call took."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }


def in_one_piece(written: Written) -> dict[str, Any]:
    """The JSON of a completion."""
    message = {"role": "assistant", "content": written.text or None, "refusal": written.refusal}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": written.finish}
    body = {**_head(written, "chat.completion"), "choices": [choice]}
    return body if written.usage is None else {**body, "usage": written.usage}


def in_pieces(written: Written, pieces: int, *, with_usage: bool) -> Iterator[bytes]:
    """The events of a stream, without the last one, `DONE`."""
    head = _head(written, "chat.completion.chunk")

    def event(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return as_event({**head, "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    if written.refusal is not None:
        yield event({"refusal": written.refusal})
    for piece in _cut(written.text, pieces):
        yield event({"content": piece})
    yield event({}, written.finish)
    if with_usage and written.usage is not None:
        yield as_event({**head, "choices": [], "usage": written.usage})


def as_event(content: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps(content).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def _head(written: Written, kind: str) -> dict[str, Any]:
    return {"id": written.id, "object": kind, "created": CREATED, "model": written.model}


def _cut(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[start : start + size] for start in range(0, len(text), size)]
