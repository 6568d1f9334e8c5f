"""Fonts that tell no engine their letters, and those of which only the second engine knows them."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import accumulate
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
from tests.raw_pdf import stream, write

WORDS = "The harbour clock ran slow all winter, and nobody in the town noticed that it was late for the ships. "
LETTERS = sorted(set(WORDS))
NAMES = {" ": "space", ",": "comma", ".": "period"}
# Codes that are no letters of ASCII: what PDFium returns for them is no text.
CODES = {letter: 128 + number for number, letter in enumerate(LETTERS)}


def coded(text: str, codes: Mapping[str, int], width: int = 1) -> bytes:
    return b"".join(codes[letter].to_bytes(width) for letter in text)


def document(objects: Mapping[int, bytes], codes: Mapping[str, int] = CODES, width: int = 1, pages: int = 1) -> bytes:
    """Pages of WORDS in font 5."""
    line = coded(WORDS, codes, width).hex().encode()
    content = b"BT /F1 9 Tf 40 740 Td 12 TL " + b"<%b> Tj T* " % line * 8 + b"ET"
    kids = b" ".join(b"%d 0 R" % (100 + number) for number in range(pages))
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 792 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>"
    )
    return write(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, pages),
            4: stream(content),
            **{100 + number: page for number in range(pages)},
            **objects,
        }
    )


def differences(name: Callable[[str], str], codes: Mapping[str, int] = CODES) -> bytes:
    rows = "".join(f" {code} /{name(letter)}" for letter, code in codes.items())
    return f"<< /Type /Encoding /Differences [{rows}] >>".encode()


def type3(encoding: bytes, entries: bytes = b"") -> dict[int, bytes]:
    """A font of Type 3: each of its letters is a square."""
    shapes = b" ".join(
        b"/%b 7 0 R" % name for name in re.findall(rb"/(\S+)", encoding.partition(b"[")[2].partition(b"]")[0])
    )
    widths = b"600 " * 256
    return {
        5: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 700 700] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 0"
        b" /LastChar 255 /Widths [%b] /CharProcs << %b >> /Resources << >> /Encoding 6 0 R %b >>"
        % (widths, shapes, entries),
        6: encoding,
        7: stream(b"600 0 0 0 600 600 d1 0 0 600 600 re f"),
    }


def simple(
    kind: bytes, entries: bytes, file: bytes = b"", objects: Mapping[int, bytes] | None = None
) -> dict[int, bytes]:
    """A font of one-byte codes with a symbolic font's descriptor."""
    return {
        5: b"<< /Type /Font /Subtype /%b /BaseFont /ABCDEF+Harbour /FontDescriptor 8 0 R /FirstChar 0 /LastChar 255"
        b" /Widths [%b] %b >>" % (kind, b"600 " * 256, entries),
        8: b"<< /Type /FontDescriptor /FontName /ABCDEF+Harbour /Flags 4 /FontBBox [0 0 700 700] /ItalicAngle 0"
        b" /Ascent 700 /Descent 0 /CapHeight 700 /StemV 80 %b >>" % file,
        **(objects or {}),
    }


def truetype() -> bytes:
    """A font file of 256 squares that has neither a `cmap` nor the names of a `post` table."""
    points = b"\x01" * 4 + struct.pack(">8h", 0, 600, 0, -600, 0, 0, 600, 0)
    shape = struct.pack(">5h2H", 1, 0, 0, 600, 600, 3, 0) + points
    shape += b"\0" * (-len(shape) % 4)
    tables = {
        b"glyf": shape * 256,
        b"head": struct.pack(">4I2H16x4h2H3h", 0x10000, 0, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 600, 600, 0, 8, 2, 1, 0),
        b"hhea": struct.pack(">I3hH11hH", 0x10000, 700, 0, 0, 600, *[0] * 11, 256),
        b"hmtx": struct.pack(">Hh", 600, 0) * 256,
        b"loca": struct.pack(">257I", *range(0, 257 * len(shape), len(shape))),
        b"maxp": struct.pack(">I14H", 0x10000, 256, 4, 1, *[0] * 11),
    }
    starts = accumulate((len(table) + -len(table) % 4 for table in tables.values()), initial=12 + 16 * len(tables))
    head = b"".join(
        struct.pack(">4s3I", tag, 0, start, len(table))
        for (tag, table), start in zip(tables.items(), starts, strict=False)
    )
    body = b"".join(table + b"\0" * (-len(table) % 4) for table in tables.values())
    return struct.pack(">I4H", 0x10000, len(tables), 64, 2, 32) + head + body


def composite(entries: bytes = b"", objects: Mapping[int, bytes] | None = None) -> dict[int, bytes]:
    return {
        **simple(b"", b"", b"/FontFile2 10 0 R"),
        5: b"<< /Type /Font /Subtype /Type0 /BaseFont /ABCDEF+Harbour /Encoding /Identity-H"
        b" /DescendantFonts [9 0 R] %b >>" % entries,
        9: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /ABCDEF+Harbour /FontDescriptor 8 0 R /DW 600"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /CIDToGIDMap /Identity >>",
        10: stream(truetype()),
        **(objects or {}),
    }


def to_unicode(codes: Mapping[str, int], width: int, count: int | None = None) -> bytes:
    """A table of characters; with a wrong `count` PDFium does not use it."""
    rows = "\n".join(f"<{code:0{2 * width}x}> <{ord(letter):04x}>" for letter, code in codes.items())
    return stream(
        (
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /M def /CMapType 2 def\n"
            f"1 begincodespacerange\n<{'00' * width}> <{'ff' * width}>\nendcodespacerange\n"
            f"{count or len(codes)} beginbfchar\n{rows}\nendbfchar\nendcmap end end"
        ).encode()
    )


SILENT = {
    "numbers of shapes, Type 3": document(type3(differences(lambda letter: f"a{CODES[letter]}"))),
    "other numbers of shapes, Type 3": document(type3(differences(lambda letter: f"g{ord(letter)}"))),
    "characters of their own codes, Type 3": document(type3(differences(lambda letter: f"#{CODES[letter]:02x}"))),
    "numbers of shapes, Type 1": document(
        simple(b"Type1", b"/Encoding " + differences(lambda letter: f"C{CODES[letter]}"))
    ),
    "TrueType without tables": document(simple(b"TrueType", b"", b"/FontFile2 10 0 R", {10: stream(truetype())})),
    "composite without a table": document(composite(), width=2),
}
TOLD = {
    "names of letters, Type 3": document(type3(differences(lambda letter: NAMES.get(letter, letter)))),
    "numbers of characters, Type 3": document(type3(differences(lambda letter: f"a{ord(letter)}"))),
    "Unicode's numbers, Type 3": document(type3(differences(lambda letter: f"uni{ord(letter):04x}"))),
    "a table that PDFium does not read, Type 3": document(
        {**type3(differences(lambda letter: f"a{CODES[letter]}"), b"/ToUnicode 11 0 R"), 11: to_unicode(CODES, 1, 1)}
    ),
    "a table that PDFium does not read, composite": document(
        composite(b"/ToUnicode 11 0 R", {11: to_unicode(CODES, 2, 1)}), width=2
    ),
}
READABLE = {
    "a table, Type 3": document(
        {**type3(differences(lambda letter: f"a{CODES[letter]}"), b"/ToUnicode 11 0 R"), 11: to_unicode(CODES, 1)}
    ),
    "a table, composite": document(composite(b"/ToUnicode 11 0 R", {11: to_unicode(CODES, 2)}), width=2),
    "names of letters, Type 1": document(
        simple(b"Type1", b"/Encoding " + differences(lambda letter: NAMES.get(letter, letter)))
    ),
    "a standard encoding": document(
        simple(b"Type1", b"/Encoding /WinAnsiEncoding"), {letter: ord(letter) for letter in LETTERS}
    ),
}


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


def packed(content: bytes) -> bytes:
    """The same objects in an object stream, where they are no streams themselves."""
    objects = {int(number): text for number, text in re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", content, re.DOTALL)}
    inside = {number: text for number, text in objects.items() if b"stream" not in text}
    starts = accumulate((len(text) + 1 for text in inside.values()), initial=0)
    head = b" ".join(b"%d %d" % pair for pair in zip(inside, starts, strict=False)) + b"\n"
    body = zlib.compress(head + b"\n".join(inside.values()))
    entries = b"/Type /ObjStm /N %d /First %d /Filter /FlateDecode" % (len(inside), len(head))
    return write(
        {**{number: text for number, text in objects.items() if number not in inside}, 200: stream(body, entries)}
    )


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
