"""What a reply means that is no answer: pure rules, without a connection.

Guarantee: every status has one meaning; an error is one line, which never contains the key. Limit: what an endpoint
says in words is understood only as the common servers say it (OpenAI, vLLM, llama.cpp, SGLang, Ollama, Anthropic).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpa_shard.llm.errors import ModelLimitedError, ModelRefusedError, OverlongError
from rpa_shard.llm.events import decoded
from rpa_shard.llm.waits import wait_seconds
from rpa_shard.model.failure import Failure, PaperError

_OK = 200
_LIMITED = 429
_BROKEN = 500
_NOT_IMPLEMENTED = 501
_REFUSING = frozenset({401, 402, 403, 404, 405, 407, 410, 511})
_PASSING = frozenset({408, 409, 423, 425})
# A question may be too long for these only: 500 is llama.cpp's, of some versions.
_OVERLONG_STATUSES = frozenset({400, 413, 422, 500})
_TOO_LARGE = 413
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"})
_OVERLONG_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_FILTERED = frozenset({"content_filter", "content_policy_violation", "moderation"})
_OVERLONG = re.compile(
    r"context (?:length|window|size)|maximum model length|prompt is too long|max_new_tokens`? must be|"
    r"input token count|maximum context",
    re.IGNORECASE,
)
_ALLOWED = re.compile(
    r"maximum (?:context|model) length (?:of|is) (\d+)|context (?:length|size|window) (?:of |is )?\(?(\d+)|"
    r"> (\d+) maximum|must be <= (\d+)|with (\d+) maximum context|tokens allowed \((\d+)\)",
    re.IGNORECASE,
)
_SHOWN_CHARACTERS = 300
# A shorter piece of a key may be a word.
_KEY_PIECE_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Said:
    """What an endpoint said about an error."""

    message: str
    codes: frozenset[str] = frozenset()
    param: str = ""
    status: int | None = None
    context_tokens: int | None = None


def read_error(content: bytes) -> Said:
    """What a reply's body says, in any of the shapes in use."""
    body = decoded(content)
    if not isinstance(body, dict):
        return Said(content[:4000].decode(errors="replace"))
    inner = body.get("error", body.get("detail", body))
    if not isinstance(inner, dict):
        return Said(_words(inner) or _words(body.get("message")))
    code = inner.get("code")
    codes = frozenset(str(each).lower() for each in (code, inner.get("type")) if each is not None)
    message = inner.get("message", inner.get("msg", inner))
    return Said(_words(message), codes, str(inner.get("param") or ""), _status(code), _count(inner.get("n_ctx")))


def failure_of_reply(status: int, headers: Mapping[str, str], content: bytes, key: str | None, now: float) -> Exception:
    """What a reply without an answer means; `headers` have names in lower case, `content` is its body, or part of it.

    Always one of ModelLimitedError, ModelRefusedError, OverlongError and PaperError (LLM_FAILED, LLM_REJECTED, and
    LLM_REFUSED if a filter did not let the question pass).
    """
    said = read_error(content)
    detail = f"HTTP {status}" if status != _OK else "an error in the answer"
    words = one_line(said.message, key)
    if words:
        detail += f": {words}"
    if status == _OK:
        status = said.status or 500
    if said.codes & _FILTERED or (status == 403 and "flagged" in said.message):
        return PaperError(Failure.LLM_REFUSED, detail)
    if status == 402 or said.codes & _SPENT:
        return ModelRefusedError(detail)
    if status == _LIMITED or (status != _TOO_LARGE and "rate_limit_exceeded" in said.codes):
        return ModelLimitedError(detail, wait_seconds(headers, now))
    if is_overlong(status, said):
        return OverlongError(detail, said.context_tokens or allowed_tokens(said.message))
    if 300 <= status < 400:
        where = one_line(headers.get("location", "nowhere"), key)
        return ModelRefusedError(f"{detail}: it leads to {where}: name that address instead")
    if status == _BROKEN and "response_format" in said.message:  # llama-cpp-python says so of what it does not have
        return PaperError(Failure.LLM_REJECTED, detail)
    return _by_status(status, detail)


def _by_status(status: int, detail: str) -> Exception:
    if status in _REFUSING:
        return ModelRefusedError(detail)
    if status == _NOT_IMPLEMENTED or (400 <= status < 500 and status not in _PASSING):
        return PaperError(Failure.LLM_REJECTED, detail)
    return PaperError(Failure.LLM_FAILED, detail)


def is_overlong(status: int, said: Said) -> bool:
    """Whether a question was too long for the model's context."""
    if said.codes & _OVERLONG_CODES or status == _TOO_LARGE:
        return True
    return status in _OVERLONG_STATUSES and _OVERLONG.search(said.message) is not None


def allowed_tokens(message: str) -> int | None:
    """How many tokens the context has, if an error says so."""
    match = _ALLOWED.search(re.sub(r"(?<=\d),(?=\d{3})", "", message))
    return _count(int(next(group for group in match.groups() if group))) if match is not None else None


def context_of_model(listing: Any, model: str) -> int | None:
    """How many tokens the context of a model has by an endpoint's answer to GET /models, if it says so."""
    entries = listing.get("data") if isinstance(listing, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("id") != model:
            continue
        meta = entry.get("meta")
        found = [entry.get(name) for name in _CONTEXT_NAMES]
        found += [meta.get("n_ctx")] if isinstance(meta, dict) else []
        return min((count for each in found if (count := _count(each)) is not None), default=None)
    return None


_CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length")


def one_line(text: str, key: str | None) -> str:
    """What may be shown of a text: its beginning, on one line, without the key or a half of it."""
    for piece in _pieces(key or ""):
        text = text.replace(piece, "[key]")
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"


def _pieces(key: str) -> list[str]:
    half = len(key) // 2
    return [key] * bool(key) + [piece for piece in (key[:half], key[half:]) if len(piece) >= _KEY_PIECE_CHARACTERS]


def _words(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _status(code: Any) -> int | None:
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    return code if isinstance(code, int) and 400 <= code < 600 else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 10**9 and not isinstance(value, bool) else None
