"""The engines and what is made of their pages, on real files."""

from __future__ import annotations

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdf
import pytest

from rpa_shard.paper import Failure, PaperError
from rpa_shard.prep.extract import extract
from rpa_shard.prep.extraction import Extraction
from rpa_shard.testing.pdf_writer import Page, Text, write_pdf
from rpa_shard.testing.sample_papers import Kind, sample_pdf

ENGINES = ["pdfium", "pypdf"]


def encrypted(pdf: bytes, password: str) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf))
    writer.encrypt(password, "owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "paper.pdf"
    path.write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    return path


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


def test_auto_falls_back_and_says_so(pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rpa_shard.prep.engines.pdfium import PdfiumEngine

    def refuse(self: PdfiumEngine, path: Path) -> None:
        raise PaperError(Failure.BAD_PDF, "pdfium: no")

    monkeypatch.setattr(PdfiumEngine, "read", refuse)
    found = extract(pdf, "auto")
    assert (found.engine, found.flags) == ("pypdf", ("fallback_engine",))


def test_a_broken_page_costs_that_page_only(pdf: Path) -> None:
    good = [Text(72, 700, "A page with enough words on it to be one, and to be read by everybody who wants to.")]
    broken = write_pdf([Page(good), Page(good), Page(good)])
    # The second page's entry in the tree now leads to the catalogue.
    kids = re.search(rb"/Kids \[(\d+) 0 R (\d+) 0 R (\d+) 0 R\]", broken)
    assert kids is not None
    broken = broken.replace(kids[0], kids[0].replace(kids[2] + b" 0 R", b"1 0 R".ljust(len(kids[2]) + 4)), 1)
    pdf.write_bytes(broken)
    found = extract(pdf, "pypdf")
    assert found.pages in (2, 3)
    assert "enough words" in found.text


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
    assert Extraction.from_json(found.to_json()) == found
