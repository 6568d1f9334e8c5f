"""Which fonts of a PDF are silent: they tell no engine what their letters are. From the file's bytes.

What a letter is follows from its font's ToUnicode table, from its encoding, or from the name of its shape. Old TeX
called the shapes of its fonts of Type 3 `a0`, `a1` and so on, others are called `g12` or `C45`, and composite fonts may
have numbers alone. Of these fonts engines return the numbers.

Guarantee: linear in the file's length, with a bound for what is unpacked; a font is silent only if every object that
may be it is understood. Limit: in files with damaged or encrypted object streams no font counts as silent.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

from rpa_shard.extract.engines.time_slice import check
from rpa_shard.reading.document import Page

# What object streams unpack to, in all. No paper comes near it.
UNPACKED_BYTES = 50_000_000
# If fewer letters than this share have no character, something else garbled the page. Figures have letters that do.
MOST_LETTERS = 0.6

_OBJECT = b"obj"
_NUMBER = re.compile(rb"(\d{1,10})[\s\0]{1,4}\d{1,5}[\s\0]{1,4}\Z")
_NUMBER_BYTES = 24
_INTEGER = re.compile(rb"\d{1,10}")
_FONT = re.compile(rb"/Subtype\s*/(Type0|Type1|MMType1|Type3|TrueType)\b")
_BASE_FONT = re.compile(rb"/BaseFont\s*/([^\s\0/<>\[\]()%]+)")
_SUBSET = re.compile(rb"\A[A-Z]{6}\+")
_ENCODING = re.compile(rb"/Encoding\s*(?:/(?!BaseE|Differ)([\w#-]+)|(\d{1,10})\s+\d{1,5}\s+R\b|<<)")
_DIFFERENCES = re.compile(rb"/Differences\s*\[([^\[\]]*)\]")
_CODE_OR_NAME = re.compile(rb"/([^\s\0/<>\[\]()%]*)|(\d{1,5})")
_OBJECT_STREAM = re.compile(rb"/Type\s*/ObjStm\b")
_FIRST = re.compile(rb"/First\s+(\d{1,9})")
_BODY = re.compile(rb"stream\r?\n")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_IDENTITY = frozenset({b"Identity-H", b"Identity-V"})
# Names of shapes that are numbers. `u12` is not among them: such numbers are Unicode's.
_NUMBERED = re.compile(rb"(?:[A-Z]{1,2}|[b-tv-z]|[gG]lyph|cid|index|)_?\d{1,4}|G[0-9A-F]{2}")
_NO_LETTERS = frozenset({b"space", b".notdef"})

# Fonts and encodings by the numbers of their objects; a number that was used again has several.
_Objects = Mapping[int, Sequence[bytes]]


def untold_pages(content: bytes, pages: Sequence[Page], garbled: Iterable[int]) -> tuple[int, ...]:
    """The pages, counted from 1, that lack letters or are garbled because of silent fonts, and only because of them."""
    if not any(page.unmapped for page in pages):
        return ()
    is_silent = silent_fonts(content)
    of_noise = frozenset(garbled)
    return tuple(
        number
        for number, page in enumerate(pages, 1)
        if page.unmapped is not None
        and (number not in of_noise or page.unmapped.share >= MOST_LETTERS)
        and all(map(is_silent, page.unmapped.fonts))
    )


def silent_fonts(content: bytes) -> Callable[[bytes], bool]:
    """Tells whether the font of a name is silent. Those of Type 3 have no name, and only all of them can be."""
    fonts: defaultdict[bytes, list[bool]] = defaultdict(list)
    objects = _fonts_and_encodings(content)
    of_numbers = {number for number, versions in objects.items() if all(map(_is_of_numbers, versions))}
    for found in (each for versions in objects.values() for each in versions):
        if _FONT.search(found) is not None:
            name = _BASE_FONT.search(found)
            fonts[_without_subset(_unescaped(name[1])) if name else b""].append(_is_silent(found, of_numbers))
    return lambda name: all(fonts.get(_without_subset(name), (False,)))


def _without_subset(name: bytes) -> bytes:
    """A font's name without the six letters that tell its subset: PDFium drops them for some fonts."""
    return _SUBSET.sub(b"", name)


def _is_silent(font: bytes, encodings_of_numbers: Container[int]) -> bool:
    kinds, encodings = _FONT.findall(font), _ENCODING.findall(font)
    if len(kinds) != 1 or len(encodings) > 1 or b"/ToUnicode" in _unescaped(font):
        return False
    if not encodings:
        return kinds[0] == b"TrueType" and b"/Encoding" not in _unescaped(font)
    name, reference = encodings[0]
    if kinds[0] == b"Type0" or name:
        return kinds[0] == b"Type0" and name in _IDENTITY
    return int(reference) in encodings_of_numbers if reference else _is_of_numbers(font)


def _is_of_numbers(encoding: bytes) -> bool:
    """Whether an encoding only gives letters the names of numbered shapes."""
    differences = _DIFFERENCES.findall(encoding)
    if len(differences) != 1 or b"/BaseEncoding" in _unescaped(encoding):
        return False
    code, has_any = 0, False
    for name, number in _CODE_OR_NAME.findall(differences[0]):
        if number:
            code = int(number)
            continue
        # Engines take the number in `a65` for the character's, and PDFium the code itself if it knows nothing else.
        is_number = name == b"a%d" % code
        if not is_number:
            name = _unescaped(name)
            is_number = name == bytes([code & 0xFF]) or _NUMBERED.fullmatch(name) is not None
        if not is_number and name not in _NO_LETTERS:
            return False
        has_any |= is_number
        code += 1
    return has_any


def _fonts_and_encodings(content: bytes) -> _Objects:
    """Those of the file; none if some objects cannot be read."""
    found: defaultdict[int, list[bytes]] = defaultdict(list)
    left = UNPACKED_BYTES
    for number, text in _objects(content):
        inner: Iterable[tuple[int, bytes]] = ((number, text),)
        if _OBJECT_STREAM.search(text) is not None:
            unpacked = _unpacked(text, left)
            if unpacked is None:
                return {}
            left -= len(unpacked)
            inner = _inner_objects(text, unpacked)
        for each, of_it in inner:
            if _FONT.search(of_it) is not None or b"/Differences" in of_it:
                found[each].append(of_it)
    return found


def _objects(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each numbered object of a file, with what follows it."""
    number, begin, at = -1, 0, content.find(_OBJECT)
    while at >= 0:
        check()
        before = content[max(at - _NUMBER_BYTES, 0) : at]
        head = None if before.endswith(b"end") else _NUMBER.search(before)
        if head is not None:
            if number >= 0:
                yield number, content[begin:at]
            number, begin = int(head[1]), at + len(_OBJECT)
        at = content.find(_OBJECT, at + len(_OBJECT))
    if number >= 0:
        yield number, content[begin:]


def _unpacked(text: bytes, left: int) -> bytes | None:
    """What an object stream unpacks to; None if that cannot be told."""
    body, unpacker = _BODY.search(text), zlib.decompressobj()
    if body is None or left <= 0:
        return None
    try:
        content = unpacker.decompress(text[body.end() :], left)
    except zlib.error:
        return None
    return content if unpacker.eof else None


def _inner_objects(text: bytes, unpacked: bytes) -> Iterator[tuple[int, bytes]]:
    """Each numbered object of an object stream: it begins with their numbers and where each begins."""
    first = _FIRST.search(text)
    begin = int(first[1]) if first else 0
    head = [int(each) for each in _INTEGER.findall(unpacked[:begin])]
    starts = [*head[1::2], len(unpacked)]
    for number, start, end in zip(head[::2], starts, starts[1:], strict=False):
        yield number, unpacked[begin + start : begin + end]


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text) if b"#" in text else text
