"""Stamp, running heads, paragraphs, sections, quality and metadata: recognised where possible, never guessed."""

from __future__ import annotations

import pytest

from rpa_shard.extract.runner import make
from rpa_shard.model.arxiv_id import parse
from rpa_shard.reading.clean import clean_text
from rpa_shard.reading.document import Document, DocumentMetadata, Page, Place
from rpa_shard.reading.furniture import find_furniture
from rpa_shard.reading.line_numbers import without_line_numbers
from rpa_shard.reading.lines import read_lines
from rpa_shard.reading.metadata import plausible_metadata
from rpa_shard.reading.paragraphs import paragraph_starts
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.sections import find_abstract, find_sections
from rpa_shard.reading.stamp import Stamp, find_stamp, names_another

PROSE = "The ruler stands at the end of the pier and is read at dawn and at dusk by all of us. "


@pytest.mark.parametrize(
    ("line", "stamp"),
    [
        ("arXiv:2401.00001v2 [cs.CL] 3 Jan 2024", Stamp("2401.00001", 2, "cs.CL", "3 Jan 2024")),
        ("arXiv:0706.0001v1  [q-bio.CB]  1 Jun 2007", Stamp("0706.0001", 1, "q-bio.CB", "1 Jun 2007")),
        ("arXiv:math.GT/0405482v2  [math.CO] 12 Sep 2016", Stamp("math/0405482", 2, "math.CO", "12 Sep 2016")),
        ("arXiv:hep-th/9901001v1  4 Jan 1999", Stamp("hep-th/9901001", 1, None, "4 Jan 1999")),
        ("See arXiv:2401.00001v2 [cs.CL] 3 Jan 2024 for more", None),
        ("arXiv:2401.00001", None),
        ("arXiv:2413.00001v1 [cs.CL] 3 Jan 2024", None),
    ],
)
def test_the_stamp(line: str, stamp: Stamp | None) -> None:
    page = f"Slow clocks\n{line}\nWater is wet."
    found = find_stamp(page)
    assert (found.stamp if found else None) == stamp
    if found:
        assert page[found.start : found.end] == line


@pytest.mark.parametrize(
    ("asked", "another"),
    [
        ("2401.00001", False),
        ("2401.00001v2", False),
        ("2401.00001v1", True),
        ("2401.00002", True),
        ("https://example.org/a.pdf", False),
    ],
)
def test_the_stamp_of_another_paper(asked: str, another: bool) -> None:
    assert names_another(Stamp("2401.00001", 2, None, "3 Jan 2024"), parse(asked)) is another
    assert not names_another(None, parse(asked))


def test_old_ids_with_and_without_subject_class_are_one() -> None:
    assert not names_another(Stamp("math/0405482", 2, None, "3 Jan 2024"), parse("math.GT/0405482"))


def page(*lines: tuple[float, float, str], size: float = 10.0) -> Page:
    """Lines as (left, baseline, words)."""
    places = tuple(Place(left, baseline, left + 5.0 * len(words), size) for left, baseline, words in lines)
    return Page("\n".join(words for _, _, words in lines), places, (), 612, 792)


def body(first: float = 700.0) -> list[tuple[float, float, str]]:
    return [(72.0, first - 12 * row, PROSE + str(row)) for row in range(20)]


def furniture(*pages: Page) -> list[str]:
    lines = read_lines(pages).lines
    return [lines[index].text for index in sorted(find_furniture(lines))]


def test_heads_feet_and_page_numbers() -> None:
    pages = [page((100, 750, "Slow clocks"), *body(), (300, 40, str(number + 11))) for number in range(5)]
    assert furniture(*pages) == [text for number in range(5) for text in ("Slow clocks", str(number + 11))]


def test_heads_that_differ_by_the_page_number_and_sides() -> None:
    pages = [page((100, 750, f"{n} A. Ondine" if n % 2 else f"Slow clocks {n}"), *body()) for n in range(1, 9)]
    assert len(furniture(*pages)) == 8


def test_what_repeats_in_the_text_stays() -> None:
    again = [page(*body()[:-1], (72.0, 700.0 - 12 * 19, "arXiv:2401.00001.")) for _ in range(5)]
    assert furniture(*again) == [], "the last line of a column, not apart from the text"
    numbers = [page(*body(), (72.0, 300.0, f"Table {n * 7}")) for n in range(1, 6)]
    assert furniture(*numbers) == [], "numbers that do not go up with the pages"
    assert furniture(page((100, 750, "Slow clocks"), *body())) == []


def test_without_places_the_first_and_last_lines_count() -> None:
    pages = [Page(f"Slow clocks\n{PROSE}\n{PROSE}{number}\n{PROSE}\n{number}") for number in range(1, 6)]
    assert furniture(*pages).count("Slow clocks") == 5


def test_paragraphs() -> None:
    lines = read_lines(
        [
            page(
                (72, 700, "Slow clocks are read"),
                (72, 688, "by hand."),
                (84, 676, "An indented paragraph."),
                (72, 664, "It goes on."),
                (72, 640, "After a gap"),
                (72, 628, "it is another one."),
            ),
            page((72, 700, "and goes on over the page"), (72, 688, "to here."), (72, 676, "and here.")),
        ]
    ).lines
    starts = set(paragraph_starts(lines))
    begun = [line.text for line in lines if line.start in starts]
    assert begun == ["Slow clocks are read", "An indented paragraph.", "After a gap"]


TEXT = f"""Slow clocks
Abstract
{PROSE}
{PROSE}
1 Introduction
{PROSE}
2. Methods of reading
2.1 The ruler
{PROSE}
4 Not the next number
3 Results
IV Not a number of this chain
Acknowledgements
References
[1] A. Ondine. Water. 1988."""


def test_sections_and_the_abstract() -> None:
    reading = read_lines([Page(TEXT)])
    sections = find_sections(reading.lines, reading.raw.index("[1]"))
    assert [(each.number, each.title) for each in sections] == [
        (None, "Abstract"),
        ("1", "Introduction"),
        ("2", "Methods of reading"),
        ("2.1", "The ruler"),
        ("3", "Results"),
        (None, "Acknowledgements"),
        (None, "References"),
    ]
    assert find_abstract(reading.lines, sections, ()) == (PROSE * 2).strip()


def test_no_headings_are_made_up() -> None:
    reading = read_lines([Page(f"{PROSE}\n3 Apples\n7 Pears\n1. a list\n2. of things.\nresults.\n{PROSE}")])
    assert find_sections(reading.lines, len(reading.raw)) == ()
    assert find_abstract(reading.lines, (), ()) is None


@pytest.mark.parametrize("start", ["Abstract. ", "ABSTRACT — ", "Abstract: "])
def test_an_abstract_in_its_own_line(start: str) -> None:
    reading = read_lines([Page(f"Slow clocks\n{start}{PROSE}\nKeywords: water\n")])
    assert find_abstract(reading.lines, (), ()) == PROSE.strip()


def test_figures_and_flags_of_good_text() -> None:
    quality = measure([Page(PROSE * 40)] * 3)
    assert not (quality.needs_ocr or quality.garbled or quality.non_english)
    assert quality.stop_word_share is not None
    assert quality.stop_word_share > 0.4


def test_scans() -> None:
    assert measure([Page(""), Page("  ")]).needs_ocr
    assert measure([Page("stamp"), Page(""), Page(PROSE)]).needs_ocr
    quality = measure([Page("Title"), Page(PROSE)])
    assert not quality.needs_ocr
    assert quality.scanned_share == 0.5
    assert quality.letters_share is None, "too little to measure"


@pytest.mark.parametrize("text", ["þ\x86ÿbÿIþ " * 300, "¢£¥ §¨© ª«¬ 12 " * 300, "x y " * 400])
def test_garbled(text: str) -> None:
    quality = measure([Page(text)])
    assert quality.garbled
    assert not quality.non_english
    assert measure([Page(PROSE * 40)]).rank > quality.rank


def test_length_does_not_count() -> None:
    good, longer = measure([Page(PROSE * 40)]), measure([Page(PROSE * 40 + "þ\x86ÿ" * 3000)])
    assert good.rank > longer.rank


def test_another_language() -> None:
    german = "Das Lineal steht am Ende der Mole und wird bei Tagesanbruch sowie abends abgelesen. " * 20
    quality = measure([Page(german)])
    assert quality.non_english
    assert not quality.garbled


def test_metadata() -> None:
    assert plausible_metadata("Slow\x00 clocks ", "pdfTeX-1.40.25", "D:20240105012154Z") == DocumentMetadata(
        "Slow clocks", "pdfTeX-1.40.25", "2024-01-05T01:21:54+00:00"
    )
    assert plausible_metadata("paper.dvi", "", "D:20120709201910-04'00'").created_at == "2012-07-09T20:19:10-04:00"
    for title in ("", "untitled", "Microsoft Word - draft.doc", "paper.dvi", "1234", "main", "arXiv:2401.00001v1"):
        assert plausible_metadata(title, "", "").title is None
    for date in ("", "yesterday", "D:19000101", "D:20241301000000Z", "D:99991231"):
        assert plausible_metadata("", "", date).created_at is None


def test_lines_beyond_the_cap_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpa_shard.reading.lines.MAX_LINES", 10)
    monkeypatch.setattr("rpa_shard.extract.runner.MAX_LINES", 10)
    pages = tuple(Page("\n".join(f"Line {number}" for number in range(8))) for _ in range(4))
    found = make(Document(pages, "test", "0"), measure(pages))
    assert (found.limits_hit, found.flags) == (("lines",), ("partial",))
    assert found.text.count("Line 7") == 4, "the raw text is complete"


def test_line_numbers_are_removed() -> None:
    entries = [f"[{n}] A. Ondine. Reading water {n}. Harbour Notes, 1988." for n in range(1, 9)]
    words = [*(f"Line of the text, word {n}." for n in range(40)), "References", *entries]
    numbered = [f"{number} {line}" for number, line in enumerate(words, 1)]
    pages = (Page("\n".join(numbered[:30])), Page("\n".join(numbered[30:])))
    found = make(Document(pages, "test", "0"), measure(pages))
    assert [f"[{each.ordinal}] {each.raw}" for each in found.references] == entries
    assert found.text[found.references[0].start :].startswith("[1] A. Ondine")
    clean = clean_text(found.text, found.page_offsets, found.layout).text
    assert "word 11. Line of the text, word 12. Line of the text, word 13." in clean


def test_other_numbers_stay() -> None:
    rows = [f"{n * 7 % 50} {n} {n * n}" for n in range(60)]
    lines = read_lines([Page("\n".join(rows))]).lines
    assert without_line_numbers(lines) == (lines, ())
