"""Every form in which people and programs write an arXiv paper means that paper; what is no paper is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpa_shard.model.arxiv_id import InvalidIdError, PaperId, from_canonical, papers_in, parse
from rpa_shard.model.id_forms.grammar import OLD_ARCHIVES, shown

# With the class, version and date of a stamp, with prefixes, and as parts of citations.
MARKED = """
arXiv:2402.01234v3 [cs.CL]                              2402.01234v3
arXiv:2402.01234v1  [math.AG]  3 Feb 2024               2402.01234v1
arXiv:2402.01234 (hep-ph)                               2402.01234
arXiv:cs/0203011v2 [cs.DB] 12 Mar 2002                  cs/0203011v2
arXiv: 2402.01234                                       2402.01234
ARXIV:2402.01234                                        2402.01234
arXiv.2402.01234                                        2402.01234
arxiv 2402.01234                                        2402.01234
arxiv/2402.01234                                        2402.01234
arxiv-2402.01234                                        2402.01234
arXiv:2402.01234.pdf                                    2402.01234
arXiv:arXiv:2402.01234                                  2402.01234
arXiv:abs/2402.01234                                    2402.01234
arXiv preprint arXiv:2402.01234                         2402.01234
ArXiv e-prints, 2402.01234                              2402.01234
eprint arXiv:2402.01234                                 2402.01234
CoRR abs/2402.01234                                     2402.01234
A. Author, A title, arXiv:2402.01234 [cs.LG] (2024).    2402.01234
see arXiv:gr-qc/9803044, version 2                      gr-qc/9803044
oai:arXiv.org:2402.01234                                2402.01234
oai:arXiv.org:gr-qc/9803044                             gr-qc/9803044
info:arxiv/2402.01234                                   2402.01234
doi:10.48550/arXiv.2402.01234                           2402.01234
DOI: 10.48550/ARXIV.2402.01234                          2402.01234
10.48550/arxiv.gr-qc/9803044                            gr-qc/9803044
doi.org/10.48550/arXiv.2402.01234                       2402.01234
https://www.doi.org/10.48550/arXiv.2402.01234           2402.01234
http://dx.doi.org/10.48550/ARXIV.2402.01234v2           2402.01234v2
2024arXiv240201234A                                     2402.01234
DBLP:journals/corr/abs-2402-01234                       2402.01234
eprint = {2402.01234},                                  2402.01234
archivePrefix = {arXiv}, eprint = "gr-qc/9803044"       gr-qc/9803044
\\url{https://arxiv.org/abs/2402.01234}                 2402.01234
\\href{https://arxiv.org/pdf/2402.01234v2}{a title}     2402.01234v2
{{cite arXiv |eprint=2402.01234 |class=cs.LG}}          2402.01234
[A title](https://arxiv.org/abs/2402.01234)             2402.01234
<a href="https://arxiv.org/abs/2402.01234">x</a>        2402.01234
"""
BARE = """
2402.01234V2                      2402.01234v2
2402.01234 v2                     2402.01234v2
2402.01234 [v2]                   2402.01234v2
2402.01234(v2)                    2402.01234v2
2402.01234/v2                     2402.01234v2
2402.01234_v2.pdf                 2402.01234v2
2402.01234 V100 and what it is    2402.01234
2402.01234.pdf                    2402.01234
2402.01234v2.tar.gz               2402.01234v2
"2402.01234"                      2402.01234
'2402.01234',                     2402.01234
`2402.01234`                      2402.01234
(2402.01234)                      2402.01234
[2402.01234]                      2402.01234
**2402.01234**                    2402.01234
2402.01234,                       2402.01234
2402.01234;                       2402.01234
2402.01234.                       2402.01234
2402.01234,A title, with a comma  2402.01234
2402.01234|A title                2402.01234
2402.01234 A title of 2023        2402.01234
2402.01234 # read this first      2402.01234
2402.01234 % read this first      2402.01234
2402.01234 // read this first     2402.01234
2402.01234[cs.LG]                 2402.01234
2402.01234: A title               2402.01234
2402.01234 - A title              2402.01234
- 2402.01234                      2402.01234
* 2402.01234                      2402.01234
+ 2402.01234 a title              2402.01234
- [ ] 2402.01234                  2402.01234
- [x] arXiv:2402.01234            2402.01234
12. 2402.01234                    2402.01234
(3) 2402.01234                    2402.01234
[7] 2402.01234                    2402.01234
> 2402.01234                      2402.01234
| 2402.01234 | a title |          2402.01234
abs/2402.01234                    2402.01234
/pdf/2402.01234v2                 2402.01234v2
pdf/2402.01234v2.pdf              2402.01234v2
export.arxiv.org/pdf/2402.01234.pdf  2402.01234
cs.LG/2402.01234                  2402.01234
hep-th/1601.07616v2               1601.07616v2
hep-ph9803044                     hep-ph/9803044
hepph/9803044                     hep-ph/9803044
hep-ph_9803044v2.pdf              hep-ph/9803044v2
hep-ph//9803044                   hep-ph/9803044
hep-ph / 9803044                  hep-ph/9803044
HEP-PH/9803044                    hep-ph/9803044
math.GT/0309136                   math/0309136
MATH.gt/0309136v2                 math/0309136v2
cond-mat.stat-mech/0001001        cond-mat/0001001
physics.hist-ph/0303098           physics/0303098
704.0001                          0704.0001
912.1234v2                        0912.1234v2
"""
URLS = """
https://arxiv.org/abs/arxiv:gr-qc/9803044                                    gr-qc/9803044
https://arxiv.org/abs/cs.DB/0203011                                          cs/0203011
https://arxiv.org/abs/gr-qc%2F9803044                                        gr-qc/9803044
https://arxiv.org/abs/gr-qc%252F9803044                                      gr-qc/9803044
https%3A%2F%2Farxiv.org%2Fabs%2F2402.01234                                   2402.01234
https://arxiv.org//abs//2402.01234                                           2402.01234
https://arxiv.org/abs/2402.01234/                                            2402.01234
https://arxiv.org/abs/2402.01234#S1                                          2402.01234
https://arxiv.org/abs/2402.01234?context=cs                                  2402.01234
https://arxiv.org/abs/2402.01234).                                           2402.01234
https://arxiv.org/abs/2402.01234&quot;                                       2402.01234
<https://arxiv.org/abs/2402.01234>                                           2402.01234
https://arxiv.org/pdf/2402.01234v2.pdf?download=1#page=3                     2402.01234v2
https://arxiv.org/PDF/2402.01234                                             2402.01234
https://arxiv.org/html/2402.01234v1/                                         2402.01234v1
https://arxiv.org/html/2402.01234v1/x1.png                                   2402.01234v1
https://arxiv.org/format/2402.01234                                          2402.01234
https://arxiv.org/ps/gr-qc/9803044v1                                         gr-qc/9803044v1
https://arxiv.org/src/2402.01234                                             2402.01234
https://arxiv.org/src/2402.01234v2/anc/data.csv                              2402.01234v2
https://arxiv.org/e-print/2402.01234                                         2402.01234
https://arxiv.org/bibtex/2402.01234                                          2402.01234
https://arxiv.org/ftp/arxiv/papers/2402/2402.01234.pdf                       2402.01234
https://arxiv.org/ftp/gr-qc/papers/9803/9803044.pdf                          gr-qc/9803044
https://arxiv.org/2402.01234                                                 2402.01234
https://arxiv.org/abs?id=0704.0600                                           0704.0600
https://arxiv.org/abs?adap-org/9303002                                       adap-org/9303002
https://arxiv.org/abs?archive=adap-org&papernum=9303002                      adap-org/9303002
https://arxiv.org/abs/adap-org?9303002                                       adap-org/9303002
http://www.arxiv.org:80/abs/2402.01234                                       2402.01234
//arxiv.org/abs/2402.01234                                                   2402.01234
ArXiv.org/abs/2402.01234                                                     2402.01234
http:/arxiv.org/abs/2402.01234                                               2402.01234
https://browse.arxiv.org/pdf/2402.01234                                      2402.01234
http://fr.arxiv.org/abs/gr-qc/9803044                                        gr-qc/9803044
https://cn.arxiv.org/pdf/2402.01234.pdf                                      2402.01234
http://lanl.arxiv.org/abs/gr-qc/9803044                                      gr-qc/9803044
http://xxx.lanl.gov/abs/gr-qc/9803044                                        gr-qc/9803044
http://xxx.itp.ac.cn/pdf/gr-qc/9803044v1                                     gr-qc/9803044v1
https://arxiv-org.proxy.library.example/abs/2402.01234                       2402.01234
https://export.arxiv.org/api/query?id_list=2402.01234&max_results=1          2402.01234
https://export.arxiv.org/oai2?verb=GetRecord&identifier=oai:arXiv.org:cs/0203011  cs/0203011
https://ar5iv.org/abs/2402.01234                                             2402.01234
https://ar5iv.org/html/gr-qc/9803044                                         gr-qc/9803044
https://ar5iv.labs.arxiv.org/html/2402.01234                                 2402.01234
https://www.alphaxiv.org/overview/2402.01234v2                               2402.01234v2
https://huggingface.co/papers/2402.01234                                     2402.01234
huggingface.co/papers/2402.01234.pdf                                         2402.01234
https://hf.co/papers/2402.01234                                              2402.01234
https://scirate.com/arxiv/2402.01234                                         2402.01234
https://www.semanticscholar.org/arxiv/2402.01234                             2402.01234
https://api.semanticscholar.org/graph/v1/paper/ARXIV:2402.01234?fields=title 2402.01234
https://api.semanticscholar.org/arXiv:gr-qc/9803044                          gr-qc/9803044
https://inspirehep.net/api/arxiv/2402.01234                                  2402.01234
https://inspirehep.net/literature?q=arxiv%3A2402.01234                       2402.01234
https://inspirehep.net/search?p=find+eprint+2402.01234                       2402.01234
https://ui.adsabs.harvard.edu/abs/2024arXiv240201234A/abstract               2402.01234
https://dblp.org/rec/journals/corr/abs-2402-01234.html                       2402.01234
https://arxiv-sanity-lite.com/?rank=pid&pid=2402.01234                       2402.01234
https://web.archive.org/web/2024/https://arxiv.org/abs/2402.01234            2402.01234
https://www.google.com/url?q=https://arxiv.org/abs/2402.01234&sa=D           2402.01234
https://api.openalex.org/works/doi:10.48550/arXiv.2402.01234                 2402.01234
http://arxiv.org/PS_cache/arxiv/pdf/0704/0704.0001v1.pdf                     0704.0001v1
http://arxiv.org/PS_cache/hep-th/pdf/9901/9901001v1.pdf                      hep-th/9901001v1
https://proxy.library.example/login?url=https://arxiv.org/pdf/2402.01234     2402.01234
"""


def table(text: str) -> list[tuple[str, str]]:
    """The rows of a table: what is written, and what it means."""
    return [(written, meant) for written, meant in (line.rsplit(None, 1) for line in text.strip().splitlines())]


@pytest.mark.parametrize(("written", "meant"), [*table(MARKED), *table(BARE), *table(URLS)])
def test_what_was_written_and_what_was_meant(written: str, meant: str) -> None:
    assert parse(written).canonical == meant
    assert parse(f" {written}\n").canonical == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gr\u2011qc/9803044", "gr-qc/9803044"),
        ("gr\u2013qc\uff0f9803044", "gr-qc/9803044"),
        ("gr\u00adqc/9803044", "gr-qc/9803044"),
        ("\uff12\uff14\uff10\uff12\uff0e\uff10\uff11\uff12\uff13\uff14\uff56\uff12", "2402.01234v2"),
        ("\u0662\u0664\u0660\u0662.\u0660\u0661\u0662\u0663\u0664", "2402.01234"),
        ("2402\u300201234", "2402.01234"),
        ("arXiv\uff1a2402.01234", "2402.01234"),
        ("2402.01234\u200b", "2402.01234"),
        ("24\u200d02.\u206001234", "2402.01234"),
        ("\ufeff2402.01234", "2402.01234"),
        ("\u00a02402.01234\u00a0", "2402.01234"),
        ("arXiv:\u00a02402.01234", "2402.01234"),
        ("\u201c2402.01234\u201d", "2402.01234"),
        ("\u00abarXiv:2402.01234\u00bb", "2402.01234"),
        ("\u30102402.01234\u3011", "2402.01234"),
        ("\u2022 2402.01234", "2402.01234"),
        ("https://arxiv.org/abs/2402.01234\u200b", "2402.01234"),
        ("https:&#x2F;&#x2F;arxiv.org&#x2F;abs&#x2F;2402.01234", "2402.01234"),
        ("2402.01234\tA title", "2402.01234"),
    ],
)
def test_characters_that_no_keyboard_has(written: str, meant: str) -> None:
    assert parse(written).canonical == meant


# What the tests of arXiv's own packages (arxiv-base: identifier, urls, converter; arxiv-browse: identifier, abs page)
# and of idutils accept.
OF_ARXIV_BASE = """
math/9901123                    math/9901123
hep-ex/9901123                  hep-ex/9901123
gr-qc/9901123v3                 gr-qc/9901123v3
math.NA/9901123                 math/9901123
cs.DB/9901123                   cs/9901123
1202.1234v1                     1202.1234v1
2012.01234v3                    2012.01234v3
see arxiv:1201.1234             1201.1234
version of arXiv.math.GR/0512484 (2011).  math/0512484
physics/0303098                 physics/0303098
physics/0303098/                physics/0303098
physics/0303098/static/icon.png  physics/0303098
/hep-th/0702050v1               hep-th/0702050v1
/0708.1234v1                    0708.1234v1
hep-th//9901001                 hep-th/9901001
hep-th///9901001                hep-th/9901001
arxiv:hep-th/9901001            hep-th/9901001
HEP-TH/9901001/ExTrA            hep-th/9901001
https://arxiv.org/abs/arxiv:physics/9707012  physics/9707012
"""
OF_IDUTILS = """
arXiv:1310.2590                 1310.2590
arxiv:1310.2590                 1310.2590
http://arxiv.org/abs/arXiv:1310.2590  1310.2590
math.GT/0309136                 math/0309136
http://arxiv.org/abs/arXiv:math/0309136  math/0309136
hep-th/9901001v27               hep-th/9901001v27
arxiv:math.GT/0309136v2         math/0309136v2
https://arxiv.org/abs/arXiv:math/0309136v2  math/0309136v2
9912.12345v2                    9912.12345v2
http://arxiv.org/abs/arXiv:9912.12345v2  9912.12345v2
arXiv:hep-th/1601.07616         1601.07616
hep-th/1601.07616               1601.07616
http://arxiv.org/abs/arXiv:1601.07616  1601.07616
"""


@pytest.mark.parametrize(("written", "meant"), [*table(OF_ARXIV_BASE), *table(OF_IDUTILS)])
def test_forms_that_other_libraries_are_tested_with(written: str, meant: str) -> None:
    assert parse(written).canonical == meant


@pytest.mark.parametrize("written", ["1203.12345", "1203.12345v12", "hep-ph/1203.12345v12", "arXiv:1201.12345"])
def test_five_digits_before_2015_are_no_paper(written: str) -> None:
    """The tests of arxiv-base find such ids in text, but its own `Identifier` refuses them: no month had as many."""
    with pytest.raises(InvalidIdError, match="have 4 digits after the point"):
        parse(written)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("https://arxiv.org/list/cs.LG/recent", "a page at arxiv.org, not a paper"),
        ("https://arxiv.org/list/hep-th/9901", "a page at arxiv.org"),
        ("https://arxiv.org/abs/", "a page at arxiv.org"),
        ("https://arxiv.org/abs", "a page at arxiv.org"),
        ("https://arxiv.org", "a page at arxiv.org"),
        ("arxiv.org/pdf/", "a page at arxiv.org"),
        ("https://arxiv.org/a/someone_1", "a page at arxiv.org"),
        ("https://arxiv.org/find/all/1", "a page at arxiv.org"),
        ("https://arxiv.org/search/?query=2402.01234", "a page at arxiv.org"),
        ("https://arxiv.org/year/hep-th/99", "a page at arxiv.org"),
        ("https://arxiv.org/archive/hep-th", "a page at arxiv.org"),
        ("https://arxiv.org/help/arxiv_identifier.pdf", "a page at arxiv.org"),
        ("https://arxiv.org.library.example/pdf/other.pdf", "a page at arxiv.org.library.example"),
        ("https://info.arxiv.org/about/report.pdf", "a page at info.arxiv.org"),
        ("https://export.arxiv.org/api/query?search_query=all:x", "a page at export.arxiv.org"),
        ("http://de.arxiv.org/list/hep-th/new", "a page at de.arxiv.org"),
        ("https://huggingface.co/papers", "a page at huggingface.co"),
        ("https://ar5iv.labs.arxiv.org/", "a page at ar5iv.labs"),
        ("https://arxiv.org/abs/2402.01234v0", "no such version: v0"),
        ("https://arxiv.org/abs/2413.01234", "no such month"),
        ("https://arxiv.org/pdf/2402.012345", "a page at arxiv.org"),
        ("2402.1", "have 5 digits"),
        ("2402.0123", "have 5 digits"),
        ("2402.012345", "have 5 digits"),
        ("2402.01234-2402.01240", "neither"),
        ("12402.01234", "neither"),
        ("0705.35950705.3595v1/", "neither"),
        ("0707.2096va", "neither"),
        ("hep-th/99010011", "neither"),
        ("hep-th/990100", "neither"),
        ("nonsense/9901001", "unknown archive: nonsense"),
        ("10.1103/PhysRevD.99.1", "not arXiv's DOI"),
        ("doi:10.1103/PhysRevD.99.1", "not arXiv's DOI"),
        ("arXiv:2402.01234, arXiv:2402.01235", "names 2 papers"),
        ("~nobody-has-this-name/a.pdf", "no such home folder"),
        ("file:///a%00.pdf", "control"),
    ],
)
def test_what_is_no_paper_is_refused(written: str, reason: str) -> None:
    with pytest.raises(InvalidIdError, match=re.escape(reason)):
        parse(written)


@pytest.mark.parametrize(
    "url",
    [
        "https://scholar.archive.org/fulltext/x.pdf",
        "http://127.0.0.1:8765/pdf/2402.01234",
        "http://mirror.example/arxiv.org/pdf/2402.01234.pdf",
        "https://huggingface.co/someone/model/resolve/main/report.pdf",
        "https://notarxiv.org/pdf/2402.01234",
        "https://example.org/a_(b).pdf",
    ],
)
def test_urls_of_other_hosts_stay_what_they_are(url: str) -> None:
    for written in (url, f"- {url}", f"<{url}>", f"{url},", f"{url} # a comment", f"[a title]({url})"):
        if ".pdf" in url or not written.startswith("["):
            assert parse(written) == PaperId(url, "url")


def test_several_papers_in_one_text() -> None:
    for written in (
        "2402.01234, 2402.01235v2;gr-qc/9803044",
        "arXiv:2402.01234 and arXiv:2402.01235v2 and gr-qc/9803044",
        "https://arxiv.org/abs/2402.01234,https://arxiv.org/pdf/2402.01235v2 https://arxiv.org/abs/gr-qc/9803044",
        "https://export.arxiv.org/api/query?id_list=2402.01234,2402.01235v2,gr-qc/9803044&start=0",
        '"2402.01234", "2402.01235v2", "gr-qc/9803044"',
        "[2402.01234], [2402.01235v2] (gr-qc/9803044)",
        "arXiv:2402.01234 [cs.LG], arXiv:2402.01235v2 [hep-th]; gr-qc/9803044 [astro-ph.CO]",
        "See [one](https://arxiv.org/abs/2402.01234), [two](arxiv.org/abs/2402.01235v2) and arXiv:gr-qc/9803044.",
    ):
        assert [each.canonical for each in papers_in(written)] == ["2402.01234", "2402.01235v2", "gr-qc/9803044"]
    assert [each.canonical for each in papers_in("2402.01234 Comment on arXiv:2402.01235")] == ["2402.01234"]


def test_ids_that_an_earlier_version_queued_stay_what_they_are() -> None:
    for canonical in ("https://ar5iv.org/abs/2402.01234", "https://de.arxiv.org/pdf/2402.01234", "https://a.org/b,"):
        assert from_canonical(canonical) == PaperId(canonical, "url")
    for text in ("nonsense", "", "2402.01234 x", "arXiv:2402.01234", "a.pdf", "http://a b.org/x\x00"):
        with pytest.raises(InvalidIdError):
            from_canonical(text)


def test_names_of_files_that_are_not_utf_8() -> None:
    paper = parse("/srv/caf\udce9.pdf")
    assert paper.canonical == "file:///srv/caf%E9.pdf"
    assert parse(paper.canonical) == from_canonical(paper.canonical) == paper
    with pytest.raises(InvalidIdError, match="not UTF-8"):
        parse("https://example.org/caf\udce9.pdf")


def test_text_from_outside_is_shown_on_one_short_line() -> None:
    assert shown("a\n\x1b[31mé\u202e") == "a\\n\\x1b[31mé\\u202e"
    assert shown("\udce9") == "\\udce9"
    assert shown("/long" * 100 + "/name.pdf", 30) == "/long/long/long/lon…g/name.pdf"
    assert len(shown("\n" * 1000)) == 100


PIECES = st.sampled_from(
    """
    arXiv: 10.48550/arXiv. https:// http:// // / # ? & %2F % .. v2 v0 .pdf , ; ( ) [ ] [::1] @ :80 :99999 file:/// ~ ~x/
    2402.01234 hep-th/9901001 arxiv.org/abs/ xxx. huggingface.co/papers/ eprint= &amp; &#0; \u200b \u2011 \udcff
    \ud800 \x00 \ufdfa \u00bd corr/abs-2402-01234 2024arXiv240201234A doi: abs - 1.
    """.split()
) | st.just(" ")


@given(st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join))
def test_any_text_gives_stable_ids_or_one_clear_reason(text: str) -> None:
    try:
        found = papers_in(text)
    except InvalidIdError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 200
        return
    assert found
    for paper in found:
        assert parse(paper.canonical) == from_canonical(paper.canonical) == paper


@given(st.sampled_from(sorted(OLD_ARCHIVES)), st.integers(1, 999), st.none() | st.integers(1, 99))
def test_every_old_id_is_its_own_canonical_form(archive: str, number: int, version: int | None) -> None:
    text = f"{archive}/9901{number:03}" + (f"v{version}" if version else "")
    assert parse(text).canonical == from_canonical(text).canonical == parse(text.replace("/", "")).canonical == text
    assert parse(text.replace("/", "_").upper()).canonical == text
