"""A PDF from numbered objects written by hand, for files that no writer of PDFs would make.

Guarantee: the same bytes for the same objects, with a cross-reference stream that fits them. Limit: nothing is checked;
object 1 is the catalog.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>"
SHOWN = b"BT /F1 10 Tf 72 700 Td (still here) Tj ET\n"
END_MARKER = b"\n%%EOF\n"


def page(parent: int = 2) -> bytes:
    head = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] " % parent
    return head + b"/Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def one_page(objects: Mapping[int, bytes], in_object_stream: Mapping[int, int] | None = None) -> bytes:
    """A file of one page, with some of its objects replaced: 1 catalog, 2 tree, 3 page, 4 font, 5 content."""
    usual = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        3: page(),
        4: FONT,
        5: stream(SHOWN),
    }
    return assemble({**usual, **objects}, in_object_stream or {})


def assemble(objects: Mapping[int, bytes], in_object_stream: Mapping[int, int] | None = None) -> bytes:
    """A file of numbered objects with a cross-reference stream; object 1 is the catalog."""
    inside = in_object_stream or {}
    file = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number, content in sorted(objects.items()):
        places[number] = len(file)
        file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = max(objects) + 1
    places[table] = len(file)
    rows = b"".join(_row(number, places, inside) for number in range(table + 1))
    entries = b"/Type /XRef /Size %d /W [1 4 2] /Root 1 0 R /Filter /FlateDecode" % (table + 1)
    file += b"%d 0 obj\n%b\nendobj\n" % (table, stream(zlib.compress(rows), entries))
    file += b"startxref\n%d" % places[table] + END_MARKER
    return bytes(file)


def _row(number: int, places: Mapping[int, int], inside: Mapping[int, int]) -> bytes:
    if number in inside:
        return bytes([2]) + inside[number].to_bytes(4) + (0).to_bytes(2)
    if number in places:
        return bytes([1]) + places[number].to_bytes(4) + (0).to_bytes(2)
    return bytes([0]) + bytes(4) + (65535).to_bytes(2)
