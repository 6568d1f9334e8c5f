"""The faithful text: an engine's lines made valid, its pages joined into one text.

Guarantee: pure and idempotent; the result encodes to strict UTF-8 and contains no lone surrogate, NUL, U+FFFE, U+0002
or carriage return. Limit: faithful otherwise: no ligature is spelled out, no hyphenated word joined, no normal form
applied (NFKC would turn 10² into 102).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Where a line ends in a hyphen, PDFium writes U+FFFE (in a page's text) or U+0002 (in a rectangle's) instead of hyphen
# and line end.
_TABLE = str.maketrans(
    {
        "\ufffe": "-\n",
        "\u0002": "-\n",
        "\r": "\n",
        "\uffff": None,
        "\ufeff": None,
        **{chr(code): None for code in range(32) if chr(code) not in "\n\t\r\u0002"},
        "\u007f": None,
    }
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufeff\ufffe\uffff]")
_LINE_END = re.compile("[\n\u0002\ufffe\r]")


def valid_text(text: str) -> str:
    """A text from an engine as valid text."""
    if _SPECIAL.search(text) is None:
        return text
    if _SURROGATE.search(text):
        # Surrogate pairs are joined, lone surrogates become U+FFFD.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\r\n", "\n").translate(_TABLE)


def valid_line(line: str) -> str:
    """One line from an engine as valid text, still one line whatever it contained."""
    if _SPECIAL.search(line) is None:
        return line.replace("\n", " ") if "\n" in line else line
    return valid_text(_LINE_END.sub(" ", line))


def as_blocks(pages: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """All pages as one text: `[PAGE n]` and the page's text, in order, separated by blank lines.

    Also where each page's own text begins and ends in it, in characters.
    """
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    at = 0
    for number, page in enumerate(pages, 1):
        mark = f"[PAGE {number}]"
        text = page.rstrip()
        block = f"{mark}\n{text}\n\n" if text else f"{mark}\n\n"
        start = at + len(mark) + (1 if text else 0)
        spans.append((start, start + len(text)))
        parts.append(block)
        at += len(block)
    text = "".join(parts)
    return (text[:-1] if text else "\n"), tuple(spans)
