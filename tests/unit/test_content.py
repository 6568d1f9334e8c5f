"""Where a PDF's bytes are makes no difference to what is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.runner import extract, read_with
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system import content as content_module
from rpa_shard.system.content import Content, InMemory, Stretch, all_bytes, as_file, is_gone, opened
from rpa_shard.testing.sample_papers import Kind, sample_pdf

PDF = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
BEFORE, AFTER = b"%PDF-1.7 of another member\n" * 100, b"\nstartxref\n12\n%%EOF" * 100


def in_memory(path: Path, pdf: bytes) -> Content:
    return InMemory(path.name, pdf)


def in_a_file(path: Path, pdf: bytes) -> Content:
    path.write_bytes(pdf)
    return path


def in_an_archive(path: Path, pdf: bytes) -> Content:
    path.write_bytes(BEFORE + pdf + AFTER)
    return Stretch(path, len(BEFORE), len(pdf))


PLACES = [in_memory, in_a_file, in_an_archive]


@pytest.fixture(params=["at once", "piece by piece"])
def bound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "piece by piece":
        monkeypatch.setattr(content_module, "READ_AT_ONCE_BYTES", 100)


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
@pytest.mark.parametrize("pdf", [PDF, b"junk\n" + PDF, PDF[: PDF.rindex(b"startxref")]], ids=["sound", "junk", "cut"])
def test_the_same_is_read(tmp_path: Path, place: Callable[[Path, bytes], Content], engine: str, pdf: bytes) -> None:
    alone = tmp_path / "alone.pdf"
    alone.write_bytes(pdf)
    try:
        expected = extract(alone, engine)
    except PaperError as error:
        with pytest.raises(PaperError) as raised:
            read_with(engine, place(tmp_path / "2401.00001.pdf", pdf))
        assert (raised.value.failure, raised.value.detail) == (error.failure, error.detail)
    else:
        assert read_with(engine, place(tmp_path / "2401.00001.pdf", pdf)) == expected


def test_a_child_reads_a_member_of_an_archive(tmp_path: Path) -> None:
    alone = tmp_path / "alone.pdf"
    alone.write_bytes(PDF)
    child = ExtractionChild(2**31)
    try:
        assert child.extract(in_an_archive(tmp_path / "a.tar", PDF), "pdfium", 60) == extract(alone, "pdfium")
    finally:
        child.close()


@pytest.mark.parametrize("place", [in_a_file, in_an_archive])
def test_a_file_that_is_gone_is_not_the_papers_fault(tmp_path: Path, place: Callable[[Path, bytes], Content]) -> None:
    content = place(tmp_path / "paper.pdf", PDF)
    assert not is_gone(content)
    (tmp_path / "paper.pdf").unlink()
    assert is_gone(content)
    with pytest.raises(FileNotFoundError):
        read_with("pdfium", content)


def test_what_is_in_memory_is_never_gone() -> None:
    assert not is_gone(InMemory("paper.pdf", PDF))
    with pytest.raises(PaperError) as raised:
        read_with("pdfium", InMemory("paper.pdf", b"nothing"))
    assert raised.value.failure is Failure.BAD_PDF


@given(
    data=st.binary(max_size=200),
    offset=st.integers(0, 220),
    size=st.integers(0, 220),
    moves=st.lists(st.tuples(st.integers(-5, 220), st.integers(0, 220))),
)
def test_a_part_of_a_file_is_like_a_file_with_these_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, offset: int, size: int, moves: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "whole"
    path.write_bytes(data)
    expected = io.BytesIO(data[offset : offset + size])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_module, "READ_AT_ONCE_BYTES", -1)
        with opened(Stretch(path, offset, size)) as readable:
            part = as_file(readable)
            for place, length in moves:
                assert part.seek(max(0, place)) == expected.seek(max(0, place))
                assert part.read(length) == expected.read(length)
                assert part.tell() == expected.tell()
            assert all_bytes(readable) == expected.getvalue()
