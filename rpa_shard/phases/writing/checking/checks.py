"""Whether an answer may become a part of a report: nothing empty, cut, refused, broken or repeated passes.

Guarantee: pure and deterministic, so a kept answer is judged the same each time; each failure has its class and one
line. Limit: whether what is said is true is for the judge and for readers; only whole texts that refuse count as
refusals, so that a quoted one does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rpa_shard.llm.question import Answer
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.writing.checking.repetition import Told, loop_in
from rpa_shard.phases.writing.schemas import misfit_of, texts_called

SHOWN_CHARACTERS = 80

# What stands where a text should be.
_PLACEHOLDERS = frozenset(
    "n/a na none null nil nan undefined todo tbd tba fixme xxx string text placeholder content unknown answer here "
    "lorem ipsum".split()
) | {
    "lorem ipsum dolor sit amet", "to be determined", "to be done", "to be added", "insert text here", "your text here",
    "your answer here", "see above", "as above", "no content", "no answer", "empty", "coming soon",
}  # fmt: skip
_FILLED_LATER = re.compile(r"[\[<({](?:insert|your|todo|placeholder|text|fill|add)\b[^\])>}]{0,60}[\])>}]", re.I)
_REFUSAL = re.compile(
    r"(?:i['’]?m|i am) (?:sorry|afraid|unable|not able)\b|sorry[,.]|i apologi[sz]e\b|"
    r"(?:unfortunately,? |but )?i (?:cannot|can ?not|can['’]t|could not|couldn['’]t|won['’]t|will not|do not have|"
    r"don['’]t have|must decline)\b|"
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)(?: (?:language )?model| assistant)?,? (?:i|my)\b|"
    r"(?:no (?:paper|document|text) (?:was|is)|the (?:paper|document|text) (?:was|is) not) (?:provided|attached)\b|"
    r"please (?:provide|share|upload|paste) (?:the|a|your) (?:paper|document|text|pdf)\b",
    re.IGNORECASE,
)
_ERROR = re.compile(
    r"(?:error|exception)\s*(?:code\s*)?:\s*[45]\d\d\b|traceback \(most recent call|\{\s*[\"']error[\"']|"
    r"(?:internal server error|rate limit (?:reached|exceeded)|too many requests|request timed out)\s*(?:[.:!]|$)",
    re.IGNORECASE,
)
_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")
_EDGES = " \t\r\n.…,:;!?*_-–—\"'“”‘’()[]{}<>"


class Checker:
    """Checks the answers to one prompt. `told` are the texts of the prompt that an answer must not repeat."""

    def __init__(self, schema: Mapping[str, Any], min_words: int, told: Iterable[str]) -> None:
        self._misfit = misfit_of(schema)
        self._schema = schema
        self._min_words = min_words
        self._told = Told(told, texts_called("description", schema))

    def check(self, answer: Answer) -> dict[str, Any]:
        """What the answer says. Raises PaperError (LLM_CUT, LLM_REFUSED, LLM_EMPTY, LLM_INVALID, LLM_ECHO)."""
        if answer.finish == "cut":
            raise _failed(Failure.LLM_CUT, f"{answer.model}: cut after {answer.usage.output_tokens} tokens")
        if answer.finish == "refused":
            raise _failed(Failure.LLM_REFUSED, f"{answer.model}: {_shown(answer.says or answer.text) or 'no reason'}")
        if not answer.text.strip():
            raise _failed(Failure.LLM_EMPTY, f"{answer.model}: an empty answer")
        return self._checked(parsed(answer.text))

    def _checked(self, value: Any) -> dict[str, Any]:
        texts = list(_texts(value, self._schema, ""))
        misfit = self._misfit(value)
        if misfit is None or self._has_its_parts(value):
            for where, text in texts:
                _check_text(where, text)
        if misfit is not None:
            raise _failed(Failure.LLM_INVALID, misfit)
        everything = "\n".join(text for _, text in texts)
        words = len(_WORD.findall(everything))
        if words < self._min_words:
            raise _failed(Failure.LLM_EMPTY, f"{words} words, at least {self._min_words} are expected")
        echo = self._told.echo_in(text for _, text in texts)
        if echo is not None:
            raise _failed(Failure.LLM_ECHO, f"repeats the prompt: {_shown(echo)}")
        loop = loop_in([text for _, text in texts])
        if loop is not None:
            raise _failed(Failure.LLM_ECHO, f"repeats itself: {_shown(loop)}")
        checked: dict[str, Any] = value
        return checked

    def _has_its_parts(self, value: Any) -> bool:
        """Whether what does not fit may be a single text."""
        return isinstance(value, dict) and set(self._schema.get("required", ())) <= value.keys()


def parsed(text: str) -> Any:
    """The JSON of an answer; a thought before it and a fence around it are passed over.

    Raises PaperError(LLM_REFUSED) for a refusal in prose, else PaperError(LLM_INVALID).
    """
    bare = _THOUGHT.sub("", text, count=1).strip()
    fenced = _FENCED.fullmatch(bare)
    try:
        value = json.loads(fenced[1] if fenced else bare, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        if _REFUSAL.match(bare):
            raise _failed(Failure.LLM_REFUSED, _shown(bare)) from None
        if not bare:
            raise _failed(Failure.LLM_EMPTY, "a thought without an answer") from None
        raise _failed(Failure.LLM_INVALID, f"no JSON ({_why(error)}): {_shown(bare)}") from None
    return value


def _check_text(where: str, text: str) -> None:
    """Raises PaperError if a text is none."""
    bare = text.strip(_EDGES).casefold()
    if not bare:
        raise _failed(Failure.LLM_EMPTY, f"{where} is empty")
    if " ".join(bare.split()) in _PLACEHOLDERS or _FILLED_LATER.fullmatch(text.strip()):
        raise _failed(Failure.LLM_EMPTY, f"{where} is a placeholder: {_shown(text)}")
    begin = text.lstrip(" \t\r\n*_#")
    if _REFUSAL.match(begin):
        raise _failed(Failure.LLM_REFUSED, f"{where}: {_shown(text)}")
    if _ERROR.match(begin):
        raise _failed(Failure.LLM_INVALID, f"{where} is an error message: {_shown(text)}")


def _texts(value: Any, schema: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every text and where it is, but words that the schema itself lists."""
    known = schema if isinstance(schema, dict) else {}
    if isinstance(value, str):
        if "enum" not in known and "const" not in known:
            yield where or "the answer", value
    elif isinstance(value, dict):
        properties = known.get("properties")
        for name, below in value.items():
            inner = properties.get(name) if isinstance(properties, dict) else None
            yield from _texts(below, inner, f"{where}.{name}" if where else str(name))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _texts(below, known.get("items"), f"{where}.{number}")


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _why(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "broken characters" if isinstance(error, UnicodeEncodeError) else str(error)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"


def _failed(failure: Failure, detail: str) -> PaperError:
    return PaperError(failure, detail)
