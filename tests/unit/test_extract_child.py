"""Extraction in a child: results come back, and whatever happens to it has a failure class."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from rpa_shard.extract import child as extract_child
from rpa_shard.extract.child import ExtractionChild
from rpa_shard.extract.runner import extract
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.testing.hostile_papers import heavy_page

LIMIT_BYTES = 2 * 2**30


@pytest.fixture
def child() -> Iterator[ExtractionChild]:
    with closing(ExtractionChild(LIMIT_BYTES)) as made:
        yield made


def test_the_same_as_here(child: ExtractionChild, pdf: Path) -> None:
    assert child.extract(pdf, "pdfium", 60) == extract(pdf, "pdfium")
    first = child.pid
    assert child.extract(pdf, "pypdf", 60) == extract(pdf, "pypdf")
    assert child.pid == first, "one child serves many papers"


def test_a_refusal_keeps_its_words(child: ExtractionChild, pdf: Path) -> None:
    pdf.write_bytes(b"nothing")
    with pytest.raises(PaperError, match="pdfium: ") as error:
        child.extract(pdf, "pdfium", 60)
    assert error.value.failure is Failure.BAD_PDF


def test_past_its_deadline_it_is_killed_and_the_next_paper_gets_another(child: ExtractionChild, pdf: Path) -> None:
    whole = pdf.read_bytes()
    child.extract(pdf, "pdfium", 60)
    first = child.pid
    assert first is not None
    pdf.write_bytes(heavy_page())
    with pytest.raises(PaperError) as error:
        child.extract(pdf, "pdfium", 0.3)
    assert error.value.failure is Failure.EXTRACT_TIMEOUT
    assert not psutil.pid_exists(first)
    pdf.write_bytes(whole)
    assert child.extract(pdf, "pdfium", 60).pages == 2


def test_too_much_memory_is_named(pdf: Path) -> None:
    pdf.write_bytes(heavy_page())
    with closing(ExtractionChild(256 * 2**20)) as child, pytest.raises(PaperError, match="died of SIG") as error:
        child.extract(pdf, "pdfium", 60)
    assert error.value.failure is Failure.POISON


def test_a_death_between_papers_is_noticed(child: ExtractionChild, pdf: Path) -> None:
    child.extract(pdf, "pdfium", 60)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(PaperError, match="SIGKILL"):
        child.extract(pdf, "pdfium", 60)
    assert child.extract(pdf, "pdfium", 60).pages == 2


def test_it_is_replaced_now_and_then(child: ExtractionChild, pdf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract_child, "PAPERS_PER_CHILD", 2)
    pids = set()
    for _ in range(4):
        child.extract(pdf, "pdfium", 60)
        pids.add(child.pid)
    assert len(pids) == 2


def test_closing_ends_it(pdf: Path) -> None:
    child = ExtractionChild(LIMIT_BYTES)
    child.extract(pdf, "pdfium", 60)
    pid = child.pid
    assert pid is not None
    child.close()
    child.close()
    assert not psutil.pid_exists(pid)
