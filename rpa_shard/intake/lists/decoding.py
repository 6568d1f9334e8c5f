"""The text of a list: UTF-8, UTF-16, UTF-32 or an 8-bit encoding, with or without a byte order mark.

Guarantee: any bytes are decoded; UTF-8 and 8-bit lines may be mixed; memory use does not grow with the list. Limit: of
8-bit encodings only Windows-1252 and Latin-1, whose ASCII characters are those of all others that matter here.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

# A longer line is cut at a place where ids can end.
MAX_LINE_CHARACTERS = 1 << 20
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 4096
_SEPARATORS = (b" ", b",", b";", b"\t")


def encoding_of(head: bytes) -> str | None:
    """The encoding of a text of wide characters; None for UTF-8 and 8-bit encodings."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    sample = head[:_SAMPLE_BYTES]
    sample = sample[: len(sample) // 4 * 4] or sample[: len(sample) // 2 * 2]
    quarter, half = len(sample) // 4, len(sample) // 2
    if not sample or b"\0" not in sample:
        return None
    zeros = [sample[place::4].count(0) for place in range(4)] if len(sample) % 4 == 0 else [0] * 4
    # Nearly all characters of a list are below U+0100.
    if quarter and zeros[1] + zeros[2] + zeros[3] > 2.7 * quarter and zeros[0] == 0:
        return "utf-32-le"
    if quarter and zeros[0] + zeros[1] + zeros[2] > 2.7 * quarter and zeros[3] == 0:
        return "utf-32-be"
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.5 * half and even < 0.02 * half + 1:
        return "utf-16-le"
    if even > 0.5 * half and odd < 0.02 * half + 1:
        return "utf-16-be"
    return None


def text_of(blocks: Iterable[bytes], encoding: str | None, max_line: int = MAX_LINE_CHARACTERS) -> Iterator[str]:
    """The text in pieces that end where a line ends, with `\\n` alone between lines."""
    pieces = _eight_bit(blocks, max_line) if encoding is None else _wide(blocks, encoding, max_line)
    first = True
    for piece in pieces:
        if first:
            piece = piece.removeprefix("\ufeff")
            first = False
        yield piece.replace("\r\n", "\n").replace("\r", "\n") if "\r" in piece else piece


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of such pieces."""
    for piece in pieces:
        yield from piece.removesuffix("\n").split("\n")


def decoded(data: bytes) -> str:
    """Bytes of UTF-8, or of Windows-1252 where a line is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "".join(_decoded_line(line) for line in data.splitlines(keepends=True))


def _decoded_line(line: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")


def _eight_bit(blocks: Iterable[bytes], max_line: int) -> Iterator[str]:
    rest = b""
    for block in blocks:
        rest += block
        # A \r at the very end may be half of a \r\n.
        cut = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, -1)) + 1
        if not cut and len(rest) > max_line:
            cut = max(rest.rfind(each) for each in _SEPARATORS) + 1 or len(rest)
        if cut:
            yield decoded(rest[:cut])
            rest = rest[cut:]
    if rest:
        yield decoded(rest)


def _wide(blocks: Iterable[bytes], encoding: str, max_line: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = ""
    for block in blocks:
        rest += decoder.decode(block)
        cut = max(rest.rfind("\n"), rest.rfind("\r", 0, -1)) + 1
        if not cut and len(rest) > max_line:
            cut = max(rest.rfind(each.decode()) for each in _SEPARATORS) + 1 or len(rest)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
