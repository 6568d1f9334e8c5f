"""What a model is shown of a paper: how it is divided, what goes first if it does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.api.reading import read
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.writing.material.document import fitted
from rpa_shard.phases.writing.material.paper_text import Kind, PaperText, Part, paper_text
from rpa_shard.testing.sample_papers import Kind as Sample
from rpa_shard.testing.sample_papers import sample_pdf


def tokens_of(text: str) -> int:
    return -(-len(text) // 4)


def words(count: int, word: str = "word") -> str:
    """Paragraphs of ten words."""
    return "\n\n".join(" ".join([word] * 10) + "." for _ in range(count // 10))


def paper(*parts: Part) -> PaperText:
    return PaperText(title="On Tides", authors="A. Body", abstract="", parts=parts, references=3)


PAPER = paper(
    Part("", Kind.FRONT, "On Tides\n\nAbstract. " + words(50, "front")),
    Part("1 Introduction", Kind.INTRODUCTION, "1 Introduction\n\n" + words(300, "intro")),
    Part("2 Related Work", Kind.RELATED, "2 Related Work\n\n" + words(300, "related")),
    Part("3 Method", Kind.MIDDLE, "3 Method\n\n" + words(300, "method")),
    Part("4 Results", Kind.MIDDLE, "4 Results\n\n" + words(300, "results")),
    Part("5 Conclusion", Kind.CONCLUSION, "5 Conclusion\n\n" + words(100, "conclusion")),
    Part("Acknowledgements", Kind.FORMALITY, "Acknowledgements\n\n" + words(50, "thanks")),
    Part("Appendix", Kind.APPENDIX, "Appendix\n\n" + words(300, "appendix")),
)
WHOLE = fitted(PAPER, 100_000, tokens_of)


def test_what_fits_is_shown_in_order_with_title_and_authors() -> None:
    assert WHOLE.is_complete
    places = [WHOLE.text.index(part.text) for part in PAPER.parts]
    assert places == sorted(places)
    assert WHOLE.text.index("Title: On Tides\n\nAuthors: A. Body") < places[0]
    assert "[3 references are left out.]" in WHOLE.text


def test_sections_go_in_a_fixed_order() -> None:
    order: list[str] = []
    for room in range(WHOLE.tokens, 180, -20):
        for title in fitted(PAPER, room, tokens_of).left_out:
            if title not in order:
                order.append(title)
    assert order == ["Appendix", "Acknowledgements", "2 Related Work", "4 Results", "3 Method", "5 Conclusion"]
    assert fitted(PAPER, 200, tokens_of).shortened == "1 Introduction"


def test_what_is_left_out_is_said_where_it_was() -> None:
    document = fitted(PAPER, WHOLE.tokens - 10, tokens_of)
    assert document.left_out == ("Appendix",)
    assert document.shortened is None
    assert "appendix appendix" not in document.text
    assert "[Left out here, since it did not fit: 1 sections]" in document.text


def test_a_section_that_alone_is_too_long_is_cut_at_a_paragraph() -> None:
    long = paper(Part("1 All", Kind.MIDDLE, "1 All\n\n" + words(5000)))
    document = fitted(long, 1000, tokens_of)
    assert document.shortened == "1 All"
    assert document.left_out == ()
    assert "word.\n\n[The rest of this section is left out: it did not fit.]" in document.text
    assert 850 < document.tokens <= 1000


def test_a_paper_without_headings_is_cut_at_paragraphs_and_one_without_paragraphs_at_sentences() -> None:
    for text in (words(5000), words(5000).replace("\n\n", " ")):
        document = fitted(paper(Part("", Kind.MIDDLE, text)), 1000, tokens_of)
        assert document.shortened == ""
        assert not document.is_complete
        assert "word.\n\n[The rest of this section is left out" in document.text


@pytest.mark.parametrize("room", [-5, 0, 20, 60])
def test_a_paper_that_does_not_fit_even_so(room: int) -> None:
    with pytest.raises(PaperError) as caught:
        fitted(PAPER, room, tokens_of)
    assert caught.value.failure is Failure.LLM_OVERLONG


PARTS = st.builds(
    lambda kind, lengths: Part(f"{kind.name} {lengths}", kind, "\n\n".join(("x" * n + ". ") * 3 for n in lengths)),
    st.sampled_from(Kind),
    st.lists(st.integers(1, 60), min_size=1, max_size=12),
)


@given(st.lists(PARTS, min_size=1, max_size=8), st.integers(0, 1500), st.sampled_from([1, 3, 4]))
def test_it_fits_is_the_same_each_time_and_says_what_is_missing(parts: list[Part], room: int, per: int) -> None:
    text = paper(*parts)

    def estimated(of: str) -> int:
        return -(-len(of) // per) + of.count("\n")

    try:
        document = fitted(text, room, estimated)
    except PaperError as error:
        assert error.failure is Failure.LLM_OVERLONG
        return
    assert estimated(document.text) == document.tokens <= room
    assert document == fitted(text, room, estimated)
    shown = sum(part.text in document.text for part in parts)
    missing = len(document.left_out) + (document.shortened is not None)
    assert shown + missing >= len(parts)
    assert document.is_complete is (missing == 0)
    gone = [part.kind for part in parts if part.title in document.left_out]
    if gone:
        # Whatever goes before what is gone is gone, too, or was cut.
        earlier = [part for part in parts if part.kind < min(gone)]
        assert all(part.title in (*document.left_out, document.shortened) for part in earlier)


@pytest.fixture(scope="module")
def record() -> tuple[str, dict[str, Any]]:
    made = read(sample_pdf(Sample.TWO_COLUMNS, "2401.00001"))
    return made.text, made.as_dict()


def test_a_sample_paper_is_divided_at_its_headings(record: tuple[str, dict[str, Any]]) -> None:
    text = paper_text(*record)
    titles = [part.title for part in text.parts]
    assert titles == ["", "Abstract"]
    assert text.references == len(record[1]["references"]) > 0
    shown = "\n".join(part.text for part in text.parts)
    assert record[1]["references"][0]["raw"] not in " ".join(shown.split())
    assert text.title


def test_title_and_authors_come_from_the_catalogue(record: tuple[str, dict[str, Any]]) -> None:
    raw, content = record
    known = paper_text(raw, content, {"title": "A\nTitle", "authors": "B, C", "abstract": "D"})
    assert (known.title, known.authors) == ("A Title", "B, C")
    without = paper_text(raw, content | {"abstract": None, "sections": []}, {"abstract": "D"})
    assert without.abstract == "D"
    assert [part.kind for part in without.parts] == [Kind.MIDDLE]
