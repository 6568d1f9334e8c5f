"""Text from TeX and from PDFs as plain characters on one line.

Guarantee: pure; nothing but what has a fixed meaning is changed. Limit: mathematics stays TeX.
"""

from __future__ import annotations

import re
import unicodedata

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")

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


def on_one_line(text: str) -> str:
    """The text without line ends and other characters that are not printed, and single spaces between words."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())
