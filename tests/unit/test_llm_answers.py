"""What the mirror of a model answers: it fits the schema, is about the document, and is the same each time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from rpa_shard.testing.faults import Fault, parse_faults
from rpa_shard.testing.llm_mirror.answers.faults import KINDS, OF_NO_USE, claimed_usage, write_answer
from rpa_shard.testing.llm_mirror.answers.replies import Refused, Written, in_pieces
from rpa_shard.testing.llm_mirror.answers.requests import ChatRequest, RequestError, parse_request, tokens_of
from rpa_shard.testing.llm_mirror.answers.writer import Matter, filled, sentences_of, tags_in

DOCUMENT = (
    "We describe how the water level of a small harbour can be read as a slow clock. The method needs a ruler, a "
    "notebook and a good deal of patience. Readings that differ by more than a foot are repeated [2]. See arXiv:1."
)
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 400},
        "points": {"type": "array", "items": {"$ref": "#/$defs/point"}, "minItems": 2, "maxItems": 4},
        "kind": {"enum": ["theory", "ruler"]},
    },
    "required": ["text", "points", "kind"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"says": {"type": "string"}}, "required": ["says"]}},
}


def asked(schema: dict[str, Any] | None = SCHEMA, **others: Any) -> ChatRequest:
    format_ = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}} if schema else None
    messages = [
        {"role": "system", "content": "You read papers."},
        {"role": "user", "content": DOCUMENT},
        {"role": "user", "content": "Why does the paper matter to anybody who was never at that harbour?"},
    ]
    return parse_request({"model": "m", "messages": messages, "response_format": format_, **others}, "key.a.1")


def answer(request: ChatRequest, kind: str | None = None) -> Written:
    written = write_answer(request, "m", Fault(kind) if kind else None, 10_000)
    assert isinstance(written, Written)
    return written


def test_an_answer_fits_its_schema_and_speaks_of_the_document() -> None:
    written = answer(asked())
    value = json.loads(written.text)
    Draft202012Validator(SCHEMA).validate(value)
    assert (written.finish, written.output_tokens) == ("stop", tokens_of(written.text))
    assert value["kind"] == "ruler", "the value of which the document speaks"
    assert "notebook and a good deal of patience" in value["text"]
    assert "arXiv" not in written.text
    sentences = written.text.replace('"', " ").split(". ")
    assert len(set(sentences)) == len(sentences), "no sentence comes twice"
    assert answer(asked()) == written


@pytest.mark.parametrize("where", ["json_object", "none"])
def test_a_schema_in_the_instruction_is_filled_too(where: str) -> None:
    format_ = {"response_format": {"type": "json_object"}} if where == "json_object" else {}
    text = f"{DOCUMENT}\n</document>\n\nAnswer in JSON {{as below}}, after this schema: {json.dumps(SCHEMA)}"
    request = parse_request({"model": "m", "messages": [{"role": "user", "content": text}], **format_})
    assert request.structure == where
    assert request.document.startswith("We describe")
    Draft202012Validator(SCHEMA).validate(json.loads(answer(request).text))


def test_without_a_schema_it_is_prose() -> None:
    assert "harbour" in answer(asked(None)).text


@pytest.mark.parametrize(
    "instruction",
    [
        "Choose three of these tags: clocks, `tides`, bees, bridges.",
        "The list of tags:\n\n- clocks\n- tides\n- bees\n\nChoose the tags that fit: its field, for example.",
    ],
)
def test_tags_are_those_that_are_offered(instruction: str) -> None:
    schema = {"properties": {"tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}}}
    matter = Matter(sentences=sentences_of(DOCUMENT), instruction=instruction, document="About tides and bees.")
    assert filled(schema, matter) == {"tags": ["tides", "bees"]}
    assert tags_in(instruction)[:3] == ["clocks", "tides", "bees"]
    assert tags_in("Choose the tags under which it should be found: its field, its method.") == []


def test_a_judge_passes_unless_it_is_told_otherwise() -> None:
    schema = {
        "type": "object",
        "properties": {
            "verdict": {"type": "string", "enum": ["FAIL", "PASS", "REPAIR"]},
            "reasons": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["verdict", "reasons"],
    }
    assert json.loads(answer(asked(schema)).text) == {"verdict": "PASS", "reasons": []}
    for kind in ("repair", "fail"):
        value = json.loads(answer(asked(schema), kind).text)
        assert value["verdict"] == kind.upper()
    instruction = (
        "What was written:\n\n[why_it_matters] Why it matters\n\nIt does.\n\n[end of what was written]\n\nJudge."
    )
    messages = [{"role": "user", "content": f"{DOCUMENT}\n{'=' * 20}\n\n{instruction}"}]
    repair = json.loads(
        answer(
            parse_request(
                {
                    "model": "m",
                    "messages": messages,
                    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
                }
            ),
            "repair",
        ).text
    )
    assert repair["reasons"] == ["why_it_matters"]


def test_what_is_written_again_is_another_text() -> None:
    before = json.loads(answer(asked()).text)["text"]
    messages = [{"role": "user", "content": DOCUMENT}, {"role": "user", "content": f"Write it again:\n\n{before}"}]
    schema = {"properties": {"text": {"type": "string"}}}
    format_ = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    again = answer(parse_request({"model": "m", "messages": messages, "response_format": format_}))
    assert not set(before.split(". ")) & set(json.loads(again.text)["text"].split(". "))


_LEAVES = st.one_of(
    st.fixed_dictionaries({"type": st.just("string")}, optional={"minLength": st.integers(0, 300)}),
    st.fixed_dictionaries({"type": st.just("string"), "maxLength": st.integers(1, 50)}),
    st.fixed_dictionaries({"enum": st.lists(st.sampled_from(["PASS", "water", "x", 3]), min_size=1, unique=True)}),
    st.fixed_dictionaries({"type": st.sampled_from(["integer", "number"])}, optional={"minimum": st.integers(-9, 9)}),
    st.fixed_dictionaries({"type": st.just("integer"), "exclusiveMinimum": st.integers(-9, 9)}),
    st.fixed_dictionaries({"type": st.just("number"), "maximum": st.integers(-9, 9)}),
    st.sampled_from([{"type": "boolean"}, {"type": ["null", "string"]}, {"anyOf": [{"type": "null"}, {"const": 4}]}]),
)


def _grown(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(st.sampled_from("abcd"), children, max_size=3).map(
        lambda parts: {"type": "object", "properties": parts, "required": list(parts), "additionalProperties": False}
    )
    arrays = st.tuples(children, st.integers(0, 4), st.integers(0, 3)).map(
        lambda drawn: {"type": "array", "items": drawn[0], "minItems": drawn[1], "maxItems": drawn[1] + drawn[2]}
    )
    return objects | arrays


@given(st.recursive(_LEAVES, _grown, max_leaves=6))
def test_whatever_the_schema_the_answer_fits(schema: dict[str, Any]) -> None:
    if "enum" in json.dumps(schema) and '"minItems"' in json.dumps(schema):
        return  # so many different values need not exist
    matter = Matter(sentences=sentences_of(DOCUMENT), document=DOCUMENT)
    Draft202012Validator(schema).validate(filled(schema, matter))


def test_faults_that_spoil_an_answer() -> None:
    good = answer(asked())
    spoiled = {kind: answer(asked(), kind) for kind in OF_NO_USE - {"repair", "fail"}}
    assert all(each.text != good.text for each in spoiled.values())
    assert (spoiled["cut"].finish, spoiled["filter"].finish) == ("length", "content_filter")
    assert spoiled["refusal"].refusal
    assert not spoiled["refusal"].text
    for kind in ("invalid", "empty"):
        assert not Draft202012Validator(SCHEMA).is_valid(json.loads(spoiled[kind].text))
    assert json.loads(spoiled["empty"].text)["text"] == ""
    assert "Why does the paper matter" in json.loads(spoiled["echo"].text)["text"]
    for kind in ("not-json", "fence", "cut"):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(spoiled[kind].text)
    assert json.loads(spoiled["fence"].text.split("```")[1].removeprefix("json")) == json.loads(good.text)


def test_every_kind_is_handled() -> None:
    good = answer(asked())
    for kind in KINDS:
        reply = write_answer(asked(), "m", parse_faults(kind, 0, KINDS).faults[0], 10_000)
        changes_usage = claimed_usage({"prompt_tokens": 3}, kind) != {"prompt_tokens": 3}
        assert reply != good or changes_usage or kind in ("repair", "fail"), f"{kind} does nothing"


@pytest.mark.parametrize(
    ("written", "headers"),
    [
        ("429=7", {"Retry-After": "7"}),
        ("429=500ms", {"retry-after-ms": "500"}),
        ("429=reset", {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}),
        ("429", {}),
    ],
)
def test_when_to_come_again(written: str, headers: dict[str, str]) -> None:
    refused = write_answer(asked(), "m", parse_faults(written, 0, KINDS).faults[0], 10_000)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.headers, refused.code) == (429, headers, "rate_limit_exceeded")


def test_an_answer_is_no_longer_than_it_may_be() -> None:
    written = answer(asked(max_tokens=20))
    assert (written.finish, written.output_tokens, tokens_of(written.text)) == ("length", 20, 20)


@given(st.text(), st.integers(1, 9))
def test_pieces_make_the_whole(text: str, pieces: int) -> None:
    written = Written(id="x", model="m", text=text, output_tokens=1, usage={"total_tokens": 2})
    events = [json.loads(each.removeprefix(b"data: ")) for each in in_pieces(written, pieces, with_usage=True)]
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in events[:-1]) == text
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert (events[-1]["choices"], events[-1]["usage"]) == ([], {"total_tokens": 2})


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"model": "m"},
        {"model": "m", "messages": []},
        {"messages": [{"role": "user", "content": "x"}]},
        {"model": "m", "messages": [{"role": "system", "content": "x"}]},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0},
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema"}},
    ],
)
def test_what_is_no_request_is_refused(body: Any) -> None:
    with pytest.raises(RequestError):
        parse_request(body)
