"""Papers damaged at random: bytes, tokens, references, streams and the order of the parts of a file.

Guarantee: the same bytes for the same seed. Limit: an engine may read such a paper or refuse it; which of the two is
not known beforehand.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO

from pypdf import PdfReader, PdfWriter

from rpa_shard.testing.hostile_papers import cut, deep_nesting, encrypted, flipped, form_bomb, object_stream_loop
from rpa_shard.testing.sample_papers import Kind, sample_pdf

MAX_MUTATIONS = 5
MAX_SPAN_BYTES = 400

Mutation = Callable[[random.Random, bytes], bytes]

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_NUMBER = re.compile(rb"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
_NAME = re.compile(rb"/[A-Za-z][A-Za-z0-9]*")
_REFERENCE = re.compile(rb"\b\d+ \d+ R\b")
_OBJECT = re.compile(rb"\d+ 0 obj.*?endobj\s", re.DOTALL)
_OPERATOR = re.compile(rb"(?<=[\s\])>])(?:BT|ET|T[fdDmLcwrsz*jJ]|q|Q|cm|Do|re|BDC|EMC)(?=\s)")
_NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"-2147483649", b"99999999999999999999", b"1e40", b"0.0000001")
_TOKENS = (b"<<", b">>", b"[", b"]", b"(", b")", b"<", b">", b"null", b"true", b"R", b"%", b"stream\n", b"endobj\n")
_OPERATORS = b"BT ET q Q Tj TJ Tf Tm Td ' \" Do cm BI ID EI".split()


def mutated(seed: int) -> bytes:
    """A paper with one to five damages."""
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    pdf = chance.choice(_papers())
    for _ in range(chance.randint(1, MAX_MUTATIONS)):
        pdf = chance.choice(_MUTATIONS)(chance, pdf)
    return pdf


@cache
def _papers() -> tuple[bytes, ...]:
    whole = tuple(
        sample_pdf(kind, paper_id)
        for kind, paper_id in (
            (Kind.TWO_COLUMNS, "2401.00001"),
            (Kind.AUTHOR_YEAR, "hep-th/9901001"),
            (Kind.SCANNED, "2401.00003"),
        )
    )
    hostile = (encrypted(""), deep_nesting(50), form_bomb(2), object_stream_loop())
    return (*whole, *map(_written_again, whole), *hostile)


def _written_again(pdf: bytes) -> bytes:
    """The same paper as other programs write it: numbered and ordered in another way."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf)))
    writer.compress_identical_objects()
    content = BytesIO()
    writer.write(content)
    return content.getvalue()


def _replace_one(pattern: re.Pattern[bytes], pdf: bytes, chance: random.Random, by: bytes) -> bytes:
    found = [match.span() for match in pattern.finditer(pdf)]
    if not found:
        return pdf
    start, end = chance.choice(found)
    return pdf[:start] + by + pdf[end:]


def _flip(chance: random.Random, pdf: bytes) -> bytes:
    if len(pdf) < MAX_SPAN_BYTES:
        return pdf
    return flipped(pdf, chance.getrandbits(32), chance.choice((0.0005, 0.005, 0.05)))


def _span(chance: random.Random, pdf: bytes) -> tuple[int, int]:
    start = chance.randrange(len(pdf) + 1)
    return start, min(len(pdf), start + chance.randint(1, MAX_SPAN_BYTES))


def _delete(chance: random.Random, pdf: bytes) -> bytes:
    start, end = _span(chance, pdf)
    return pdf[:start] + pdf[end:]


def _repeat(chance: random.Random, pdf: bytes) -> bytes:
    start, end = _span(chance, pdf)
    return pdf[:end] + pdf[start:end] * chance.randint(1, 20) + pdf[end:]


def _move(chance: random.Random, pdf: bytes) -> bytes:
    start, end = _span(chance, pdf)
    rest = pdf[:start] + pdf[end:]
    target = chance.randrange(len(rest) + 1)
    return rest[:target] + pdf[start:end] + rest[target:]


def _cut(chance: random.Random, pdf: bytes) -> bytes:
    return cut(pdf, chance.randint(1, 9))


def _number(chance: random.Random, pdf: bytes) -> bytes:
    return _replace_one(_NUMBER, pdf, chance, chance.choice(_NUMBERS))


def _name(chance: random.Random, pdf: bytes) -> bytes:
    names = _NAME.findall(pdf) or [b"/Page"]
    return _replace_one(_NAME, pdf, chance, chance.choice((b"/" + b"X" * 300, b"/", chance.choice(names))))


def _reference(chance: random.Random, pdf: bytes) -> bytes:
    return _replace_one(_REFERENCE, pdf, chance, b"%d %d R" % (chance.choice((0, 1, 2, 3, 4, 5, 9, 9999)), 0))


def _token(chance: random.Random, pdf: bytes) -> bytes:
    at = chance.randrange(len(pdf) + 1)
    return pdf[:at] + chance.choice(_TOKENS) * chance.choice((1, 1, 1, 500)) + pdf[at:]


def _swap_objects(chance: random.Random, pdf: bytes) -> bytes:
    found = [match.span() for match in _OBJECT.finditer(pdf)]
    if len(found) < 2:
        return pdf
    (start, end), (start2, end2) = sorted(chance.sample(found, 2))
    return pdf[:start] + pdf[start2:end2] + pdf[end:start2] + pdf[start:end] + pdf[end2:]


def _other_object(chance: random.Random, pdf: bytes) -> bytes:
    """An object of another paper in the place of one of this."""
    others = _OBJECT.findall(chance.choice(_papers()))
    return _replace_one(_OBJECT, pdf, chance, chance.choice(others)) if others else pdf


def _content(chance: random.Random, pdf: bytes) -> bytes:
    """Damages what a compressed stream holds, so that the damage is met by the parser of contents."""
    found = list(_STREAM.finditer(pdf))
    if not found:
        return pdf
    match = chance.choice(found)
    try:
        content = zlib.decompress(match[1])
    except zlib.error:
        return pdf
    if not content:
        return pdf
    damage = chance.choice((_number, _name, _token, _delete, _repeat, _move, _operator))
    return pdf[: match.start(1)] + zlib.compress(damage(chance, content)) + pdf[match.end(1) :]


def _operator(chance: random.Random, content: bytes) -> bytes:
    return _replace_one(_OPERATOR, content, chance, chance.choice(_OPERATORS))


def _around(chance: random.Random, pdf: bytes) -> bytes:
    """Other bytes before the header, or after the end."""
    other = chance.choice((b"\r\n" * 20, b"<html>not yet</html>", bytes(2000), b"HTTP/1.1 200 OK\r\n\r\n", pdf))
    return other + pdf if chance.random() < 0.5 else pdf + other


_MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _delete,
    _repeat,
    _move,
    _cut,
    _number,
    _number,
    _name,
    _reference,
    _token,
    _swap_objects,
    _other_object,
    _content,
    _content,
    _content,
    _around,
)
