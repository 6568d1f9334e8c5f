"""Damaged files: what an engine can read is accepted and flagged; what was cut never passes for a paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.engines.damage import is_damaged
from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.reading.frame import is_whole, repaired
from rpa_shard.testing.hostile_papers import cut, many_pages
from rpa_shard.testing.sample_papers import Kind, sample_pdf

ENGINES = ["pdfium", "pypdf"]
SAMPLE = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
TABLE, TRAILER, START = (SAMPLE.rindex(mark) for mark in (b"\nxref", b"trailer", b"startxref"))


def replaced(pattern: bytes, replacement: bytes | Callable[[re.Match[bytes]], bytes], count: int = 0) -> bytes:
    content, found = re.subn(pattern, replacement, SAMPLE, count=count)
    assert found
    return content


def moved(match: re.Match[bytes]) -> bytes:
    return b"%010d 00000 n" % (int(match[1]) + 7)


JUNK = b"one line of a mail\r\n"
DAMAGED = {
    "header at byte 20": JUNK + SAMPLE,
    "header at byte 1,020": JUNK * 51 + SAMPLE,
    "header at byte 1,040": JUNK * 52 + SAMPLE,
    "header at byte 20,000": JUNK * 1000 + SAMPLE,
    "no end marker": SAMPLE.replace(b"%%EOF", b"").rstrip(),
    "no start and no end marker": SAMPLE[:START],
    "9,000 bytes after the end marker": SAMPLE + b"<p>junk</p>" * 900,
    "start a little off": replaced(rb"startxref\s+(\d+)", lambda m: b"startxref\n%d" % (int(m[1]) + 3)),
    "start at 0": replaced(rb"startxref\s+\d+", b"startxref\n0"),
    "start beyond the end": replaced(rb"startxref\s+\d+", b"startxref\n99999999"),
    "all offsets wrong": replaced(rb"(\d{10}) 00000 n", moved),
    "some offsets wrong": replaced(rb"(\d{10}) 00000 n", moved, 3),
    "no trailer": SAMPLE[:TRAILER] + SAMPLE[START:],
    "no table": SAMPLE[: TABLE + 1] + SAMPLE[TRAILER:],
    "neither table nor trailer": SAMPLE[: TABLE + 1] + b"%%EOF\n",
    "size too small": replaced(rb"/Size \d+", b"/Size 1"),
    "tables in a circle": replaced(rb"trailer\n<<", b"trailer\n<< /Prev %d" % (TABLE + 1)),
    "no lengths": replaced(rb"/Length \d+", b"/Length 0"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_an_engine_can_read_is_accepted_and_flagged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(SAMPLE)
    sound = extract(path, "auto")
    assert sound.flags == ()
    path.write_bytes(content)
    found = extract(path, "auto")
    assert (found.text, found.flags, found.engine) == (sound.text, ("damaged_file",), "pdfium")
    assert is_whole(content)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_the_second_engine_reads_them_too(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(content)
    assert len(extract(path, "pypdf").references) == 5


def test_a_damaged_cross_reference_stream(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    sound = many_pages(1)
    table = int(re.search(rb"startxref\s+(\d+)", sound)[1])  # type: ignore[index]
    begin, end = sound.index(b"stream\n", table) + 7, sound.index(b"\nendstream", table)
    path.write_bytes(sound[:begin] + b"\0" * (end - begin) + sound[end:])
    found = extract(path, "auto")
    assert (found.pages, "damaged_file" in found.flags) == (10, True)
    path.write_bytes(sound)
    assert "damaged_file" not in extract(path, "auto").flags


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tenths", range(1, 10))
def test_what_was_cut_is_refused_even_with_an_end_marker(tmp_path: Path, engine: str, tenths: int) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(cut(SAMPLE[:TABLE], tenths))
    with pytest.raises(PaperError) as error:
        extract(path, engine)
    assert error.value.failure is Failure.BAD_PDF


@given(st.integers(0, START - 1))
def test_no_cut_file_is_whole(size: int) -> None:
    assert is_whole(SAMPLE)
    begun = SAMPLE[:size]
    if size < TABLE and not begun.rstrip().endswith(b"%d 0 obj\nendobj"):
        assert not is_whole(begun)
        assert not list(repaired(begun))


def test_a_longer_file_that_was_announced_is_missing() -> None:
    announced = b"%%PDF-1.5\n1 0 obj\n<< /Linearized 1 /L %d >>\nendobj\n%b"
    rest = SAMPLE[9:]
    assert is_whole(announced % (len(rest) + 50, rest))
    assert not is_whole(announced % (len(rest) + 5000, rest))


def test_later_objects_without_an_end_are_missing() -> None:
    assert not is_whole(SAMPLE + b"\n4 0 obj\n<< /Length 5000 >>\nstream\nand then the line went dead" * 80)


def test_a_sound_file_is_not_damaged() -> None:
    for content in (SAMPLE, SAMPLE + b"\0" * 5000, SAMPLE + b"\n\n", many_pages(2)):
        assert not is_damaged(BytesIO(content))
