"""The engines, and what is derived from their pages, on real files."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import jsonschema
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.engines.pdfium.text import ROUNDER, split_lines
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.prep.record import json_schema, make_record
from rpa_shard.reading.clean import clean_text
from rpa_shard.reading.document import Document
from rpa_shard.reading.document import Page as DocumentPage
from rpa_shard.reading.raw import valid_line
from rpa_shard.reading.stamp import Stamp
from rpa_shard.system.files import fingerprint_of
from rpa_shard.testing.pdf_writer import Destination, Link, Page, Text, write_pdf
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.typeset import Style, bibliography, paper

ENGINES = ["pdfium", "pypdf"]


def encrypted(pdf: bytes, password: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf))
    writer.encrypt(password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_text_and_references(pdf: Path, engine: str) -> None:
    found = extract(pdf, engine)
    assert (found.pages, found.engine, found.flags, len(found.references)) == (2, engine, (), 5)
    assert re.findall(r"\[PAGE (\d+)\]", found.text) == ["1", "2"]
    assert "Tide gauges as slow clocks: notes from harbour 2401.00001" in found.text
    assert found.references[1].raw.endswith("doi:10.5555/harbour.1991.3")
    assert found.characters == len(found.text)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_scan_is_flagged_not_failed(pdf: Path, engine: str) -> None:
    pdf.write_bytes(sample_pdf(Kind.SCANNED, "2401.00001"))
    found = extract(pdf, engine)
    assert (found.pages, found.flags, found.text) == (2, ("needs_ocr",), "[PAGE 1]\n\n[PAGE 2]\n")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.5\nnothing\n%%EOF\n", b"no pdf at all", sample_pdf(Kind.BROKEN, "x"), write_pdf([])]
)
def test_what_cannot_be_read_is_a_bad_pdf(pdf: Path, engine: str, content: bytes) -> None:
    pdf.write_bytes(content)
    with pytest.raises(PaperError) as error:
        extract(pdf, engine)
    assert error.value.failure is Failure.BAD_PDF
    assert error.value.detail.startswith(engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_passwords(pdf: Path, engine: str) -> None:
    plain = pdf.read_bytes()
    pdf.write_bytes(encrypted(plain, ""))
    assert "slow clocks" in extract(pdf, engine).text
    pdf.write_bytes(encrypted(plain, "secret"))
    with pytest.raises(PaperError, match=r"(?i)password|encrypted"):
        extract(pdf, engine)


def test_auto_falls_back_and_flags_it(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpa_shard.extract.engines.pdfium.engine import PdfiumEngine

    def refuse(self: PdfiumEngine, path: Path) -> None:
        raise PaperError(Failure.BAD_PDF, "pdfium: no")

    monkeypatch.setattr(PdfiumEngine, "read", refuse)
    found = extract(pdf, "auto")
    assert (found.engine, found.flags) == ("pypdf", ("fallback_engine",))


def without_second_page(pdf: bytes) -> bytes:
    """The second page's entry in the tree leads to the catalog: PDFium cannot load the page."""
    kids = re.search(rb"/Kids \[(\d+) 0 R (\d+) 0 R (\d+) 0 R\]", pdf)
    assert kids is not None
    return pdf.replace(kids[0], kids[0].replace(kids[2] + b" 0 R", b"1 0 R".ljust(len(kids[2]) + 4)), 1)


def with_unknown_filter(pdf: bytes) -> bytes:
    """The second page's content has a filter that does not exist: pypdf raises."""
    first, second, third, end = pdf.split(b"/Filter /FlateDecode")
    return first + b"/Filter /FlateDecode" + second + b"/Filter /FancyDecode" + third + b"/Filter /FlateDecode" + end


@pytest.mark.parametrize(("engine", "damage"), [("pdfium", without_second_page), ("pypdf", with_unknown_filter)])
def test_a_broken_page_costs_that_page_only(pdf: Path, engine: str, damage: Callable[[bytes], bytes]) -> None:
    words = "A page with enough words on it to be one, and to be read by everybody who wants to."
    pdf.write_bytes(damage(write_pdf([Page([Text(72, 700, words)])] * 3)))
    found = extract(pdf, engine)
    assert (found.pages, found.failed_pages, found.flags) == (3, (2,), ("partial",))
    assert [found.text[start:end] for start, end in found.page_offsets] == [words, "", words]


def test_the_same_text_from_any_number_of_threads(tmp_path: Path) -> None:
    paths = []
    for number in range(1, 13):
        paths.append(tmp_path / f"{number}.pdf")
        kind = Kind.TWO_COLUMNS if number % 2 else Kind.AUTHOR_YEAR
        paths[-1].write_bytes(sample_pdf(kind, f"2401.{number:05}"))
    expected = [extract(path, "pdfium") for path in paths]
    for threads in (2, 8):
        with ThreadPoolExecutor(threads) as pool:
            assert list(pool.map(lambda path: extract(path, "pdfium"), paths * 4)) == expected * 4


def test_one_thread_at_a_time_is_inside(pdf: Path) -> None:
    inside = 0
    most = 0

    class Watch:
        def __enter__(self) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)  # long enough for another thread to enter, too, if it could

        def __exit__(self, *_: object) -> None:
            nonlocal inside
            inside -= 1

    threads = [threading.Thread(target=extract, args=(pdf, "pdfium", Watch())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_an_extraction_crosses_a_process_boundary(pdf: Path) -> None:
    found = extract(pdf, "pdfium")
    assert Extraction.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize("engine", ENGINES)
def test_citations_lead_to_entries(pdf: Path, engine: str) -> None:
    pdf.write_bytes(paper(bibliography(5), Style("[{}] ")))
    found = extract(pdf, engine)
    assert [each.reference for each in found.citations] == [3, 1]
    for citation in found.citations:
        start, end = found.page_offsets[citation.page - 1]
        assert start <= citation.offset < end
    line = found.text.index("Others agree: [3] and [1].")
    assert [line <= each.offset < line + 26 for each in found.citations] == [True, True]
    if engine == "pdfium":
        for citation, words in zip(found.citations, ("[3]", "[1]"), strict=True):
            assert 0 <= citation.offset - found.text.index(words, line) <= 2
    assert [each.key for each in found.references] == [f"key{number}" for number in range(1, 6)]


def test_a_citation_set_as_two_links_is_one(pdf: Path) -> None:
    texts = [Text(72, 700, "As Ondine (1988) has it, and Ondine (1988) said."), Text(72, 650, "References", 12)]
    entries = ("Ondine, A. (1988). Water. Harbour Notes, 3.", "Weir, C. (1991). Ships. Harbour Notes, 4.")
    texts += [Text(72, 630 - 14 * row, entry) for row, entry in enumerate(entries)]
    links = [Link((left, 698, left + 20, 708), destination="cite.a") for left in (85, 118)]
    places = {"cite.a": Destination(0, 72, 640), "cite.b": Destination(0, 72, 626)}
    pdf.write_bytes(write_pdf([Page(texts, links)], places))
    assert len(extract(pdf, "pdfium").citations) == 1


def test_links_name_what_the_text_does_not(pdf: Path) -> None:
    lines = [Text(72, 700, "References", 12), Text(72, 680, "[1] A. Ondine, Water, Harbour Notes 3 (1991).")]
    lines.append(Text(72, 660, "[2] C. Weir, On ships, Harbour Notes 4 (1992)."))
    links = [
        Link((150, 658, 200, 668), "https://doi.org/10.5555/HARBOUR.1992.4"),
        Link((210, 658, 250, 668), "http://arxiv.org/abs/hep-th/9901001v2"),
        Link((72, 100, 90, 110), "https://doi.org/10.5555/elsewhere"),
    ]
    pdf.write_bytes(write_pdf([Page(lines, links)]))
    for engine in ENGINES:
        first, second = extract(pdf, engine).references
        assert (first.dois, first.arxiv_ids) == ((), ())
        assert (second.dois, second.arxiv_ids) == (("10.5555/harbour.1992.4",), ("hep-th/9901001",))


@pytest.mark.parametrize("engine", ENGINES)
def test_caps(pdf: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pdf.write_bytes(paper(bibliography(40), Style("[{}] ")))
    for name, cap in {"LINKS": 3, "DOCUMENT_CHARACTERS": 6000}.items():
        monkeypatch.setattr(f"rpa_shard.extract.engines.limits.{name}", cap)
    monkeypatch.setattr(f"rpa_shard.extract.engines.{engine}.links.DESTINATIONS", 10)
    monkeypatch.setattr(f"rpa_shard.extract.engines.{engine}.engine.PAGES", 2)
    found = extract(pdf, engine)
    assert found.limits_hit == ("destinations", "links", "pages", "text")
    assert "partial" in found.flags
    assert sum(end - start for start, end in found.page_offsets) <= 6000
    assert (found.pages, found.references_expected) == (2, 10)


def test_the_fallback_is_chosen_by_quality_never_by_length(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpa_shard.extract.engines.pypdf.engine import PypdfEngine

    good = "The ruler stands at the end of the pier and is read at dawn and at dusk by all of us. "
    pdf.write_bytes(write_pdf([Page([Text(72, 700 - 12 * row, "¢£¥ §¨© ª«¬ ®¯° ±²³ " * 3) for row in range(30)])]))

    def garbled_and_longer(self: PypdfEngine, path: Path, max_pages: int = 0) -> Document:
        return Document((DocumentPage("þ\x86ÿ " * 5000),), "pypdf", "0")

    def good_and_shorter(self: PypdfEngine, path: Path, max_pages: int = 0) -> Document:
        return Document((DocumentPage(good * 8),), "pypdf", "0")

    monkeypatch.setattr(PypdfEngine, "read", garbled_and_longer)
    assert (extract(pdf, "auto").engine, extract(pdf, "auto").flags) == ("pdfium", ("garbled",))
    monkeypatch.setattr(PypdfEngine, "read", good_and_shorter)
    assert (extract(pdf, "auto").engine, extract(pdf, "auto").flags) == ("pypdf", ("fallback_engine",))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_record_keeps_its_schema(pdf: Path, engine: str) -> None:
    for content in (
        paper(bibliography(40), Style("[{}] ")),
        sample_pdf(Kind.TWO_COLUMNS, "2401.00001"),
        sample_pdf(Kind.AUTHOR_YEAR, "hep-th/9901001"),
        sample_pdf(Kind.SCANNED, "2401.00001"),
    ):
        pdf.write_bytes(content)
        found = extract(pdf, engine)
        record = make_record(
            "2401.00001",
            found,
            pdf=fingerprint_of(content),
            text=fingerprint_of(found.text.encode()),
            source=None,
            download_seconds=0.1,
            extract_seconds=0.1,
            fetched_at=None,
            extracted_at=1_764_000_001.9,
        )
        jsonschema.validate(json.loads(json.dumps(record)), json_schema())
        assert record["schema"] in json_schema()["properties"]["schema"]["enum"]
        texts = {"text", "clean_text", "clean_page_offsets"}
        only_exported = {"attempts", "arxiv_id", "arxiv_version", "metadata", *texts}
        assert set(record) == set(json_schema()["properties"]) - only_exported


def test_the_stamp_is_found_taken_out_and_recorded(pdf: Path) -> None:
    for engine in ENGINES:
        found = extract(pdf, engine)
        assert found.stamp == Stamp("2401.00001", 1, "physics.ao-ph", "1 Jan 2024")
        assert "arXiv:2401.00001v1" in found.text
        clean = clean_text(found.text, found.page_offsets, found.layout).text
        assert "\n\nAbstract\n\nWe describe how the water level of a small harbour, written down" in clean
        assert "\n\n[2] C. Weir. On ships, and how long to wait after them." in clean
        assert "arXiv:2401.00001v1" not in clean_text(found.text, found.page_offsets, found.layout).text


def test_a_first_page_too_short_to_judge_does_not_rule_out_the_second_engine(
    pdf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a short cover is never garbled, so the second engine seemed to do no better on it."""
    from rpa_shard.extract.engines.pypdf.engine import PypdfEngine

    garbled = Page([Text(72, 700 - 12 * row, "¢£¥ §¨© ª«¬ ®¯° ±²³ " * 3) for row in range(30)])
    pdf.write_bytes(write_pdf([Page([Text(72, 700, "A cover")]), garbled]))
    assert extract(pdf, "pdfium").quality.garbled
    good = "The ruler stands at the end of the pier and is read at dawn and at dusk by all of us. " * 8

    def cover_and_good(self: PypdfEngine, path: Path, max_pages: int | None = None) -> Document:
        return Document((DocumentPage("A cover"), DocumentPage(good))[:max_pages], "pypdf", "0")

    monkeypatch.setattr(PypdfEngine, "read", cover_and_good)
    assert extract(pdf, "auto").engine == "pypdf"


@given(st.floats(width=32, allow_nan=False, min_value=-1e6, max_value=1e6))
def test_tenths_of_points_are_rounded_as_round_does(value: float) -> None:
    assert (value * 10 + ROUNDER - ROUNDER) / 10 == round(value, 1)


@given(
    st.text(st.sampled_from("ab-\r\n\ufffe\x0b\ud800\U0001d400"), max_size=40)
    | st.lists(st.sampled_from(["a", "b-", "\r\n", "\ufffe", "\x0b", "\ud800"]), max_size=40).map("".join)
)
def test_lines_end_at_line_ends_halves_of_them_and_hyphens(raw: str) -> None:
    raw = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    pieces = re.split("(\r\n|[\r\n\ufffe])", raw)
    lines = [
        valid_line(piece) + ("-" if end == "\ufffe" else "") for piece, end in zip_longest(pieces[::2], pieces[1::2])
    ]
    spans, found = split_lines(raw, has_astral=max(raw, default="") > "\uffff")
    assert found == lines
    units = raw.encode("utf-16-le", "surrogatepass")
    assert [units[2 * start : 2 * end].decode("utf-16-le", "surrogatepass") for start, end in spans] == pieces[::2]


@pytest.mark.parametrize("engine", ENGINES)
def test_pages_whose_font_means_other_letters_are_told(pdf: Path, engine: str) -> None:
    lines = [
        "We measured the height of the water in a small harbour with a wooden ruler, and wrote",
        "it down at dawn and at dusk. The record is long: it covers forty years, and hardly a",
        "morning is missing. From these numbers we estimate how fast the sea rises, and compare",
        "the estimate with what a model of the coast predicts: they agree within the error.",
    ]

    def page(by: int) -> Page:
        text = ["".join(each if each == " " else chr(ord(each) + by) for each in line) for line in lines]
        return Page([Text(72, 700 - 12 * row, line) for row, line in enumerate(text)])

    pdf.write_bytes(write_pdf([page(0), page(0), page(3), page(0)]))
    found = extract(pdf, engine)
    assert (found.quality.garbled_pages, found.flags) == ((3,), ())
    pdf.write_bytes(write_pdf([page(0), page(1), page(3)]))
    found = extract(pdf, engine)
    assert (found.quality.garbled_pages, found.flags) == ((2, 3), ("garbled",))
