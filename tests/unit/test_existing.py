"""What earlier attempts left: finished papers, outdated ones, PDFs and where they came from."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.extract.runner import extract
from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.existing import Fetched, Finished, existing
from rpa_shard.system.clock import as_utc, from_utc
from rpa_shard.system.files import fingerprint_of_file
from tests.finished import EXTRACTED_AT, FETCHED_AT, SOURCE, write_finished

PAPER = parse("2401.00001")


@pytest.fixture
def files(tmp_path: Path, pdf: Path) -> PaperFiles:
    """A finished paper."""
    made = files_of(tmp_path / "papers", PAPER)
    write_finished(made, PAPER.canonical, extract(pdf, "pdfium"))
    return made


def change(files: PaperFiles, **fields: Any) -> None:
    files.record.write_text(json.dumps(json.loads(files.record.read_text()) | fields))


def drop(files: PaperFiles, *names: str) -> None:
    record = json.loads(files.record.read_text())
    files.record.write_text(json.dumps({name: value for name, value in record.items() if name not in names}))


@pytest.mark.parametrize("before", [None, EXTRACTED_AT - 100, EXTRACTED_AT])
def test_a_paper_that_is_not_outdated_is_finished(files: PaperFiles, before: float | None) -> None:
    found = existing(PAPER, files, before)
    assert isinstance(found, Finished)
    assert found.result["pdf_kept"]


def test_an_outdated_paper_is_a_pdf_whose_origin_is_known(files: PaperFiles) -> None:
    found = existing(PAPER, files, EXTRACTED_AT + 1)
    assert found == Fetched(fingerprint_of_file(files.pdf), SOURCE, FETCHED_AT, was_there=True)
    assert files.text.exists(), "until the new one replaces it"


def test_a_record_of_an_older_version_is_outdated_only_if_that_is_asked(files: PaperFiles) -> None:
    drop(files, "extracted_at", "fetched_at", "rpa_shard_version")
    assert isinstance(existing(PAPER, files, None), Finished)
    os.utime(files.pdf, (1.5, 2.5))
    assert existing(PAPER, files, 1.0) == Fetched(fingerprint_of_file(files.pdf), SOURCE, 2.5, was_there=True)


def test_a_record_of_another_pdf_says_nothing(files: PaperFiles) -> None:
    files.pdf.write_bytes(b"%PDF-another")
    os.utime(files.pdf, (1.5, 2.5))
    found = existing(PAPER, files, EXTRACTED_AT + 1)
    assert found == Fetched(fingerprint_of_file(files.pdf), None, 2.5, was_there=True)


@pytest.mark.parametrize("nonsense", [b"", b"[]", b'"2401"', b"{", b"\xff"])
def test_a_damaged_record_says_nothing(files: PaperFiles, nonsense: bytes) -> None:
    files.record.write_bytes(nonsense)
    found = existing(PAPER, files, None)
    assert isinstance(found, Fetched)
    assert (found.source, found.fetched_at) == (None, files.pdf.stat().st_mtime)


@pytest.mark.parametrize("nonsense", [7, None, "yesterday", ["2026-11-27T01:14:11Z"]])
def test_nonsense_in_a_record_is_unknown(files: PaperFiles, nonsense: object) -> None:
    change(files, source=[nonsense], fetched_at=nonsense, extracted_at=nonsense)
    found = existing(PAPER, files, 1.0)
    assert isinstance(found, Fetched)
    assert (found.source, found.fetched_at) == (None, files.pdf.stat().st_mtime)


def test_a_text_without_its_record_is_no_finished_paper(files: PaperFiles) -> None:
    """A second extraction was killed between its two files: the record still says where the PDF came from."""
    files.text.write_text("new")
    found = existing(PAPER, files, None)
    assert found == Fetched(fingerprint_of_file(files.pdf), SOURCE, FETCHED_AT, was_there=True)


def test_nothing_is_there(files: PaperFiles) -> None:
    files.pdf.unlink()
    assert existing(PAPER, files, EXTRACTED_AT + 1) is None
    assert isinstance(existing(PAPER, files, None), Finished)
    assert existing(replace(PAPER, canonical="2401.00002"), files, None) is None


def test_times_as_texts() -> None:
    assert as_utc(None) is None
    assert as_utc(0.9) == "1970-01-01T00:00:00Z"
    text = as_utc(1_795_741_983.99)
    assert text == "2026-11-27T01:13:03Z"
    assert from_utc(text) == 1_795_741_983
    assert [from_utc(each) for each in (None, 7, "", "2026-11-27", "2026-11-27T01:13:03", "9999-99-99T00:00:00Z")] == (
        [None] * 6
    )
