"""The title that a paper says itself."""

from __future__ import annotations

import pytest

from rpa_shard.reading.title import MAX_TITLE_CHARACTERS, own_title


@pytest.mark.parametrize(
    ("said", "text", "title"),
    [
        ("On  the\ntides", "Other words here", "On the tides"),
        ("paper.pdf", "On the tides\nA. Weir", "On the tides"),
        ("Microsoft Word - draft", "On the tides", "On the tides"),
        ("tides", "On the tides", "On the tides"),
        (None, "[PAGE 1]\narXiv:2401.00001v2 [cs.LG] 3 Jan 2024\n\n1\nOn the tides\n", "On the tides"),
        (None, "[PAGE 1]\nTides\n", "Tides"),
        (None, "", ""),
        (3, "a" * 999, "a" * MAX_TITLE_CHARACTERS),
    ],
)
def test_a_title_is_what_the_pdf_says_or_its_first_line(said: object, text: str, title: str) -> None:
    assert own_title(said, text) == title
