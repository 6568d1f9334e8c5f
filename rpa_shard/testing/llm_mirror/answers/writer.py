"""Writes answers: fills a JSON Schema with sentences of a document, so that they look like a report about it.

Guarantee: pure and repeatable; what is written fits the schema, as far as types, enumerations, lengths and numbers of
items go. Limit: `pattern`, `not` and conditions in schemas are ignored, and what is written is not wise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

# Words of a text by itself, and of one in a list, unless more are asked for.
WORDS, WORDS_OF_ITEM = 60, 25
ITEMS = 3
_LEAST, _MOST = 6, 60  # words of a sentence that is used
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_ASKED_WORDS = re.compile(r"at least (\d{1,4}) words")
_BULLET = re.compile(r"^\s*[-*•]\s+(\S[^\n]{0,60})$", re.MULTILINE)
_LISTED = re.compile(r"\btags?\b[^\n:]*:\s*([^\n]+(?:,[^\n]+)+)", re.IGNORECASE)
_FALLBACK = (
    "The document leaves most of this open, and a reader has to judge by the figures alone.",
    "What it does report was measured once, at a single place, and was not compared with other work.",
    "Nothing in it contradicts what is known, although the sample is small.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What an answer is made of. `verdict` is what a judge says, where the schema asks for one."""

    sentences: Sequence[str]
    instruction: str = ""
    document: str = ""
    verdict: str = "PASS"


def sentences_of(text: str) -> tuple[str, ...]:
    """The sentences of a text that can stand by themselves; a few of our own if there are none."""
    found = [" ".join(each.split()) for each in _SENTENCE.split(text)]
    return tuple(each for each in found if _is_prose(each)) or _FALLBACK


def _is_prose(sentence: str) -> bool:
    words = sentence.split()
    if not _LEAST <= len(words) <= _MOST or not sentence[0].isupper() or not sentence.endswith((".", "!", "?")):
        return False
    letters = sum(each.isalpha() for each in sentence)
    return letters > 0.7 * len(sentence) and "arXiv:" not in sentence and "doi" not in sentence


def prose(matter: Matter, words: int = WORDS) -> str:
    """A text of at least so many words, from a place in the document that depends on the instruction."""
    return _Filling({}, matter).text("", words, 0, None)


def filled(schema: Mapping[str, Any], matter: Matter) -> Any:
    """A value that fits the schema."""
    return _Filling(schema, matter).value(schema, "")


@dataclass(frozen=True, slots=True)
class _Filling:
    root: Mapping[str, Any]
    matter: Matter

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
                words = _words_wanted(schema, self.matter.instruction, WORDS_OF_ITEM if path[-1:].isdigit() else WORDS)
                return self.text(path, words, schema.get("minLength", 0), schema.get("maxLength"))
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

    def _object(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, part in schema.get("properties", {}).items():
            passed = "PASS" in made.values()
            is_list = _type_of(self._plain(part)) == "array"
            # A judge that is content has no reasons to give.
            needless = passed and is_list and not part.get("minItems")
            made[name] = [] if needless else self.value(part, f"{path}/{name}")
        return made

    def _array(self, schema: Mapping[str, Any], path: str) -> list[Any]:
        item = self._plain(schema.get("items") or {"type": "string"})
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10**6)
        number = min(max(ITEMS, least), most)
        if "enum" in item:
            return self._several(item["enum"], number)
        if path.endswith("tags") and (listed := tags_in(self.matter.instruction)):
            return self._several(listed, number)
        return [self.value(item, f"{path}/{place}") for place in range(number)]

    def _several(self, values: Sequence[Any], number: int) -> list[Any]:
        """So many different values: those of which the document speaks come first."""
        lower = self.matter.document.lower()
        return sorted(dict.fromkeys(values), key=lambda each: str(each).lower() not in lower)[:number]

    def text(self, path: str, words: int, least: int, most: int | None) -> str:
        text = ""
        for sentence in self._from(path):
            text = f"{text} {sentence}".strip()
            if len(text.split()) >= words and len(text) >= least:
                break
        return text if most is None or len(text) <= most else _shortened(text, most)

    def _from(self, path: str) -> Iterator[str]:
        """The sentences, endlessly, from a place that depends on what is asked for."""
        sentences = self.matter.sentences
        place = crc32(f"{self.matter.instruction}{path}".encode(errors="replace"))
        while True:
            yield sentences[place % len(sentences)]
            place += 1


def tags_in(instruction: str) -> list[str]:
    """The tags that an instruction offers: in a line after `tags: `, or one a line after a hyphen."""
    listed = _LISTED.search(instruction)
    found = listed[1].rstrip(".").split(",") if listed else _BULLET.findall(instruction)
    return [each.strip().strip("`\"'") for each in found]


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
