"""arXiv ids, DOIs and URLs: found complete wherever a line breaks, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rpa_shard.reading.identifiers.find import Identifiers, find_identifiers
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


def breaks(text: str, begin: int) -> st.SearchStrategy[int]:
    """Where a line may end in `text`, from `begin` on.

    A line that begins with what could be the reference's year is taken for one.
    """
    return st.sampled_from([at for at in range(begin, len(text)) if re.fullmatch(r"(?:19|20)\d\d", text[at:]) is None])


@given(NEW_IDS, st.data())
def test_new_ids_survive_any_line_break(paper_id: str, data: st.DataObject) -> None:
    text = f"arXiv:{paper_id}"
    at = data.draw(breaks(text, 1))
    assert find_identifiers(broken(text, at)).arxiv_ids == (paper_id,)


@given(OLD_IDS, st.data(), st.sampled_from(["", "arXiv:"]))
def test_old_ids_survive_any_line_break(paper_id: str, data: st.DataObject, prefix: str) -> None:
    text = prefix + paper_id
    # Inside the archive's name a break without a hyphen is none that any typesetter makes.
    slash = len(prefix) + paper_id.index("/")
    at = data.draw(st.sampled_from([at for at in range(1, len(text)) if at >= slash or text[at - 1] == "-"]))
    assert find_identifiers(broken(text, at)).arxiv_ids == (paper_id,)


@given(DOIS, st.data(), st.sampled_from(["doi:", "https://doi.org/", ""]))
def test_dois_survive_any_line_break(doi: str, data: st.DataObject, prefix: str) -> None:
    text = prefix + doi
    at = data.draw(breaks(text, len(prefix) + 4))
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


@pytest.mark.parametrize(
    ("text", "arxiv_ids", "dois"),
    [
        # Glued to one another.
        ("arXiv:2401.00001arXiv:2401.00002", ("2401.00001", "2401.00002"), ()),
        ("2401.00001,2401.00002;2401.00003", ("2401.00001", "2401.00002", "2401.00003"), ()),
        ("hep-th/9901001hep-th/9901002,math/0309136", ("hep-th/9901001", "hep-th/9901002", "math/0309136"), ()),
        ("doi:10.1103/PhysRevD.1.1arXiv:hep-th/9901001.", ("hep-th/9901001",), ("10.1103/physrevd.1.1",)),
        ("doi:10.1103/PhysRevD.1.1hep-th/9901001", ("hep-th/9901001",), ("10.1103/physrevd.1.1",)),
        ("10.1088/1126-6708/2009/01/001arXiv:0811.1234", ("0811.1234",), ("10.1088/1126-6708/2009/01/001",)),
        ("10.1007/JHEP01(2020)123,arXiv:1910.00001 [hep-ph]", ("1910.00001",), ("10.1007/jhep01(2020)123",)),
        ("doi:10.1093/x/aaq063/2010-12-01;arXiv:1012.0001v1;hep-ph/0001001", ("1012.0001", "hep-ph/0001001"), (
            "10.1093/x/aaq063/2010-12-01",
        )),
        ("10.1000/abc.1https://arxiv.org/abs/2401.00001", ("2401.00001",), ("10.1000/abc.1",)),
        ("https://arxiv.org/abs/2401.00001v2doi:10.1000/abc", ("2401.00001",), ("10.1000/abc",)),
        ("10.1000/abc12doi:10.1000/def", (), ("10.1000/abc12", "10.1000/def")),
        ("10.1000/abc1210.1000/def34", (), ("10.1000/abc12", "10.1000/def34")),
        ("10.1000/abc;10.1000/def,10.1000/ghi", (), ("10.1000/abc", "10.1000/def", "10.1000/ghi")),
        ("https://doi.org/10.1000/abchttps://doi.org/10.1000/def", (), ("10.1000/abc", "10.1000/def")),
        ("https://doi.org/https://doi.org/10.1000/abc", (), ("10.1000/abc",)),
        ("10.1000/abc1234Accessed 2 May; 10.1000/b1.Available online", (), ("10.1000/abc1234", "10.1000/b1")),
        ("10.1000/abc123PMID: 1234567, 10.1090/S0002-9947-1990-XMR1013334", (), (
            "10.1000/abc123", "10.1090/s0002-9947-1990-x",
        )),
        ("10.1016/j.cell.2019.01.001.In: Cell", (), ("10.1016/j.cell.2019.01.001",)),
        ("Lett.10.1103/PhysRevLett.1.1(1970)", (), ("10.1103/physrevlett.1.1",)),
        # Written in other ways.
        ("https://doi.org/10.1002%2Fabc.123", (), ("10.1002/abc.123",)),
        ("10.1002/(SICI)1097-0258(19980815)17:15&lt;1661::AID-SIM968&gt;3.0.CO;2-2", (), (
            "10.1002/(sici)1097-0258(19980815)17:15<1661::aid-sim968>3.0.co;2-2",
        )),
        ("doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.", (), ("10.1175/1520-0469(1963)020<0130:dnf>2.0.co;2",)),
        ("doi:10.1016/0009‐2614(84)85645‐6; hep‑th/9901003", ("hep-th/9901003",), ("10.1016/0009-2614(84)85645-6",)),
        ("10.1145/ 3292500.3330701", (), ("10.1145/3292500.3330701",)),
        ("10.1101/2020.01.01.123456v1.full.pdf", (), ("10.1101/2020.01.01.123456",)),
        # DataCite's DOIs of arXiv's papers.
        ("doi:10.48550/ARXIV.2401.00012", ("2401.00012",), ("10.48550/arxiv.2401.00012",)),
        ("10.48550/arXiv:2401.00012", ("2401.00012",), ("10.48550/arxiv.2401.00012",)),
        ("https://doi.org/10.48550/arXiv.hep-th/9901001", ("hep-th/9901001",), ("10.48550/arxiv.hep-th/9901001",)),
        ("https://commons.datacite.org/doi.org/10.48550%2Farxiv.2401.00012", ("2401.00012",), (
            "10.48550/arxiv.2401.00012",
        )),
        ("arXiv: 2001.01238; https://doi.org/10.48550/arXiv.2001.01239", ("2001.01238", "2001.01239"), (
            "10.48550/arxiv.2001.01239",
        )),
        # Archives and classes around an id.
        ("arXiv:hep-th/1601.07616, 2016", ("1601.07616",), ()),
        ("hep-th/1601.07616; arXiv:cs.CL/1601.07617; arXiv: [hep-th] 1601.07618", (
            "1601.07616", "1601.07617", "1601.07618",
        ), ()),
        ("arXiv:[1601.07616], arXiv/1601.07617, arxiv.org:1601.07618", ("1601.07616", "1601.07617", "1601.07618"), ()),
        ("hep-th 9901005, hep-th/ 9901006, cond-mat.9901007, hep-ph9901008", (
            "hep-th/9901005", "hep-th/9901006", "cond-mat/9901007", "hep-ph/9901008",
        ), ()),
        ("arXiv:9901001 [hep-th], math.AG 0309136, cond-mat.str-el/0001001", (
            "hep-th/9901001", "math/0309136", "cond-mat/0001001",
        ), ()),
        # No ids.
        ("math 0309136 and cs 0101001, Phys 9901001, physics 0001001", (), ()),
        ("ISBN 978-3-16-148410-0, 2019.05.12, 10.1234/ 2019, $1,234.5678", (), ()),
        ("https://scholar.archive.org/fulltext/x/2401.00001", (), ()),
    ],
)  # fmt: skip
def test_what_is_glued_or_written_otherwise(text: str, arxiv_ids: tuple[str, ...], dois: tuple[str, ...]) -> None:
    found = find_identifiers(text)
    assert (found.arxiv_ids, found.dois) == (arxiv_ids, dois)


@pytest.mark.parametrize(
    "url",
    [
        "https://arxiv.org/pdf/2401.00001v3.pdf", "https://ar5iv.labs.arxiv.org/html/2401.00001",
        "https://ar5iv.org/abs/2401.00001", "https://www.alphaxiv.org/abs/2401.00001v2",
        "https://huggingface.co/papers/2401.00001", "https://www.semanticscholar.org/arxiv/2401.00001",
        "https://scirate.com/arxiv/2401.00001", "https://export.arxiv.org/api/query?id_list=2401.00001",
        "http://xxx.lanl.gov/abs/hep-th/9901001", "http://de.arxiv.org/abs/hep-th/9901001v2",
        "https://arxiv.org/abs/hep-th%2F9901001", "https://ar5iv.labs.arxiv.org/html/hep-th/9901001",
    ],
)  # fmt: skip
def test_pages_of_papers(url: str) -> None:
    paper_id = "2401.00001" if "2401" in url else "hep-th/9901001"
    assert find_identifiers(f"A. Ondine, {url}.") == Identifiers((paper_id,))
    assert find_identifiers("", (url,)) == Identifiers((paper_id,))


@pytest.mark.parametrize(
    ("text", "arxiv_ids", "urls"),
    [
        ("http://www.example.org/roma n/ 2012", (), ("http://www.example.org/roman/",)),
        ("https://example.org/some/ path/file.html.", (), ("https://example.org/some/path/file.html",)),
        ("http://example.org/pap er.html", (), ("http://example.org/paper.html",)),
        ("https: //example.org/x", (), ("https://example.org/x",)),
        # An underscore is missing, or a tilde, or nothing.
        ("http://example.org/user guide.pdf", (), ("http://example.org/user",)),
        ("http://example.org/ ondine/x.html", (), ("http://example.org/",)),
        ("https://example.org/foo/ and more, 1/2", (), ("https://example.org/foo/",)),
        ("https://example.org/foo w/ more", (), ("https://example.org/foo",)),
        ("https://example.org/foo 12/2019", (), ("https://example.org/foo",)),
        ("https://a.org/xhttps://b.org/y", (), ("https://a.org/x", "https://b.org/y")),
        ("https://a.org/web/2019/https://b.org/y", (), ("https://a.org/web/2019/https://b.org/y",)),
        ("http://a.org/x.pdfarXiv:2001.01234", ("2001.01234",), ("http://a.org/x.pdf",)),
        ("http://a.org/find?p=arXiv:2001.01234", ("2001.01234",), ("http://a.org/find?p=arXiv:2001.01234",)),
        ("http://b.edu/abs/2020arXiv200101234S", ("2001.01234",), ("http://b.edu/abs/2020arXiv200101234S",)),
    ],
)
def test_urls_with_blanks_and_neighbours(text: str, arxiv_ids: tuple[str, ...], urls: tuple[str, ...]) -> None:
    assert find_identifiers(text) == Identifiers(arxiv_ids, (), urls)


@given(
    st.lists(st.one_of(NEW_IDS, OLD_IDS, DOIS), min_size=2, max_size=4, unique=True), st.sampled_from([",", ";", ""])
)
def test_glued_names_come_apart(names: list[str], between: str) -> None:
    labelled = [("doi:" if name.startswith("10.") else "arXiv:") + name for name in names]
    found = find_identifiers(between.join(labelled))
    dois = [name.lower() for name in names if name.startswith("10.")]
    assume(not any(other != name and other.startswith(name) for name in dois for other in dois))
    assert found == Identifiers(tuple(name for name in names if not name.startswith("10.")), tuple(dois))


@given(st.sampled_from(["hep-th/", "cs.CL/"]), NEW_IDS, st.data())
def test_an_archive_before_a_new_id_survives_a_line_break(archive: str, paper_id: str, data: st.DataObject) -> None:
    text = f"arXiv:{archive}{paper_id}"
    at = data.draw(breaks(text, len(text) - len(paper_id)))
    assert find_identifiers(broken(text, at)).arxiv_ids == (paper_id,)


def test_urls() -> None:
    text = "See https://example.org/a_(b), http://x.org/y. and www.site.net/z; not http://doi.org/10.1000/a1"
    assert find_identifiers(text).urls == ("https://example.org/a_(b)", "http://x.org/y", "www.site.net/z")


@pytest.mark.parametrize("before", ["1", "2.", "1.10.", "210."])
def test_a_doi_does_not_begin_inside_a_number(before: str) -> None:
    assert find_identifiers(f"See {before}10.1000/a1 there").dois == ()
    assert find_identifiers(f"See {before} 10.1000/a1 there").dois == ("10.1000/a1",)


@pytest.mark.parametrize("scheme", ["https :// ", "https: //", "https:// ", "HTTPS : //", "https://"])
def test_a_scheme_with_blanks_is_closed_up(scheme: str) -> None:
    (url,) = find_identifiers(f"See {scheme}example.org/a1 there").urls
    assert url.lower() == "https://example.org/a1"


@given(st.text(max_size=300))
def test_anything_may_come(text: str) -> None:
    found = find_identifiers(text, (text,))
    assert all(doi == doi.lower() and doi.startswith("10.") for doi in found.dois)
