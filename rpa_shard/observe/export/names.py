"""Names of authors: arXiv's lists of them, and names as CSL-JSON and BibTeX have them.

Guarantee: pure; every name stays, and a name whose parts are in doubt is kept in one piece. Limit: names are divided by
the rule of BibTeX, the last word and the lower-case words before it; who writes the family name first is taken wrongly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_PARENTHESES = re.compile(r"\s*\([^()]*\)")
_BETWEEN = re.compile(r"\s*,\s+and\s+|\s+and\s+|\s*[,;]\s+|\s*:\s+", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:Jr|Sr)\.?|I{2,3}|IV", re.IGNORECASE)
_GROUP = re.compile(
    r"\b(?:collaborations?|consortium|group|team|project|university|institute|society|committee|inc|ltd)\b",
    re.IGNORECASE,
)
_AND = re.compile(r"\band\b", re.IGNORECASE)

# TeX's accents and letters, as arXiv's metadata has them.
_ACCENTS = dict(zip("'`^\"~=.uvHcdbkr", "\u0301\u0300\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u0328\u030a", strict=True))  # fmt: skip  # noqa: E501
_LETTERS = {
    "ss": "ß", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "i": "i", "j": "j", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ", "DJ": "Đ",
}  # fmt: skip
_ACCENTED = re.compile(
    r"\{?\\(?P<accent>['`^\"~=.]|[uvHcdbkr](?![A-Za-z]))\s*"
    r"(?:\{\s*\\?(?P<braced>[A-Za-z])\s*\}|\\(?P<dotless>[ij])(?![A-Za-z])(?:\{\})?|(?P<plain>[A-Za-z]))\}?"
)
_LETTER = re.compile(r"\{?\\(" + "|".join(sorted(_LETTERS, key=len, reverse=True)) + r")(?![A-Za-z])(?:\{\}|\s+)?\}?")


def from_tex(text: str) -> str:
    """The text with TeX's accents and letters as characters: `Erd\\H{o}s` is Erdős."""
    if "\\" not in text:
        return text
    text = _ACCENTED.sub(
        lambda found: (found["braced"] or found["dotless"] or found["plain"]) + _ACCENTS[found["accent"]], text
    )
    return unicodedata.normalize("NFC", _LETTER.sub(lambda found: _LETTERS[found[1]], text))


def names_in(authors: str) -> tuple[str, ...]:
    """The names in arXiv's line of authors, without their institutions."""
    text = " ".join(from_tex(authors).split())
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


def csl_name(name: str) -> dict[str, str]:
    """A name for CSL-JSON."""
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
    return " and ".join(_bibtex_name(name, escaped) for name in names if name.strip(" ,"))


def _bibtex_name(name: str, escaped: Callable[[str], str]) -> str:
    parts = [part.strip() for part in name.split(",")]
    in_one_piece = len(parts) > 2 or not all(parts) or _AND.search(name) or _GROUP.search(name)
    return f"{{{escaped(name)}}}" if in_one_piece else escaped(name)
