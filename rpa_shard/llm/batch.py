"""Questions and answers as lines of a file: the batch format of OpenAI, which `vllm run-batch` and others read, too.

Guarantee: pure; a line of answers says which question of which paper it belongs to, or is refused in words. Limit: the
file goes to an endpoint, and comes back from it, by other means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from rpa_shard.config.llm import ModelAt
from rpa_shard.llm.asking import estimate_of, estimated_tokens
from rpa_shard.llm.events import Received
from rpa_shard.llm.question import Answer, Question, Usage
from rpa_shard.llm.structured import Dialect, body_of, json_text
from rpa_shard.llm.tokens import is_plausible

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

    `answer` is what came of it, or None if nothing did, and then `says` is why. `id` is the endpoint's name for it.
    """

    key: str
    paper_id: str
    id: str
    answer: Received | None
    says: str = ""


def custom_id(question: Question) -> str:
    """The name of a question in a batch."""
    return f"{question.key}/{question.paper_id}"


def request_line(question: Question, model: ModelAt) -> bytes:
    """The line that asks a model a question; nobody finds out how it wants to be asked, so it is asked as most do."""
    dialect = replace(Dialect.first(model.structured), max_tokens_name="max_completion_tokens")
    body = body_of(question, model.model, dialect, stream=False)
    line = {"custom_id": custom_id(question), "method": "POST", "url": URL, "body": body}
    return json.dumps(line, ensure_ascii=False, default=dict).encode(errors="backslashreplace") + b"\n"


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
    identity = str(response.get("request_id") or found.get("id") or "")
    if response.get("status_code", _OK) != _OK or found.get("error") or not isinstance(response.get("body"), dict):
        return AnswerLine(named[1], named[2], identity, None, _why(found.get("error"), response))
    received = _received(response["body"])
    return AnswerLine(named[1], named[2], identity, received, "" if received else "no chat completion in it")


def _received(body: Mapping[str, Any]) -> Received | None:
    """What a chat completion says, or None if it is none."""
    received = Received()
    with suppress(ValueError):
        received.take(json.dumps(body).encode())
    return received if received.is_whole else None


def answer_of(line: AnswerLine, question: Question, model: ModelAt, now: float, price_factor: float) -> Answer:
    """The answer of a line that has one, to the question that it belongs to.

    `now` is taken for when it was given, in Unix seconds; it cost `price_factor` times the model's price.
    """
    received = line.answer
    assert received is not None, "the line has one"
    usage = _usage(received, question)
    price = model.price.micro_usd(usage.input_tokens, usage.output_tokens) if model.price is not None else 0
    return Answer(
        model=model.model,
        place=model.place,
        text=json_text(received.text) if received.finish == "complete" else received.text,
        finish=received.finish,
        usage=usage,
        request_id=request_id_of(line),
        asked_at=now,
        answered_at=now,
        micro_usd=round(price * price_factor),
        says=received.says,
    )


def request_id_of(line: AnswerLine) -> str:
    """What tells an answer from others to the same question: the same line, taken in again, is the same answer."""
    said = f"{line.answer.finish} {line.answer.text}" if line.answer is not None else line.says
    return f"batch {line.id} {sha256(said.encode(errors='backslashreplace')).hexdigest()[:8]}"


def _usage(received: Received, question: Question) -> Usage:
    counts, estimate = received.counts, estimate_of(question)
    if counts is None or not is_plausible(counts.input_tokens, estimate):
        return Usage(estimate, estimated_tokens(received.text), estimated=True)
    return Usage(counts.input_tokens, counts.output_tokens, min(max(counts.cached_tokens, 0), counts.input_tokens))


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
