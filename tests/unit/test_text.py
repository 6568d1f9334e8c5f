"""Text made valid: whatever an engine gives, strict UTF-8 comes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.prep.text import as_blocks, clean_page, needs_ocr

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too


@given(ANY_TEXT)
def test_what_comes_out_is_valid_and_stays_as_it_is(text: str) -> None:
    cleaned = clean_page(text)
    assert cleaned.encode("utf-8", "strict").decode() == cleaned
    assert not set(cleaned) & set("\r\0\ufffe\uffff\ufeff\u0002\x7f")
    assert clean_page(cleaned) == cleaned


def test_what_engines_do_at_line_ends() -> None:
    assert clean_page("slow mea\ufffesurement") == "slow mea-\nsurement"
    assert clean_page("slow mea\u0002surement") == "slow mea-\nsurement"
    assert clean_page("one\r\ntwo\rthree") == "one\ntwo\nthree"


def test_surrogates() -> None:
    assert clean_page("a\ud835\udc00b") == "a\U0001d400b", "a pair that was split"
    assert clean_page("a\ud835b") == "a\ufffdb"


def test_nothing_else_is_touched() -> None:
    text = "10² ﬁne ﬂow naïve\tcaf\u0065\u0301"
    assert clean_page(text) == text


def test_blocks() -> None:
    assert as_blocks(["one\n", "", "three"]) == "[PAGE 1]\none\n\n[PAGE 2]\n\n[PAGE 3]\nthree\n"


def test_a_scan_needs_ocr_and_a_short_title_page_does_not() -> None:
    assert needs_ocr(["", "  "])
    assert needs_ocr(["stamp", "", "x" * 60])
    assert not needs_ocr(["x" * 60, "Title"])
