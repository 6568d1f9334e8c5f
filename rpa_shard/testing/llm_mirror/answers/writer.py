"""Writes answers: fills a JSON Schema with sentences of a document, so that they look like a report about it.

Guarantee: pure and repeatable; what is written fits the schema, as far as types, enumerations, lengths and numbers of
items go. Limit: `pattern`, `not` and conditions in schemas are ignored, and what is written is not wise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from zlib import crc32

# Words of a text by itself, and of one in a list, unless more are asked for.
WORDS, WORDS_OF_ITEM = 30, 6
ITEMS = 3
_LEAST, _MOST = 6, 60  # words of a sentence that is used
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_ASKED_WORDS = re.compile(r"at least (\d{1,4}) words")
_BULLETS = re.compile(r"\btags?\b[^\n]*:\s*\n\s*((?:[-*•] [^\n]+(?:\n|$))+)", re.IGNORECASE)
_LISTED = re.compile(r"\btags?:[ \t]*([^\n]+)", re.IGNORECASE)
_NAMED_SECTION = re.compile(r"^\[([\w/.-]+)\]", re.MULTILINE)
_WORD = re.compile(r"\b[a-z]{6,14}\b")
# What is made up once the document is used up: one of each, so that hardly any two sentences are alike.
_MADE_UP = (
    (
        "The first table",
        "One figure",
        "A later section",
        "The appendix",
        "A footnote",
        "The second example",
        "The list",
    ),
    ("compares", "repeats", "qualifies", "summarizes", "extends", "questions", "illustrates", "restates"),
    ("the same readings", "an earlier result", "what was measured", "the main estimate", "a simpler case"),
    ("for a smaller sample", "under other conditions", "with fewer assumptions", "for another period", "step by step"),
    ("and finds little change", "without a new conclusion", "as a matter of record", "and leaves the rest open"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What an answer is made of. `verdict` is what a judge says, where the schema asks for one."""

    sentences: Sequence[str]
    instruction: str = ""
    document: str = ""
    verdict: str = "PASS"


@lru_cache(maxsize=256)  # several questions are asked about each document
def sentences_of(text: str) -> tuple[str, ...]:
    """The sentences of a text that can stand by themselves, each once."""
    found = [" ".join(each.split()) for each in _SENTENCE.split(text)]
    return tuple(dict.fromkeys(each for each in found if _is_prose(each)))


def _is_prose(sentence: str) -> bool:
    words = sentence.split()
    if not _LEAST <= len(words) <= _MOST or not sentence[0].isupper() or not sentence.endswith((".", "!", "?")):
        return False
    letters = sum(map(str.isalpha, sentence))
    return letters > 0.7 * len(sentence) and "arXiv:" not in sentence and "doi" not in sentence


def prose(matter: Matter, words: int = 2 * WORDS) -> str:
    """A text of at least so many words."""
    return _Filling({}, matter, _told(matter)).text(words, 0, None)


def filled(schema: Mapping[str, Any], matter: Matter) -> Any:
    """A value that fits the schema. No sentence comes twice in it."""
    return _Filling(schema, matter, _told(matter)).value(schema, "")


def _told(matter: Matter) -> Iterator[str]:
    """The sentences of a document, from a place that depends on the instruction, and then made-up ones."""
    # What the instruction shows, such as a section that is to be written again, is not repeated.
    shown = " ".join(matter.instruction.split())
    sentences = [each for each in matter.sentences if each not in shown]
    place = crc32(matter.instruction.encode(errors="replace"))
    begin = place % len(sentences) if sentences else 0
    yield from (*sentences[begin:], *sentences[:begin])
    while True:
        place = crc32(place.to_bytes(4, "big"))
        rest, words = place, []
        for choices in _MADE_UP:
            rest, choice = divmod(rest, len(choices))
            words.append(choices[choice])
        yield f"{' '.join(words)}."


@dataclass(frozen=True, slots=True)
class _Filling:
    root: Mapping[str, Any]
    matter: Matter
    sentences: Iterator[str]

    def value(self, schema: Mapping[str, Any], path: str) -> Any:
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        match _type_of(schema):
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, path)
            case "string":
                return self._string(schema, path)
            case "integer" | "number" as kind:
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case _:
                return None

    def _plain(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself, or what it refers to, or the first of its alternatives."""
        for _ in range(20):
            if "$ref" in schema:
                target: Any = self.root
                for name in schema["$ref"].split("/")[1:]:
                    target = target[name]
                schema = target
            elif "allOf" in schema:
                rest = {name: value for name, value in schema.items() if name != "allOf"}
                schema = {**rest, **{name: value for each in schema["allOf"] for name, value in each.items()}}
            elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((each for each in alternatives if each.get("type") != "null"), alternatives[0])
        return schema

    def _chosen(self, values: Sequence[Any]) -> Any:
        if self.matter.verdict in values:
            return self.matter.verdict
        lower = self.matter.document.lower()
        return next((each for each in values if isinstance(each, str) and each.lower() in lower), values[0])

    def _string(self, schema: Mapping[str, Any], path: str) -> str:
        is_item = any(each.isdigit() for each in path.split("/"))
        words = _words_wanted(schema, self.matter.instruction, WORDS_OF_ITEM if is_item else WORDS)
        text = self.text(words, schema.get("minLength", 0), schema.get("maxLength"))
        return f"{text[:-1]}?" if path.endswith("/question") and text.endswith(".") else text

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        parts = {name: self._plain(part) for name, part in schema.get("properties", {}).items()}
        judges = any(self.matter.verdict in part.get("enum", ()) for part in parts.values())
        made: dict[str, Any] = {}
        for name, part in parts.items():
            if judges and _type_of(part) == "array" and not part.get("minItems"):
                # A judge who is content has nothing to name; another one names a section.
                made[name] = (
                    [] if self.matter.verdict == "PASS" else _NAMED_SECTION.findall(self.matter.instruction)[:1]
                )
            else:
                made[name] = self.value(part, f"{path}/{name}")
        return made

    def _array(self, schema: Mapping[str, Any], path: str) -> list[Any]:
        item = self._plain(schema.get("items") or {"type": "string"})
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10**6)
        number = min(max(ITEMS, least), most)
        if "enum" in item:
            return self._several(item["enum"], number)
        if path.endswith("/tags") and _type_of(item) == "string":
            return self._several(tags_in(self.matter.instruction) or _own_tags(self.matter.document), number)
        return [self.value(item, f"{path}/{place}") for place in range(number)]

    def _several(self, values: Sequence[Any], number: int) -> list[Any]:
        """So many different values: those of which the document speaks come first."""
        lower = self.matter.document.lower()
        return sorted(dict.fromkeys(values), key=lambda each: str(each).lower() not in lower)[:number]

    def text(self, words: int, least: int, most: int | None) -> str:
        """A text of at least so many words and characters, and at most so many characters."""
        text = ""
        for sentence in self.sentences:
            text = f"{text} {sentence}".strip()
            if len(text.split()) >= words and len(text) >= least:
                break
        return text if most is None or len(text) <= most else _shortened(text, most)


def tags_in(instruction: str) -> list[str]:
    """The tags that an instruction offers: in a line after `tags: `, or below it, one a line after a hyphen."""
    bullets, listed = _BULLETS.search(instruction), _LISTED.search(instruction)
    if bullets is not None:
        found = [line.strip()[2:] for line in bullets[1].splitlines()]
    else:
        found = listed[1].rstrip(".").split(",") if listed is not None else []
    return [each.strip().strip("`\"'") for each in found]


def _own_tags(document: str) -> list[str]:
    """Tags made of a document: its most frequent long words."""
    words = Counter(_WORD.findall(document.lower())).most_common(2 * ITEMS)
    return [word for word, _ in words] or ["unclassified", "short-paper", "open-question"]


def is_for_judge(schema: Mapping[str, Any] | None) -> bool:
    """Whether a schema asks for a verdict."""
    parts = (schema or {}).get("properties", {}).values()
    return any(isinstance(each, dict) and "PASS" in each.get("enum", ()) for each in parts)


def judged(matter: Matter, verdict: str) -> Matter:
    """The same matter before a judge who says something else."""
    return replace(matter, verdict=verdict)


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _words_wanted(schema: Mapping[str, Any], instruction: str, usual: int) -> int:
    asked = _ASKED_WORDS.findall(f"{schema.get('description', '')} {instruction}")
    return max([usual, *(int(each) + 5 for each in asked)])


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0 if whole else 0.5))
    value = least + 1 if "exclusiveMinimum" in schema and whole else least + (0 if "minimum" in schema else 0.5)
    value = min(value, schema.get("maximum", value))
    return int(value) if whole else float(value)


def _shortened(text: str, most: int) -> str:
    """The text within so many characters, to its last whole word."""
    cut = text[:most]
    return cut if text[most : most + 1] == " " else (cut.rpartition(" ")[0] or cut)
