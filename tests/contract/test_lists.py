"""Every honest list is read, whatever its format, encoding and compression; what is no list says so in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpa_shard.cli import main
from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.id_lines import ids_of
from rpa_shard.intake.lists.reading import items_of
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.testing.sample_papers import Kind, sample_pdf

Captured = pytest.CaptureFixture[str]
IDS = ["2402.00001", "2402.00002v2", "hep-th/9901001"]
PLAIN = "".join(f"{each}\n" for each in IDS)
UMLAUT = "2402.00001 Schr\u00f6dinger\n2402.00002v2 na\u00efve\nhep-th/9901001\n"


def read(path: Path, content: bytes | str, column: str | None = None) -> tuple[list[str], list[str]]:
    """The ids and the messages of a list with this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    messages: list[str] = []
    return list(ids_of((), [str(path)], messages.append, column)), messages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list"


LISTS = [
    gzip.compress(PLAIN.encode()),
    zstandard.compress(PLAIN.encode()),
    bz2.compress(PLAIN.encode()),
    lzma.compress(PLAIN.encode()),
    gzip.compress(gzip.compress(PLAIN.encode())),
    b"".join(gzip.compress(f"{each}\n".encode()) for each in IDS),
    b"".join(zstandard.compress(f"{each}\n".encode()) for each in IDS),
    b"\x50\x2a\x4d\x18\x02\0\0\0ab" + zstandard.compress(PLAIN.encode()),
    gzip.compress(PLAIN.encode()) + bytes(512),
    *(PLAIN.encode(encoding) for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")),
    *(UMLAUT.encode(encoding) for encoding in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-be")),
    UMLAUT.encode() + "# S\u00f8ren\n".encode("latin-1"),
    gzip.compress(UMLAUT.encode("utf-16")),
    PLAIN.replace("\n", "\r").encode(),
    PLAIN.replace("\n", "\r\n").encode(),
    PLAIN.rstrip().encode(),
    b",".join(each.encode() for each in IDS),
    b"# mine\n\n2402.00001 # first\n2402.00002v2 ; second\nhep-th/9901001 // third\n",
    b"# A\n\n- [A](https://arxiv.org/abs/2402.00001)\n---\n* 2402.00002v2\n1. arXiv:hep-th/9901001, old\n```\n",
    b"A. Author, A title (2402.00001)\nB, arXiv:2402.00002v2 [cs.LG]\nC, https://arxiv.org/abs/hep-th/9901001.\n",
]


@pytest.mark.parametrize("number", range(len(LISTS)))
def test_compression_encoding_line_ends_and_what_stands_around_an_id(path: Path, number: int) -> None:
    assert read(path, LISTS[number]) == (IDS, [])


def test_a_line_that_is_a_list_itself(path: Path) -> None:
    many = [f"2402.{number:05}" for number in range(1, 30_000)]
    for between in (",", " ", ", ", "; arXiv:"):
        assert read(path, between.join(many)) == (many, [])
    assert read(path, f"2402.00001,{'a long abstract ' * 100}about arXiv:2402.00009\n") == (["2402.00001"], [])
    assert read(path, f"2402.00001\nhttps://example.org/{'x' * 1000}.pdf\n")[1][0].endswith("longer than 1000 bytes")


ROWS = [("A, b", "2402.00001"), ('C "d"', "2402.00002v2"), ("E\nf", "hep-th/9901001")]


@pytest.mark.parametrize(
    "name", ["arxiv_id", "arXiv ID", "ArxivId", "eprint", "paper_id", "ID", "doi", "URL", "abs_url"]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_tables(path: Path, name: str, delimiter: str) -> None:
    before = {"doi": "10.48550/arXiv.", "URL": "https://arxiv.org/abs/", "abs_url": "http://arxiv.org/abs/"}.get(
        name, ""
    )
    rows = [("title", "year", name), *((title, "2024", before + paper_id) for title, paper_id in ROWS)]
    text = "\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    assert read(path, text) == (IDS, [])
    assert read(path, text, column=name) == (IDS, [])
    assert read(path, text.encode("utf-16"), column=name.lower()) == (IDS, [])


def test_the_column_that_a_person_chooses(path: Path) -> None:
    table = "a,b,id\nx,2402.00001,2402.00008\ny,2402.00002,2402.00009\n"
    assert read(path, table)[0] == ["2402.00008", "2402.00009"]
    assert read(path, table, "b")[0] == read(path, table, "2")[0] == ["2402.00001", "2402.00002"]
    assert read(path, table.partition("\n")[2], "3")[0] == ["2402.00008", "2402.00009"]
    with pytest.raises(IntakeError, match=r"no column c: its first line has a, b, id$"):
        read(path, table, "c")
    assert read(path, "a,b\nx\ny,2402.00001\n", "b") == (["2402.00001"], ["line 2: no b"])
    assert read(path, '{"x": "2402.00001"}\n{"x": {"value": "2402.00002"}}\n', "X")[0] == ["2402.00001", "2402.00002"]
    assert read(path, "@misc{a, mine = {2402.00001}, eprint = {2402.00002}}", "eprint")[0] == ["2402.00002"]


def test_tables_without_a_header_and_in_markdown(path: Path) -> None:
    assert read(path, "1,2402.00001,x\n2,2402.00002v2,y\n3,hep-th/9901001,z\n") == (IDS, [])
    assert read(path, 'arxiv_id\n"2402.00001"\n2402.00002v2\nhep-th/9901001\n') == (IDS, [])
    assert read(path, "What;Which\nA;2402.00001\nB;2402.00002v2\nC;hep-th/9901001\n") == (IDS, [])
    assert read(path, "sep=;\nTitle;DOI\nA;10.48550/arXiv.2402.00001\n") == (["2402.00001"], [])
    assert read(path, "Key,Title,DOI,Extra\nX,A,10.1/x,arXiv:2402.00001 [cs]\n") == (["2402.00001"], [])
    assert read(path, "2402.x, title\n2402.00001, title\n")[1][0].startswith("line 1: 2402.x, title: neither")
    table = "| Title | arXiv |\n|---|:-:|\n| A | [x](https://arxiv.org/abs/2402.00001) |\n| B, c | 2402.00002v2 |\n"
    assert read(path, table + "| D | hep-th/9901001 |\n") == (IDS, [])


def test_a_quotation_mark_that_is_never_closed_costs_no_other_row(path: Path) -> None:
    rows = "".join(f'{each},"a title\n' for each in IDS)
    assert read(path, "arxiv_id,title\n" + rows) == (IDS, [])
    many = "".join(f"2402.{number:05},x\n" for number in range(10, 20_000))
    ids, _ = read(path, f'arxiv_id,title\n2402.00001,"open\n{many}')
    assert len(ids) == 1 + 19_990


BIBTEX = r"""
% Encoding: UTF-8
@comment{eprint = {2402.99999}}
@string{me = "Myself"}
@article{a, title={{A} title, with = and @}, eprint={2402.00001}, archivePrefix={arXiv}, primaryClass={cs.LG}}
@misc{b,
  Title = "B",
  HowPublished = {\url{https://arxiv.org/abs/2402.00002}},
}
@article(c,
  journal = {arXiv preprint arXiv:2402.00003},
  year = 2024
)
@article{d, doi = {10.48550/arXiv.2402.00004} } @article{e, eprint = "0309136", primaryClass = "math.GT" }
@book{never-closed, title = {Oh no,
  eprint = hep-th/9901001,
@inproceedings{f, url = {https://example.org/p.pdf}}
@article{DBLP:journals/corr/g, volume = {abs/2402.00005}}
@article{none, doi = {10.1103/PhysRevD.1}, url = {https://publisher.example/x}}
@article{elsewhere, eprint = {1234567}, eprinttype = {jstor}}
"""
RIS = """TY  - JOUR
TI  - A title
UR  - https://publisher.example/x
UR  - https://arxiv.org/abs/2402.00001
ER  -
TY  - PREP
DO  - 10.48550/arXiv.2402.00002
ER  -

TY  - JOUR
JO  - arXiv preprint arXiv:2402.00003
TY  - BOOK
TI  - nothing
ER  -
"""


def test_bibliographies(path: Path) -> None:
    found = ["2402.00001", "2402.00002", "2402.00003", "2402.00004", "math/0309136", "hep-th/9901001"]
    found += ["https://example.org/p.pdf", "2402.00005"]
    for content in (BIBTEX, BIBTEX.replace("\n", "\r\n").encode("utf-16"), gzip.compress(BIBTEX.encode("latin-1"))):
        ids, messages = read(path, content)
        assert ids == found
        assert [each.split(", ")[1] for each in messages] == [
            "entry none: no arXiv id and no PDF in it",
            "entry elsewhere: no arXiv id and no PDF in it",
        ]
    for content in (RIS, "\ufeff" + RIS.replace("\n", "\r\n")):
        assert read(path, content) == (
            ["2402.00001", "2402.00002", "2402.00003"],
            ["line 12, entry: no arXiv id and no PDF in it"],
        )


OBJECTS: list[tuple[object, str]] = [
    ({"arxiv_id": "2402.00001"}, "2402.00001"),
    ({"arxivId": "2402.00002", "id": "5"}, "2402.00002"),
    ({"eprint": "arXiv:2402.00003", "title": "arXiv:2402.99999"}, "2402.00003"),
    ({"doi": "10.48550/arXiv.2402.00004"}, "2402.00004"),
    ({"paperId": "0f3a", "externalIds": {"ArXiv": "2402.00005", "DOI": "10.1/x"}}, "2402.00005"),
    ({"url": "http://arxiv.org/abs/2402.00006v2"}, "2402.00006v2"),
    ({"id": "2402.00007", "authors": [{"name": "A"}], "versions": [{"version": "v1"}]}, "2402.00007"),
    ({"metadata": {"arxiv_eprints": [{"value": "hep-th/9901001", "categories": ["hep-th"]}]}}, "hep-th/9901001"),
    ({"id": "https://openalex.org/W1", "pdf_url": "https://example.org/a.pdf"}, "https://example.org/a.pdf"),
    ("2402.00008", "2402.00008"),
]
OTHERS = [{"title": "none", "authors": ["A"]}, {"id": "W1", "url": "https://publisher.example/x"}]


def test_json(path: Path) -> None:
    values = [value for value, _ in OBJECTS] + OTHERS
    found = [paper_id for _, paper_id in OBJECTS]
    for text in (
        "\n".join(map(json.dumps, values)),
        json.dumps(values),
        json.dumps(values, indent=2),
        json.dumps({"total": 12, "next": None, "data": values}),
        json.dumps({"total": 12, "papers": values}, indent=1),
    ):
        ids, messages = read(path, text)
        assert ids == found
        assert len(messages) == 2
    assert read(path, json.dumps({"hits": {"hits": [{"metadata": {"arxiv_id": "2402.00001"}}]}}))[0] == ["2402.00001"]
    assert read(path, "[2402.00010, 2402.00020]")[0] == ["2402.00010", "2402.00020"]
    record = json.dumps({"authors": ["x"], "id": "2402.00001", "text": "y" * 3_000_000})
    assert read(path, f"{record}\n{record}\n")[0] == ["2402.00001"] * 2
    assert read(path, '{"id": "2402.00001"}\n{"id": \n[1]\n{"id": "2402.00002"}\n') == (
        ["2402.00001", "2402.00002"],
        ["line 2: damaged, or no JSON object", "line 3: 1: neither an arXiv id nor the URL or path of a PDF"],
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["2402.00001", "2402.00002"]\n["2402.00003"]\n', ["2402.00001", "2402.00002", "2402.00003"]),
        ('[["2402.00001", "A title"], ["B title", "2402.00002"]]', ["2402.00001", "2402.00002"]),
        ('"2402.00001", "2402.00002"\n"2402.00003"\n', ["2402.00001", "2402.00002", "2402.00003"]),
        ("['2402.00001', '2402.00002']\n", ["2402.00001", "2402.00002"]),
        ('{"arxiv_ids": ["2402.00001", "2402.00002"]}', ["2402.00001", "2402.00002"]),
    ],
)
def test_no_id_of_several_in_a_line_or_an_array_is_lost(path: Path, text: str, found: list[str]) -> None:
    assert read(path, text) == (found, [])


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("@misc{a, eprint={2402.00009}, mine={2402.00001}}\n", "mine"),
        ("TY  - JOUR\nC7  - 2402.00001\nDO  - 10.48550/arXiv.2402.00009\nER  -\n", "C7"),
        ('{"id": "2402.00009", "ids": {"Mine": "2402.00001"}}\n', "ids.mine"),
    ],
)
def test_a_field_that_a_person_chooses(path: Path, content: str, column: str) -> None:
    assert read(path, content, column) == (["2402.00001"], [])
    with pytest.raises(IntakeError, match=r": no other$"):
        read(path, content, "other")


ENDNOTE = """%0 Journal Article
%T A title
%J arXiv preprint arXiv:2402.00001
%D 2024

%0 Conference Paper
%R 10.48550/arXiv.2402.00002
%U https://arxiv.org/abs/2402.00002
"""
OPENALEX = """id,doi,primary_location.pdf_url,best_oa_location.landing_page_url,best_oa_location.pdf_url
https://openalex.org/W1,https://doi.org/10.48550/arxiv.2402.00001,,,
https://openalex.org/W2,https://doi.org/10.1/x,https://publisher.example/a.pdf,http://arxiv.org/abs/2402.00002,
"""
LOCATIONS = [
    {"id": "https://openalex.org/W1", "primary_location": {"landing_page_url": "https://arxiv.org/abs/2402.00001"}},
    {
        "id": "https://openalex.org/W2",
        "doi": "https://doi.org/10.1/x",
        "locations": [{"landing_page_url": "https://doi.org/10.1/x"}, {"pdf_url": "http://arxiv.org/pdf/2402.00002"}],
    },
]
ADS = """@ARTICLE{a, journal = {arXiv e-prints}, eid = {arXiv:2402.00001}}
@ARTICLE{b, adsurl = {https://ui.adsabs.harvard.edu/abs/2024arXiv240200002V}}
"""
LINKS = [{"paper_arxiv_id": "2402.00001"}, {"arxiv_id": None, "url_pdf": "http://arxiv.org/pdf/2402.00002"}]


@pytest.mark.parametrize("text", [ENDNOTE, OPENALEX, json.dumps(LOCATIONS), ADS, json.dumps(LINKS)])
def test_what_other_programs_export(path: Path, text: str) -> None:
    assert read(path, text) == (["2402.00001", "2402.00002"], [])


@pytest.mark.parametrize("name", ["url", "Link", "pdf_url", "doi", "filename"])
def test_bare_ids_in_a_column_for_links(path: Path, name: str) -> None:
    rows = f"title,{name}\nA,\nB,2402.00001\nC,hep-th/9901001\n"
    assert read(path, rows) == (["2402.00001", "hep-th/9901001"], ["line 2: no arXiv id and no PDF in it"])
    assert read(path, f"{name}\nhep-th_9901001v1.pdf\n")[0] == ["hep-th/9901001v1"]


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("2402.00001.pdf"))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("ids.txt", PLAIN)
    return file.getvalue()


NO_LISTS: list[tuple[Callable[[], bytes], str]] = [
    (tar, "looks like a tar archive: use --tar"),
    (lambda: gzip.compress(tar()), "looks like a tar archive: use --tar"),
    (zipped, "looks like a zip archive, or a sheet"),
    (lambda: sample_pdf(Kind.TWO_COLUMNS, "2402.00001"), "looks like a PDF: give its path as an ID"),
    (lambda: b"<!-- saved -->\n<!DOCTYPE html>\n<html>2402.00001</html>", "looks like an HTML page: use a list"),
    (lambda: b"<?xml version='1.0'?><feed/>", "looks like XML: use a list"),
    (lambda: b"PAR1\x15\x04\x15", "looks like a Parquet file: write its column"),
    (lambda: b"SQLite format 3\0\x10\0", "looks like an SQLite database"),
    (lambda: b"\x7fELF\x02\x01\x01" + bytes(64), "looks like a binary file"),
    (lambda: bytes(range(256)) * 64, "looks like a binary file"),
    (lambda: bytes(100_000), "looks like a binary file"),
    (lambda: gzip.compress(bytes(100_000_000)), "looks like a binary file"),
    (lambda: zstandard.compress(b"\n" * 100_000_000), "zstd that expands more than 200 times is no list"),
    (lambda: zstandard.compress(b"x" * 100_000_000), "zstd that expands more than 200 times is no list"),
    (lambda: b"Dear Bob,\nhow are you?\n", "nothing in it names a paper; line 1: Dear Bob,: neither"),
    (lambda: b"[" + b'"x",' * 10, "damaged JSON, or cut short, after 10 values"),
    (lambda: b'{"a": ' * 5000, "damaged JSON, or cut short, after 0 values"),
]


@pytest.mark.parametrize(("content", "said"), NO_LISTS, ids=range(len(NO_LISTS)))
def test_what_is_no_list_says_so_in_one_line(path: Path, content: Callable[[], bytes], said: str) -> None:
    with pytest.raises(IntakeError) as raised:
        read(path, content())
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    assert str(raised.value).isprintable()


MANY = "".join(f"{month}.{number:05}\n" for month in (2402, 2403) for number in range(1, 90_000)).encode()


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bz2.compress, lzma.compress])
def test_a_damaged_list_says_so_with_what_was_added_so_far(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(path.parent / "data"))
    path.write_bytes(compress(MANY)[:-1000])
    assert main(["add", "--file", str(path)]) == 2
    output, errors = capsys.readouterr()
    added = int(output.split(",")[0].removeprefix("added "))
    assert 0 < added < 179_998
    assert errors.splitlines()[-1].endswith("that is cut short: get it again")
    assert errors.splitlines()[-1].startswith(f"rpa-shard: {path}: ")
    path.write_bytes(compress(MANY[:1000]) + b"something else")
    assert main(["add", "--file", str(path)]) == 2
    output, errors = capsys.readouterr()
    assert output.startswith("added 0, already known 90,")
    assert "damaged" in errors


def test_memory_does_not_grow_with_the_list(path: Path) -> None:
    def peak_bytes(text: str) -> int:
        path.write_bytes(gzip.compress(text.encode(), 1))
        tracemalloc.start()
        assert sum(1 for _ in items_of(str(path), None)) >= 20_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    lines = "".join(f"2402.{number:05},a title that is the same for all\n" for number in range(1, 20_001))
    objects = '{"id": "2402.00001", "title": "a title that is the same for all"},\n' * 20_000
    for begin, text, end in (("", lines, ""), ("id,title\n", lines, ""), ("[", objects, "{}]")):
        assert peak_bytes(begin + 4 * text + end) < 1.5 * peak_bytes(begin + text + end)


def test_what_is_echoed_is_escaped_and_cut(path: Path) -> None:
    ids, messages = read(path, "2402.00001\n\x1b[31mred\x1b[0m\x07\n" + "x" * 5000 + "\n\u202eabc.fdp\n")
    assert ids == ["2402.00001"]
    assert messages[0].startswith("line 2: \\x1b[31mred\\x1b[0m\\x07: ")
    assert len(messages) == 3
    assert all(each.isprintable() and len(each) < 200 for each in messages)


def test_several_lists(path: Path) -> None:
    path.write_text("2402.00001\nno\n")
    other = path.with_name("other.bib")
    other.write_text("@misc{a, eprint = {2402.00002}}")
    messages: list[str] = []
    assert list(ids_of(["2402.00003"], [str(path), str(other)], messages.append)) == [
        "2402.00003", "2402.00001", "2402.00002",
    ]  # fmt: skip
    assert messages == [f"{path}, line 2: no: neither an arXiv id nor the URL or path of a PDF"]


def test_messages_before_the_first_paper_are_not_lost(path: Path) -> None:
    ids, messages = read(path, "no\n" * 3000 + "2402.00001\nno\n")
    assert ids == ["2402.00001"]
    assert len(messages) == 3001


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of PDFs, some in a folder below, one with a name that is not UTF-8."""
    (tmp_path / "pdfs" / "below").mkdir(parents=True)
    for name in ("a.pdf", "2402.00001.pdf", "below/b.PDF", "notes.txt"):
        (tmp_path / "pdfs" / name).touch()
    Path(os.fsdecode(os.fsencode(tmp_path / "pdfs") + b"/caf\xe9.pdf")).touch()
    return tmp_path / "pdfs"


def test_a_folder_of_pdfs(folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["2402.00001.pdf", "a.pdf", "caf%E9.pdf", "below/b.PDF"]
    expected = [f"{folder.as_uri()}/{name}" for name in names]
    assert list(ids_of([str(folder)], [], print)) == list(ids_of([], [str(folder)], print)) == expected
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(folder.parent / "data"))
    assert main(["add", str(folder)]) == 0
    assert main(["add", str(folder / "below"), str(folder.parent / "data"), str(folder / "notes.txt")]) == 1
    output, errors = capsys.readouterr()
    assert output.splitlines() == ["added 4, already known 0, invalid 0", "added 0, already known 1, invalid 2"]
    assert errors.splitlines()[0].endswith("data: a folder without PDFs")
    assert errors.splitlines()[1].endswith(
        "notes.txt: a file that is no PDF: a list is given with --file, an archive with --tar"
    )


def test_what_is_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    messages: list[str] = []
    assert list(ids_of([str(tmp_path / "pipe")], (), messages.append)) == []
    assert len(messages) == 1
    assert messages[0].endswith(": neither a file nor a folder")


def test_a_file_that_is_there_comes_before_the_id_that_its_name_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(folder.parent / "data"))
    monkeypatch.chdir(folder)
    given = ["2402.00001.pdf", "2402.00002.pdf", "./2402.00003.pdf"]
    messages: list[str] = []
    assert list(ids_of(given, [], messages.append)) == [f"{folder.as_uri()}/2402.00001.pdf", "2402.00002"]
    assert messages == ["argument 3: ./2402.00003.pdf: no such file"]
    main(["add", *given[:2]])
    assert main(["show", "2402.00001.pdf"]) == 0
    assert f"{folder.as_uri()}/2402.00001.pdf" in capsys.readouterr().out


def test_lists_of_a_plan(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(path.parent / "data"))
    path.write_bytes(gzip.compress(b"a,b\nx,2402.00001\n"))
    assert main(["plan", "--file", str(path), "--column", "b"]) == 0
    assert "export.arxiv.org" in capsys.readouterr().out
    assert main(["plan", "--file", str(path), "--column", "c"]) == 2
    assert "no column c" in capsys.readouterr().err
    assert main(["add", "2402.00001", "--column", "c"]) == 2
    assert "give --file F too" in capsys.readouterr().err


def test_names_that_no_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, said in (("a\0b", "no file has such a name"), (str(tmp_path / "none"), "No such file")):
        with pytest.raises(IntakeError, match=said):
            list(ids_of((), [name], print))
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(IntakeError, match="standard input is closed"):
        list(ids_of((), ["-"], print))


STARTS = st.sampled_from(
    [
        b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"id,title\n", b'[{"id":', b'{"id": "2402.00001"}\n', b"@a{x,",
        b"TY  - JOUR\n", b"| id |\n", b"2402.00001\n", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd",
        BIBTEX.encode(), RIS.encode(), PLAIN.encode("utf-16"), json.dumps([each for each, _ in OBJECTS]).encode(),
    ]
)  # fmt: skip
PIECES = st.sampled_from(
    [
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"\n",
        b"\r",
        b"\t",
        b"|",
        b"\\",
        b"\0",
        b"@a{",
        b"eprint=",
        b"2402.00001",
        b"\xff",
    ]
)
PACKERS = st.sampled_from([bytes, bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.compress])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    STARTS,
    st.lists(PIECES | st.binary(max_size=8), max_size=30).map(b"".join),
    PACKERS,
    st.integers(0, 60),
    st.none() | st.sampled_from(["id", "1", "x"]),
)
def test_any_bytes_give_ids_messages_or_one_error(
    path: Path, start: bytes, rest: bytes, pack: Callable[[bytes], bytes], cut: int, column: str | None
) -> None:
    packed = pack(start + rest)
    path.write_bytes(packed[: len(packed) - cut if cut < 30 else len(packed)])
    messages: list[str] = []
    try:
        for each in ids_of((), [str(path)], messages.append, column):
            assert from_canonical(each).canonical == each
    except IntakeError as error:
        messages.append(str(error))
    assert all(each.isprintable() and len(each) < 600 for each in messages)
