"""One line of raw text spelled as a reader would type it.

Guarantee: pure and idempotent; the result is in normal form C. Ligatures are spelled out, TeX's loose accents joined
with their letters (`Jes´us`, `Butkoviˇc`), all kinds of blanks replaced by spaces. Limit: never NFKC, which would turn
10² into 102; a loose accent before a letter that cannot carry it stays.
"""

from __future__ import annotations

import re
from unicodedata import combining, is_normalized, normalize

_TABLE = str.maketrans(
    {
        "ﬀ": "ff",
        "ﬁ": "fi",
        "ﬂ": "fl",
        "ﬃ": "ffi",
        "ﬄ": "ffl",
        "ﬅ": "st",
        "ﬆ": "st",
        "\u00a0": " ",
        "\u202f": " ",
        "\u2009": " ",
        "\u200a": " ",
        "\u2002": " ",
        "\u2003": " ",
        "\u200b": None,
        "\u200c": None,
        "\u2060": None,
        "\u00ad": None,
        "\u0002": None,
        "\ufffe": None,
    }
)
_SPECIAL = re.compile("[\ufb00-\ufb06\u00a0\u00ad\u0002\u2002-\u200c\u202f\u2060\ufffe]")
_LOOSE = re.compile("[´`¨ˆ˜ˇ˘˙˚˝¯¸]")
_COMBINING = {
    "´": "\u0301",
    "`": "\u0300",
    "¨": "\u0308",
    "ˆ": "\u0302",
    "˜": "\u0303",
    "ˇ": "\u030c",
    "˘": "\u0306",
    "˙": "\u0307",
    "˚": "\u030a",
    "˝": "\u030b",
    "¯": "\u0304",
}
_ACCENTED = re.compile(r"([´¨ˆ˜ˇ˘˙˚˝¯]|(?<=[A-Za-z])`(?=[aeiouAEIOU]))([A-Za-zı])")
_CEDILLA = re.compile(r"([cCsStT])¸(?=[a-zA-Z])")
_BLANKS = re.compile(r"[ \t]{2,}|\t")
_JUNK = re.compile(r"<latexit\b[^<>]{0,400}>[A-Za-z0-9+/=\s]{0,20000}</latexit>|\(cid:\d{1,5}\)")


# Bringing marks after one letter into order takes the square of their number.
MAX_MARKS = 30
_MANY_MARKS = re.compile(rf"[^\w\s\x00-\u02ff]{{{MAX_MARKS + 1},}}")


def _few_marks(match: re.Match[str]) -> str:
    """A run of signs without the marks after the first thirty of one letter."""
    kept: list[str] = []
    marks = 0
    for each in match[0]:
        marks = marks + 1 if combining(each) else 0
        if marks <= MAX_MARKS:
            kept.append(each)
    return "".join(kept)


def spell(line: str) -> str:
    """The line spelled out."""
    if line.isascii():
        return _spaced(_ACCENTED.sub(_accented, line) if "`" in line else line)
    if _SPECIAL.search(line) is not None:
        line = line.translate(_TABLE)
    # Marks take more bytes than characters, by one at least: counting is faster than a search.
    if len(line.encode("utf-8", "surrogatepass")) > len(line) + MAX_MARKS and _MANY_MARKS.search(line) is not None:
        line = _MANY_MARKS.sub(_few_marks, line)
    if not is_normalized("NFC", line):
        line = normalize("NFC", line)
    if _LOOSE.search(line) is not None:
        line = _ACCENTED.sub(_accented, line)
        line = _CEDILLA.sub(lambda match: normalize("NFC", match[1] + "\u0327"), line)
        if not is_normalized("NFC", line):
            line = normalize("NFC", line)
    return _spaced(line)


def _spaced(line: str) -> str:
    if "<latexit" in line or "(cid:" in line:
        line = _JUNK.sub("", line)
    return _BLANKS.sub(" ", line) if "  " in line or "\t" in line else line


def _accented(match: re.Match[str]) -> str:
    letter = "i" if match[2] == "ı" else match[2]
    joined = normalize("NFC", letter + _COMBINING[match[1]])
    return joined if len(joined) == 1 else match[0]
