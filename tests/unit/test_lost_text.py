"""Letters that an engine would leave out, mix up or not know: all of them in order, or a flag."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpa_shard.extract.engines import load
from rpa_shard.extract.engines.letters import is_odd, lacks_letters
from rpa_shard.extract.engines.pypdf.engine import PypdfEngine
from rpa_shard.extract.runner import extract
from rpa_shard.reading.document import Document, Page
from tests.raw_pdf import one_page, stream

CHINESE = "我们研究了一个简单的问题并且给出了答案"
TRADITIONAL = "我們研究了一個簡單的問題並且給出了答案"
JAPANESE = "私たちは簡単な問題を研究し答えを出した"
KOREAN = "우리는간단한문제를연구하고답을제시하였다"
HORIZONTAL = [
    ("GB1", "UniGB-UCS2-H", "utf-16-be", CHINESE),
    ("GB1", "UniGB-UTF16-H", "utf-16-be", CHINESE),
    ("GB1", "GBK-EUC-H", "gbk", CHINESE),
    ("GB1", "GBpc-EUC-H", "gb2312", CHINESE),
    ("CNS1", "UniCNS-UTF16-H", "utf-16-be", TRADITIONAL),
    ("CNS1", "ETen-B5-H", "big5", TRADITIONAL),
    ("CNS1", "HKscs-B5-H", "big5hkscs", TRADITIONAL),
    ("Japan1", "UniJIS-UCS2-H", "utf-16-be", JAPANESE),
    ("Japan1", "90ms-RKSJ-H", "cp932", JAPANESE),
    ("Japan1", "EUC-H", "euc_jp", JAPANESE),
    ("Korea1", "UniKS-UCS2-H", "utf-16-be", KOREAN),
    ("Korea1", "KSCms-UHC-H", "cp949", KOREAN),
    ("Korea1", "KSC-EUC-H", "euc_kr", KOREAN),
]
VERTICAL = [
    ("GB1", "UniGB-UTF16-V", "utf-16-be", CHINESE),
    ("GB1", "GBK-EUC-V", "gbk", CHINESE),
    ("CNS1", "ETen-B5-V", "big5", TRADITIONAL),
    ("Japan1", "UniJIS-UTF16-V", "utf-16-be", JAPANESE),
    ("Japan1", "90ms-RKSJ-V", "cp932", JAPANESE),
    ("Korea1", "KSCms-UHC-V", "cp949", KOREAN),
]
COUNT = 6


def with_font(content: bytes, encoding: str, ordering: str, entries: bytes = b"", page: bytes = b"") -> bytes:
    """A page in a font that is not embedded."""
    objects = {
        5: b"<< /Type /Font /Subtype /Type0 /BaseFont /NoSuchFont /Encoding /%b /DescendantFonts [6 0 R] %b >>"
        % (encoding.encode(), entries),
        6: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /NoSuchFont /FontDescriptor 7 0 R /DW 1000"
        b" /CIDSystemInfo << /Registry (Adobe) /Ordering (%b) /Supplement 2 >> >>" % ordering.encode(),
        7: b"<< /Type /FontDescriptor /FontName /NoSuchFont /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0"
        b" /Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >>",
    }
    return one_page(content, objects, page)


def lines_at(lines: list[bytes], step: tuple[int, int], start: tuple[int, int], turned: str = "1 0 0 1") -> bytes:
    shown = (
        f"{turned} {start[0] + step[0] * number} {start[1] + step[1] * number} Tm <{line.hex()}> Tj"
        for number, line in enumerate(lines)
    )
    return b"BT /F1 12 Tf " + " ".join(shown).encode() + b" ET"


def text_of(path: Path, pdf: bytes) -> str:
    path.write_bytes(pdf)
    return load("pdfium").read(path).pages[0].text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.pdf"


@pytest.mark.parametrize(("ordering", "encoding", "codec", "line"), HORIZONTAL)
def test_equal_lines_are_all_there(path: Path, ordering: str, encoding: str, codec: str, line: str) -> None:
    content = lines_at([line.encode(codec)] * COUNT, (0, -16), (60, 720))
    assert text_of(path, with_font(content, encoding, ordering)).split() == [line] * COUNT


@pytest.mark.parametrize(("ordering", "encoding", "codec", "line"), VERTICAL)
def test_columns_run_down_and_from_right_to_left(
    path: Path, ordering: str, encoding: str, codec: str, line: str
) -> None:
    columns = [line[number:] + line[:number] for number in range(COUNT)]
    content = lines_at([column.encode(codec) for column in columns], (-24, 0), (540, 740))
    assert text_of(path, with_font(content, encoding, ordering)).split() == columns


@pytest.mark.parametrize("encoding", ["UniKS-UCS2-H", "UniKS-UTF16-V"])
def test_letters_set_one_by_one(path: Path, encoding: str) -> None:
    letters = [each.encode("utf-16-be") for each in KOREAN]
    step = (12, 0) if encoding.endswith("H") else (0, -12)
    found = text_of(path, with_font(lines_at(letters, step, (60, 740)), encoding, "Korea1"))
    assert "".join(found.split()) == KOREAN


@pytest.mark.parametrize(
    ("turned", "step", "start", "page"),
    [
        ("0 1 -1 0", (20, 0), (100, 100), b""),
        ("0 -1 1 0", (-20, 0), (500, 700), b""),
        ("-1 0 0 -1", (0, 20), (500, 100), b""),
        ("0 1 -1 0", (20, 0), (100, 100), b"/Rotate 90"),
        ("-1 0 0 -1", (0, 20), (500, 100), b"/Rotate 180"),
        ("0 -1 1 0", (-20, 0), (500, 700), b"/Rotate 270"),
    ],
)
@pytest.mark.parametrize("is_latin", [True, False])
def test_turned_letters_and_pages(
    path: Path, turned: str, step: tuple[int, int], start: tuple[int, int], page: bytes, is_latin: bool
) -> None:
    if is_latin:
        lines = [f"Line {number} of the harbour book, long enough to be one of many" for number in range(COUNT)]
        pdf = one_page(lines_at([line.encode() for line in lines], step, start, turned), page=page)
    else:
        lines = [CHINESE[number:] + CHINESE[:number] for number in range(COUNT)]
        content = lines_at([line.encode("utf-16-be") for line in lines], step, start, turned)
        pdf = with_font(content, "UniGB-UCS2-H", "GB1", page=page)
    found = text_of(path, pdf)
    assert (found.splitlines() if is_latin else found.split()) == lines


def test_a_line_printed_twice_is_one(path: Path) -> None:
    content = lines_at([CHINESE.encode("utf-16-be")] * 2, (0, 0), (60, 720))
    assert text_of(path, with_font(content, "UniGB-UCS2-H", "GB1")) == CHINESE


def codes(text: str, shift: int) -> bytes:
    return b"".join((ord(letter) - shift).to_bytes(2) for letter in text)


WORDS = "The harbour clock ran slow all winter, and nobody noticed. " * 4


def unmapped_page(shift: int, entries: bytes = b"") -> bytes:
    return with_font(lines_at([codes(WORDS, shift)] * 3, (0, -16), (60, 720)), "Identity-H", "Identity", entries)


@pytest.mark.parametrize("engine", ["auto", "pdfium", "pypdf"])
def test_letters_without_characters_are_flagged(path: Path, engine: str) -> None:
    path.write_bytes(unmapped_page(29))
    found = extract(path, engine)
    assert "text_missing" in found.flags
    assert found.quality.text_missing_pages == (1,)


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_numbers_that_are_those_of_ascii_are_not(path: Path, engine: str) -> None:
    path.write_bytes(unmapped_page(0))
    assert "text_missing" not in extract(path, engine).flags


@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_a_font_with_a_mapping_is_not(path: Path, engine: str) -> None:
    letters = sorted(set(WORDS))
    rows = "\n".join(f"<{ord(letter) - 29:04x}> <{ord(letter):04x}>" for letter in letters)
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /M def /CMapType 2 def"
        f" 1 begincodespacerange <0000> <FFFF> endcodespacerange {len(letters)} beginbfchar\n{rows}\nendbfchar"
        " endcmap end end"
    )
    content = lines_at([codes(WORDS, 29)] * 3, (0, -16), (60, 720))
    pdf = with_font(content, "Identity-H", "Identity", b"/ToUnicode 8 0 R")
    at = pdf.index(b"xref\n")
    path.write_bytes(pdf[:at] + b"8 0 obj\n" + stream(cmap.encode()) + b"\nendobj\n" + pdf[at:])
    found = extract(path, engine)
    assert "text_missing" not in found.flags
    assert WORDS.strip() in found.text


@pytest.mark.parametrize(("is_read", "engine"), [(True, "pypdf"), (False, "pdfium")])
def test_the_second_engine_is_asked(path: Path, monkeypatch: pytest.MonkeyPatch, is_read: bool, engine: str) -> None:
    path.write_bytes(unmapped_page(29, b"/ToUnicode /Unreadable"))

    def read(self: PypdfEngine, path: Path, max_pages: int | None = None) -> Document:
        unknown = load("pdfium").read(path).pages[0].text
        return Document((Page(WORDS if is_read else unknown, text_missing=not is_read),), "pypdf", "0")

    monkeypatch.setattr(PypdfEngine, "read", read)
    found = extract(path, "auto")
    assert (found.engine, "text_missing" in found.flags) == (engine, not is_read)


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("words, and a formula \ue000 \ue001", False),
        ("/g12/g7/g31/g3 words", True),
        ("\x01\x02\x03\x04\x05", True),
        ("see /usr/lib and /a1", False),
        ("", False),
    ],
)
def test_what_is_no_text(text: str, lacks: bool) -> None:
    assert lacks_letters(text) is lacks


def test_odd_characters() -> None:
    assert not any(is_odd(ord(letter)) for letter in "aZ09 ,é\n")
    assert all(is_odd(ord(letter)) for letter in "\x03\x90\ue000ᥱ")
