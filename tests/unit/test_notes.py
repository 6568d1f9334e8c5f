"""Footnotes and captions: they cut no sentence, and references printed in footnotes are found."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pytest

from rpa_shard.extract.result import Extraction
from rpa_shard.reading.clean import clean_text
from rpa_shard.testing.pdf_writer import Text
from tests.typeset import PROSE
from tests.unit.test_reading_order import ENGINES, read

LEADING = 12.0
WORDS = " ".join(PROSE.lower().replace(".", "").replace(",", "").split())


def column(lines: Sequence[str], x: float = 72.0, top: float = 700.0, size: float = 10.0) -> list[Text]:
    return [Text(x, top - LEADING * size / 10 * row, line, size) for row, line in enumerate(lines)]


def sentence(number: int, width: int, lines: int) -> list[str]:
    """The lines of a paragraph of one long sentence that goes on after the last of them."""
    words = WORDS.split()
    words = [*words[7 * number :], *words[: 7 * number]] * 5
    return textwrap.wrap(f"Sentence {number} says that {' '.join(words)}", width)[:lines]


def paragraphs(found: Extraction) -> list[str]:
    return clean_text(found.text, found.page_offsets, found.layout).text.strip().split("\n\n")


def by_page(found: Extraction) -> list[str]:
    clean = clean_text(found.text, found.page_offsets, found.layout)
    return [clean.text[start:end] for start, end in clean.page_offsets]


FOOTNOTE = ["1 A. Ondine, Reading water by hand, Journal of Slow", "Measurements 12 (1988) 101."]
END = "and this is where it ends."


@pytest.mark.parametrize("engine", ENGINES)
def test_a_footnote_between_pages(tmp_path: Path, engine: str) -> None:
    first = [*column(["A paragraph that is complete by itself and ends here."]), *column(sentence(1, 90, 6), top=680)]
    note = column(FOOTNOTE, top=90, size=8)
    rest = column([*sentence(2, 90, 3)[1:], END], top=700)
    found = read(tmp_path, [[*first, *note], rest], engine)
    body = " ".join([*sentence(1, 90, 6), *sentence(2, 90, 3)[1:], END])
    assert paragraphs(found) == ["A paragraph that is complete by itself and ends here.", " ".join(FOOTNOTE), body]
    assert "Ondine" in by_page(found)[0], "each note on its own page"
    assert "reordered" not in found.flags


@pytest.mark.parametrize("engine", ENGINES)
def test_a_footnote_between_columns(tmp_path: Path, engine: str) -> None:
    left = [*column(sentence(1, 44, 8)), *column(textwrap.wrap(" ".join(FOOTNOTE), 48), top=120, size=8)]
    right = column([*sentence(2, 44, 3)[1:], END, "Another paragraph, after the first."], x=322)
    found = read(tmp_path, [[*left, *right]], engine)
    body = " ".join([*sentence(1, 44, 8), *sentence(2, 44, 3)[1:], END])
    assert paragraphs(found)[:2] == [body + " Another paragraph, after the first.", " ".join(FOOTNOTE)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("caption", ["Figure 3: The pier in winter.", "Table II. The readings", "Fig. 4. The harbour."])
def test_a_caption_between_lines_of_a_column(tmp_path: Path, engine: str, caption: str) -> None:
    above = column(sentence(1, 90, 5))
    figure = [Text(200, 590, "0 10 20 30", 7), Text(200, 580, "days", 7), Text(180, 560, caption, 10)]
    below = column([*sentence(2, 90, 3)[1:], END], top=530)
    found = read(tmp_path, [[*above, *figure, *below]], engine)
    body = " ".join([*sentence(1, 90, 5), *sentence(2, 90, 3)[1:], END])
    assert paragraphs(found)[0] == body
    assert paragraphs(found)[-1] == caption


@pytest.mark.parametrize("engine", ENGINES)
def test_a_word_broken_around_a_figure_on_the_next_page(tmp_path: Path, engine: str) -> None:
    first = column(
        [*sentence(1, 88, 5), "and the ruler at the end of the pier is read at dawn and at dusk by an obser-"]
    )
    figure = column(["Figure 1: The harbour, seen from the", "end of the pier in winter."], x=180, top=700)
    rest = column(["ver who writes down what he sees, twice a day, with a pencil that was sharpened", END], top=640)
    found = read(tmp_path, [first, [*figure, *rest]], engine)
    assert "by an observer who writes" in paragraphs(found)[0]
    assert paragraphs(found)[1] == "Figure 1: The harbour, seen from the end of the pier in winter."
    assert "Figure 1" in by_page(found)[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_paragraph_that_takes_up_a_page(tmp_path: Path, engine: str) -> None:
    pages = [
        column(sentence(1, 90, 5)),
        [*column(sentence(2, 90, 5)[1:]), *column(FOOTNOTE, top=90, size=8)],
        column([*sentence(3, 90, 3)[1:], END]),
    ]
    found = read(tmp_path, pages, engine)
    assert len(paragraphs(found)) == 2
    assert paragraphs(found)[1] == " ".join(FOOTNOTE)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_ends_a_sentence_stays(tmp_path: Path, engine: str) -> None:
    """A figure between two paragraphs, a displayed formula, a quotation in small letters."""
    ended = [*sentence(1, 90, 4), END]
    figure = [Text(180, 600, "Figure 3: The pier in winter.", 10)]
    found = read(tmp_path, [[*column(ended), *figure, *column(["Then the next paragraph begins."], top=570)]], engine)
    assert found.layout.order == ()
    formula = [*column(sentence(1, 90, 4)), Text(250, 630, "x = 2y + 3z", 10), *column(["where x is read."], top=605)]
    assert read(tmp_path, [formula], engine).layout.order == ()
    quoted = [
        *column(sentence(1, 90, 4)),
        *column(["the ruler is read twice a day"], x=100, top=640, size=8),
        *column(["and so on, as the observers say.", "The end of it."], top=620),
    ]
    assert read(tmp_path, [quoted], engine).layout.order == ()


CITED = [
    "A. Ondine and B. Fjord, Reading water by hand, Journal of Slow Measurements 12 (1988) 101.",
    "The observer was a patient man.",
    "See C. Weir, On ships, and how long to wait after them, Harbour Notes 3 (1991), doi:10.5555/harbour.1991.3.",
    "D. Span, Bridges that change nothing, arXiv:2401.00001.",
    "H. Master, Yearly report of the harbour (2nd ed., 1984), https://example.org/report.",
    "Compare the second of these.",
]


def pages_with_footnotes(*, restart: bool, raised: bool) -> list[list[Text]]:
    """Three pages with two footnotes on each, of which four are references."""
    pages = []
    for page in range(3):
        texts = [Text(72, 720, f"{page + 1} Readings of the {'first second third'.split()[page]} year", 12, bold=True)]
        texts += column([*sentence(page, 90, 12), END])
        y = 150.0
        for number, note in enumerate(CITED[2 * page : 2 * page + 2], 1 if restart else 2 * page + 1):
            lines = textwrap.wrap(note if raised else f"{number} {note}", 80)
            if raised:
                texts.append(Text(72, y + 3, str(number), 5))
            for line in lines:
                texts.append(Text(77 if raised else 72, y, line, 8))
                y -= 9.6
        pages.append(texts)
    return pages


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("raised", [False, True])
def test_references_in_footnotes(tmp_path: Path, engine: str, restart: bool, raised: bool) -> None:
    found = read(tmp_path, pages_with_footnotes(restart=restart, raised=raised), engine)
    assert found.references_method == "footnotes"
    assert [each.raw for each in found.references] == [CITED[0], CITED[2], CITED[3], CITED[4]]
    assert [each.page for each in found.references] == [1, 2, 2, 3]
    assert [each.marker for each in found.references] == (["1", "1", "2", "1"] if restart else ["1", "3", "4", "5"])
    assert [each.ordinal for each in found.references] == [1, 2, 3, 4]
    assert found.references[1].dois == ("10.5555/harbour.1991.3",)
    assert found.references[2].arxiv_ids == ("2401.00001",)
    assert [each.number for each in found.sections] == ["1", "2", "3"], "sections after the first of them, too"
    for each in found.references:
        assert found.text[each.start :].startswith(each.marker or "")


def test_no_footnotes_where_there_is_a_bibliography(tmp_path: Path) -> None:
    listed = [f"[{n}] A. Ondine, Reading water {n}, Harbour Notes {n} (199{n})." for n in range(1, 6)]
    pages = [*pages_with_footnotes(restart=False, raised=False), column(["References", *listed])]
    found = read(tmp_path, pages)
    assert (found.references_method, len(found.references)) == ("numbers", 5)


def test_footnotes_that_are_no_references(tmp_path: Path) -> None:
    pages = pages_with_footnotes(restart=False, raised=False)
    prose = [
        [
            Text(each.x, each.y, each.text.replace("(", "").translate(dict.fromkeys(range(48, 58), "x")), each.size)
            if each.size == 8
            else each
            for each in page
        ]
        for page in pages
    ]
    assert read(tmp_path, prose).references == ()
