"""What replies mean that are no answers, and how long they ask us to wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.host_policy import MAX_PAUSE_SECONDS
from rpa_shard.llm.errors import ModelLimitedError, ModelRefusedError, OverlongError
from rpa_shard.llm.replies import context_of_model, failure_of_reply, one_line
from rpa_shard.llm.waits import wait_seconds
from rpa_shard.model.failure import Failure, PaperError

NOW = 1_800_000_000.0
DATE = format_datetime(datetime.fromtimestamp(NOW + 30, UTC), usegmt=True)
ISO = datetime.fromtimestamp(NOW + 12.5, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": DATE}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "999999999"}, MAX_PAUSE_SECONDS),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
        ({"x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-tokens": "7.66s", "x-ratelimit-reset-requests": "2m59.56s"}, 7.66),
        (
            {
                "x-ratelimit-reset-tokens": "7s",
                "x-ratelimit-reset-requests": "2m",
                "x-ratelimit-remaining-tokens": "90",
                "x-ratelimit-remaining-requests": "0",
            },
            120.0,
        ),
        ({"anthropic-ratelimit-requests-reset": ISO, "anthropic-ratelimit-requests-remaining": "0"}, 12.5),
        ({"x-ratelimit-reset": str(int(NOW) + 40)}, 40.0),
        ({"x-ratelimit-reset": str(int(NOW + 40) * 1000)}, 40.0),
        ({"ratelimit-reset": "55"}, 55.0),
        ({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_seconds(headers, NOW) == (pytest.approx(seconds) if seconds is not None else None)


NAMES = st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"])


@given(st.dictionaries(NAMES, st.one_of(st.text(), st.from_regex(r"[0-9.]{0,20}(h|m|s|ms)?"), st.datetimes().map(str))))
def test_no_header_breaks_anything(headers: dict[str, str]) -> None:
    seconds = wait_seconds(headers, NOW)
    assert seconds is None or 0 < seconds <= MAX_PAUSE_SECONDS


@given(st.integers(1, 10**4), st.integers(0, 59), st.integers(1, 59))
def test_durations(hours: int, minutes: int, seconds: int) -> None:
    found = wait_seconds({"x-ratelimit-reset-requests": f"{hours}h{minutes}m{seconds}s"}, NOW)
    assert found == min(hours * 3600 + minutes * 60 + seconds, MAX_PAUSE_SECONDS)


def meaning(status: int, error: Any = None, headers: dict[str, str] | None = None, key: str | None = None) -> Exception:
    content = json.dumps(error).encode() if not isinstance(error, bytes) else error
    return failure_of_reply(status, headers or {}, content, key, NOW)


def openai(message: str, code: Any = None, kind: str = "invalid_request_error", **others: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **others}}


def test_limits() -> None:
    found = meaning(429, openai("Rate limit reached", "rate_limit_exceeded"), {"retry-after": "3"})
    assert isinstance(found, ModelLimitedError)
    assert (found.retry_after_seconds, found.detail) == (3.0, "HTTP 429: Rate limit reached")
    assert isinstance(meaning(200, {"message": "slow down", "code": 429}), ModelLimitedError)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota")),
        (402, {"error": {"message": "Insufficient credits", "code": 402}}),
        (401, openai("Incorrect API key provided", "invalid_api_key")),
        (403, {"detail": "Forbidden"}),
        (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}),
        (405, b""),
        (301, b""),
        (200, {"message": "no credits left", "code": 402}),
    ],
)
def test_refusals_that_need_a_person(status: int, error: Any) -> None:
    assert isinstance(meaning(status, error, {"location": "https://elsewhere.example/v1"}), ModelRefusedError)


def test_a_server_that_is_at_a_loss_because_of_response_format() -> None:
    found = meaning(500, openai("1 validation error: body, response_format, type: Input should be 'text'"))
    assert isinstance(found, PaperError)
    assert found.failure is Failure.LLM_REJECTED


@pytest.mark.parametrize(
    ("status", "failure"),
    [(400, Failure.LLM_REJECTED), (422, Failure.LLM_REJECTED), (415, Failure.LLM_REJECTED), (501, Failure.LLM_REJECTED),
     (408, Failure.LLM_FAILED), (409, Failure.LLM_FAILED), (425, Failure.LLM_FAILED), (500, Failure.LLM_FAILED),
     (502, Failure.LLM_FAILED), (503, Failure.LLM_FAILED), (529, Failure.LLM_FAILED), (204, Failure.LLM_FAILED),
     (200, Failure.LLM_FAILED)],
)  # fmt: skip
def test_failures(status: int, failure: Failure) -> None:
    errors: list[Any] = [
        b"",
        b"<html>Bad gateway</html>",
        {"error": "bad"},
        [],
        openai("bad"),
        {"detail": [{"msg": "bad"}]},
    ]
    for error in errors:
        found = meaning(status, error)
        assert isinstance(found, PaperError)
        assert found.failure is failure


@pytest.mark.parametrize(
    ("status", "error", "tokens"),
    [
        (400, openai("This model's maximum context length is 8,192 tokens. However, your messages resulted in 9000 "
                     "tokens.", "context_length_exceeded"), 8192),
        (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you "
               "requested 5000 tokens", "type": "BadRequestError", "code": 400}, 4096),
        (400, openai("The decoder prompt (length 5000) is longer than the maximum model length of 4096."), 4096),
        (400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it",
                         "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 2048}}, 2048),
        (400, {"error": "The input (5000 tokens) is longer than the model's context length (4096 tokens)."}, 4096),
        (400, {"error": "prompt is too long: 210000 tokens > 200000 maximum"}, 200_000),
        (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens"}, 4096),
        (400, {"error": "input length exceeds maximum context length"}, None),
        (500, {"error": {"message": "context size exceeded"}}, None),
        (413, b"Payload Too Large", None),
        (413, openai("Request too large: limit 6000, requested 8000", "rate_limit_exceeded"), None),
        (200, {"message": "maximum context length is 512 tokens", "code": 400}, 512),
    ],
)  # fmt: skip
def test_questions_that_are_too_long(status: int, error: Any, tokens: int | None) -> None:
    found = meaning(status, error)
    assert isinstance(found, OverlongError)
    assert (found.failure, found.allowed_tokens) == (Failure.LLM_OVERLONG, tokens)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai("The response was filtered", "content_filter")), (403, openai("Your input was flagged", 403))],
)
def test_questions_that_a_filter_does_not_let_pass(status: int, error: Any) -> None:
    found = meaning(status, error)
    assert isinstance(found, PaperError)
    assert found.failure is Failure.LLM_REFUSED


KEY = "sk-proj-0123456789abcdefghij"


@given(st.text(), st.text(), st.sampled_from([401, 429, 400, 500, 404]))
def test_an_error_is_one_line_without_the_key(before: str, after: str, status: int) -> None:
    for error in (openai(f"{before}{KEY}{after}"), f"{before} {KEY} {after}".encode(errors="replace"), {"error": KEY}):
        shown = str(meaning(status, error, key=KEY))
        assert KEY not in shown
        assert "\n" not in shown
        assert len(shown) < 400


def test_half_a_key_is_not_shown_either() -> None:
    assert KEY[:14] not in one_line(f"Incorrect API key: {KEY[:15]}*****", KEY)
    assert one_line("a key", "key") == "a [key]"
    assert one_line("no key", None) == "no key"
    assert one_line("a\x1b[31m\nb\u2028c", None) == "a [31m b c"


@given(st.binary(), st.integers(100, 599))
def test_no_body_breaks_anything(content: bytes, status: int) -> None:
    assert isinstance(meaning(status, content), ModelLimitedError | ModelRefusedError | PaperError)


def test_what_endpoints_say_of_their_models() -> None:
    listing: Any = {"data": [{"id": "other"}, {"id": "m", "max_model_len": 4096, "meta": {"n_ctx": 2048}}, 7]}
    assert context_of_model(listing, "m") == 2048
    assert context_of_model(listing, "other") is None
    assert context_of_model({"data": [{"id": "m", "context_length": "much"}]}, "m") is None
    nonsense: list[Any] = [None, [], {"data": 7}, "x", {"data": [{"id": "m", "max_model_len": True, "meta": 7}]}]
    for listing in nonsense:
        assert context_of_model(listing, "m") is None
