"""Pages whose lines are drawn in any order: the clean text, sections and references are those of the page as read."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rpa_shard.extract.engines import load
from rpa_shard.extract.engines.added_text import Item, with_items
from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import make
from rpa_shard.reading.clean import TextLayout, clean_text
from rpa_shard.reading.quality.figures import measure
from rpa_shard.testing.pdf_writer import Page, Text, write_pdf
from tests.raw_pdf import one_page
from tests.typeset import PROSE, bibliography

ENGINES = ["pdfium", "pypdf"]
LEADING, TOP = 12.0, 700.0


def read(folder: Path, pages: Sequence[Sequence[Text]], engine: str = "pdfium") -> Extraction:
    path = folder / "paper.pdf"
    path.write_bytes(write_pdf([Page(texts) for texts in pages]))
    document = load(engine).read(path)
    return make(document, measure(document.pages))


def clean(found: Extraction) -> str:
    return clean_text(found.text, found.page_offsets, found.layout).text


def prose(lines: int, width: int, seed: int) -> list[str]:
    """Lines of sentences that are different for each seed."""
    words = PROSE.split()
    draw = random.Random(seed)
    text = " ".join(" ".join(draw.choices(words, k=11)).lower().capitalize() + f" {n}." for n in range(lines))
    return textwrap.wrap(text, width)[:lines]


def columns(count: int, lines: int, top: float = TOP, seed: int = 0) -> list[list[Text]]:
    """Columns of text over the page's width."""
    step, width = {1: (0, 100), 2: (250, 46), 3: (165, 30)}[count]
    text = prose(lines * count, width, seed)
    return [
        [
            Text(60.0 + step * number, top - LEADING * row, line, 9)
            for row, line in enumerate(text[start : start + lines])
        ]
        for number, start in enumerate(range(0, lines * count, lines))
    ]


def well_ordered(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    return [line for block in blocks for line in block]


def interleaved(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    longest = max(map(len, blocks))
    return [block[row] for row in range(longest) for block in blocks if row < len(block)]


def backwards(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    return well_ordered(blocks)[::-1]


def last_first(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    return well_ordered(blocks[::-1])


def at_random(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    lines = well_ordered(blocks)
    random.Random(7).shuffle(lines)
    return lines


def in_parts(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    """Parts of columns in any order, as programs draw the frames of a page."""
    parts = [block[start : start + 7] for block in blocks for start in range(0, len(block), 7)]
    random.Random(5).shuffle(parts)
    return well_ordered(parts)


Order = Callable[[Sequence[Sequence[Text]]], list[Text]]
ORDERS: list[Order] = [interleaved, backwards, last_first, at_random, in_parts]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("order", ORDERS)
def test_columns_in_any_order(tmp_path: Path, order: Order, count: int, engine: str) -> None:
    blocks = columns(count, 34)
    expected = read(tmp_path, [well_ordered(blocks)], engine)
    assert (expected.flags, expected.layout.order) == ((), ())
    found = read(tmp_path, [order(blocks)], engine)
    assert clean(found) == clean(expected)
    assert found.flags == ("reordered",)


@pytest.mark.parametrize("shift", [1.0, 2.5, 5.0, 7.0])
@pytest.mark.parametrize("engine", ENGINES)
def test_columns_whose_lines_are_not_level(tmp_path: Path, engine: str, shift: float) -> None:
    left, right = columns(2, 30)
    right = [Text(line.x, line.y - shift, line.text, line.size) for line in right]
    expected = clean(read(tmp_path, [well_ordered([left, right])], engine))
    assert clean(read(tmp_path, [interleaved([left, right])], engine)) == expected


def titled_page() -> list[list[Text]]:
    """A title, an abstract over both columns, two columns, a figure's caption over both, two columns, a page number."""
    title = [Text(150, 740, "Slow clocks of harbours and piers", 15, bold=True), Text(250, 722, "A. Ondine", 10)]
    abstract = [Text(90, 700 - 11 * row, line, 8) for row, line in enumerate(prose(5, 96, 3))]
    upper = columns(2, 18, 620, 4)
    caption = [
        Text(60, 390, "Figure 1: The harbour as it is seen from the pier in winter, from the left to the right.", 8)
    ]
    lower = columns(2, 16, 360, 5)
    return [title, abstract, *upper, caption, *lower]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
def test_what_spans_the_columns_divides_them(tmp_path: Path, order: Order, engine: str) -> None:
    expected = clean(read(tmp_path, [well_ordered(titled_page())], engine))
    assert clean(read(tmp_path, [order(titled_page())], engine)) == expected


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.sampled_from([2, 3]), st.integers(20, 45))
@example(435, 3, 40)  # one line only is joined from two, and PDFium gives it one rectangle
@example(944439319, 3, 43)  # it is short
def test_the_order_of_drawing_changes_nothing(tmp_path: Path, seed: int, count: int, lines: int) -> None:
    """Any order in which more than a few lines are out of place, as random ones are."""
    draw = random.Random(seed)
    blocks = columns(count, lines, seed=draw.randrange(100))
    shuffled = well_ordered(blocks)
    draw.shuffle(shuffled)
    assert clean(read(tmp_path, [shuffled])) == clean(read(tmp_path, [well_ordered(blocks)]))


def paper() -> list[list[list[Text]]]:
    """Two pages of two columns with headings and a bibliography, each page as its columns."""
    lines = ["Abstract", *prose(6, 46, 8), "1 Introduction", *prose(40, 46, 9), "2 Results", *prose(40, 46, 10)]
    lines.append("References")
    for number, entry in enumerate(bibliography(12), 1):
        lines += textwrap.wrap(f"[{number}] {entry.text}", 46)
    blocks = [lines[start : start + 40] for start in range(0, len(lines), 40)]
    placed = [
        [Text(60 + 250 * (number % 2), TOP - LEADING * row, line, 9) for row, line in enumerate(block)]
        for number, block in enumerate(blocks)
    ]
    return [placed[start : start + 2] for start in range(0, len(placed), 2)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
def test_sections_and_references_follow_the_columns(tmp_path: Path, order: Order, engine: str) -> None:
    expected = read(tmp_path, [well_ordered(page) for page in paper()], engine)
    found = read(tmp_path, [order(page) for page in paper()], engine)
    assert len(expected.references) == 12
    assert [(each.marker, each.raw, each.page) for each in found.references] == [
        (each.marker, each.raw, each.page) for each in expected.references
    ]
    assert [(each.title, each.page) for each in found.sections] == [
        (each.title, each.page) for each in expected.sections
    ]
    assert found.abstract == expected.abstract
    assert clean(found) == clean(expected)
    for reference in found.references:
        assert reference.start < reference.end
        assert found.text[reference.start :].startswith(f"[{reference.ordinal}]")
    for section in found.sections:
        assert found.text[section.start : section.end].endswith(section.title)


def physics_entries(count: int) -> list[str]:
    """Lines of short entries, as journals of physics have them: hardly half of it is letters."""
    return [
        line
        for n in range(1, count + 1)
        for line in (
            f"[{n}] J. Weir and K. O. Quay, Phys. Rev. D {n + 20},",
            f"{1203 + n} ({1970 + n}); A. Span, ibid. {n + 31}, 4{n:03} (1985),",
            f"arXiv:1{n % 5 + 5}05.{n + 4000:05} [hep-th].",
        )
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
def test_a_page_of_references_full_of_numbers_follows_the_columns(tmp_path: Path, order: Order, engine: str) -> None:
    lines = physics_entries(26)
    blocks = [
        [Text(60 + 250 * number, TOP - LEADING * row, line, 9) for row, line in enumerate(lines[start : start + 39])]
        for number, start in enumerate((0, 39))
    ]
    heading = [Text(60, TOP + 20, "References", 12, bold=True)]
    found = read(tmp_path, [[*heading, *order(blocks)]], engine)
    assert [each.marker for each in found.references] == [f"[{n}]" for n in range(1, 27)]
    assert [len(each.arxiv_ids) for each in found.references] == [1] * 26


CHINESE = "港口的水位每天早晨和傍晚读取风使水面移动几厘米因此每次读数都是三次测量的平均值记录本存放在干燥的地方"


def test_columns_of_chinese_whose_lines_are_drawn_in_turn(tmp_path: Path) -> None:
    """A line of a column has few characters, each as wide as two."""
    text = "".join(random.Random(3).choices(CHINESE, k=22 * 80))
    shown = " ".join(
        f"1 0 0 1 {60 + 260 * column} {740 - 16 * row} Tm <{text[at : at + 22].encode('utf-16-be').hex()}> Tj"
        for row in range(40)
        for column in (0, 1)
        for at in (22 * (row + 40 * column),)
    )
    font = (
        b"<< /Type /Font /Subtype /Type0 /BaseFont /NoSuchFont /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type /Font"
        b" /Subtype /CIDFontType2 /BaseFont /NoSuchFont /DW 1000"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>] >>"
    )
    path = tmp_path / "paper.pdf"
    path.write_bytes(one_page(f"BT /F1 10 Tf {shown} ET".encode(), {5: font}))
    document = load("pdfium").read(path)
    found = make(document, measure(document.pages))
    assert "reordered" in found.flags
    assert "".join(clean(found).split()) == text


def with_added(folder: Path, texts: Sequence[Text], items: Sequence[Item]) -> Extraction:
    path = folder / "paper.pdf"
    path.write_bytes(write_pdf([Page(texts)]))
    document = load("pdfium").read(path)
    document = replace(document, pages=(with_items(document.pages[0], items, Budget()),))
    return make(document, measure(document.pages))


@pytest.mark.parametrize("order", [well_ordered, *ORDERS])
def test_comments_are_paragraphs_that_cut_no_sentence(tmp_path: Path, order: Order) -> None:
    blocks = [
        [replace(line, text=line.text.replace(".", "") + "." * (row % 4 == 3)) for row, line in enumerate(block)]
        for block in columns(2, 34)
    ]
    rows = (5, 12, 20)
    items = [
        Item("annotation", 70 + 250 * side, 702 - 12 * row, 200 + 250 * side, 724 - 12 * row, f"SEE {side}\nROW {row}")
        for side in (0, 1)
        for row in rows
    ]
    paragraphs = clean(with_added(tmp_path, order(blocks), items)).split("\n\n")
    comments = [each for each in paragraphs if each.startswith("SEE")]
    assert comments == [f"SEE {side} ROW {row}" for side in (0, 1) for row in rows]
    expected = clean(read(tmp_path, [well_ordered(blocks)]))
    others = [each for each in paragraphs if each not in comments]
    assert " ".join(others).split() == expected.split()
    assert all(each.rstrip().endswith(".") for each in others[:-1])


def test_the_raw_text_stays_that_of_the_engine(tmp_path: Path) -> None:
    found = read(tmp_path, [interleaved(columns(2, 30))])
    assert found.text == f"[PAGE 1]\n{load('pdfium').read(tmp_path / 'paper.pdf').pages[0].text}\n"
    assert found.to_json() == Extraction.from_json(found.to_json()).to_json()


def authors() -> list[Text]:
    """Three authors side by side, each with two more lines."""
    return [
        Text(80 + 170 * number, 700 - LEADING * row, line, 9)
        for number, name in enumerate(["Ondine of the Harbour", "Fjord of the Office", "Weir of the Pier"])
        for row, line in enumerate([name, "Department of Slow Clocks", f"{name[:5].lower()}@example.org"])
    ]


def table() -> list[Text]:
    """A table of words, row by row."""
    rows = [(f"Reading {n} of the water", f"the {n}th ruler at the pier", f"{n} days") for n in range(14)]
    return [
        Text(72 + 160 * cell, 640 - LEADING * n, words, 9)
        for n, row in enumerate(rows)
        for cell, words in enumerate(row)
    ]


ORDINARY = {
    "one column": well_ordered(columns(1, 40)),
    "two columns": well_ordered(columns(2, 40)),
    "three columns": well_ordered(columns(3, 40)),
    "a title, a figure": well_ordered(titled_page()),
    "authors side by side": [*authors(), *well_ordered(columns(2, 40, 640))],
    "a table of words": [*table(), *well_ordered(columns(1, 20, 440))],
    "a table alone": table(),
    "a short last page": well_ordered(columns(2, 3)),
    "a few lines drawn last": [*well_ordered(columns(2, 40))[4:], *well_ordered(columns(2, 40))[:4]],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("texts", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_pages_stay(tmp_path: Path, texts: list[Text], engine: str) -> None:
    found = read(tmp_path, [texts], engine)
    assert (found.flags, found.layout.order) == ((), ())


def test_a_short_last_page_follows_the_columns_of_the_others(tmp_path: Path) -> None:
    pages = [columns(2, 34), columns(2, 3, seed=4)]
    expected = clean(read(tmp_path, [well_ordered(page) for page in pages]))
    assert clean(read(tmp_path, [interleaved(page) for page in pages])) == expected


@pytest.mark.parametrize("order", ORDERS)
def test_cleaning_the_clean_text_of_a_reordered_page_changes_nothing(tmp_path: Path, order: Order) -> None:
    text = clean(read(tmp_path, [order(page) for page in paper()]))
    starts = tuple(number for number in range(len(text)) if text[number - 2 : number] == "\n\n")
    assert clean_text(text, ((0, len(text)),), TextLayout(paragraphs=starts)).text == text
