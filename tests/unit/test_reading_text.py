"""The raw and the clean text: valid whatever an engine returns, with offsets that are right."""

from __future__ import annotations

from unicodedata import is_normalized

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpa_shard.extract.runner import make
from rpa_shard.reading.clean import TextLayout, clean_text
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.joining import join_lines
from rpa_shard.reading.lines import read_lines
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.raw import as_blocks, valid_line, valid_text
from rpa_shard.reading.spelling import spell

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))  # lone surrogates too
FORBIDDEN = set("\r\0\ufffe\uffff\ufeff\u0002\x7f")
# Words, hyphens, ligatures, accents and identifiers: what joining and spelling handle.
PIECES = st.sampled_from(
    [
        *"a B é ﬁ ﬀ ´ ¨ ı - ‐ \u00ad . , ( ) / : 1 2024".split(),
        *[
            "state-of-the-",
            "art",
            "hep-",
            "th/9901001",
            "arXiv:2401.",
            "00001",
            "10.5555/abc.",
            "https://a.b/",
            "\ufffe",
        ],
        *[" ", "  ", "\t", "\n", "\u00a0", "x" * 30],
    ]
)
LINES = st.lists(PIECES, max_size=40).map("".join)


@given(ANY_TEXT)
def test_what_comes_out_is_valid_and_stays_as_it_is(text: str) -> None:
    valid = valid_text(text)
    assert valid.encode("utf-8", "strict").decode() == valid
    assert not set(valid) & FORBIDDEN
    assert valid_text(valid) == valid
    assert "\n" not in valid_line(text)
    assert not set(valid_line(text)) & FORBIDDEN


def test_what_engines_do_at_line_ends() -> None:
    assert valid_text("slow mea\ufffesurement") == "slow mea-\nsurement"
    assert valid_text("slow mea\u0002surement") == "slow mea-\nsurement"
    assert valid_text("one\r\ntwo\rthree") == "one\ntwo\nthree"


def test_surrogates() -> None:
    assert valid_text("a\ud835\udc00b") == "a\U0001d400b", "a pair that was split"
    assert valid_text("a\ud835b") == "a\ufffdb"


def test_the_raw_text_is_faithful() -> None:
    text = "10² ﬁne ﬂow naïve\tcaf\u0065\u0301"
    assert valid_text(text) == text


@given(st.lists(ANY_TEXT.map(valid_text), max_size=5))
def test_blocks_and_the_places_of_pages(pages: list[str]) -> None:
    text, spans = as_blocks(pages)
    assert [text[start:end] for start, end in spans] == [page.rstrip() for page in pages]
    assert text.endswith("\n")


def test_blocks() -> None:
    assert as_blocks(["one\n", "", "three"])[0] == "[PAGE 1]\none\n\n[PAGE 2]\n\n[PAGE 3]\nthree\n"


@given(st.lists(LINES.map(valid_text), max_size=4))
def test_offsets_of_lines_are_right(pages: list[str]) -> None:
    reading = read_lines([Page(page) for page in pages])
    for line in reading.lines:
        assert reading.raw[line.start : line.end] == line.text
        start, end = reading.page_spans[line.page - 1]
        assert start <= line.start < line.end <= end


@given(ANY_TEXT.map(valid_text) | LINES)
def test_spelling_twice_is_spelling_once(text: str) -> None:
    spelled = spell(text)
    assert spell(spelled) == spelled
    assert is_normalized("NFC", spelled)
    assert not set("ﬀﬁﬂﬃﬄ\u00a0\u00ad") & set(spelled)


def test_spelling() -> None:
    assert spell("oﬃce ﬁle 10² x₁ ½ ℝ") == "office file 10² x₁ ½ ℝ", "never NFKC"
    assert spell("Jes´us Butkoviˇc M¨uller F´ıfe Franc¸ois") == "Jesús Butkovič Müller Fífe François"
    assert spell("Universit`a `quoted'") == "Università `quoted'"
    assert spell("a\tb   c") == "a b c"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["slow mea-", "surement"], "slow measurement"),
        (["a state-of-the-", "art method"], "a state-of-the-art method"),
        (["self-", "supervised"], "self-supervised"),
        (["Hamilton-", "Jacobi"], "Hamilton-Jacobi"),
        (["COVID-", "19"], "COVID-19"),
        (["pre-", "and postwar"], "pre- and postwar"),
        (["one", "two"], "one two"),
        (["hep-", "th/9901001"], "hep-th/9901001"),
        (["https://example.org/a-", "b/c"], "https://example.org/a-b/c"),
        (["soft\u00ad", "ware"], "software"),
        (["see http://a.org/x.", "In this case"], "see http://a.org/x. In this case"),
    ],
)
def test_line_ends(lines: list[str], joined: str) -> None:
    assert join_lines(lines, "").replace("\u00ad", "") == joined


def test_words_of_the_document_decide_about_hyphens() -> None:
    assert join_lines(["co-", "operate"], "they co-operate") == "co-operate"
    assert join_lines(["self-", "ish"], "a selfish gene") == "selfish"


@settings(max_examples=300)
@given(st.lists(LINES.map(valid_text), min_size=1, max_size=4), st.data())
def test_cleaning_twice_is_cleaning_once(pages: list[str], data: st.DataObject) -> None:
    reading = read_lines([Page(page) for page in pages])
    starts = [line.start for line in reading.lines]
    chosen = data.draw(st.sets(st.sampled_from(starts)) if starts else st.just(set()))
    clean = clean_text(reading.raw, reading.page_spans, TextLayout(paragraphs=tuple(sorted(chosen))))
    again = clean_text(clean.text, ((0, len(clean.text)),), TextLayout(paragraphs=tuple(range(len(clean.text)))))
    assert again.text == clean.text
    assert not set(clean.text) & (FORBIDDEN | set("ﬁ\u00ad\u00a0"))
    assert [start for start, _ in clean.page_offsets] == sorted(start for start, _ in clean.page_offsets)
    assert clean.page_offsets[-1][1] == len(clean.text)


def test_a_clean_text() -> None:
    raw, spans = as_blocks(["Head 1\nAn eﬃ-\ncient\nway.", "Head 2\nNext one."])
    found = [raw.index(each) for each in ("Head 1", "Head 2")]
    layout = TextLayout(tuple((at, at + 6) for at in found), (raw.index("An"), raw.index("Next")))
    clean = clean_text(raw, spans, layout)
    assert clean.text == "An efficient way.\n\nNext one.\n"
    assert [clean.text[start:end].strip() for start, end in clean.page_offsets] == ["An efficient way.", "Next one."]


@given(st.lists(LINES.map(valid_text), min_size=1, max_size=3))
def test_offsets_of_everything_found_are_right(pages: list[str]) -> None:
    """Whatever the text, offsets are inside it, and the text at them is what was found."""
    listed = (
        "References\n[1] A. Ondine. Reading water. 1988.\n[2] C. Weir. On ships,\n1991.\n[3] G. Root. Errors. 2024."
    )
    document = Document(tuple(Page(text) for text in (*pages, listed)), "test", "0")
    found = make(document, measure(document.pages))
    for each in found.references:
        start, _ = found.page_offsets[each.page - 1]
        assert start <= each.start < each.end <= len(found.text)
        assert found.text[each.start :].startswith(each.marker or each.raw[:3])
    for section in found.sections:
        assert section.title in found.text[section.start : section.end]
    assert [each.raw for each in found.references][-3:] == [
        "A. Ondine. Reading water. 1988.",
        "C. Weir. On ships, 1991.",
        "G. Root. Errors. 2024.",
    ]
