"""The bibliography, in every style and by every method."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract, make
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.references.fields import fields_of
from rpa_shard.testing.pdf_writer import Destination, Text, write_pdf
from rpa_shard.testing.pdf_writer import Page as PdfPage
from tests.typeset import Style, bibliography, paper


def extracted(*pages: str) -> Extraction:
    document = Document(tuple(Page(page) for page in pages), "test", "0")
    return make(document, measure(document.pages))


def found(*pages: str) -> list[str]:
    references = extracted(*pages).references
    assert [each.ordinal for each in references] == list(range(1, len(references) + 1))
    return [each.raw for each in references]


# Of CPU: the slowest takes about 2; with quadratic matching it takes many minutes.
HOSTILE_SECONDS = 60.0
ENTRIES = ["A. Ondine. Reading water. 1988.", "C. Weir. On ships. 1991.", "G. Root. Errors. 2024."]


@pytest.mark.parametrize("mark", ["[{}] ", "{}. ", "({}) ", "[{}]"])
@pytest.mark.parametrize(
    "heading",
    "References|REFERENCES|7. References|Bibliography:|R EFERENCES|R E F E R E N C E S|VII. REFERENCES AND NOTES|"
    "Literature Cited|§9 References|Literaturverzeichnis".split("|"),
)
def test_numbered_styles_and_headings(mark: str, heading: str) -> None:
    lines = [mark.format(number) + entry for number, entry in enumerate(ENTRIES, 1)]
    assert found("Text [1].\n" + heading + "\n" + "\n".join(lines)) == ENTRIES


def test_entries_run_over_lines_and_pages() -> None:
    first = "Body.\nReferences\n[1] A. Ondine. Read-\ning water.\n[2] C. Weir. On"
    assert found(first, "ships. 1991.\n[3] G. Root. 2024.") == [
        "A. Ondine. Reading water.",
        "C. Weir. On ships. 1991.",
        "G. Root. 2024.",
    ]


def test_no_cut_to_forty_entries_or_two_hundred_characters() -> None:
    entries = [f"Author {number}. {'A long title ' * 30}{number}. 1999." for number in range(1, 121)]
    lines = "\n".join(f"[{number}] {entry}" for number, entry in enumerate(entries, 1))
    assert found("References\n" + lines) == entries


def test_without_a_heading_a_list_in_brackets_counts() -> None:
    body = "\n".join(f"Line {number} of a letter." for number in range(200))
    lines = "\n".join(f"[{number}] {entry}" for number, entry in enumerate(ENTRIES, 1))
    assert found(body + "\n" + lines) == ENTRIES
    assert found(lines + "\nThe Harbour Collaboration\n" + body) == ENTRIES, "before a long author list, too"


def test_years_and_pages_are_no_markers() -> None:
    text = "References\n[1] A. Ondine,\n1988. Water.\n[2] C. Weir,\n(1991) Ships."
    assert found(text) == ["A. Ondine, 1988. Water.", "C. Weir, (1991) Ships."]


def test_numbered_sections_and_equations_are_no_references() -> None:
    sections = "\n".join(f"{number}. A section about water\nWater is wet here." for number in range(1, 9))
    assert found(sections + "\nx = y\n(1)\ny = z\n(2)\nz = x\n(3)") == []


def test_nothing_to_find() -> None:
    assert found("") == []
    assert found("No list here.") == []
    assert found("References\nNo list here either.") == []


def test_authors_and_years_without_places() -> None:
    lines = [
        "Ondine, A. and Fjord, B. (1988). Reading water by",
        "hand. Journal of Slow Measurements.",
        "Span, D. (2003). Bridges. Transactions on Bridges.",
        "van Weir, C. (1991). On ships, and how long to wait.",
        "Harbour Notes, 3.",
    ]
    result = extracted("Text.\nReferences\n" + "\n".join(lines) + "\nAppendix\nMore text (1999).")
    assert result.references_method == "author_year"
    assert [each.raw for each in result.references] == [
        "Ondine, A. and Fjord, B. (1988). Reading water by hand. Journal of Slow Measurements.",
        lines[2],
        "van Weir, C. (1991). On ships, and how long to wait. Harbour Notes, 3.",
    ]


STYLES = [
    Style(marker, columns, destinations, heading)
    for marker in ("[{}] ", "{}. ", "label", "")
    for columns in (1, 2)
    for destinations in (True, False)
    for heading in ("References", None)
    # Without marker, destination and heading nothing distinguishes a list from prose.
    if heading or destinations or marker
]


def name_of(style: Style) -> str:
    how = "hyperref" if style.destinations else "plain"
    return f"{style.marker or 'author-year'}-{style.columns}-{how}-{style.heading}"


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
@pytest.mark.parametrize("style", STYLES, ids=name_of)
def test_every_style_set_in_type(tmp_path: Path, style: Style, engine: str) -> None:
    entries = bibliography(40)
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(paper(entries, style))
    result = extract(pdf, engine)
    assert [each.raw for each in result.references] == [entry.text for entry in entries]
    assert [each.year for each in result.references] == [entry.year for entry in entries]
    assert [each.arxiv_ids for each in result.references] == [
        (entry.arxiv_id,) if entry.arxiv_id else () for entry in entries
    ]
    assert [each.dois for each in result.references] == [(entry.doi,) if entry.doi else () for entry in entries]
    assert result.references[4].title == entries[4].title
    assert result.references[4].authors == tuple(entries[4].authors.split(" and "))
    expected = (
        "destinations" if style.destinations else {"": "author_year", "label": "labels"}.get(style.marker, "numbers")
    )
    assert result.references_method == expected
    assert result.references_expected == (40 if style.destinations else None)
    assert result.flags == ()
    for each in result.references:
        assert result.text[each.start :].startswith(each.marker or each.raw[:5])
        start, end = result.page_offsets[each.page - 1]
        assert start <= each.start < end


def test_a_mismatch_is_flagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(paper(bibliography(40), Style("[{}] ")))
    monkeypatch.setattr("rpa_shard.reading.references.find.place_destinations", lambda *_: None)
    monkeypatch.setattr("rpa_shard.reading.references.find.find_runs", lambda *_: [])
    monkeypatch.setattr("rpa_shard.reading.references.find.headings", lambda *_: [])
    result = extract(pdf, "pdfium")
    assert (result.flags, result.references_expected, result.references) == (("refs_mismatch",), 40, ())


@pytest.mark.parametrize(
    ("entry", "year", "title", "authors"),
    [
        ('C. Weir and D. Span, "On ships, and waiting," Harbour Notes, vol. 3, 1991.', 1991, "On ships, and waiting",
         ("C. Weir", "D. Span")),
        ("Weir, C., Span, D., and Arch, E. On ships and how long to wait. In Harbours, pp. 1988–1999, 2003.", 2003,
         "On ships and how long to wait", ("Weir, C.", "Span, D.", "Arch, E.")),
        ("Carla Weir, Dora Span. On ships that wait. arXiv preprint arXiv:1705.01234, 2017.", 2017,
         "On ships that wait", ("Carla Weir", "Dora Span")),
        ("ATLAS Collaboration, private communication", None, None, ("ATLAS Collaboration",)),
        ("See the notes of the harbour master.", None, None, ()),
    ],
)  # fmt: skip
def test_fields(entry: str, year: int | None, title: str | None, authors: tuple[str, ...]) -> None:
    fields = fields_of(entry, numbered=False)
    assert (fields.year, fields.title, fields.authors) == (year, title, authors)


@pytest.mark.parametrize(
    "text",
    [
        "[1] " * 500_000,
        "\n[1] a" * 200_000,
        "R e f e r e n c e s " * 100_000,
        "-\na" * 300_000,
        "\n1. A. B" * 100_000,
        "\n[Abc12" * 100_000,
        "10.1000/" * 100_000,
        "arXiv:" * 100_000,
        "\nWeir, C., " * 50_000,
        "<latexit " * 50_000,
        "“" * 300_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    begun = time.process_time()
    extracted("References\n" + text)
    assert time.process_time() - begun < HOSTILE_SECONDS


def test_parts_of_an_entry_that_have_places_of_their_own(tmp_path: Path) -> None:
    lines = [
        "[1] A. Ondine, Harbour Notes 3, 11 (1988); C. Weir, Harbour Notes 4, 12 (1991);",
        "D. Span, Bridges 7, 1 (2003).",
        "[2] G. Root, Errors 5, 13 (2024).",
        "[3] H. Master, Reports 6, 14 (1999); E. Ebb, Tides 1, 2 (2001).",
    ]
    texts = [Text(60, 700, "Read at dusk [1-3].")]
    texts += [Text(60, 600 - 12 * row, line, 9) for row, line in enumerate(lines)]
    middle = 60 + 9 * 0.44 * lines[0].index("C. Weir")
    last = 60 + 9 * 0.44 * lines[3].index("E. Ebb")
    places = {
        "cite.a": Destination(0, 60, 610),
        "cite.b": Destination(0, middle, 610),
        "cite.c": Destination(0, 60, 598),
        "cite.d": Destination(0, 60, 586),
        "cite.e": Destination(0, 60, 574),
        "cite.f": Destination(0, last, 574),
    }
    pdf = tmp_path / "paper.pdf"
    pdf.write_bytes(write_pdf([PdfPage(texts)], places))
    found = extract(pdf, "pdfium")
    assert [(each.marker, each.key, each.raw) for each in found.references] == [
        ("[1]", "a", "A. Ondine, Harbour Notes 3, 11 (1988);"),
        (None, "b", "C. Weir, Harbour Notes 4, 12 (1991);"),
        (None, "c", "D. Span, Bridges 7, 1 (2003)."),
        ("[2]", "d", "G. Root, Errors 5, 13 (2024)."),
        ("[3]", "e", "H. Master, Reports 6, 14 (1999);"),
        (None, "f", "E. Ebb, Tides 1, 2 (2001)."),
    ]
    assert [found.text[each.start : each.end] for each in found.references][1] == "C. Weir, Harbour Notes 4, 12 (1991);"
    assert found.flags == ()


def test_a_list_for_each_chapter() -> None:
    prose = {k: "\n".join(f"Line {k} {number} of the text goes on." for number in range(40)) for k in "ab"}
    numbered = ["\n".join(f"[{n}] A. Ondine. Water {k}{n}. 1988." for n in range(1, 8)) for k in "ab"]
    found = extracted(*(f"{prose[k]}\nReferences\n{each}" for k, each in zip("ab", numbered, strict=True)))
    assert [each.raw for each in found.references][6:8] == ["A. Ondine. Water a7. 1988.", "A. Ondine. Water b1. 1988."]
    named = ["\n".join(f"Ondine, {i}. (19{80 + n}). Water {k}{n}." for n, i in enumerate("ABCDEF")) for k in "ab"]
    found = extracted(*(f"{prose[k]}\nReferences\n{each}" for k, each in zip("ab", named, strict=True)))
    assert (len(found.references), found.references_method) == (12, "author_year")
    assert found.references[5].raw == "Ondine, F. (1985). Water a5."
