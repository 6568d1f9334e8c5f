"""The work for a paper is in proportion to its size, for everything that a paper may have many of.

Work is counted, not timed: the lines of our own code that run. What an engine does natively is not counted; we bound
what we ask it for.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pypdfium2.raw as c
import pytest
from pypdfium2 import PdfDocument

import rpa_shard
from rpa_shard.extract.engines.fonts import silent_fonts
from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.engines.pdfium.places import CharacterPlaces
from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import PaperError
from rpa_shard.reading.clean import clean_text
from rpa_shard.reading.identifiers.find import find_identifiers
from rpa_shard.reading.joining import MAX_SEARCHED_CHARACTERS, TextOrWords
from rpa_shard.reading.references.fields import fields_of
from rpa_shard.reading.spelling import MAX_MARKS, spell
from rpa_shard.testing.growing_papers import GROWING, pages, pieces_of_one_line
from rpa_shard.testing.sample_papers import Kind, sample_pdf

OURS = str(Path(rpa_shard.__file__).parent)
COUNT = 250
# Four times the things may take little more than four times the work: sorting takes more, and caches less.
MAX_GROWTH = 4.7
# What a paper with nothing in it takes.
ALWAYS = 3_000


def steps_of(work: Callable[[], object]) -> int:
    """How many lines of our own code a call runs."""
    steps = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        steps += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps


def all_of_it(path: Path, engine: str) -> None:
    try:
        found = extract(path, engine)
    except PaperError:  # pypdf has limits of its own
        return
    clean_text(found.text, found.page_offsets, found.layout)


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "paper.pdf"


# What our own code for pypdf does something about; the rest is the same for both engines.
OF_PYPDF = ("links", "one link often", "links on pages", "destinations", "nested names", "pages", "lines", "fonts")


@pytest.mark.parametrize(
    ("kind", "engine"), [*((kind, "pdfium") for kind in GROWING), *((kind, "pypdf") for kind in OF_PYPDF)]
)
def test_four_times_as_much_is_four_times_the_work(
    pdf: Path, kind: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fewer links are looked for natively, where their work is not counted.
    monkeypatch.setattr("rpa_shard.extract.engines.pdfium.text.MAX_POINTS", 0)
    monkeypatch.setattr("rpa_shard.extract.engines.pypdf.text.MAX_PASSED", 0)
    pdf.write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    all_of_it(pdf, engine)  # what is imported and computed once
    steps = []
    for count in (COUNT, 4 * COUNT):
        pdf.write_bytes(GROWING[kind](count))
        steps.append(steps_of(lambda: all_of_it(pdf, engine)))
    assert steps[1] <= MAX_GROWTH * steps[0] + ALWAYS, steps


@pytest.mark.parametrize(
    "part",
    [
        b"1 0 obj << /Subtype /Type3 /Encoding 1 0 R /Differences [/g1] >>\n",
        b"2 0 obj << /Subtype /Type3 /Encoding 1 0 R /Differences [\n",
        b"/Differences [/a0 /a1 ",
        b"obj ",
    ],
)
def test_fonts_are_looked_at_once(part: bytes) -> None:
    start = b"1 0 obj << /Subtype /Type3 "
    few, many = (steps_of(partial(silent_fonts, start + part * count)) for count in (COUNT, 4 * COUNT))
    assert many <= MAX_GROWTH * few + ALWAYS, (few, many)


@pytest.fixture
def text_page(pdf: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Any, int]]:
    pdf.write_bytes(request.param)
    document = PdfDocument(pdf)
    page = c.FPDF_LoadPage(document.raw, 0)
    text = c.FPDFText_LoadPage(page)
    yield text, c.FPDFText_CountChars(text)
    c.FPDFText_ClosePage(text)
    c.FPDF_ClosePage(page)
    document.close()


@pytest.mark.parametrize(
    "text_page",
    [sample_pdf(Kind.TWO_COLUMNS, "2401.00001"), pages(1), pieces_of_one_line(300), GROWING["fonts"](300)],
    indirect=True,
)
def test_the_index_of_characters_finds_what_pdfium_finds(text_page: tuple[Any, int]) -> None:
    handle, count = text_page
    places, budget = CharacterPlaces(handle, count), Budget()
    points = [(x + 0.25, y + 0.5) for x in range(-5, 640, 7) for y in range(-5, 800, 5)]
    for x, y in [*points, (float("nan"), 1.0), (float("inf"), 1.0), (1.0, -1e30)]:
        found = c.FPDFText_GetCharIndexAtPos(handle, x, y, 4.0, 4.0)
        assert places.index_at(x, y, budget) == found, (x, y)
        assert c.FPDFText_GetCharIndexAtPos(handle, x, y, 0.0, 0.0) in (-1, found), "without a tolerance: it or none"


def test_characters_crowded_at_one_place_are_looked_at_only_so_often(pdf: Path) -> None:
    budget = Budget()
    budget.looks = 10
    pdf.write_bytes(pieces_of_one_line(300))
    document = PdfDocument(pdf)
    page = c.FPDF_LoadPage(document.raw, 0)
    text = c.FPDFText_LoadPage(page)
    places = CharacterPlaces(text, c.FPDFText_CountChars(text))
    for x in range(500):
        places.index_at(x, 21.0, budget)
    c.FPDFText_ClosePage(text)
    c.FPDF_ClosePage(page)
    document.close()
    assert (budget.looks, budget.names()) == (0, ("links",))


def test_a_page_whose_pieces_pdfium_would_compare_for_long_is_left_to_the_other_engine(
    pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf.write_bytes(GROWING["one link often"](600))
    assert extract(pdf, "pdfium").limits_hit == (), "many pieces, on lines of their own"
    monkeypatch.setattr("rpa_shard.extract.engines.pdfium.engine.MAX_PASSED_PIECES", 1_000)
    assert extract(pdf, "pdfium").limits_hit == ()
    pdf.write_bytes(pieces_of_one_line(6_000))
    with pytest.raises(PaperError, match="in a reasonable time"):
        extract(pdf, "pdfium")
    assert "1+21+2" in extract(pdf, "auto").text
    assert extract(pdf, "auto").engine == "pypdf"


@pytest.mark.parametrize("name", ["A. Weir", "Anna B Weir", "De La Weir", "A. van de Weir Ondine", "De La Weir, A."])
@pytest.mark.parametrize("between", [" and ", " & ", "; ", ", "])
@pytest.mark.parametrize("end", ["x", " x", "", ".", " 1", ". "])
def test_no_list_of_names_takes_an_exponential_number_of_steps(name: str, between: str, end: str) -> None:
    """It ends at all: a regular expression took two to the sixty steps."""
    fields_of(between.join([name] * 60) + end, numbered=False)


def test_names_in_one_entry_that_begin_with_one_another() -> None:
    uris = tuple(f"http://example.org/{'a' * number}" for number in range(1, 300))
    few, many = steps_of(lambda: find_identifiers("", uris[:70])), steps_of(lambda: find_identifiers("", uris[:280]))
    assert many <= MAX_GROWTH * few
    assert find_identifiers("", uris).urls == uris[-1:]
    assert find_identifiers("", ("http://example.org/" + ")" * 1900,)).urls == ("http://example.org/",)


def test_the_text_is_searched_for_words_only_so_often() -> None:
    text = "water clocks " * 10_000
    words = TextOrWords(text)
    assert "ater" in words, "a part of a word in the text"
    for _ in range(MAX_SEARCHED_CHARACTERS // len(text) + 1):
        assert "water" in words
    assert "ater" not in words


def test_marks_beyond_any_script_are_dropped() -> None:
    many = "a" + "\u0301\u0323" * 50_000
    assert len(spell(many)) <= MAX_MARKS + 1
    assert spell("e\u0301" + "\u0323" * 3) == "\u1eb9\u0323\u0323\u0301"
    assert spell("≤" * 100) == "≤" * 100
    signs = "≤" * 5
    assert spell(signs + "\u0323" * MAX_MARKS) == signs + "\u0323" * MAX_MARKS
    assert spell(signs + "\u0323" * (MAX_MARKS + 1)) == signs + "\u0323" * MAX_MARKS


def test_tracing_is_not_left_on() -> None:
    assert threading.gettrace() is None
