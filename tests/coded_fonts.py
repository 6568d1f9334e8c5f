"""PDFs whose fonts have codes of their own: some tell their letters to both engines, some to one, some to none."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from itertools import accumulate

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
