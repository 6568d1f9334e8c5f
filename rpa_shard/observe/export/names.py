"""Names of authors: arXiv's lists of them, and names as CSL-JSON and BibTeX have them.

Guarantee: pure; every name stays, and a name whose parts are in doubt is kept in one piece. Limit: names are divided by
the rule of BibTeX, the last word and the lower-case words before it; who writes the family name first is taken wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from rpa_shard.observe.export.plain_text import from_tex, on_one_line

_PARENTHESES = re.compile(r"\s*\([^()]*\)")
_BETWEEN = re.compile(r"\s*,\s+and\s+|\s+and\s+|\s*[,;]\s+|\s*:\s+", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:Jr|Sr)\.?|I{2,3}|IV", re.IGNORECASE)
_GROUP = re.compile(
    r"\b(?:collaborations?|consortium|group|team|project|university|institute|society|committee|inc|ltd)\b",
    re.IGNORECASE,
)
_AND = re.compile(r"\band\b", re.IGNORECASE)


def names_in(authors: str) -> tuple[str, ...]:
    """The names in arXiv's line of authors, without their institutions."""
    text = on_one_line(from_tex(authors))
    while (shorter := _PARENTHESES.sub("", text)) != text:
        text = shorter
    names: list[str] = []
    for part in _BETWEEN.split(text):
        name = part.strip(" ,;")
        if _SUFFIX.fullmatch(name) and names:
            names[-1] = f"{names[-1]} {name}"
        elif name:
            names.append(name)
    return tuple(names)


def csl_names(names: Iterable[str]) -> list[dict[str, str]]:
    """The names for CSL-JSON."""
    lines = (on_one_line(name).strip(" ,") for name in names)
    return [csl_name(name) for name in lines if name]


def csl_name(name: str) -> dict[str, str]:
    """A name of one line for CSL-JSON."""
    family, comma, given = name.partition(", ")
    if comma:
        return {"family": family, "given": given}
    words = name.split()
    if len(words) < 2 or _GROUP.search(name) or words[0][0].islower():
        return {"literal": name}
    suffix = words.pop() if len(words) > 2 and _SUFFIX.fullmatch(words[-1]) else None
    first = next((at for at, word in enumerate(words) if at and word[0].islower()), len(words) - 1)
    divided = {"family": " ".join(words[min(first, len(words) - 1) :]), "given": " ".join(words[:first])}
    return {**divided, "suffix": suffix} if suffix else divided


def bibtex_names(names: Iterable[str], escaped: Callable[[str], str]) -> str:
    """The names for BibTeX, divided by "and"; one that would be divided wrongly is in braces."""
    lines = (on_one_line(name).strip(" ,") for name in names)
    return " and ".join(_bibtex_name(name, escaped) for name in lines if name)


def _bibtex_name(name: str, escaped: Callable[[str], str]) -> str:
    parts = [part.strip() for part in name.split(",")]
    in_one_piece = len(parts) > 2 or not all(parts) or _AND.search(name) or _GROUP.search(name)
    if in_one_piece:
        return f"{{{escaped(name)}}}"
    if "suffix" in (divided := csl_name(name)):
        name = f"{divided['family']}, {divided['suffix']}, {divided['given']}"
    return escaped(name)
