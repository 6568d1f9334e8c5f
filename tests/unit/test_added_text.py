"""Form fields, comments and signatures: in the text, in place, and marked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.engines import limits
from rpa_shard.extract.engines.added_text import Item, shown, with_items
from rpa_shard.extract.engines.limits import Budget
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.phases.prep.record import json_schema
from rpa_shard.reading.document import Link, Page, Place
from rpa_shard.testing.pdf_writer import write_pdf
from tests import raw_pdf
from tests.raw_pdf import one_page, stream

ENGINES = ["pdfium", "pypdf"]
FORM = b"/AcroForm << /Fields [10 0 R 11 0 R 12 0 R 13 0 R 14 0 R] /DR << /Font << /F1 5 0 R >> >> >>"


def drawing(text: str, font: bytes = b"5 0 R") -> bytes:
    """What an annotation of 200 by 14 points looks like."""
    content = f"BT /F1 10 Tf 2 3 Td ({text}) Tj ET".encode("cp1252")
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 200 14] /Resources << /Font << /F1 %b >> >>" % font
    return stream(content, entries)


def annotation(subtype: str, y: float, entries: str, x: float = 200) -> bytes:
    return f"<< /Type /Annot /Subtype /{subtype} /Rect [{x} {y - 3} {x + 200} {y + 11}] {entries} >>".encode("cp1252")


def page_with(annotations: dict[int, bytes], objects: dict[int, bytes] | None = None, root: bytes = b"") -> bytes:
    """A page with four labels, one below the other, and these annotations."""
    labels = {(72.0, 700.0 - 40 * number): f"Label {number}:" for number in range(4)}
    kids = b" ".join(b"%d 0 R" % number for number in annotations)
    return one_page(raw_pdf.shown(labels), {**annotations, **(objects or {})}, b"/Annots [%b]" % kids, root)


def read(path: Path, pdf: bytes, engine: str) -> Extraction:
    path.write_bytes(pdf)
    return extract(path, engine)


def added(found: Extraction) -> list[tuple[str, int, str]]:
    return [(each.kind, each.page, found.text[each.start : each.end]) for each in found.added_text]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.pdf"


@pytest.mark.parametrize("engine", ENGINES)
def test_values_follow_their_labels(path: Path, engine: str) -> None:
    fields = {
        10: annotation("Widget", 700, "/FT /Tx /T (a) /V (Ondine Marsh) /AP << /N 20 0 R >>"),
        11: annotation("Widget", 660, "/FT /Tx /T (b) /V (two\\rlines)"),
        12: annotation(
            "Widget", 620, "/FT /Ch /T (c) /V (2) /Opt [[(1) (one)] [(2) (second choice)]] /AP << /N 21 0 R >>"
        ),
        13: annotation("Widget", 580, "/Parent 14 0 R"),
    }
    objects = {
        14: b"<< /FT /Tx /T (d) /V (held by its parent) /Kids [13 0 R] >>",
        20: drawing("Ondine Marsh"),
        21: drawing("second choice"),
    }
    found = read(path, page_with(fields, objects, FORM), engine)
    expected = ["Ondine Marsh", "two\nlines", "second choice", "held by its parent"]
    assert added(found) == [("form_field", 1, value) for value in expected]
    text = "\n".join(f"Label {number}:\n{value}" for number, value in enumerate(expected))
    assert found.text == f"[PAGE 1]\n{text}\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_drawn_counts(path: Path, engine: str) -> None:
    """A date as the form shows it, a signature of nested forms, a stamp, the label of a button."""
    nested = b"/Type /XObject /Subtype /Form /BBox [0 0 200 14] /Resources << /XObject << /X 22 0 R >> >>"
    annotations = {
        10: annotation("Widget", 700, "/FT /Tx /T (a) /V (20240131) /AP << /N 20 0 R >>"),
        11: annotation("Widget", 660, "/FT /Sig /T (b) /V << /Type /Sig >> /AP << /N 21 0 R >>"),
        12: annotation("Stamp", 620, "/AP << /N 23 0 R >>"),
        13: annotation("Widget", 580, "/FT /Btn /Ff 65536 /T (c) /AP << /N 24 0 R >>"),
    }
    objects = {
        20: drawing("31 January 2024"),
        21: stream(b"q 1 0 0 1 0 0 cm /X Do Q", nested),
        22: drawing("Signed by P. Fjord"),
        23: drawing("Received"),
        24: drawing("Send it"),
    }
    assert added(read(path, page_with(annotations, objects), engine)) == [
        ("form_field", 1, "31 January 2024"),
        ("signature", 1, "Signed by P. Fjord"),
        ("annotation", 1, "Received"),
        ("form_field", 1, "Send it"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_no_reader_sees_is_left_out(path: Path, engine: str) -> None:
    annotations = {
        10: annotation("FreeText", 700, "/Contents (hidden) /F 2"),
        11: annotation("FreeText", 660, "/Contents (not for the screen) /F 32 /AP << /N 20 0 R >>"),
        12: annotation("Widget", 620, "/FT /Tx /Ff 8192 /T (p) /V (a password) /AP << /N 20 0 R >>"),
        13: annotation("Widget", 580, "/FT /Btn /T (b) /V /On /AS /On /AP << /N << /On 21 0 R >> >>"),
        14: annotation("Text", 540, "/Contents (behind an icon)"),
        15: annotation("Popup", 540, "/Contents (behind an icon)"),
        16: annotation("Highlight", 500, "/Contents (somebody marked this)"),
        17: annotation("FreeText", 460, "/Contents (seen)"),
    }
    found = read(path, page_with(annotations, {20: drawing("***"), 21: drawing("4")}), engine)
    assert added(found) == [("annotation", 1, "seen")]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_comment_waits_for_the_end_of_the_sentence_and_is_no_heading(path: Path, engine: str) -> None:
    lines = ["Introduction", "The harbour clock ran slow all winter", "and nobody noticed.", "It was set in spring."]
    content = raw_pdf.shown({(72.0, 700.0 - 14 * number): line for number, line in enumerate(lines)})
    notes = {
        10: annotation("FreeText", 686, "/Contents (References)", 400),
        11: annotation("FreeText", 30, "/RC (<body><p>rich</p></body>)", 400),
    }
    found = read(path, one_page(content, notes, b"/Annots [10 0 R 11 0 R]"), engine)
    assert added(found) == [("annotation", 1, "References"), ("annotation", 1, "rich")]
    order = [*lines[:3], "References", lines[3], "rich"]
    assert found.text == "[PAGE 1]\n" + "\n".join(order) + "\n"
    assert "References" not in [section.title for section in found.sections]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_page_with_annotations_only(path: Path, engine: str) -> None:
    note = annotation("FreeText", 700, "/Contents (all there is) /AP << /N 20 0 R >>")
    found = read(path, one_page(b"", {10: note, 20: drawing("all there is")}, b"/Annots [10 0 R]"), engine)
    assert (found.text, added(found)) == ("[PAGE 1]\nall there is\n", [("annotation", 1, "all there is")])


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_that_share_their_content(path: Path, engine: str) -> None:
    shared = b"/Parent 2 0 R /MediaBox [0 0 612 792] /Contents 6 0 R /Resources 7 0 R"
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R 8 0 R] /Count 2 >>",
        3: b"<< /Type /Page %b /Annots [10 0 R] >>" % shared,
        4: stream(raw_pdf.shown({(72.0, 700.0): "The same on both pages"})),
        5: raw_pdf.FONT,
        6: b"[4 0 R]",
        7: b"<< /Font << /F1 5 0 R >> >>",
        8: b"<< /Type /Page %b /Annots [11 0 R] >>" % shared,
        10: annotation("Stamp", 620, "/AP << /N 20 0 R >>"),
        11: annotation("Stamp", 620, "/AP << /N 21 0 R >>"),
        20: drawing("Received"),
        21: drawing("Sent back"),
    }
    found = read(path, raw_pdf.write(objects), engine)
    assert added(found) == [("annotation", 1, "Received"), ("annotation", 2, "Sent back")]
    page = "The same on both pages"
    assert found.text == f"[PAGE 1]\n{page}\nReceived\n\n[PAGE 2]\n{page}\nSent back\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_as_many_as_the_cap(path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANNOTATIONS", 3)
    notes = {
        10 + number: annotation("FreeText", 700 - 20 * number, f"/Contents (note {number})") for number in range(5)
    }
    found = read(path, page_with(notes), engine)
    assert [text for _, _, text in added(found)] == ["note 0", "note 1", "note 2"]
    assert (found.limits_hit, found.flags) == (("annotations",), ("partial",))
    assert "annotations" in json_schema()["properties"]["limits_hit"]["items"]["enum"]


@pytest.mark.parametrize("engine", ENGINES)
def test_broken_annotations_cost_nothing_else(path: Path, engine: str) -> None:
    notes = {
        10: b"<< /Subtype /FreeText >>",
        11: b"null",
        12: b"(no annotation)",
        13: annotation("Widget", 660, "/FT /Tx /AP << /N 99 0 R >> /V 7 /Parent 13 0 R"),
        14: annotation("FreeText", 620, "/Contents (after them) /AP (none)"),
    }
    found = read(path, page_with(notes), engine)
    assert [text for _, _, text in added(found)] == ["after them"]
    assert "Label 3:" in found.text


@pytest.mark.parametrize(
    ("drawn", "value", "expected"),
    [
        ("", "value", "value"),
        ("1 2 3", "123", "123"),
        ("the begin", "the beginning", "the beginning"),
        ("31 January", "20240131", "31 January"),
        ("one\ntwo\nthree", "two", "one\ntwo\nthree"),
        ("ملاس", "سلام", "سلام"),
        ("✓", "", ""),
    ],
)
def test_what_a_reader_sees(drawn: str, value: str, expected: str) -> None:
    assert shown(drawn, value) == expected


words = st.text("ab. ", max_size=12).map(str.strip)
numbers = st.integers(0, 700).map(float)


@given(
    st.lists(st.tuples(words, numbers, numbers), max_size=12),
    st.lists(st.tuples(numbers, numbers, st.text("xy\n ", max_size=9)), max_size=8),
    st.booleans(),
    st.data(),
)
def test_everything_else_stays(
    lines: list[tuple[str, float, float]], notes: list[tuple[float, float, str]], has_places: bool, data: st.DataObject
) -> None:
    text = "\n".join(line for line, _, _ in lines)
    places = tuple(Place(x, y, x + 50, 10.0) for _, x, y in lines) if has_places else ()
    offsets = data.draw(st.lists(st.integers(0, len(text)), max_size=4))
    page = Page(text, places, tuple(Link(offset, "u", None) for offset in [*offsets, None]))
    items = [Item("annotation", x, y, x + 40, y + 12, note) for x, y, note in notes]
    found = with_items(page, items, Budget())

    def without_added(text: str) -> str:
        for each in reversed(found.added):
            text = text[: each.start] + text[each.end + 1 :]
        return text

    if found.added:
        assert without_added(found.text + "\n").removesuffix("\n") == text
    spans = [found.text[each.start : each.end] for each in found.added]
    assert sorted(spans) == sorted(
        "\n".join(line.strip() for line in note.split("\n") if line.strip()) for _, _, note in notes if note.strip()
    )
    assert all(a.end < b.start for a, b in zip(found.added, found.added[1:], strict=False))
    if has_places and lines:
        assert len(found.places) == found.text.count("\n") + 1
    for before, after in zip(page.links, found.links, strict=True):
        if before.offset is not None and before.offset < len(text) and text[before.offset] != "\n":
            assert after.offset is not None
            assert found.text[after.offset] == text[before.offset]
            assert not any(each.start <= after.offset < each.end for each in found.added)


def test_a_page_with_links_only_is_not_looked_at_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpa_shard.extract.engines.pdfium import engine
    from rpa_shard.testing.pdf_writer import Link as WrittenLink
    from rpa_shard.testing.pdf_writer import Page as WrittenPage

    monkeypatch.setattr(engine, "page_items", lambda *_: pytest.fail("looked at"))
    links = [WrittenLink((10, 10, 20, 20), uri="http://harbour.example/")] * 3
    path.write_bytes(write_pdf([WrittenPage(links=links)]))
    assert extract(path, "pdfium").added_text == ()
