"""Identifiers: every accepted form has one canonical id, and files stay in their folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.arxiv_id import InvalidIdError, local_path, parse


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2401.00001", "2401.00001"),
        ("  2401.00001v2 ", "2401.00001v2"),
        ("0704.0001", "0704.0001"),
        ("1412.9999", "1412.9999"),
        ("1501.00001", "1501.00001"),
        ("arXiv:2401.00001", "2401.00001"),
        ("arxiv: 2401.00001v1", "2401.00001v1"),
        ("hep-th/9901001", "hep-th/9901001"),
        ("math.AG/0405482", "math/0405482"),
        ("math/0405482v2", "math/0405482v2"),
        ("cond-mat.mes-hall/0001001", "cond-mat/0001001"),
        ("arXiv:quant-ph/9508027v2", "quant-ph/9508027v2"),
        ("https://arxiv.org/abs/2401.00001", "2401.00001"),
        ("http://www.arxiv.org/pdf/2401.00001v3.pdf", "2401.00001v3"),
        ("https://export.arxiv.org/pdf/hep-th/9901001", "hep-th/9901001"),
        ("https://arxiv.org/pdf/2401.00001.pdf?download=1#page=2", "2401.00001"),
        ("arxiv.org/abs/2401.00001/", "2401.00001"),
        ("https://doi.org/10.48550/arXiv.2401.00001", "2401.00001"),
        ("https://Example.ORG:443/a%20b.pdf#x", "https://example.org/a%20b.pdf"),
        ("http://127.0.0.1:8000/pdf/paxos", "http://127.0.0.1:8000/pdf/paxos"),
        ("/tmp/../srv/a b.pdf", "file:///srv/a%20b.pdf"),
        ("file:///srv/a%20b.pdf", "file:///srv/a%20b.pdf"),
    ],
)
def test_accepted(text: str, canonical: str) -> None:
    assert parse(text).canonical == canonical
    assert parse(canonical).canonical == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("2401.0001", "5 digits"),
        ("1412.00001", "4 digits"),
        ("2413.00001", "month"),
        ("2400.00001", "month"),
        ("0703.0001", "0704"),
        ("2401.00000", "begin at 1"),
        ("2401.00001v0", "version"),
        ("hep-th/0704001", "9107 to 0703"),
        ("hep-th/9901000", "begin at 1"),
        ("nonsense/9901001", "unknown archive"),
        ("ftp://example.org/a.pdf", "unknown kind"),
        ("http:///a.pdf", "without a host"),
        ("https://user:secret@example.org/a.pdf", "password"),
        ("https://example.org:99999/a.pdf", "not a URL"),
        ("hello", "neither"),
        ("2401.00001\x00", "control"),
        ("https://example.org/" + "a" * 1000, "longer"),
    ],
)
def test_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidIdError, match=reason):
        parse(text)


def test_relative_paths_count_from_the_base_folder() -> None:
    paper = parse("papers/../x.pdf", Path("/srv/data"))
    assert paper.kind == "file"
    assert local_path(paper) == Path("/srv/data/x.pdf")


def test_file_names_and_folders() -> None:
    assert (parse("hep-th/9901001v2").folder, parse("hep-th/9901001v2").file_stem) == ("9901", "hep-th_9901001v2")
    assert parse("2401.00001").folder == "2401"
    first, second = parse("https://a.org/x/paper.pdf"), parse("https://b.org/x/paper.pdf")
    assert first.file_stem.startswith("paper-")
    assert first.file_stem != second.file_stem
    assert first.folder.startswith("url/")


@given(
    st.text(max_size=80)
    | st.text(max_size=60).map(lambda tail: "https://h.org/" + tail)
    | st.text(max_size=60).map(lambda tail: "/" + tail + ".pdf")
)
def test_whatever_is_accepted_is_stable_and_stays_inside(text: str) -> None:
    try:
        paper = parse(text)
    except InvalidIdError:
        return
    assert parse(paper.canonical) == paper
    for part in (*PurePosixPath(paper.folder).parts, paper.file_stem):
        assert part not in {"", ".", ".."}
        assert "/" not in part
        assert "\0" not in part
        assert len(part.encode()) < 120


@given(
    st.integers(1501, 9912).filter(lambda yymm: 1 <= yymm % 100 <= 12),
    st.integers(1, 99999),
    st.none() | st.integers(1, 99),
)
def test_every_new_id_is_its_own_canonical_form(yymm: int, number: int, version: int | None) -> None:
    text = f"{yymm:04}.{number:05}" + (f"v{version}" if version else "")
    assert parse(text).canonical == text


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.pdf",
        b"new\nline.pdf",
        b"\xff\xfe?#%41.pdf",
        b" .pdf",
        "\u00e9\u4e2d.pdf".encode(),
        b"n" * 251 + b".pdf",
    ],
)
def test_a_path_may_have_any_bytes(name: bytes) -> None:
    paper = parse(os.fsdecode(b"/papers/" + name))
    assert paper.kind == "file"
    assert paper.canonical.isascii()
    assert os.fsencode(local_path(paper)) == b"/papers/" + name
    assert parse(paper.canonical) == paper
    assert paper.file_stem.isascii()


@pytest.mark.parametrize(
    "text", ["https://example.org/caf\udce9.pdf", "a\0b.pdf", "~nobody-of-this-name/x.pdf", "2401\udce9"]
)
def test_bytes_that_name_no_paper_are_refused(text: str) -> None:
    with pytest.raises(InvalidIdError):
        parse(text)
