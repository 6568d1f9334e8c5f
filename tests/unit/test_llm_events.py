"""Answers as they come over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.llm.events import AnswerReader, Counts, EventParser, Received


def events(pieces: Iterable[bytes]) -> list[bytes]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.finish()


def divided(content: bytes, places: list[int]) -> list[bytes]:
    cuts = sorted({place % (len(content) + 1) for place in places} | {0, len(content)})
    return [content[start:end] for start, end in pairwise(cuts)]


LINES = st.sampled_from(
    ["data: {}", "data:{}", "data", "data: a: b", ": comment", "event: x", "id", "", "", "\ufeffdata: é", "datax: 1"]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(min_value=0)))
def test_however_it_is_divided_a_stream_has_the_same_events(lines: list[tuple[str, str]], places: list[int]) -> None:
    content = "".join(line + end for line, end in lines).encode()
    assert events(divided(content, places)) == events([content])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"data: one\n\ndata:two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\r", [b"one", b"two"]),
        (b": a comment\n\nevent: x\nid: 7\nretry: 5\ndata: one\n\n", [b"one"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"\xef\xbb\xbfdata:  two spaces\n\n", [b" two spaces"]),
        (b"data: no empty line", [b"no empty line"]),
        (b"data\n\n\n\n", [b""]),
        (b"", []),
    ],
)
def test_the_events_of_a_stream(content: bytes, expected: list[bytes]) -> None:
    assert events([content]) == expected


def test_a_line_end_of_two_bytes_that_is_divided_takes_no_empty_line_with_it() -> None:
    assert events([b"data: one\r", b"\n", b"\n", b"id\n"]) == [b"one"]


def test_an_event_is_there_as_soon_as_its_empty_line_is() -> None:
    parser = EventParser()
    assert parser.feed(b"data: one\r\n\r") == [b"one"]
    assert parser.feed(b"\ndata: two\r\n") == []
    assert parser.feed(b"\r\n") == [b"two"]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **others: Any) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish, "logprobs": None}]
    return b"data: " + json.dumps({"choices": choices, **others}).encode() + b"\n\n"


def received(*pieces: bytes) -> Received:
    found = Received()
    reader = AnswerReader(found)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return found


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
STREAM = (
    b": OPENROUTER PROCESSING\n\n"
    + chunk({"role": "assistant", "content": ""})
    + chunk({"reasoning_content": "hm", "content": None})
    + chunk({"content": "an é"})
    + chunk({"content": " answer"}, "stop")
    + b'data: {"choices": [], "usage": '
    + json.dumps(USAGE).encode()
    + b"}\n\n"
    + DONE
)
WHOLE = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "an é answer"}, "finish_reason": "stop"}], "usage": USAGE}
).encode()


@given(st.sampled_from([STREAM, WHOLE]), st.lists(st.integers(min_value=0)))
def test_however_it_is_divided_an_answer_is_the_same(content: bytes, places: list[int]) -> None:
    found = received(*divided(content, places))
    assert (found.text, found.finish, found.is_whole, found.counts) == (
        "an é answer", "complete", True, Counts(9, 3, 8),
    )  # fmt: skip


@given(st.integers(min_value=0, max_value=len(STREAM) - 1))
def test_a_stream_that_was_cut_is_whole_only_if_its_last_choice_came(place: int) -> None:
    found = received(STREAM[:place])
    assert not found.is_whole or found.text == "an é answer"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "complete"), ("tool_calls", "complete"), ("length", "cut"), ("model_length", "cut"),
     ("content_filter", "refused"), ("SAFETY", "refused")],
)  # fmt: skip
def test_how_an_answer_ended(reason: str, finish: str) -> None:
    found = received(chunk({"content": "a"}), chunk({}, reason), DONE)
    assert (found.finish, found.is_whole) == (finish, True)


def test_a_refusal_is_no_text() -> None:
    found = received(chunk({"refusal": "I can"}), chunk({"refusal": "not"}, "stop"), DONE)
    assert (found.finish, found.text, found.says) == ("refused", "", "I cannot")


def test_the_end_may_be_said_without_a_reason_and_a_reason_without_the_end() -> None:
    assert received(chunk({"content": "a"}), DONE).is_whole
    assert received(chunk({"content": "a"}, "stop")).is_whole
    assert not received(chunk({"content": "a"})).is_whole


def test_an_error_in_the_middle_is_no_answer() -> None:
    error = {"message": "out of memory", "code": 500}
    found = received(chunk({"content": "a"}), b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    assert found.error is not None
    assert json.loads(found.error) == error
    assert received(b'{"object": "error", "message": "no"}').error == b'{"object": "error", "message": "no"}'


def test_texts_in_parts() -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert received(json.dumps({"choices": [{"message": {"content": content}}]}).encode()).text == "ab"


def test_other_choices_are_skipped() -> None:
    second = json.dumps({"choices": [{"index": 1, "delta": {"content": "other"}}]}).encode()
    assert received(chunk({"content": "a"}), b"data: " + second + b"\n\n", chunk({}, "stop")).text == "a"


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": "many", "completion_tokens": 1}, [], "x", {"prompt_tokens": 1}]
)
def test_usage_that_is_none(usage: object) -> None:
    assert received(chunk({"content": "a"}, "stop", usage=usage), DONE).counts is None


@pytest.mark.parametrize(
    "content", [b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": 7}\n\n', b"{", b"data: \xff\n\n"]
)
def test_what_is_no_completion(content: bytes) -> None:
    with pytest.raises(ValueError):
        received(content, DONE)


@given(st.lists(st.binary(max_size=50)))
def test_no_bytes_break_anything_else(pieces: list[bytes]) -> None:
    try:
        found = received(*pieces)
    except ValueError:
        return
    assert found.is_empty or found.text is not None


def test_a_page_is_no_answer() -> None:
    assert received(b"<html><body>Please log in</body></html>").is_empty
    assert received(b" " * 5000, b"data: {}\n\n").is_empty
