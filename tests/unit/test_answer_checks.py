"""What an answer must be to become a part of a report, with answers as models really give them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.llm.question import Answer, Finish, Usage
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.writing.checking.checks import Checker, parsed
from rpa_shard.phases.writing.checking.repetition import Told, loop_in, may_stutter
from rpa_shard.phases.writing.prompts import Prompt, load_prompts

PROMPTS = load_prompts(None)
BY_NAME = {
    prompt.name: prompt for prompt in (*PROMPTS.analyze, PROMPTS.limitations, PROMPTS.tags_prompt, PROMPTS.judge)
}
WHY: dict[str, Any] = {
    "problem": "Tide gauges record the level of the sea at a harbour wall, but a gauge that sinks with its pier cannot "
    "be told from a sea that rises; earlier corrections needed a satellite receiver at each gauge.",
    "contribution": "The paper shows that the phase of the M2 tide, read over 40 years, gives the sinking of a gauge "
    "to 0.3 mm a year without any receiver, from the records that are there anyway.",
    "consequence": "Records of 112 harbours become usable for trends, for periods before 1993, when satellites began; "
    "the method needs 15 years of hourly values at least (Section 4.2).",
}
OPEN = {
    "questions": [
        {
            "question": "Does the method hold where the M2 tide is weaker than 5 cm?",
            "basis": "Table 3 leaves out the 9 harbours of the Baltic Sea, and the authors name this in Section 6.",
            "next_step": "Apply it to the hourly records of Stockholm, of which the paper says that they are complete.",
        },
        {
            "question": "As an AI model of tides grows, does its error still fall with the length of the record?",
            "basis": 'Figure 5 stops at 60 years. The model of Table 1 answers "I cannot tell" before 1950.',
            "next_step": "Repeat Figure 5 with the 140 years of Brest, and give the spread over the stations.",
        },
    ]
}
REPRODUCE = {
    "materials": [
        "Hourly records of 112 harbours (UHSLC, version of 2022)",
        "Code: not stated",
        "Hardware: not stated",
    ],
    "steps": [
        "Fit the amplitude and phase of 67 constituents to each year, with the package UTide.",
        "Fit a straight line to the phase of M2, weighted by the inverse of its variance.",
        "Error 404: the stations of Table 4 whose records are missing on the server are left out.",
    ],
    "check": "The sinking of Venice is 1.5 mm a year, with a spread of 0.3 mm, for 1970 to 2010.",
    "missing": [
        "Which of the records were corrected by hand is not stated.",
        "The seed of the bootstrap is not stated.",
    ],
}
OUTCOME = {
    "core_contribution": "The phase of the M2 tide tells how fast a tide gauge sinks, to 0.3 mm a year.",
    "outcome": "For 112 harbours the sinking agrees with satellite receivers within 0.4 mm a year (median; Table 2), "
    "where the receivers have a spread of 0.5 mm a year themselves.",
    "evidence": [
        "Table 2: the median difference is 0.21 mm a year for 112 harbours.",
        "Figure 4: no drift over 40 years.",
    ],
    "strength": '112 harbours of 31 countries. "I am sorry to say that no other check exists", the authors write.',
}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("why_it_matters", WHY),
    ("open_questions", OPEN),
    ("how_to_reproduce_it", REPRODUCE),
    ("key_outcome", OUTCOME),
    ("limitations", {"stated": ["The paper names no limitations."], "unstated": [
        "All 112 harbours have tides above 20 cm, so that nothing is known of seas with weaker tides.",
        "The receivers that serve as the truth stand on average 900 m from the gauges, which may sink otherwise.",
    ]}),
    ("tags", {"tags": ["sea-level", "tide-gauge", "harmonic-analysis"]}),
    ("judge", {"reasons": ["All numbers were compared with Tables 2 and 3."], "sections": [], "verdict": "PASS"}),
]  # fmt: skip


def checker(prompt: Prompt) -> Checker:
    return Checker(prompt.schema, prompt.min_words, (PROMPTS.system, prompt.instruction))


CHECKERS = {name: checker(prompt) for name, prompt in BY_NAME.items()}


def answer(text: str, finish: Finish = "complete", says: str = "") -> Answer:
    return Answer(
        model="qwen3", place="127.0.0.1:1", text=text, finish=finish, usage=Usage(10, 20), request_id="r", asked_at=1.0,
        answered_at=2.0, says=says,
    )  # fmt: skip


def failure_of(name: str, text: str, finish: Finish = "complete", says: str = "") -> PaperError:
    with pytest.raises(PaperError) as caught:
        CHECKERS[name].check(answer(text, finish, says))
    assert "\n" not in caught.value.detail
    assert len(caught.value.detail) < 300
    return caught.value


@pytest.mark.parametrize(("name", "value"), GOOD)
@pytest.mark.parametrize(
    "written",
    ["{}", "\n {}\n", "```json\n{}\n```", "<think>The paper says {{x}}.\nI cannot be sure.</think>\n{}"],
)
def test_good_answers_pass_as_they_are_written(name: str, value: dict[str, Any], written: str) -> None:
    text = written.replace("{{x}}", "x").replace("{}", json.dumps(value, indent=1))
    assert CHECKERS[name].check(answer(text)) == value


@pytest.mark.parametrize(
    ("failure", "text", "finish", "says"),
    [
        (Failure.LLM_CUT, json.dumps(WHY)[:-40], "cut", ""),
        (Failure.LLM_CUT, json.dumps(WHY), "cut", ""),
        (Failure.LLM_REFUSED, "", "refused", "content_filter"),
        (Failure.LLM_REFUSED, "I'm sorry, but I can't assist with that.", "complete", ""),
        (Failure.LLM_REFUSED, "I cannot summarize this paper, since only its references are given.", "complete", ""),
        (Failure.LLM_REFUSED, "As an AI language model, I do not have access to papers.", "complete", ""),
        (Failure.LLM_EMPTY, "", "complete", ""),
        (Failure.LLM_EMPTY, " \n", "complete", ""),
        (Failure.LLM_EMPTY, "<think>What should I say?</think>", "complete", ""),
        (Failure.LLM_INVALID, "The paper matters since it is about tides.", "complete", ""),
        (Failure.LLM_INVALID, json.dumps(WHY)[:-1], "complete", ""),
        (Failure.LLM_INVALID, "{'problem': 'x'}", "complete", ""),
        (Failure.LLM_INVALID, json.dumps(WHY) + json.dumps(WHY), "complete", ""),
        (Failure.LLM_INVALID, "null", "complete", ""),
        (Failure.LLM_INVALID, "[]", "complete", ""),
        (Failure.LLM_INVALID, '{"x": NaN}', "complete", ""),
        (Failure.LLM_INVALID, "[" * 100_000, "complete", ""),
        (Failure.LLM_INVALID, json.dumps(WHY | {"problem": "\ud800" * 60}), "complete", ""),
        (Failure.LLM_INVALID, json.dumps({"problem": WHY["problem"]}), "complete", ""),
        (Failure.LLM_INVALID, json.dumps(WHY | {"more": "about tides"}), "complete", ""),
        (Failure.LLM_INVALID, json.dumps(WHY | {"problem": None}), "complete", ""),
        (Failure.LLM_INVALID, json.dumps(BY_NAME["why_it_matters"].schema), "complete", ""),
    ],
)
def test_an_answer_that_is_none(failure: Failure, text: str, finish: Finish, says: str) -> None:
    assert failure_of("why_it_matters", text, finish, says).failure is failure


@pytest.mark.parametrize(
    "text",
    [
        "Too many requests lead to a queue that never empties, which the paper shows for 12 servers (Figure 2).",
        "The text is given in three languages, and no text was given to the annotators besides it.",
        "Error: the mean absolute error of the level, 0.3 mm, is what earlier work could not go below.",
        '"I cannot tell", the model answers in 31 % of the cases, which the authors take for honesty.',
        "As an AI model is trained on its own output, its tails vanish; the paper shows when this happens.",
        "Not stated: the paper begins with the method and says nothing of what was unsolved before it.",
    ],
)
def test_a_text_that_only_looks_like_a_refusal_or_an_error(text: str) -> None:
    assert CHECKERS["why_it_matters"].check(answer(json.dumps(WHY | {"problem": text})))["problem"] == text


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        *((Failure.LLM_EMPTY, text) for text in (
            "", "  ", "...", "…", "-", "N/A", "n/a.", "None", "null", "TODO", "TBD", "[TODO]", "<insert text here>",
            "[Your answer here]", "string", "**N/A**", "To be determined.", "{text}",
        )),
        (Failure.LLM_REFUSED, "I cannot determine the problem, since the text of the paper is not readable."),
        (Failure.LLM_REFUSED, "I’m unable to access the paper. Please share its text with me and I will try again."),
        (Failure.LLM_REFUSED, "Please provide the paper, so that its problem can be described by this answer."),
        (Failure.LLM_REFUSED, "No paper was provided, so that nothing can be said about the problem it addresses."),
        (Failure.LLM_INVALID, "Error code: 429 - {'error': {'message': 'Rate limit reached for qwen3'}}"),
        (Failure.LLM_INVALID, "Traceback (most recent call last): File run.py, line 3, in <module> client.chat()"),
        (Failure.LLM_INVALID, "short"),
        (Failure.LLM_ECHO, "The problem and why it was unsolved, two to four sentences."),
        (Failure.LLM_ECHO, "Everything that you write must follow from the text of the paper that you are given. Do "
         "not add facts, numbers, names, citations or judgements from anywhere else, not even if you know the paper."),
    ],
)  # fmt: skip
def test_a_text_that_is_none_fails_the_complete_answer(failure: Failure, text: str) -> None:
    found = failure_of("why_it_matters", json.dumps(WHY | {"problem": text}))
    assert found.failure is failure
    if failure in (Failure.LLM_EMPTY, Failure.LLM_REFUSED):
        assert "problem" in found.detail


def test_texts_that_are_long_enough_one_by_one_may_be_too_short_together() -> None:
    short = dict.fromkeys(WHY, "Something is said here, which is not so much.")
    found = failure_of("why_it_matters", json.dumps(short))
    assert found.failure is Failure.LLM_EMPTY
    assert found.detail == "27 words, at least 60 are expected"


def test_an_answer_that_repeats_itself() -> None:
    sentence = "The method is new and works well for all of the harbours that were looked at. "
    assert failure_of("why_it_matters", json.dumps(WHY | {"problem": sentence * 12})).failure is Failure.LLM_ECHO
    assert failure_of("why_it_matters", json.dumps(WHY | {"problem": "tide " * 200})).failure is Failure.LLM_ECHO
    assert failure_of("limitations", json.dumps({"stated": [sentence] * 5, "unstated": [WHY["problem"]]})).failure == (
        Failure.LLM_ECHO
    )
    assert loop_in([sentence * 2 + WHY["problem"] + WHY["contribution"]]) is None
    assert loop_in(["| - " * 10 + WHY["problem"]]) is None
    assert loop_in(["not stated"] * 2 + list(WHY.values())) is None


def test_words_that_the_schema_lists_are_no_placeholders() -> None:
    schema = {"type": "object", "properties": {"code": {"enum": ["none", "open"]}}, "required": ["code"]}
    assert Checker(schema, 0, ()).check(answer('{"code": "none"}')) == {"code": "none"}


@settings(max_examples=40)
@given(st.text(max_size=300))
def test_any_text_is_an_answer_or_a_failure_with_a_class(text: str) -> None:
    for given_text in (text, json.dumps(WHY | {"problem": text})):
        try:
            CHECKERS["why_it_matters"].check(answer(given_text))
        except PaperError as error:
            assert error.failure.value.startswith("llm_")
            assert "\n" not in error.detail


@settings(max_examples=30)
@given(st.lists(st.sampled_from("tide gauge harbour sea level phase year".split()), min_size=30, max_size=60))
def test_a_long_row_of_what_was_told_is_found_wherever_it_stands(words: list[str]) -> None:
    told = " ".join(words)
    assert Told([told]).echo_in([f"{WHY['problem']} {told}"]) is not None
    assert Told([told]).echo_in(WHY.values()) is None


def test_a_deep_answer_is_no_crash() -> None:
    with pytest.raises(PaperError):
        parsed('{"a":' * 50_000)


@given(st.text("ab c", max_size=200), st.text("abc ", min_size=1, max_size=40), st.integers(0, 8), st.text("abc ."))
def test_whatever_is_stuttered_long_enough_is_noticed(before: str, piece: str, more: int, after: str) -> None:
    assert may_stutter(before + piece * max(20 + more, -(-120 // len(piece))) + after)


def test_prose_is_not_looked_through_for_stutters() -> None:
    assert not may_stutter(" ".join(str(number) for number in range(2000)))
    assert not may_stutter("short")
    assert not may_stutter("")
