"""What responses mean: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.config.source_names import parse_sources
from rpa_shard.fetch.pages import page_words
from rpa_shard.fetch.responses import parse_retry_after, part_of, status_error, validator_of
from rpa_shard.fetch.sources import urls_of
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.failure import Failure


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", None), ("0", None), ("12", 12.0), (" 7 ", 7.0), ("-5", None), ("1.5", None), ("soon", None), ("١", None),
     ("99999999999999", 86400.0), ("9" * 5000, 86400.0), ("0000000000000005", 5.0),
     ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("Wed, 21 Oct 2999 07:28:00 GMT", 86400.0),
     ("Mon, 01 Jan 2029 00:00:00 +99999999999999999999", None)],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    found = parse_retry_after(when)
    assert found is not None
    assert 90 < found <= 100


@given(st.text(), st.binary())
def test_no_header_and_no_page_breaks_anything(header: str, page: bytes) -> None:
    parse_retry_after(header)
    part_of(header)
    assert "\n" not in page_words(page)
    assert len(page_words(page)) <= 300


def test_pages() -> None:
    page = b"<html><script>var x = 1 < 2;</script><h1>No &amp; never</h1>\n<p>Write\tto us</p>"
    assert page_words(page) == "No & never Write to us"
    assert status_error(403, "http://x/1", "", page).detail == "HTTP 403 from http://x/1: No & never Write to us"
    assert status_error(404, "http://x/1", "", b"This paper has been WITHDRAWN").failure is Failure.WITHDRAWN
    assert status_error(418, "http://x/1", "", b"").failure is Failure.UNEXPECTED


def test_ranges_and_validators() -> None:
    assert part_of("bytes 100-199/200") == (100, 200)
    assert part_of("bytes 100-199/*") == (100, None)
    assert part_of("bytes */200") == (None, None)
    assert validator_of('"abc"', "Wed") == '"abc"'
    assert validator_of('W/"abc"', "Wed") is None, "a weak validator does not promise the same bytes"
    assert validator_of("", "Wed") == "Wed"
    assert validator_of("", "") is None


def test_where_papers_are() -> None:
    sources = parse_sources(
        "arxiv gcs https://arxiv.org/pdf/{id}.pdf file:///shelf/{archive}/{yymm}/{name}v{version}.pdf"
    )
    assert urls_of(parse("2401.00001"), sources) == [
        "https://export.arxiv.org/pdf/2401.00001",
        "https://storage.googleapis.com/arxiv-dataset/arxiv/arxiv/pdf/2401/2401.00001v1.pdf",
        "https://export.arxiv.org/pdf/2401.00001.pdf",
        "file:///shelf//2401/2401.00001v1.pdf",
    ]
    assert urls_of(parse("hep-th/9901001v2"), sources)[1:] == [
        "https://storage.googleapis.com/arxiv-dataset/arxiv/hep-th/pdf/9901/9901001v2.pdf",
        "https://export.arxiv.org/pdf/hep-th/9901001v2.pdf",
        "file:///shelf/hep-th/9901/hep-th_9901001v2v2.pdf",
    ]
    assert urls_of(parse("2401.00001"), ("gcs",), "3")[0].endswith("2401.00001v3.pdf")
    assert urls_of(parse("https://x.example/a.pdf"), sources) == ["https://x.example/a.pdf"]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "arxive",
        "ftp://x/{id}",
        "http:///{id}",
        "https://x.example/same.pdf",
        "{id}",
        "https://x/{yymm}.pdf",
        "https://x/{id.y}",
        "https://x/{id[0]}",
        "https://x/{id[x]}",
        "https://x/{id:99}",
        "https://x/{id!r}",
        "https://x/{other}{id}",
        "https://x/{id",
        "https://x/{}",
    ],
)
def test_wrong_sources(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_sources(wrong)
