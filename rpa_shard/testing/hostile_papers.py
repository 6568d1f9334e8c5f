"""PDFs that no sane program would write: made to be slow, greedy, endless, locked or broken.

Guarantee: the same bytes for the same arguments; a downloader accepts every file as a PDF, so it reaches the engine,
and only there does a small file become expensive. Limit: how an engine should react is not defined here; default sizes
suit a test's patience, arguments make them larger.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from io import BytesIO

from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, ByteStringObject

from rpa_shard.testing.pdf_objects import END_MARKER, FONT, SHOWN, assemble, one_page, page, stream
from rpa_shard.testing.pdf_writer import Page, write_pdf
from rpa_shard.testing.sample_papers import Kind, sample_pdf

TENTHS = 10


def heavy_page(shows: int = 1_000_000) -> bytes:
    """A small file whose one page shows text a million times: seconds of parsing and about 1 GB of memory."""
    return write_pdf([Page(operators="BT /F1 1 Tf " + "(abcd) Tj " * shows + "ET")])


def large_text_page(text_bytes: int = 5_000_000) -> bytes:
    """One page with that much text, in lines of a hundred letters, compressed."""
    line = "(" + "slow clock " * 9 + "x) Tj T*\n"
    return write_pdf([Page(operators="BT /F1 1 Tf 2 TL 10 780 Td " + line * (text_bytes // 100) + "ET")])


def decompression_bomb(unpacked_bytes: int = 100_000_000, *, layers: int = 1) -> bytes:
    """A page whose content unpacks to that many blanks; each further layer compresses it once more."""
    content = _packed(SHOWN, b" " * 2**20, unpacked_bytes // 2**20)
    for _ in range(layers - 1):
        content = zlib.compress(content, 9)
    filters = b"/FlateDecode " * layers
    return one_page({5: stream(content, b"/Filter [" + filters + b"]")})


def many_pages(tens: int = 6) -> bytes:
    """A page tree in which each node lists the same child ten times: 10 to the `tens` pages in a few hundred bytes."""
    objects = {1: b"<< /Type /Catalog /Pages 10 0 R >>", 4: FONT, 5: stream(SHOWN)}
    for level in range(tens):
        child = 11 + level if level < tens - 1 else 3
        kids = b"%d 0 R " % child * 10
        parent = b"/Parent %d 0 R" % (9 + level) if level else b""
        count = 10 ** (tens - level)
        objects[10 + level] = b"<< /Type /Pages %b /Kids [%b] /Count %d >>" % (parent, kids, count)
    objects[3] = page(9 + tens)
    return assemble(objects)


def page_tree_loop() -> bytes:
    """A page tree that is its own child."""
    kids = b"<< /Type /Pages /Kids [3 0 R 2 0 R 6 0 R] /Count 1000 >>"
    back = b"<< /Type /Pages /Parent 2 0 R /Kids [2 0 R] /Count 1000 >>"
    return one_page({2: kids, 6: back})


def object_stream_loop() -> bytes:
    """An object stream that contains itself, extends itself, and holds its own length."""
    inside = b"7 0 8 8 << /Loop 7 0 R >> 99"
    return one_page(
        {
            5: stream(SHOWN, b"/Filter 8 0 R /DecodeParms 7 0 R"),
            7: b"<< /Type /ObjStm /N 2 /First 8 /Extends 7 0 R /Length 8 0 R >>\nstream\n" + inside + b"\nendstream",
            8: b"8 0 R",
        },
        in_object_stream={8: 7, 9: 7},
    )


def form_loop() -> bytes:
    """A page that draws a form which draws itself, twice."""
    drawn = b"/Resources << /Font << /F1 4 0 R >> /XObject << /X 6 0 R >> >>"
    form = stream(SHOWN + b"/X Do /X Do\n", b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] " + drawn)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R " + drawn + b" >>"
    return one_page({3: page, 5: stream(SHOWN + b"/X Do\n"), 6: form})


def form_bomb(levels: int = 6) -> bytes:
    """Forms that each draw the next one ten times: 10 to the `levels` lines of text."""
    objects: dict[int, bytes] = {}
    for level in range(levels):
        number, child = 10 + level, 11 + level
        inside = b"/XObject << /X %d 0 R >>" % child if level < levels - 1 else b""
        content = b"/X Do " * 10 if inside else SHOWN * 10
        entries = (
            b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 4 0 R >> %b >>" % inside
        )
        objects[number] = stream(content, entries)
    resources = b"/Resources << /XObject << /X 10 0 R >> >>"
    objects[3] = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R " + resources + b" >>"
    objects[5] = stream(b"/X Do\n")
    return one_page(objects)


def deep_nesting(depth: int = 100_000) -> bytes:
    """Arrays within arrays in the page, dictionaries within dictionaries in the catalog, and blocks in the content."""
    arrays = b"[" * depth + b"]" * depth
    dictionaries = b"<< /D " * depth + b"0" + b" >>" * depth
    return one_page(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /Deep " + dictionaries + b" >>",
            5: stream(b"q " * depth + b"/M << /A " + arrays + b" >> BDC " + SHOWN + b"Q " * depth),
            6: arrays,
        }
    )


def deep_page_tree(depth: int = 20_000) -> bytes:
    """A page tree with one page, that many levels down."""
    objects = {1: b"<< /Type /Catalog /Pages 10 0 R >>", 4: FONT, 5: stream(SHOWN)}
    for level in range(depth):
        child = 11 + level if level < depth - 1 else 3
        parent = b"/Parent %d 0 R" % (9 + level) if level else b""
        objects[10 + level] = b"<< /Type /Pages %b /Kids [%d 0 R] /Count 1 >>" % (parent, child)
    objects[3] = page(9 + depth)
    return assemble(objects)


class _RepeatableWriter(PdfWriter):
    """A writer whose files have the same identifier, from which encryption derives its key, instead of a random one."""

    def generate_file_identifiers(self) -> None:
        identifier = ByteStringObject(bytes(16))
        self._ID = ArrayObject((identifier, identifier))


def encrypted(password: str, paper_id: str = "2401.00001") -> bytes:
    """A sample paper, encrypted; every reader tries the empty password."""
    writer = _RepeatableWriter(clone_from=PdfReader(BytesIO(sample_pdf(Kind.TWO_COLUMNS, paper_id))))
    writer.encrypt(password, owner_password="only the owner has it", algorithm="RC4-128")  # noqa: S106
    content = BytesIO()
    writer.write(content)
    return content.getvalue()


def cut(pdf: bytes, tenths: int) -> bytes:
    """The first tenths of a file, with an end marker, so that no downloader notices the missing rest."""
    return pdf[: len(pdf) * tenths // TENTHS] + END_MARKER


def flipped(pdf: bytes, seed: int, share: float = 0.002) -> bytes:
    """A file with that share of its bytes changed, except its header and end marker."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    content = bytearray(pdf)
    for _ in range(max(1, int(len(pdf) * share))):
        content[chance.randrange(8, len(pdf) - len(END_MARKER))] = chance.randrange(256)
    return bytes(content)


def hostile_collection(seeds: int = 20) -> Mapping[str, bytes]:
    """One of each kind by name, in default sizes; every cut of a sample paper, and `seeds` flipped ones."""
    sample = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
    return {
        "heavy-page": heavy_page(200_000),
        "large-text-page": large_text_page(),
        "bomb": decompression_bomb(),
        "bomb-in-a-bomb": decompression_bomb(1_000_000_000, layers=2),
        "many-pages": many_pages(),
        "page-tree-loop": page_tree_loop(),
        "object-stream-loop": object_stream_loop(),
        "form-loop": form_loop(),
        "form-bomb": form_bomb(),
        "deep-nesting": deep_nesting(),
        "deep-page-tree": deep_page_tree(),
        "encrypted-empty": encrypted(""),
        "encrypted": encrypted("a secret"),
        **{f"cut-{tenths}": cut(sample, tenths) for tenths in range(1, TENTHS)},
        **{f"flipped-{seed}": flipped(sample, seed) for seed in range(seeds)},
    }


def _packed(head: bytes, step: bytes, times: int) -> bytes:
    """`head` and then `times` times `step` as one zlib stream; `step` is compressed only once."""
    parts, checksum = [], 1
    for content in (head, step):
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        parts.append(packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH))
    for content in (head, *[step] * times):
        checksum = zlib.adler32(content, checksum)
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    return b"\x78\xda" + parts[0] + parts[1] * times + end + checksum.to_bytes(4)
