"""The faults of the endpoint: which there are, and what each does to an answer.

Guarantee: pure; every kind of `KINDS` is handled here, and the same request gets the same. Limit: what a fault does to
the connection is only named here (`Manner`); `rpa_shard.testing.llm_mirror.sending` does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, get_args

from rpa_shard.testing.faults import Fault
from rpa_shard.testing.llm_mirror.answers.replies import Manner, Refused, Written
from rpa_shard.testing.llm_mirror.answers.requests import ChatRequest, tokens_of
from rpa_shard.testing.llm_mirror.answers.writer import Matter, filled, judged, prose, sentences_of

# There are HTTP statuses too; `429=5`, `429=date`, `429=500ms` and `429=reset` say in their headers when to come again.
KINDS = {
    "hang": "no answer at all",
    "stall": "half of the answer, then nothing",
    "slow": "the answer, spread over two seconds",
    "drop": "closes the connection in the middle of the answer",
    "error-in-stream": "half of the answer, then an error",
    "cut": "the answer ends in the middle: finish_reason length",
    "refusal": "the model refuses to answer",
    "filter": "a filter stops the answer: finish_reason content_filter",
    "invalid": "JSON that does not fit the schema",
    "not-json": "prose instead of JSON",
    "fence": "the JSON in a block of Markdown, with words around it",
    "empty": "the first text of the answer is empty",
    "echo": "the answer repeats the prompt",
    "repair": "a judge asks for a repair; others answer well",
    "fail": "a judge lets it fail; others answer well",
    "usage-missing": "does not say what the answer took",
    "usage-wrong": "says nonsense about what the answer took",
    "overlong": "400: the request is longer than the context",
    "no-schema": "400 (or =500): there is no response_format here",
}
# These only change what a judge says.
FOR_JUDGES = frozenset({"repair", "fail"})
# After one of these, asking again is right: the answer was complete, and paid for, but is of no use.
OF_NO_USE = frozenset({"cut", "refusal", "filter", "invalid", "not-json", "fence", "empty", "echo", "repair", "fail"})
_REFUSAL = "I'm sorry, but I can't help with that."
_WRONG_USAGE = {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": None}
_STATUSES = {
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: ("Insufficient balance: add credits to go on.", "insufficient_quota", "insufficient_quota"),
    403: ("You are not allowed to use this model.", "permission_error", "model_not_allowed"),
    404: ("The model does not exist, or you have no access to it.", "invalid_request_error", "model_not_found"),
    429: ("Rate limit reached. Please slow down.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None),
}


def write_answer(request: ChatRequest, model: str, fault: Fault | None, context_tokens: int) -> Written | Refused:
    """The answer to a request, with its fault, without usage."""
    if fault is not None and (refused := _refused(request, fault, context_tokens)):
        return refused
    kind = fault.kind if fault is not None else ""
    matter = _matter(request, kind)
    value = filled(request.schema, matter) if request.schema is not None else None
    if kind in _CHANGED_VALUES and value is not None:
        value = _CHANGED_VALUES[kind](value)
    text = json.dumps(value, ensure_ascii=False) if value is not None else prose(matter)
    if request.structure == "json_object" and value is None:
        text = json.dumps({"answer": text}, ensure_ascii=False)
    written = _finished(request, text, model)
    if kind in _CHANGED_ANSWERS:
        written = _CHANGED_ANSWERS[kind](written)
        written = replace(written, output_tokens=tokens_of(written.text + (written.refusal or "")))
    manner: Manner = kind if kind in get_args(Manner) else "well"  # type: ignore[assignment]  # it is one of them
    return replace(written, manner=manner)


def claimed_usage(usage: Mapping[str, Any], kind: str | None) -> Mapping[str, Any] | None:
    """What the endpoint says of what a call took, with its fault."""
    return {"usage-missing": None, "usage-wrong": _WRONG_USAGE}.get(kind or "", usage)


def overlong(request: ChatRequest, context_tokens: int) -> Refused:
    """What is said of a request that is longer than the context."""
    most = request.max_output_tokens or 0
    message = (
        f"This model's maximum context length is {context_tokens} tokens. However, you requested "
        f"{request.input_tokens + most} tokens ({request.input_tokens} in the messages, {most} in the completion). "
        "Please reduce the length of the messages or completion."
    )
    return Refused(status=400, message=message, code="context_length_exceeded", param="messages")


def no_such_format(kind: str) -> Refused:
    """What is said of a response_format that the server does not have."""
    return Refused(
        status=400, message=f"response_format {kind} is not supported by this server", param="response_format"
    )


def refused_with(status: int, headers: Mapping[str, str] | None = None, message: str = "") -> Refused:
    """An error by its HTTP status."""
    usual, kind, code = _STATUSES.get(status, (f"Status {status}.", "server_error", None))
    return Refused(status=status, message=message or usual, kind=kind, code=code, headers=headers or {})


def _refused(request: ChatRequest, fault: Fault, context_tokens: int) -> Refused | None:
    if fault.status is not None:
        return refused_with(fault.status, _when_to_come_again(fault.argument))
    if fault.kind == "overlong":
        return overlong(request, min(context_tokens, max(1, request.input_tokens // 2)))
    if fault.kind == "no-schema" and request.structure != "none":
        return replace(no_such_format(request.structure), status=int(fault.argument or 400))
    return None


def _when_to_come_again(argument: str) -> dict[str, str]:
    if argument == "date":
        return {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}
    if argument == "reset":
        return {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}
    if argument.endswith("ms"):
        return {"retry-after-ms": argument.removesuffix("ms")}
    return {"Retry-After": argument} if argument else {}


def _matter(request: ChatRequest, kind: str) -> Matter:
    if kind == "echo":
        return Matter(sentences=(" ".join(request.instruction.split()),))
    matter = Matter(
        sentences=sentences_of(request.document), instruction=request.instruction, document=request.document
    )
    return judged(matter, kind.upper()) if kind in FOR_JUDGES else matter


def _finished(request: ChatRequest, text: str, model: str) -> Written:
    """The answer, cut where it is longer than was asked for."""
    written = Written(id=f"chatcmpl-{request.key[:24]}", model=model, text=text, output_tokens=tokens_of(text))
    most = request.max_output_tokens
    if most is None or written.output_tokens <= most:
        return written
    return replace(written, text=_first_tokens(text, most), output_tokens=most, finish="length")


def _first_tokens(text: str, tokens: int) -> str:
    return text.encode()[: tokens * 4].decode(errors="ignore")


def _emptied(value: Any) -> Any:
    """The value with its first text emptied, the others as they are."""
    if isinstance(value, str):
        return ""
    if isinstance(value, dict) and value:
        first = next((name for name, part in value.items() if isinstance(part, str | list | dict)), None)
        return {name: _emptied(part) if name == first else part for name, part in value.items()}
    return [_emptied(each) for each in value] if isinstance(value, list) else value


def _broken(value: Any) -> Any:
    """A value that no schema of an object with required parts allows."""
    if isinstance(value, dict) and value:
        return dict(list(value.items())[1:])
    return {"unexpected": value}


def _fenced(written: Written) -> Written:
    return replace(
        written, text=f"Here is what you asked for:\n\n```json\n{written.text}\n```\n\nI hope that it helps."
    )


def _half(written: Written) -> str:
    return written.text[: len(written.text) // 2]


_CHANGED_VALUES: Mapping[str, Callable[[Any], Any]] = {"invalid": _broken, "empty": _emptied}
_CHANGED_ANSWERS: Mapping[str, Callable[[Written], Written]] = {
    "cut": lambda written: replace(written, text=_half(written), finish="length"),
    "filter": lambda written: replace(written, text=_half(written), finish="content_filter"),
    "refusal": lambda written: replace(written, text="", refusal=_REFUSAL),
    "not-json": lambda written: replace(
        written, text="The paper is about " + written.text.replace('"', "").strip("{}")
    ),
    "fence": _fenced,
}
