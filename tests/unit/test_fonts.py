"""Fonts that tell no engine their letters, and those of which only the second engine knows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.engines import fonts
from rpa_shard.extract.engines.fonts import silent_fonts, untold_pages
from rpa_shard.extract.engines.pypdf.engine import PypdfEngine
from rpa_shard.extract.result import Extraction
from rpa_shard.extract.runner import extract
from rpa_shard.reading.document import Document, Page, Unmapped
from tests.coded_fonts import READABLE, SILENT, TOLD, packed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.pdf"


def extracted(path: Path, content: bytes, engine: str = "auto") -> Extraction:
    path.write_bytes(content)
    return extract(path, engine)


def readable(found: Extraction) -> bool:
    return "The harbour clock ran slow" in " ".join(found.text.split())


@pytest.mark.parametrize("name", SILENT)
def test_no_engine_is_asked_for_letters_that_none_can_know(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert not readable(extracted(path, SILENT[name], "pypdf"))

    def read(self: PypdfEngine, path: Path, max_pages: int | None = None) -> Document:
        raise AssertionError("asked")

    monkeypatch.setattr(PypdfEngine, "read", read)
    found = extracted(path, SILENT[name])
    assert (found.engine, found.untold_pages) == ("pdfium", (1,))
    assert {"garbled", "text_missing"} & set(found.flags)


@pytest.mark.parametrize("name", TOLD)
def test_the_second_engine_reads_what_only_it_knows(path: Path, name: str) -> None:
    assert not readable(extracted(path, TOLD[name], "pdfium"))
    found = extracted(path, TOLD[name])
    assert (found.engine, found.untold_pages, found.flags) == ("pypdf", (), ("fallback_engine",))
    assert readable(found)


@pytest.mark.parametrize("name", READABLE)
def test_letters_that_the_first_engine_knows(path: Path, name: str) -> None:
    found = extracted(path, READABLE[name])
    assert (found.engine, found.untold_pages, found.flags) == ("pdfium", (), ())
    assert readable(found)


@pytest.mark.parametrize("name", [*SILENT, *TOLD, *READABLE])
def test_fonts_in_object_streams(name: str) -> None:
    plain, again = (
        silent_fonts((SILENT | TOLD | READABLE)[name]),
        silent_fonts(packed((SILENT | TOLD | READABLE)[name])),
    )
    font = b"" if "Type 3" in name else b"Harbour"
    assert plain(font) == again(font) == again(b"ABCDEF+Harbour" if font else font) == (name in SILENT)
    assert not plain(b"another")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"/Encoding 6 0 R", b"/ToUnicode 11 0 R /Encoding 6 0 R"),
        (b"/Encoding 6 0 R", b"/To#55nicode 11 0 R /Encoding 6 0 R"),
        (b"/Encoding 6 0 R", b"/Encoding 66 0 R"),
        (b"/Encoding 6 0 R", b"/Encoding /WinAnsiEncoding"),
        (b"/Encoding 6 0 R", b""),
        (b"/Differences [", b"/BaseEncoding /WinAnsiEncoding /Differences ["),
        (b"/Differences [", b"/Differences [ 65 /B /A"),
        (b"/Differences [", b"/Differences [ 1 /u12"),
        (b"130 /a130", b"130 /a65"),
        (b"130 /a130", b"130 /fi"),
        (b"130 /a130", b"130 /#66i"),
        (b"xref\n", b"9 0 obj\n<< /Type /ObjStm /First 4 >>\nstream\nno\nendstream\nendobj\nxref\n"),
    ],
)
def test_whatever_may_tell_a_letter_is_heard(before: bytes, after: bytes) -> None:
    content = SILENT["numbers of shapes, Type 3"]
    assert silent_fonts(content)(b"")
    assert before in content
    assert not silent_fonts(content.replace(before, after, 1))(b"")


def test_an_older_version_of_a_font_counts() -> None:
    silent, told = SILENT["composite without a table"], TOLD["a table that PDFium does not read, composite"]
    assert silent_fonts(silent)(b"Harbour")
    assert not silent_fonts(silent + told)(b"Harbour")
    assert not silent_fonts(told + silent)(b"Harbour")


def test_no_known_name_of_a_letter_is_a_number() -> None:
    from pypdf._codecs import adobe_glyphs

    names = [name[1:].encode("latin-1") for name in adobe_glyphs]
    assert [name for name in names if fonts._NUMBERED.fullmatch(name)] == []


def test_little_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(SILENT["composite without a table"])
    assert silent_fonts(content)(b"Harbour")
    monkeypatch.setattr(fonts, "UNPACKED_BYTES", 100)
    assert not silent_fonts(content)(b"Harbour")


@given(st.data())
def test_any_bytes_may_come(data: st.DataObject) -> None:
    content = packed(SILENT["numbers of shapes, Type 3"]) + SILENT["composite without a table"]
    parts = st.sampled_from([content, b"1 0 obj", b"/Type /ObjStm /First 99999", b"stream\n", b"endobj", b"#", b" 0 R"])
    made = b"".join(data.draw(st.lists(st.one_of(parts, st.binary(max_size=20)), max_size=8)))
    at, length = data.draw(st.integers(0, len(made))), data.draw(st.integers(0, 30))
    assert isinstance(silent_fonts(made[:at] + made[at + length :])(b"Harbour"), bool)


def test_only_pages_that_silent_fonts_garbled_are_given_up() -> None:
    content = SILENT["numbers of shapes, Type 3"]
    pages = [
        Page("x", unmapped=Unmapped(0.9, (b"",))),
        Page("x", unmapped=Unmapped(0.9, (b"", b"Harbour"))),
        Page("x", unmapped=Unmapped(0.3, (b"",))),
        Page("x", unmapped=Unmapped(0.3, (b"",))),
        Page("x"),
    ]
    assert untold_pages(content, pages, [1, 2, 3]) == (1, 4)
    assert untold_pages(content, pages[4:], [1]) == ()
