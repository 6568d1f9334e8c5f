"""Where a PDF's bytes are makes no difference to what is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rpa_shard.extract.runner import extract, read_with
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.system import content as content_module
from rpa_shard.system.content import Content, InMemory, is_gone
from rpa_shard.testing.sample_papers import Kind, sample_pdf

PDF = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")


def in_memory(path: Path, pdf: bytes) -> Content:
    return InMemory(path.name, pdf)


def in_a_file(path: Path, pdf: bytes) -> Content:
    path.write_bytes(pdf)
    return path


@pytest.fixture(params=["at once", "piece by piece"])
def bound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "piece by piece":
        monkeypatch.setattr(content_module, "READ_AT_ONCE_BYTES", 100)


@pytest.mark.usefixtures("bound")
@pytest.mark.parametrize("place", [in_memory, in_a_file])
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


def test_a_file_that_is_gone_is_not_the_papers_fault(tmp_path: Path) -> None:
    content = in_a_file(tmp_path / "paper.pdf", PDF)
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
