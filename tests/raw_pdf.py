"""PDFs written object by object, for what no writer of papers writes."""

from __future__ import annotations

from collections.abc import Mapping

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def one_page(content: bytes, objects: Mapping[int, bytes] | None = None, page: bytes = b"", root: bytes = b"") -> bytes:
    """A file of one page with that content; its font F1 is object 5; further objects and entries of page and catalog.

    1 is the catalog, 2 the tree of pages, 3 the page, 4 its content.
    """
    usual = {
        1: b"<< /Type /Catalog /Pages 2 0 R %b >>" % root,
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> %b >>" % page,
        4: stream(content),
        5: FONT,
    }
    return write({**usual, **(objects or {})})


def write(objects: Mapping[int, bytes]) -> bytes:
    """A file of numbered objects with a cross-reference table; object 1 is the catalog."""
    file = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number, content in sorted(objects.items()):
        places[number] = len(file)
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table, size = len(file), max(objects) + 1
    file += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        file += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, table)
    return bytes(file)


def shown(lines: Mapping[tuple[float, float], str], size: int = 12) -> bytes:
    """The content that shows each line of Latin text at a place."""
    parts = (f"BT /F1 {size} Tf {x:g} {y:g} Td ({line}) Tj ET" for (x, y), line in lines.items())
    return "\n".join(parts).encode("cp1252")
