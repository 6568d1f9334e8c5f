"""The title of a paper of which no catalogue knows.

Guarantee: pure; one line. Limit: a title of several lines is known by its first one only, unless the PDF says it.
"""

from __future__ import annotations

import re
from typing import Any

MAX_TITLE_CHARACTERS, MAX_LINES = 200, 20
_WORD = re.compile(r"[^\W\d_]{3,}")
_NO_TITLE = re.compile(r"\.(?:dvi|docx?|pdf|tex|ps)\b|^(?:untitled|microsoft word)\b", re.IGNORECASE)
_NO_LINE = re.compile(r"\[PAGE \d+\]|arXiv:\S+v\d+\b.*")


def own_title(said: Any, text: str) -> str:
    """What the PDF has `said` that its title is, else the first line of its text that may be one; empty if none is."""
    title = one_line(said)
    if title.count(" ") and not _NO_TITLE.search(title):
        return title[:MAX_TITLE_CHARACTERS]
    lines = [line for each in text.splitlines()[:MAX_LINES] if (line := one_line(each)) and not _NO_LINE.match(line)]
    found = next((line for line in lines if len(_WORD.findall(line)) > 1), lines[0] if lines else "")
    return found[:MAX_TITLE_CHARACTERS]


def one_line(text: Any) -> str:
    """The text on one line; empty if it is none."""
    return " ".join(text.split()) if isinstance(text, str) else ""
