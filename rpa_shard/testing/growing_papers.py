"""Papers of any size: one kind of thing, as often as asked, in an otherwise plain PDF.

Guarantee: the same bytes for the same arguments; the size of a file grows in proportion to `count`, so the time for it
should, too. Limit: what a reader should find in them is not defined here.
"""

import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from rpa_shard.testing.pdf_objects import FONT, SHOWN, assemble, one_page, stream
from rpa_shard.testing.pdf_writer import Destination, Link, Page, Text, write_pdf

_PROSE = "The ruler stands at the end of the pier and is read at dawn and at dusk by everybody, year after year, "
_LINES_A_PAGE = 50
# The first number that is free in a file of one page.
_FREE = 10


def links(count: int) -> bytes:
    """One page with that many links, and that many pieces of text under them."""
    pieces = _pieces(count)
    places = [_place(number) for number in range(count)]
    found = [Link((x, y, x + 5, y + 8), f"http://example.org/{x}") for x, y in places]
    return write_pdf([Page(links=found, operators=pieces)])


def one_link_often(count: int) -> bytes:
    """One page that lists one link that many times, and has twelve times as many pieces of text."""
    annotation = (
        b"<< /Type /Annot /Subtype /Link /Rect [300 400 320 410] /A << /S /URI /URI (http://example.org/x) >> >>"
    )
    return one_page({3: _page(b"/Annots [%b]" % (b"6 0 R " * count)), 5: _packed(_pieces(12 * count)), 6: annotation})


def pieces_of_one_line(count: int) -> bytes:
    """One page with that many pieces of text in rows a point apart, which PDFium takes for one line and compares."""
    shown = " ".join(f"1 0 0 1 {20 + 6 * (n % 90)} {20 + n // 90 % 750} Tm (1+2) Tj" for n in range(count))
    return write_pdf([Page(operators=f"BT /F1 6 Tf {shown} ET")])


def links_on_pages(count: int) -> bytes:
    """Twenty pages that share the links and the text."""
    share = max(count // 20, 1)
    found = [Link((20 + number % 500, 100, 40 + number % 500, 110), "http://example.org/") for number in range(share)]
    return write_pdf([Page(links=found, operators=_pieces(share))] * 20)


def destinations(count: int) -> bytes:
    """That many bibliography entries with a destination each, and a page of text that cites each."""
    return _bibliography(count, "[{}] ", cited=True)


def destinations_at_one_line(count: int) -> bytes:
    """That many destinations of entries, all above one page's lines."""
    texts = [Text(72, 700 - 12 * line, f"[{line + 1}] {_PROSE} 1990.") for line in range(_LINES_A_PAGE)]
    places = {f"cite.{number}": Destination(0, 72, 710 - 12 * (number % _LINES_A_PAGE)) for number in range(count)}
    return write_pdf([Page(texts)], places)


def destinations_among_lines(count: int) -> bytes:
    """That many destinations of entries, and as many lines, all at one height."""
    shown = " ".join(f"1 0 0 1 {20 + number % 500} {700 - number % 3} Tm (word) Tj T*" for number in range(count))
    places = {f"cite.{number}": Destination(0, 20 + number % 500, 705) for number in range(count)}
    return write_pdf([Page(operators=f"BT /F1 1 Tf 1 TL {shown} ET")], places)


def links_in_one_entry(count: int) -> bytes:
    """A reference with that many links to different places."""
    entry = [
        Text(72, 700, "References"),
        *(Text(72, 680 - 14 * n, f"[{n}] A. Weir, Water, 199{n}.") for n in range(1, 5)),
    ]
    found = [Link((80, 650, 120, 660), f"http://example.org/{number}/{')' * 50}") for number in range(count)]
    return write_pdf([Page(entry, found)])


def nested_names(count: int) -> bytes:
    """Destinations in a tree of names of that depth."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R /Names << /Dests %d 0 R >> >>" % _FREE}
    for level in range(count):
        names = b"/Names [(cite.%06d) [3 0 R /XYZ 72 700 null]]" % level
        kids = b"/Kids [%d 0 R]" % (_FREE + level + 1) if level < count - 1 else names
        objects[_FREE + level] = b"<< %b /Limits [(cite.000000) (cite.999999)] >>" % kids
    return one_page(objects)


def fonts(count: int) -> bytes:
    """One page that changes its font that many times, to another each time."""
    names = b" ".join(b"/F%d %d 0 R" % (number, _FREE + number) for number in range(count))
    shown = [f"/F{number} 6 Tf 1 0 0 1 {x} {y} Tm (ab) Tj" for number, (x, y) in enumerate(map(_place, range(count)))]
    objects = {_FREE + number: FONT for number in range(count)}
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /Font << %b >> >> >>"
        % names
    )
    return one_page({**objects, 3: page, 5: _packed(" ".join(["BT", *shown, "ET"]))})


def form_fields(count: int) -> bytes:
    """That many text fields with values."""
    numbers = b" ".join(b"%d 0 R" % (_FREE + number) for number in range(count))
    objects = {
        _FREE + number: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (field %d) /V (value %d) /P 3 0 R "
        b"/Rect [%d %d %d %d] >>" % (number, number, number % 500, number % 700, number % 500 + 20, number % 700 + 10)
        for number in range(count)
    }
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%b] >> >>" % numbers
    return one_page({**objects, 3: _page(b"/Annots [%b]" % numbers)})


def nested_form_fields(count: int) -> bytes:
    """A field in a field in a field."""
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%d 0 R] >> >>" % _FREE}
    for level in range(count):
        kids = b"/Kids [%d 0 R]" % (_FREE + level + 1) if level < count - 1 else b"/FT /Tx /V (value)"
        parent = b"/Parent %d 0 R" % (_FREE + level - 1) if level else b""
        objects[_FREE + level] = b"<< /T (f%d) %b %b >>" % (level, kids, parent)
    return one_page(objects)


def notes(count: int) -> bytes:
    """That many notes of free text."""
    numbers = b" ".join(b"%d 0 R" % (_FREE + number) for number in range(count))
    objects = {
        _FREE + number: b"<< /Type /Annot /Subtype /FreeText /Contents (note %d) /DA (/F1 8 Tf) /Rect [%d %d %d %d] >>"
        % (number, number % 500, number % 700, number % 500 + 20, number % 700 + 10)
        for number in range(count)
    }
    return one_page({**objects, 3: _page(b"/Annots [%b]" % numbers)})


def outline(count: int) -> bytes:
    """An outline of that many entries, one after another."""
    objects = {
        _FREE + number: b"<< /Title (entry %d) /Parent 9 0 R /Dest [3 0 R /Fit] %b >>"
        % (number, b"/Next %d 0 R" % (_FREE + number + 1) if number < count - 1 else b"")
        for number in range(count)
    }
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /Outlines 9 0 R >>"
    objects[9] = b"<< /First %d 0 R /Last %d 0 R /Count %d >>" % (_FREE, _FREE + count - 1, count)
    return one_page(objects)


def nested_outline(count: int) -> bytes:
    """An outline of that depth."""
    objects = {
        _FREE + level: b"<< /Title (entry %d) /Parent %d 0 R /Dest [3 0 R /Fit] %b >>"
        % (level, _FREE + level - 1, b"/First %d 0 R" % (_FREE + level + 1) if level < count - 1 else b"")
        for level in range(count)
    }
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /Outlines 9 0 R >>"
    objects[9] = b"<< /First %d 0 R /Last %d 0 R /Count 1 >>" % (_FREE, _FREE)
    return one_page(objects)


def page_labels(count: int) -> bytes:
    """That many ranges of page labels."""
    ranges = b" ".join(b"%d << /S /D /P (A%d-) >>" % (number, number) for number in range(count))
    return one_page({1: b"<< /Type /Catalog /Pages 2 0 R /PageLabels << /Nums [%b] >> >>" % ranges})


def pages(count: int) -> bytes:
    """That many pages with a running head, a line and a number."""
    return write_pdf(
        [
            Page([Text(72, 760, "Slow clocks"), Text(72, 600, _PROSE), Text(300, 30, str(number))])
            for number in range(1, count + 1)
        ]
    )


def pages_without_ends(count: int) -> bytes:
    """A tree of pages in which each node has one page and one further node."""
    objects = {1: b"<< /Type /Catalog /Pages %d 0 R >>" % _FREE, 4: FONT, 5: stream(SHOWN)}
    for level in range(count):
        node, leaf = _FREE + 2 * level, _FREE + 2 * level + 1
        further = b"%d 0 R" % (node + 2) if level < count - 1 else b""
        parent = b"/Parent %d 0 R" % (node - 2) if level else b""
        objects[node] = b"<< /Type /Pages %b /Kids [%d 0 R %b] /Count %d >>" % (parent, leaf, further, count - level)
        objects[leaf] = _page(parent=node)
    return assemble(objects)


def lines(count: int) -> bytes:
    """That many lines of prose, on pages."""
    return _lines([_PROSE] * count)


def lines_of_one_page(count: int) -> bytes:
    """That many lines on one page."""
    return write_pdf([Page(operators=f"BT /F1 1 Tf 1 TL 10 780 Td {'(slow clocks, read by hand) Tj T* ' * count} ET")])


def one_long_line(count: int) -> bytes:
    """One line of that many words."""
    return write_pdf([Page(operators=f"BT /F1 1 Tf 10 700 Td {'(word ) Tj ' * count} ET")])


def one_long_word(count: int) -> bytes:
    """One word of that many letters, without a blank."""
    return write_pdf([Page(operators=f"BT /F1 1 Tf 10 700 Td {'(abcd) Tj ' * (count // 4)} ET")])


def _repeating(line: str) -> Callable[[int], bytes]:
    def paper(count: int) -> bytes:
        return _lines([line.format(number=number) for number in range(1, count + 1)])

    paper.__doc__ = f"That many lines like `{line}`."
    return paper


def _entry_of(words: str) -> Callable[[int], bytes]:
    def paper(count: int) -> bytes:
        """A bibliography one of whose entries has that many words."""
        parts = [words] * count
        body = [" ".join(parts[at : at + 8]) for at in range(0, count, 8)]
        return _lines([*[_PROSE] * 20, "References", "[1] A. Weir, Water, 1990.", "[2] " + body[0], *body[1:]])

    return paper


def numbered_references(count: int) -> bytes:
    """That many references with numbers."""
    return _bibliography(count, "[{}] ")


def author_year_references(count: int) -> bytes:
    """That many references with hanging indents."""
    return _bibliography(count, "")


def labelled_references(count: int) -> bytes:
    """That many references with labels."""
    return _bibliography(count, "[Wei{}] ")


def hyphenated_references(count: int) -> bytes:
    """That many references, each with a word broken at a line's end."""
    words = [chr(97 + at // 26 % 26) + chr(97 + at % 26) for at in range(676)]
    found = ["References"]
    for number in range(1, count + 1):
        a, b = words[number % 676], words[number // 676 % 676]
        found += [f"[{number}] A. Weir, Water, Harbour Notes (1990) and then q{a}x{b}-", f"z{b}{a}, and so on."]
    return _lines([_PROSE, *found])


def bibliographies(count: int) -> bytes:
    """A book whose chapters each have a bibliography of six entries."""
    chapter = ["References", *(f"[{number}] A. Weir, Water, Harbour Notes 3, 199{number}." for number in range(1, 7))]
    found = []
    for _ in range(count // 7):
        found += chapter
    return _lines([_PROSE, *found])


def operators(count: int) -> bytes:
    """That many graphics states within one another, and small pictures in the content."""
    picture = "BI /W 1 /H 1 /BPC 8 /CS /G ID x EI "
    return one_page({5: _packed("q " * count + picture * count + SHOWN.decode() + " Q" * count)})


def drawn_forms(count: int) -> bytes:
    """One page that draws that many forms, each with a word."""
    head = b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 4 0 R >> >>"
    objects = {
        _FREE + number: stream(b"BT /F1 6 Tf 72 %d Td (word) Tj ET" % (number % 700), head) for number in range(count)
    }
    names = b" ".join(b"/X%d %d 0 R" % (number, _FREE + number) for number in range(count))
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /XObject << %b >> >> >>"
        % names
    )
    return one_page({**objects, 3: page, 5: _packed(" ".join(f"/X{number} Do" for number in range(count)))})


def object_streams(count: int) -> bytes:
    """That many unused objects, fifty in a stream."""
    objects: dict[int, bytes] = {}
    inside: dict[int, int] = {}
    streams = max(count // 50, 1)
    for number in range(streams):
        first = _FREE + streams + 50 * number
        heads, bodies, at = [], [], 0
        for each in range(first, first + 50):
            body = b"<< /Unused %d >> " % each
            heads.append(b"%d %d " % (each, at))
            bodies.append(body)
            at += len(body)
            inside[each] = _FREE + number
        head = b"".join(heads)
        content = zlib.compress(head + b"".join(bodies))
        entries = b"/Type /ObjStm /N 50 /First %d /Filter /FlateDecode" % len(head)
        objects[_FREE + number] = stream(content, entries)
    return one_page(objects, inside)


GROWING: Mapping[str, Callable[[int], bytes]] = MappingProxyType(
    {
        "links": links,
        "one link often": one_link_often,
        "links on pages": links_on_pages,
        "destinations": destinations,
        "destinations at one line": destinations_at_one_line,
        "destinations among lines": destinations_among_lines,
        "links in one entry": links_in_one_entry,
        "nested names": nested_names,
        "fonts": fonts,
        "form fields": form_fields,
        "nested form fields": nested_form_fields,
        "annotations": notes,
        "outline": outline,
        "nested outline": nested_outline,
        "page labels": page_labels,
        "pages": pages,
        "nested pages": pages_without_ends,
        "lines": lines,
        "lines of one page": lines_of_one_page,
        "one long line": one_long_line,
        "one long word": one_long_word,
        "numbered references": numbered_references,
        "author-year references": author_year_references,
        "labelled references": labelled_references,
        "hyphenated references": hyphenated_references,
        "bibliographies": bibliographies,
        "operators": operators,
        "drawn forms": drawn_forms,
        "object streams": object_streams,
        "lines that are numbers": _repeating("{number}"),
        "lines that begin with numbers": _repeating("{number} the ruler stands at the end of the pier"),
        "lines that are ones": _repeating("[1] A. Weir, Water, 1990."),
        "headings": _repeating("{number} Introduction"),
        "headings of references": _repeating("References"),
        "lines that end in a hyphen": _repeating("harbour readings of water-"),
        "lines that end in a URL": _repeating("See http://example.org/a{number}/"),
        "entry of names": _entry_of("Weir, C. A.,"),
        "entry of names joined by and": _entry_of("A. Weir and"),
        "entry of full names joined by and": _entry_of("Anna B Weir and"),
        "entry of capitals": _entry_of("Weir van de la"),
        "entry of DOIs": _entry_of("10.5555/harbour.1991"),
        "entry of URLs": _entry_of("http://example.org/abc"),
        "entry of digits": _entry_of("10 . 1145 / 3292500"),
        "entry of brackets": _entry_of("((((((((((("),
        "entry of quotes": _entry_of("“quoted words"),
    }
)


def _place(number: int) -> tuple[int, int]:
    """Places in rows from the bottom of a page; after the last row they begin anew."""
    return 20 + 6 * (number % 90), 30 + 8 * (number // 90 % 90)


def _pieces(count: int) -> str:
    """That many small pieces of text, in the content stream of a page."""
    shown = [f"1 0 0 1 {x} {y} Tm (1+2) Tj" for x, y in map(_place, range(count))]
    return " ".join(["BT /F1 6 Tf", *shown, "ET"])


def _packed(content: str) -> bytes:
    return stream(zlib.compress(content.encode()), b"/Filter /FlateDecode")


def _page(entries: bytes = b"", parent: int = 2) -> bytes:
    head = b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 612 792] /Contents 5 0 R " % parent
    return head + b"/Resources << /Font << /F1 4 0 R >> >> %b >>" % entries


def _lines(texts: list[str]) -> bytes:
    return write_pdf(
        [
            Page([Text(72, 740 - 12 * row, line, 8) for row, line in enumerate(texts[at : at + _LINES_A_PAGE])])
            for at in range(0, len(texts), _LINES_A_PAGE)
        ]
    )


def _bibliography(count: int, marker: str, *, cited: bool = False) -> bytes:
    """That many entries of two lines, on pages of 25; with `cited` a destination for each, and a link to it."""
    found: list[Page] = [Page([Text(72, 740 - 12 * row, _PROSE, 8) for row in range(20)])]
    places: dict[str, Destination] = {}
    for begin in range(0, count, 25):
        texts = [Text(72, 760, "References", 12, bold=True)] if not begin else []
        cites = []
        for row, number in enumerate(range(begin, min(begin + 25, count))):
            y = 730.0 - 26 * row
            entry = f"{marker.format(number + 1)}Weir, C. and Ondine, F. ({1950 + number % 70}). On slow ships."
            texts += [Text(72, y, entry, 8), Text(84, y - 11, f"Harbour Notes {number}. doi:10.5555/h.{number}", 8)]
            if cited:
                places[f"cite.{number}"] = Destination(len(found), 72, y + 10)
                cites.append(Link((400, y, 420, y + 8), destination=f"cite.{number}"))
        found.append(Page(texts, cites))
    return write_pdf(found, places)
