"""Lines of styled text, and how they are cut, padded, wrapped and put side by side.

Guarantee: pure; a line that was cut to a width takes at most that many columns of a terminal, wide characters counted
as two; no control character of a foreign text reaches the terminal. Limit: the width of a character is Unicode's, from
which a terminal may differ.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

ELLIPSIS = "…"
_SIMILAR = str.maketrans("─…·█▓▒░▁▂▃▄▅▆▇", "-~.#+:._,-=+*%")


class Span(NamedTuple):
    """A piece of text in one style: the names of colours and attributes, such as `bold red`."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
BLANK: Line = ()


def line(text: str, style: str = "") -> Line:
    """A line in one style."""
    return (Span(printable(text), style),)


def printable(text: str) -> str:
    """The text on one line, what cannot be printed as `?`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def in_encoding(text: str, encoding: str) -> str:
    """The text with signs that an encoding lacks replaced by similar ones that every encoding has."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_SIMILAR)
    return text


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else _columns_of_all(text)


@lru_cache(4096)
def _columns_of_all(text: str) -> int:
    return sum(map(_columns, text))


@lru_cache(4096)
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(spans: Line) -> int:
    """How many columns a line takes."""
    return sum(columns(span.text) for span in spans)


def plain(spans: Line) -> str:
    """The line without its styles."""
    return "".join(span.text for span in spans)


def cut_text(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis if it is wider."""
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for each in text:
        used += _columns(each)
        if used > width - 1:
            break
        kept.append(each)
    return ("".join(kept) + ELLIPSIS) if width > 0 else ""


def cut(spans: Line, width: int) -> Line:
    """The line, or its beginning and an ellipsis if it is wider."""
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    left = width
    for span in spans:
        used = columns(span.text)
        if used >= left:  # what follows does not fit: this one ends with an ellipsis
            kept.append(Span(cut_text(span.text + ELLIPSIS, left), span.style))
            break
        kept.append(span)
        left -= used
    return tuple(kept)


def joined(spans: Iterable[Span]) -> Line:
    """The same line with as few spans as it takes: each of them costs when it is drawn."""
    made: list[Span] = []
    for span in spans:
        if made and made[-1].style == span.style:
            made[-1] = Span(made[-1].text + span.text, span.style)
        elif span.text:
            made.append(span)
    return tuple(made)


def padded(spans: Line, width: int, style: str = "") -> Line:
    """The line at exactly this width."""
    shorter = cut(spans, width)
    missing = width - width_of(shorter)
    return (*shorter, Span(" " * missing, style)) if missing > 0 else shorter


def restyled(spans: Line, style: str) -> Line:
    """The line in one style."""
    return (Span(plain(spans), style),)


def wrapped(parts: Iterable[Line], width: int, gap: str = "  ") -> list[Line]:
    """Parts that stay together, as many on each line as fit, with a gap between them."""
    lines: list[Line] = []
    room = 0
    for part in parts:
        needs = columns(gap) + width_of(part)
        if lines and needs <= room:
            lines[-1] = (*lines[-1], Span(gap), *part)
            room -= needs
        else:
            lines.append(cut(part, width))
            room = width - width_of(lines[-1])
    return lines


def wrapped_text(text: str, width: int, indent: str = "") -> list[str]:
    """The words of a text on lines of at most this width; the first line keeps how it begins, others are indented."""
    words = printable(text).split(" ")
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if columns(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(indent + word)
    return [piece for each in lines for piece in _pieces(each, width, indent)]


def _pieces(text: str, width: int, indent: str) -> list[str]:
    """A text without a place to break, in pieces."""
    pieces = []
    step = max(1, width if text.isascii() else width // 2)
    indent = indent if len(indent) < step else ""
    while columns(text) > width and len(text) > step:
        pieces.append(text[:step])
        text = indent + text[step:]
    return [*pieces, text]


def beside(left: Sequence[Line], right: Sequence[Line], left_width: int, gap: int = 2) -> list[Line]:
    """Two columns of lines, the left one at this width."""
    rows = max(len(left), len(right))
    both = zip(_filled(left, rows), _filled(right, rows), strict=True)
    return [(*padded(one, left_width), Span(" " * gap), *other) for one, other in both]


def _filled(lines: Sequence[Line], rows: int) -> list[Line]:
    return [*lines, *[BLANK] * (rows - len(lines))]
