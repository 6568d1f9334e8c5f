"""Entries for reference managers and CSV: valid whatever they hold; works are told apart."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pybtex.database import parse_string

from rpa_shard.observe.export import Texts
from rpa_shard.observe.export.entries import Entry, bibtex, csl_json, entry_of_reference, safe_key
from rpa_shard.observe.export.names import csl_name, names_in
from rpa_shard.observe.export.order import Order
from rpa_shard.observe.export.papers import entry_of_paper
from rpa_shard.observe.export.plain_text import from_tex, on_one_line
from rpa_shard.observe.export.tables import csv_lines
from rpa_shard.observe.export.works import entry_of_work, works

# What breaks formats: their own signs, and whatever a PDF may hold.
SIGNS = st.text(st.one_of(st.sampled_from("{}\\\"'%&#$_~^@,=()\n\r\t \x00"), st.characters(codec="utf-8")), max_size=40)
TEX = {
    r"{\textbackslash}": "\\",
    r"{\textbraceleft}": "{",
    r"{\textbraceright}": "}",
    r"{\textasciitilde}": "~",
    r"{\textasciicircum}": "^",
    **{f"\\{each}": each for each in "{}%&#$_"},
}


def read_tex(text: str) -> str:
    return re.sub("|".join(re.escape(each) for each in TEX), lambda found: TEX[found[0]], text)


@given(SIGNS, SIGNS, st.lists(SIGNS, max_size=3))
@example("{", "}{", ["a{b", "A and B, C, D, E"])
@example("\\", "$x$ 100%", ["@article{x,", ","])
def test_bibtex_of_anything_is_read_again(title: str, note: str, authors: list[str]) -> None:
    entry = Entry("a:1", title, tuple(authors), 2024, "10.5555/a{b}_%c", "2401.00001", note=note)
    (read,) = parse_string("".join(bibtex([entry])), "bibtex").entries.values()
    fields = {"title": on_one_line(title), "note": on_one_line(note)}
    for name, expected in fields.items():
        assert read_tex(" ".join(read.fields.get(name, "").split())) == expected
    assert (read.fields["doi"], read.fields["eprint"]) == ("10.5555/a%7Bb%7D_%c", "2401.00001")
    assert len(read.persons.get("author", [])) == sum(bool(on_one_line(each).strip(" ,")) for each in authors)


@given(SIGNS)
@example(r"$\alpha_1$ & 5%")
@example("$}{$")
@example("$ x")
def test_titles_that_are_tex_are_read_again(title: str) -> None:
    (read,) = parse_string("".join(bibtex([Entry("a", title, is_tex=True)])), "bibtex").entries.values()
    assert bool(read.fields.get("title")) == bool(on_one_line(title))


@given(SIGNS, st.lists(SIGNS, max_size=3))
def test_csl_json_of_anything_is_read_again(title: str, authors: list[str]) -> None:
    (item,) = json.loads("".join(csl_json([Entry("a:1", title, tuple(authors), note=title)])))
    assert item.get("title", "") == on_one_line(title)
    for name in item.get("author", []):
        assert set(name) in ({"literal"}, {"family", "given"}, {"family", "given", "suffix"})


@given(SIGNS, SIGNS)
def test_keys_are_safe_and_differ_as_their_texts(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9.:/_-]*", safe_key(one))
    assert (safe_key(one) == safe_key(other)) == (one == other)


CSV = Order(Path("a.csv"), "references", "csv", Texts(False))


@given(st.lists(st.tuples(SIGNS, SIGNS, st.lists(SIGNS, max_size=3))))
@example([("=1+1", "-x", ["@y"])])
def test_csv_of_anything_is_read_again(values: list[tuple[str, str, list[str]]]) -> None:
    rows = [{"citing_id": "2401.00001", "ordinal": -1, "raw": a, "title": b, "authors": c} for a, b, c in values]
    text = "".join(csv_lines(rows, CSV))
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["raw"], row["title"], row["authors"], row["ordinal"]) for row in read] == [
        (in_cell(a), in_cell(b), in_cell("; ".join(c)), "-1") for a, b, c in values
    ]


def in_cell(text: str) -> str:
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", re.sub("\r\n?", "\n", text))
    return f"'{text}" if text[:1] in tuple("=+-@\t") else text


def test_a_line_of_csv() -> None:
    lines = "".join(csv_lines([{"raw": 'a "b"\nc, d', "arxiv_ids": ["2401.00001", "2401.00002"]}], CSV)).split("\r\n")
    assert lines[0].startswith("citing_id,citing_version,paper_id,ordinal,marker,page,start,end,arxiv_id,doi,raw,year")
    assert lines[1] == ',,,,,,,,,,"a ""b""\nc, d",,,,2401.00001 2401.00002,,,'
    assert lines[2:] == [""]


# Names.


@pytest.mark.parametrize(
    ("authors", "expected"),
    [
        ("A. Ondine", ["A. Ondine"]),
        ("A. Ondine and B. Fjord", ["A. Ondine", "B. Fjord"]),
        ("A. Ondine, B. Fjord, and C. Weir", ["A. Ondine", "B. Fjord", "C. Weir"]),
        ("A. Ondine (1), B. Fjord (2 and 3) ((1) INFN, Rome, (2) MIT)", ["A. Ondine", "B. Fjord"]),
        ("Anders Weir, Jr., Li Sands III", ["Anders Weir Jr.", "Li Sands III"]),
        ("The ATLAS Collaboration: G. Aad, et al.", ["The ATLAS Collaboration", "G. Aad", "et al."]),
        (r"Jos\'e P\'erez, P\'{a}l Erd\H{o}s, {\L}ukasz \O re", ["José Pérez", "Pál Erdős", "Łukasz Øre"]),
        ("", []),
    ],
)
def test_names_in_a_line_of_authors(authors: str, expected: list[str]) -> None:
    assert list(names_in(authors)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"Na\"{\i}ve Schr\"odinger", "Naïve Schrödinger"),
        (r"Stra\ss e and {\ss}", "Straße and ß"),
        (r"$\alpha$-rays \& \v{S}koda, \c{c}a", r"$\alpha$-rays \& Škoda, ça"),
        (r"\AA ngstr\"om \ae{}on", "Ångström æon"),
        ("plain", "plain"),
    ],
)
def test_letters_of_tex(text: str, expected: str) -> None:
    assert from_tex(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Weir, C.", {"family": "Weir", "given": "C."}),
        ("A. B. Ondine", {"family": "Ondine", "given": "A. B."}),
        ("Ludwig van Beethoven", {"family": "van Beethoven", "given": "Ludwig"}),
        ("José de la Cruz Jr.", {"family": "de la Cruz", "given": "José", "suffix": "Jr."}),
        ("The ATLAS Collaboration", {"literal": "The ATLAS Collaboration"}),
        ("IBM", {"literal": "IBM"}),
        ("et al.", {"literal": "et al."}),
    ],
)
def test_a_name_for_csl(name: str, expected: dict[str, str]) -> None:
    assert csl_name(name) == expected


def test_names_for_bibtex() -> None:
    entry = Entry("a", authors=("Weir, C.", "Rock and Sons", "A, B, C", "The ATLAS Collaboration", "A. Ondine"))
    text = "".join(bibtex([entry]))
    assert "author = {Weir, C. and {Rock and Sons} and {A, B, C} and {The ATLAS Collaboration} and A. Ondine}" in text
    (read,) = parse_string(text, "bibtex").entries.values()
    assert [str(each) for each in read.persons["author"]][3] == "{The ATLAS Collaboration}"


# Entries of references and of papers.


def row(citing: str, ordinal: int, raw: str = "raw", **known: Any) -> dict[str, Any]:
    found = {"title": None, "year": None, "authors": [], "arxiv_ids": [], "dois": [], "urls": [], **known}
    first = {"arxiv_id": next(iter(found["arxiv_ids"]), None), "doi": next(iter(found["dois"]), None)}
    return {"citing_id": citing, "paper_id": citing, "ordinal": ordinal, "raw": raw, **first, **found}


def test_keys_of_references() -> None:
    for citing, key in (
        ("2401.00001v2", "2401.00001v2:3"),
        ("hep-th/9901001", "hep-th-9901001:3"),
        ("file:///a%20b/paper.pdf", "file:///a-20b/paper.pdf-d0d71ee1:3"),
    ):
        assert re.fullmatch(re.sub("-[0-9a-f]{8}:", "-[0-9a-f]{8}:", re.escape(key)).replace("d0d71ee1", ".{8}"),
                            entry_of_reference(row(citing, 3)).key)  # fmt: skip


RECORD = {
    "id": "2401.00001v2",
    "arxiv_id": "2401.00001",
    "stamp": {"category": "cs.AI"},
    "document": {"title": "report.dvi", "created_at": "2019-01-03T01:21:54+00:00"},
    "metadata": None,
}


def test_the_entry_of_a_paper_with_metadata() -> None:
    metadata = {"title": r"$x^2$ & {5}", "authors": "A. Ondine", "categories": ["cs.LG", "cs"], "doi": "10.5555/a"}
    text = "".join(bibtex([entry_of_paper({**RECORD, "metadata": metadata})]))
    assert text == (
        "@article{arXiv:2401.00001v2,\n"
        "  author = {A. Ondine},\n"
        "  title = {$x^2$ \\& \\{5\\}},\n"
        "  year = {2024},\n"
        "  doi = {10.5555/a},\n"
        "  eprint = {2401.00001v2},\n"
        "  archiveprefix = {arXiv},\n"
        "  primaryclass = {cs.LG},\n"
        "  url = {https://arxiv.org/abs/2401.00001v2},\n"
        "}\n\n"
    )


def test_the_entry_of_a_paper_without_metadata() -> None:
    entry = entry_of_paper(RECORD)
    assert (entry.title, entry.year, entry.primary_class) == (None, 2024, "cs.AI")
    local = {**RECORD, "id": "file:///papers/a%20report.pdf", "arxiv_id": None, "stamp": None}
    titled = {**local, "document": {**RECORD["document"], "title": "A report"}}  # type: ignore[dict-item]
    entry = entry_of_paper(titled)
    assert re.fullmatch(r"a-report-[0-9a-f]{16}", entry.key)
    assert (entry.title, entry.year, entry.arxiv_id, entry.url) == ("A report", 2019, None, None)
    assert entry_of_paper({**local, "document": None}).year is None


# Works.


class Snapshot:
    """A catalogue that knows one paper."""

    def metadata(self, paper_id: str) -> dict[str, Any] | None:
        known = {"title": r"Na\"ive", "authors": "A. Ondine", "abstract": "", "categories": [], "doi": "10.5555/n"}
        return known if paper_id == "2401.00009" else None


ROWS = [
    row("p1", 1, "short", arxiv_ids=["2401.00001"]),
    row("p2", 1, "long", arxiv_ids=["2401.00001"], dois=["10.48550/arxiv.2401.00001"], title="A title", year=2024),
    row("p2", 2, arxiv_ids=["2401.00002"], dois=["10.5555/x"], title="On ships and tides", year=1991),
    row("p3", 1, dois=["10.5555/x"]),
    row("p3", 2, title="On Ships, and Tides!", year=1991, authors=["C. Weir"]),
    row("p3", 3, title="On Ships and Tides", year=1992),
    row("p3", 4, "Two", arxiv_ids=["2401.00001", "2401.00003"], title="Not of both", year=2000),
    row("p4", 1, "Private communication", title="Private communication", year=2020),
    row("p4", 2, "PRIVATE communication."),
    row("p4", 3, "???"),
    row("p4", 4, dois=["10.5555/a<b>", "10.5555/c"]),
    row("p4", 5, arxiv_ids=["2401.00009"]),
    row("p4", 6, arxiv_ids=["2401.00009"]),
    # A DOI that occurs with two arXiv ids stands for neither.
    row("p5", 1, arxiv_ids=["2401.00004"], dois=["10.5555/both"]),
    row("p5", 2, arxiv_ids=["2401.00005"], dois=["10.5555/both"]),
    row("p5", 3, dois=["10.5555/both"]),
]


def made(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {work["key"]: work for work in works(rows, Snapshot())}  # type: ignore[arg-type]


def test_each_work_once() -> None:
    found = made(ROWS)
    assert {key: work["cited_by"] for key, work in found.items() if key[:6] in ("arXiv:", "doi:10")} == {
        "arXiv:2401.00001": ["p1", "p2", "p3"],
        "arXiv:2401.00002": ["p2", "p3"],
        "arXiv:2401.00003": ["p3"],
        "arXiv:2401.00004": ["p5"],
        "arXiv:2401.00005": ["p5"],
        "arXiv:2401.00009": ["p4"],
        safe_key("doi:10.5555/a<b>"): ["p4"],
        "doi:10.5555/both": ["p5"],
        "doi:10.5555/c": ["p4"],
    }
    first, ships = found["arXiv:2401.00001"], found["arXiv:2401.00002"]
    assert (first["title"], first["raw"], first["reference_count"], first["cited_by_count"]) == (
        "A title",
        "long",
        3,
        3,
    )
    assert (first["doi"], ships["doi"], ships["authors"], ships["reference_count"]) == (
        None,
        "10.5555/x",
        ["C. Weir"],
        3,
    )
    others = sorted(key for key in found if key[:6] not in ("arXiv:", "doi:10"))
    assert [re.sub(r"-[0-9a-f]{10}$", "", key) for key in others] == [
        "text:private-communication", "text:work", "title:1992-on-ships-and-tides",
    ]  # fmt: skip
    private = found[others[0]]
    assert (private["reference_count"], private["cited_by_count"]) == (2, 1)
    assert found["arXiv:2401.00009"] | {"cited_by": []} == {
        "key": "arXiv:2401.00009", "arxiv_id": "2401.00009", "doi": "10.5555/n", "title": "Naïve",
        "authors": ["A. Ondine"], "year": 2024, "url": None, "raw": "raw", "reference_count": 2, "cited_by_count": 1,
        "cited_by": [],
    }  # fmt: skip


@given(st.randoms(use_true_random=False))
def test_the_order_of_papers_makes_no_difference(chance: random.Random) -> None:
    shuffled = chance.sample(ROWS, len(ROWS))
    assert list(works(shuffled, None)) == list(works(ROWS, None))


@given(st.lists(st.builds(row, st.sampled_from("abc"), st.integers(1, 9), SIGNS, title=SIGNS, year=st.just(2000))))
def test_works_of_anything_are_valid_bibtex(rows: list[dict[str, Any]]) -> None:
    found = list(works(rows, None))
    assert sum(work["reference_count"] for work in found) == len(rows)
    assert len(parse_string("".join(bibtex(map(entry_of_work, found))), "bibtex").entries) == len(found)
