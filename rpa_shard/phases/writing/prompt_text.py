"""One prompt as it is written in a file: a head of `name: value` lines, an empty line, the instruction.

Guarantee: pure; a head with an unknown or a missing name, or a value out of range, is refused in one line. Limit: what
the instruction says is not looked at.

    title: Open questions
    reads: document
    min_words: 60
    max_output_tokens: 1500

    Which questions does the paper leave open? …
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

READABLE = ("document", "signals", "sections", "tags")
MAX_OUTPUT_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptText:
    """What a file says. `order` decides which section comes first, and then the name."""

    title: str
    reads: frozenset[str]
    max_output_tokens: int
    min_words: int = 0
    temperature: float | None = None
    order: int = 0
    instruction: str


def parse_prompt(text: str) -> PromptText:
    """What the text of a file says. Raises ValueError, with one line."""
    head, empty, instruction = text.replace("\r\n", "\n").lstrip("\ufeff\n").partition("\n\n")
    if not empty or not instruction.strip():
        raise ValueError("no instruction: write it after the head of `name: value` lines and an empty line")
    values: dict[str, Any] = {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or name not in _VALUES or name in values:
            known = ", ".join(_VALUES)
            raise ValueError(f"{line.strip()!r} in its head: each of {known} may be there once, as `name: value`")
        allowed, parse = _VALUES[name]
        try:
            values[name] = parse(value.strip())
        except ValueError:
            raise ValueError(f"{name}: {value.strip()!r} must be {allowed}") from None
    missing = [name for name in ("title", "reads", "max_output_tokens") if name not in values]
    if missing:
        raise ValueError(f"no `{missing[0]}: …` in its head")
    return PromptText(instruction=instruction.strip(), **values)


def _title(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _reads(text: str) -> frozenset[str]:
    words = text.replace(",", " ").split()
    if not words or not set(words) <= set(READABLE):
        raise ValueError
    return frozenset(words)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return parse


def _temperature(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 2.0:  # NaN compares false
        raise ValueError
    return value


_VALUES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "title": ("a few words", _title),
    "reads": (f"one or more of {', '.join(READABLE)}", _reads),
    "min_words": ("a whole number", _whole(0, MAX_OUTPUT_TOKENS)),
    "max_output_tokens": (f"a whole number from 1 to {MAX_OUTPUT_TOKENS}", _whole(1, MAX_OUTPUT_TOKENS)),
    "temperature": ("a number from 0 to 2", _temperature),
    "order": ("a whole number", _whole(0, 1000)),
}
