"""arXiv ids, DOIs and URLs: found complete wherever a line breaks, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rpa_shard.reading.identifiers import Identifiers, find_identifiers
from rpa_shard.reading.joining import join_lines

NEW_IDS = st.one_of(
    st.builds("{:02}{:02}.{:04}".format, st.integers(7, 14), st.integers(4, 12), st.integers(1, 9999)),
    st.builds("{:02}{:02}.{:05}".format, st.integers(15, 26), st.integers(1, 12), st.integers(1, 99999)),
)
OLD_IDS = st.builds(
    "{}/{:02}{:02}{:03}".format,
    st.sampled_from(["hep-th", "math", "quant-ph", "cond-mat", "cs"]),
    st.integers(92, 99),
    st.integers(1, 12),
    st.integers(1, 999),
)
DOIS = st.builds(
    "10.{}/{}{}.{}".format,
    st.integers(1000, 99999),
    st.sampled_from(["PhysRevLett", "j.jda", "s10052-014", "nature", "JHEP06(2013)0"]),
    st.integers(10, 999),
    st.integers(10000, 999999),
)


def broken(text: str, at: int) -> str:
    return join_lines(["A. Ondine, C. Weir. Reading water. In: Harbours. " + text[:at], text[at:] + ". 1988."], "")


@given(NEW_IDS, st.integers(0, 30))
def test_new_ids_survive_any_line_break(paper_id: str, at: int) -> None:
    text = f"arXiv:{paper_id}"
    assume(0 < at < len(text))
    assert find_identifiers(broken(text, at)).arxiv_ids == (paper_id,)


@given(OLD_IDS, st.data(), st.sampled_from(["", "arXiv:"]))
def test_old_ids_survive_any_line_break(paper_id: str, data: st.DataObject, prefix: str) -> None:
    text = prefix + paper_id
    # Inside the archive's name a break without a hyphen is none that any typesetter makes.
    slash = len(prefix) + paper_id.index("/")
    at = data.draw(st.sampled_from([at for at in range(1, len(text)) if at >= slash or text[at - 1] == "-"]))
    assert find_identifiers(broken(text, at)).arxiv_ids == (paper_id,)


@given(DOIS, st.integers(0, 60), st.sampled_from(["doi:", "https://doi.org/", ""]))
def test_dois_survive_any_line_break(doi: str, at: int, prefix: str) -> None:
    text = prefix + doi
    assume(len(prefix) + 3 < at < len(text))
    # A line that begins with what could be the reference's year is taken for one.
    assume(re.fullmatch(r"(?:19|20)\d\d", text[at:]) is None)
    assert find_identifiers(broken(text, at)).dois == (doi.lower(),)


@given(NEW_IDS, DOIS)
def test_links_and_text_are_one(paper_id: str, doi: str) -> None:
    found = find_identifiers(
        f"Text. doi:{doi}.", (f"http://arxiv.org/abs/{paper_id}v2", f"https://doi.org/{doi}", "https://a.org/x")
    )
    assert found == Identifiers((paper_id,), (doi.lower(),), ("https://a.org/x",))


@pytest.mark.parametrize(
    ("text", "arxiv_ids", "dois"),
    [
        ("arXiv:2401.00001v2 [cs.CL]", ("2401.00001",), ()),
        ("CoRR, abs/1409.0473, 2014", ("1409.0473",), ()),
        ("[0706.1234]", ("0706.1234",), ()),
        ("arXiv:1106.4369.16", ("1106.4369",), ()),
        ("arXiv:math.GT/0309136", ("math/0309136",), ()),
        ("hep-th/9901001, hep-th/9901001", ("hep-th/9901001",), ()),
        ("http://arxiv.org/pdf/hep-ph/9901001v3.pdf", ("hep-ph/9901001",), ()),
        ("https://doi.org/10.48550/arXiv.2401.00001", ("2401.00001",), ("10.48550/arxiv.2401.00001",)),
        ("doi: 10.1007/JHEP06(2013)081).", (), ("10.1007/jhep06(2013)081",)),
        ("(doi:10.1000/xyz123)", (), ("10.1000/xyz123",)),
        ("10.1002/(SICI)1097-0258(19980815)17:15<1661::AID-SIM968>3.0.CO;2-2", (), (
            "10.1002/(sici)1097-0258(19980815)17:15<1661::aid-sim968>3.0.co;2-2",
        )),
        # What only looks like one: months and numbers that no paper has, parts of DOIs and of other numbers.
        ("pp. 2013.12345, 9913.0001, 0601.1234, arXiv:1501.0000, 1412.12345", (), ()),
        ("10.1145/1234.56789 and 10.1145/2013.1234", (), ("10.1145/1234.56789", "10.1145/2013.1234")),
        ("10.12/short 10.1000/ 10.1000/.", (), ()),
        ("https://example.org/1106.4369.html", (), ()),
        ("foo/9901001 and hep-th/9913001", (), ()),
    ],
)  # fmt: skip
def test_grammars(text: str, arxiv_ids: tuple[str, ...], dois: tuple[str, ...]) -> None:
    assert find_identifiers(text)[:2] == (arxiv_ids, dois)


def test_urls() -> None:
    text = "See https://example.org/a_(b), http://x.org/y. and www.site.net/z; not http://doi.org/10.1000/a1"
    assert find_identifiers(text).urls == ("https://example.org/a_(b)", "http://x.org/y", "www.site.net/z")


@given(st.text(max_size=300))
def test_anything_may_come(text: str) -> None:
    found = find_identifiers(text, (text,))
    assert all(doi == doi.lower() and doi.startswith("10.") for doi in found.dois)
