"""Questions and answers as lines of a file: the batch format of OpenAI, which `vllm run-batch` and others read, too.

Guarantee: pure; a line of answers says which question of which paper it belongs to, or is refused in words. Limit: the
file goes to an endpoint, and comes back from it, by other means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpa_shard.llm.question import Question

# What OpenAI takes in one file.
MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000
URL = "/v1/chat/completions"
# The question's key, which is all that matters, and the paper's id, which finds it fast.
_CUSTOM_ID = re.compile(r"([0-9a-f]{64})/(.+)", re.DOTALL)
_OK = 200
_SAID_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """The answer to the question with the key `key` about the paper `paper_id`, as it came.

    `body` is the chat completion, or None if there is none, and then `says` is why. `id` is the endpoint's name for it.
    """

    key: str
    paper_id: str
    id: str
    body: Mapping[str, Any] | None
    says: str = ""


def custom_id(question: Question) -> str:
    """The name of a question in a batch."""
    return f"{question.key}/{question.paper_id}"


def request_line(question: Question, body: Mapping[str, Any]) -> bytes:
    """The line of a question, whose request has this body."""
    line = {"custom_id": custom_id(question), "method": "POST", "url": URL, "body": body}
    return json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


def answer_line(line: bytes) -> AnswerLine:
    """A line of the output, or of the errors, of a batch. Raises ValueError, whose message is one line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    named = _CUSTOM_ID.fullmatch(str(found.get("custom_id"))) if isinstance(found, dict) else None
    if named is None:
        raise ValueError("no answer to a question of `analyze --batch-out`: its custom_id is another one")
    response = found.get("response") if isinstance(found.get("response"), dict) else {}
    body = response.get("body")
    if response.get("status_code", _OK) != _OK or not isinstance(body, dict) or found.get("error"):
        body = None
    said = "" if body is not None else _why(found.get("error"), response)
    identity = str(response.get("request_id") or found.get("id") or "")
    return AnswerLine(named[1], named[2], identity, body, said)


def _why(error: Any, response: Mapping[str, Any]) -> str:
    """Why there is no answer, on one line."""
    body = response.get("body")
    inner = body.get("error") if isinstance(body, dict) else None
    for each in (error, inner, body):
        message = each.get("message") or each.get("code") if isinstance(each, dict) else each
        if message:
            status = response.get("status_code", _OK)
            said = " ".join(str(message).split())[:_SAID_CHARACTERS]
            return said if status == _OK else f"{status}: {said}"
    return f"{response['status_code']}" if "status_code" in response else "the line says nothing"
