"""A small writer of PDF files: positioned text, links, named destinations, a picture of a page.

Guarantee: valid PDF 1.5, the same bytes for the same pages. Limit: the standard fonts and Latin-1 text only; no
layout, callers position every line.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PAGE_WIDTH, PAGE_HEIGHT = 612.0, 792.0


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; its baseline starts at (x, y), in points from the lower left corner."""

    x: float
    y: float
    text: str
    size: float = 10.0
    bold: bool = False
    # Rotated, as arXiv's stamp in the margin is.
    upwards: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A clickable rectangle (left, bottom, right, top) that leads to a URI, or to a named destination."""

    rectangle: tuple[float, float, float, float]
    uri: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """A named destination: a page (from 0) and a point on it, as hyperref writes for every bibliography entry."""

    page: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Page:
    """One page: lines of text and links, or a grey picture without any text.

    `operators` go into the content stream unchanged, for pages that no sane program would write.
    """

    texts: Sequence[Text] = ()
    links: Sequence[Link] = ()
    scanned: bool = False
    operators: str = ""


def write_pdf(pages: Sequence[Page], destinations: Mapping[str, Destination] | None = None) -> bytes:
    """The file as bytes."""
    writer = _Writer()
    catalog, tree = writer.reserve(), writer.reserve()
    regular, bold = (
        writer.add(f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>")
        for font in ("Times-Roman", "Times-Bold")
    )
    numbers = [_add_page(writer, page, tree, regular, bold) for page in pages]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    writer.put(tree, f"<< /Type /Pages /Kids [{kids}] /Count {len(numbers)} >>")
    names = "".join(
        f"{_string(name)} [{numbers[place.page]} 0 R /XYZ {place.x:g} {place.y:g} null] "
        for name, place in sorted((destinations or {}).items())
    )
    writer.put(catalog, f"<< /Type /Catalog /Pages {tree} 0 R /Names << /Dests << /Names [{names}] >> >> >>")
    return writer.finish(catalog)


def _add_page(writer: _Writer, page: Page, tree: int, regular: int, bold: int) -> int:
    resources = f"/Font << /F1 {regular} 0 R /F2 {bold} 0 R >>"
    if page.scanned:
        picture = writer.add_stream(
            bytes(range(256)),
            "/Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceGray /BitsPerComponent 8",
        )
        resources += f" /XObject << /Scan {picture} 0 R >>"
        content = f"q {PAGE_WIDTH:g} 0 0 {PAGE_HEIGHT:g} 0 0 cm /Scan Do Q"
    else:
        content = "\n".join([*map(_show, page.texts), page.operators])
    body = writer.add_stream(content.encode("cp1252"))
    links = " ".join(
        f"<< /Type /Annot /Subtype /Link /Rect [{' '.join(f'{edge:g}' for edge in link.rectangle)}]"
        f" /Border [0 0 0] /A << {_action(link)} >> >>"
        for link in page.links
    )
    return writer.add(
        f"<< /Type /Page /Parent {tree} 0 R /MediaBox [0 0 {PAGE_WIDTH:g} {PAGE_HEIGHT:g}]"
        f" /Resources << {resources} >> /Contents {body} 0 R /Annots [{links}] >>"
    )


def _action(link: Link) -> str:
    return f"/S /GoTo /D {_string(link.destination)}" if link.destination else f"/S /URI /URI {_string(link.uri)}"


def _show(line: Text) -> str:
    font = "F2" if line.bold else "F1"
    matrix = "0 1 -1 0" if line.upwards else "1 0 0 1"
    return f"BT /{font} {line.size:g} Tf {matrix} {line.x:g} {line.y:g} Tm {_string(line.text)} Tj ET"


def _string(text: str) -> str:
    for special in "\\()":
        text = text.replace(special, "\\" + special)
    return f"({text})"


class _Writer:
    """Numbered objects, and the cross-reference table of their offsets."""

    def __init__(self) -> None:
        self._objects: list[bytes] = []

    def reserve(self) -> int:
        self._objects.append(b"")
        return len(self._objects)

    def put(self, number: int, content: str) -> None:
        self._objects[number - 1] = content.encode("cp1252")

    def add(self, content: str) -> int:
        number = self.reserve()
        self.put(number, content)
        return number

    def add_stream(self, content: bytes, entries: str = "") -> int:
        packed = zlib.compress(content)
        head = f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
        self._objects.append(head + packed + b"\nendstream")
        return len(self._objects)

    def finish(self, catalog: int) -> bytes:
        file = bytearray(b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
        places = []
        for number, content in enumerate(self._objects, 1):
            places.append(len(file))
            file += b"%d 0 obj\n%b\nendobj\n" % (number, content)
        table = len(file)
        file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
        for place in places:
            file += b"%010d 00000 n \n" % place
        file += b"trailer\n<< /Size %d /Root %d 0 R >>\n" % (len(places) + 1, catalog)
        file += b"startxref\n%d\n%%%%EOF\n" % table
        return bytes(file)
