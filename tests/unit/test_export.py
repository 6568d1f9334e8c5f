"""Exports: what is in them, what is refused, and that they appear complete or not at all."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet
import pytest
import zstandard

from rpa_shard.cli import main
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.observe.export import Exported, ExportError, Order, Texts, export, order
from rpa_shard.observe.export.destination import check_destination
from rpa_shard.observe.export.identity import ArxivIdentity, arxiv_identity, submission_year
from rpa_shard.observe.export.order import FITTING, FORMATS
from rpa_shard.phases.files import files_of
from rpa_shard.phases.prep.record import json_schema
from rpa_shard.store.data_folder import OWN_NAMES, DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.protocol import Ledger
from tests.corpus import BROKEN, ELSEWHERE, LOCAL, PLAIN, REFERENCES, VERSIONED, make_corpus

WAITING = "2401.00003"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    make_corpus(made)
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(made.root))
    return made


@pytest.fixture
def ledger(folder: DataFolder) -> Iterator[Ledger]:
    with open_ledger(folder) as opened:
        yield opened


def exported(folder: DataFolder, ledger: Ledger, out: Path, **options: Any) -> Exported:
    return export(folder, ledger.papers(), order(out, **options))


def read(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    elif path.suffix == ".zst":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    elif path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        for row in rows:
            moments = {name: row[name] for name in ("fetched_at", "extracted_at") if row.get(name)}
            row |= {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in moments.items()}
        return rows
    return [json.loads(line) for line in content.splitlines()]


def parts_left(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.parquet"])
@pytest.mark.parametrize("options", [{}, {"text": False}, {"text": False, "clean": True}])
def test_one_record_for_every_paper_with_the_same_keys(
    folder: DataFolder, ledger: Ledger, tmp_path: Path, name: str, options: dict[str, bool]
) -> None:
    done = exported(folder, ledger, tmp_path / name, **options)
    assert (done.papers, done.damaged, done.size_bytes) == (5, 0, (tmp_path / name).stat().st_size)
    records = {record["id"]: record for record in read(tmp_path / name)}
    assert len({tuple(sorted(record)) for record in records.values()}) == 1
    assert {each: record["status"] for each, record in records.items()} == {
        **dict.fromkeys(REFERENCES, "prepped"),
        BROKEN: "failed",
    }
    assert records[BROKEN]["failure"] == {"reason": "bad_pdf", "detail": "no pages"}
    assert [each["raw"] for each in records[LOCAL]["references"]] == [each.raw for each in REFERENCES[LOCAL]]
    assert records[PLAIN].get("text") == (None if options else f"[PAGE 1]\nSlow ﬁsh\nclocks, of {PLAIN}\n")
    assert records[PLAIN].get("clean_text") == (f"Slow fish clocks, of {PLAIN}\n" if "clean" in options else None)
    for record in records.values():
        jsonschema.validate({name: value for name, value in record.items() if name in KNOWN}, json_schema())
    assert parts_left(tmp_path) == []


KNOWN = json_schema()["properties"]


def test_records_name_the_arxiv_id_that_references_name(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    exported(folder, ledger, tmp_path / "out.jsonl")
    found = {each["id"]: (each["arxiv_id"], each["arxiv_version"]) for each in read(tmp_path / "out.jsonl")}
    assert found == {
        VERSIONED: ("2401.00001", 2),
        PLAIN: (PLAIN, 3),
        LOCAL: ("2401.00002", 1),
        ELSEWHERE: (None, None),
        BROKEN: (BROKEN, None),
    }


@pytest.mark.parametrize(
    ("paper_id", "stamp", "expected"),
    [
        ("2401.00001", None, ("2401.00001", None)),
        ("2401.00001v7", {"id": "2401.00001", "version": 3}, ("2401.00001", 7)),
        ("2401.00001", {"id": "2401.00001", "version": 3}, ("2401.00001", 3)),
        ("2401.00001", {"id": "2401.00002", "version": 3}, ("2401.00001", None)),
        ("hep-th/9901001v2", None, ("hep-th/9901001", 2)),
        ("https://example.org/a.pdf", {"id": "2401.00002", "version": 3}, ("2401.00002", 3)),
        ("file:///a.pdf", None, (None, None)),
    ],
)
def test_under_which_id_a_paper_is_known(
    paper_id: str, stamp: dict[str, Any] | None, expected: tuple[str | None, int | None]
) -> None:
    assert arxiv_identity(paper_id, stamp) == ArxivIdentity(*expected)


def test_the_year_of_an_id() -> None:
    assert [submission_year(each) for each in ("hep-th/9108001", "math/0001001", "2401.00001")] == [1991, 2000, 2024]


@pytest.mark.parametrize("name", ["graph.jsonl", "graph.parquet"])
def test_the_citation_graph(folder: DataFolder, ledger: Ledger, tmp_path: Path, name: str) -> None:
    done = exported(folder, ledger, tmp_path / name, what="references")
    assert (done.papers, done.rows) == (5, 11)
    rows = {(row["paper_id"], row["ordinal"]): row for row in read(tmp_path / name)}
    first = rows[VERSIONED, 1]
    names = "citing_id citing_version marker page start end arxiv_id doi raw".split()
    assert [first[name] for name in names] == [
        "2401.00001", 2, "[1]", 1, 9, 17, PLAIN, None, REFERENCES[VERSIONED][0].raw,
    ]  # fmt: skip
    assert (rows[LOCAL, 1]["citing_id"], rows[LOCAL, 1]["citing_version"]) == ("2401.00002", 1)
    assert (rows[ELSEWHERE, 1]["citing_id"], rows[ELSEWHERE, 1]["citing_version"]) == (ELSEWHERE, None)
    assert rows[VERSIONED, 4]["arxiv_ids"] == ["2401.00002", "2401.00077"]


def test_damage_is_flagged(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    files = files_of(folder.papers, from_canonical(PLAIN))
    files.text.write_bytes(b"other")
    assert exported(folder, ledger, tmp_path / "out.jsonl").damaged == 1
    assert exported(folder, ledger, tmp_path / "out.jsonl", text=False).damaged == 0
    files.record.unlink()
    assert exported(folder, ledger, tmp_path / "out.jsonl", text=False).damaged == 1
    record = next(each for each in read(tmp_path / "out.jsonl") if each["id"] == PLAIN)
    assert (record["status"], record["flags"], record["pages"]) == ("prepped", ["damaged"], None)


@pytest.mark.parametrize("what", ["references", "bibliography"])
def test_bibliographies_of_nothing(tmp_path: Path, what: Any) -> None:
    folder = DataFolder(tmp_path / "data")
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add([WAITING])
        exported(folder, ledger, tmp_path / "out.json", what=what, format="csl-json")
        assert json.loads((tmp_path / "out.json").read_text()) == []


# What makes sense.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"out": "a.jsonl"}, ("records", "jsonl")),
        ({"out": "a.ndjson.gz"}, ("records", "jsonl")),
        ({"out": "A.CSV"}, ("records", "csv")),
        ({"out": "a.csv.zst", "what": "bibliography"}, ("bibliography", "csv")),
        ({"out": "a.bib"}, ("references", "bibtex")),
        ({"out": "a.json", "format": "csl-json"}, ("references", "csl-json")),
        ({"out": "a.bib.gz", "what": "papers"}, ("papers", "bibtex")),
        ({"out": "a.txt", "format": "jsonl"}, ("records", "jsonl")),
        ({"out": "a", "format": "parquet"}, ("records", "parquet")),
        ({"out": "-"}, ("records", "jsonl")),
        ({"out": "-", "what": "references"}, ("references", "jsonl")),
        ({"out": "/dev/fd/9", "is_stream": True}, ("records", "jsonl")),
    ],
)
def test_what_the_options_mean(options: dict[str, Any], expected: tuple[str, str]) -> None:
    made = order(Path(options.pop("out")), **options)
    assert (made.what, made.format) == expected


def test_which_texts_records_have() -> None:
    assert order(Path("a.jsonl")).texts == Texts(raw=True)
    assert order(Path("a.csv")).texts == Texts(raw=False)
    assert order(Path("a.csv"), text=True).texts == Texts(raw=True)
    assert order(Path("a.csv"), clean=True).texts == Texts(raw=False, clean=True)
    assert order(Path("a.jsonl"), text=False).texts == Texts(raw=False)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"out": "a.xlsx"}, "the ending of a.xlsx is none of .jsonl, .parquet, .csv or .bib"),
        ({"out": "a.txt.gz"}, "the ending of a.txt.gz is none of"),
        ({"out": "a"}, "the ending of a is none of"),
        ({"out": "a.json"}, "a.json may be JSON Lines or CSL-JSON: add --format jsonl or --format csl-json"),
        ({"out": "a.parquet", "format": "csv"}, "a.parquet is the name of parquet, and --format says csv: leave out"),
        ({"out": "a.json", "format": "bibtex"}, "a.json is the name of jsonl or csl-json, and --format says bibtex"),
        ({"out": "a.bib", "what": "records"}, "--what records is not written as bibtex: its formats are jsonl, parq"),
        ({"out": "a.csv", "what": "papers"}, "--what papers is not written as csv: its formats are bibtex or csl-json"),
        ({"out": "a.csv", "what": "references", "text": False}, "--what references has no texts: leave out --text, --"),
        ({"out": "a.bib", "clean": True}, "--what references has no texts"),
        ({"out": "-", "format": "parquet"}, "Parquet goes to a file"),
        ({"out": "a.parquet.gz"}, "Parquet goes to a file"),
        ({"out": "-", "what": "papers"}, "- does not say the format: add --format bibtex or --format csl-json"),
        ({"out": "-", "shard_size": 5}, "--shard-size makes several files, and - is none"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ExportError) as refused:
        order(Path(options.pop("out")), **options)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_every_pair_in_the_documents_is_written(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    for what, formats in FITTING.items():
        for format in FORMATS:
            out = tmp_path / f"{what}-{format}"
            if format in formats:
                papers = 0 if what == "reports" else 5
                assert exported(folder, ledger, out, what=what, format=format).papers == papers
                assert out.stat().st_size > 0 or not papers
            else:
                with pytest.raises(ExportError, match="is not written as"):
                    order(out, what=what, format=format)


# Where it may be written.


def refused(capsys: Captured, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["export", *arguments]) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    return errors.removeprefix("rpa-shard: ").rstrip()


def test_an_existing_file_is_replaced_only_by_force(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    line = refused(capsys, "--out", str(out))
    assert line == f"{out} exists: give another name, or --force to replace it"
    assert out.read_text() == "mine"
    assert main(["export", "--out", str(out), "--force"]) == 0
    assert len(read(out)) == 5


def test_a_link_to_a_file_is_replaced_only_by_force(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    link.symlink_to(real)
    assert main(["export", "--out", str(link)]) == 0
    assert "exists" in refused(capsys, "--out", str(link))
    assert main(["export", "--out", str(link), "--force"]) == 0
    assert (link.is_symlink(), len(read(real))) == (True, 5)


def test_pipes_and_devices_need_no_force(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    assert main(["export", "--out", "/dev/null"]) == 0
    assert capsys.readouterr().err == "rpa-shard: exported 5 papers to /dev/null\n"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        assert main(["export", "--out", str(pipe)]) == 0
        assert reader.stdout is not None
        assert len(reader.stdout.read().splitlines()) == 5


def test_a_folder_is_refused(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    line = refused(capsys, "--out", str(tmp_path))
    assert line.startswith(f"{tmp_path} is a folder: give the name of a file in it")


def test_no_folder(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    for options in ([], ["--shard-size", "3"]):
        line = refused(capsys, "--out", str(tmp_path / "nowhere" / "out.jsonl"), *options)
        assert line == f"{tmp_path}/nowhere/out.jsonl cannot be written: No such file or directory"


@pytest.mark.parametrize(
    "name",
    [
        "papers/out.jsonl", "papers/2401/out.jsonl", "shards/out.jsonl", "run/out.jsonl", "logs/out.jsonl",
        "before-upgrade/out.jsonl", "damaged/x/out.jsonl", "manifest.json", "catalogue.sqlite3",
        "catalogue.sqlite3-wal", "run.lock", "layout.lock", ".hidden.jsonl", "link/out.jsonl", "papers",
        "signals.sqlite3", "signals.sqlite3-shm", "signals.lock",
    ],
)  # fmt: skip
def test_the_data_folders_own_rooms_are_refused(folder: DataFolder, capsys: Captured, name: str) -> None:
    (folder.root / "link").symlink_to(folder.papers)
    out = folder.root / name
    before = sorted(folder.root.rglob("*"))
    line = refused(capsys, "--out", str(out), "--force", "--format", "jsonl")
    assert "belongs to the data folder" in line or "is a folder" in line
    assert sorted(folder.root.rglob("*")) == before


def test_a_room_that_is_elsewhere_is_refused(folder: DataFolder, tmp_path: Path) -> None:
    folder.papers.rename(tmp_path / "big")
    folder.papers.symlink_to(tmp_path / "big")
    with pytest.raises(ExportError, match="belongs to the data folder"):
        check_destination(tmp_path / "big" / "out.jsonl", folder, force=True, many=False)


def test_a_new_file_in_the_data_folder_is_fine(folder: DataFolder) -> None:
    (folder.root / "exports").mkdir()
    for name in ("papers.jsonl", "exports/papers.csv"):
        assert main(["export", "--out", str(folder.root / name)]) == 0


def test_the_names_of_the_rooms_are_complete(folder: DataFolder) -> None:
    assert {each.name for each in folder.root.iterdir()} <= set(OWN_NAMES)


# Several files.


@pytest.mark.parametrize("name", ["set.jsonl", "set.csv.gz", "set.parquet"])
def test_a_set_of_files(folder: DataFolder, tmp_path: Path, capsys: Captured, name: str) -> None:
    out = tmp_path / "sets" / name
    out.parent.mkdir()
    arguments = ["export", "--out", str(out), "--shard-size", "2"]
    assert main(arguments) == 0
    stem, _, endings = name.partition(".")
    names = [f"{stem}-0000{number}.{endings}" for number in range(3)]
    assert sorted(path.name for path in out.parent.iterdir()) == names
    assert capsys.readouterr().err.startswith(f"rpa-shard: exported 5 papers to 3 files, {out.parent}/{names[0]} …, ")
    line = refused(capsys, *arguments[1:])
    assert line == f"{out.parent}/{names[0]} exists: give another name, or --force to replace them"
    assert main([*arguments[:-1], "4", "--force"]) == 0
    assert sorted(path.name for path in out.parent.iterdir()) == names[:2], "none of the earlier set is left"


def test_a_set_of_nothing_is_one_file_with_the_schema(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    export(folder, iter(()), order(tmp_path / "set.parquet", shard_size=2))
    assert pyarrow.parquet.read_table(tmp_path / "set-00000.parquet").num_rows == 0


def test_a_full_set_has_no_empty_file(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    done = exported(folder, ledger, tmp_path / "set.jsonl", shard_size=5)
    assert (done.files, [path.name for path in tmp_path.glob("set*")]) == (1, ["set-00000.jsonl"])


def test_an_export_that_fails_leaves_the_earlier_one(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    def papers() -> Iterator[Any]:
        yield from list(ledger.papers())[:3]
        raise KeyboardInterrupt

    for wanted in (order(tmp_path / "out.jsonl"), order(tmp_path / "out.jsonl", shard_size=2)):
        export(folder, ledger.papers(), wanted)
        before = {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
        with pytest.raises(KeyboardInterrupt):
            export(folder, papers(), wanted)
        assert {path: path.read_bytes() for path in tmp_path.glob("*.jsonl")} == before
        assert parts_left(tmp_path) == []


def test_what_a_killed_export_left_is_removed_by_the_next(folder: DataFolder, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    left = [tmp_path / f".{name}.{ended.pid}.part" for name in ("out.jsonl", "out-00003.jsonl")]
    alive = tmp_path / f".out.jsonl.{os.getppid()}.part"
    others = [alive, tmp_path / f".other.jsonl.{ended.pid}.part", tmp_path / f"out.jsonl.{ended.pid}.part"]
    for path in (*left, *others):
        path.touch()
    assert main(["export", "--out", str(tmp_path / "out.jsonl")]) == 0
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


# Which papers.


def test_the_chosen_papers(folder: DataFolder, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.jsonl"

    def ids(*arguments: str) -> set[str]:
        assert main(["export", "--force", "--out", str(out), *arguments]) == 0
        return {each["id"] for each in read(out)}

    assert ids("--status", "prepped") == set(REFERENCES)
    assert ids("--reason", "bad_pdf") == {BROKEN}
    assert ids("--category", "math") == {VERSIONED}
    assert len(ids("--limit", "2")) == 2
    assert ids(PLAIN, BROKEN, "--status", "failed") == {BROKEN}
    capsys.readouterr()
    assert ids(PLAIN, PLAIN, "2312.00001") == {PLAIN}
    assert len(read(out)) == 1, "an id that is given twice is exported once"
    assert capsys.readouterr().err.endswith("; 1 of the ids given are not among them\n")


def test_an_invalid_id_is_named(folder: DataFolder, capsys: Captured) -> None:
    assert main(["export", PLAIN, "nonsense", "--out", "-", "--no-text"]) == 1
    output, errors = capsys.readouterr()
    assert json.loads(output)["id"] == PLAIN
    assert "nonsense: neither an arXiv id" in errors


def test_the_complete_export_is_in_order_of_shards_and_ids(folder: DataFolder, ledger: Ledger, tmp_path: Path) -> None:
    exported(folder, ledger, tmp_path / "out.jsonl")
    assert [each["id"] for each in read(tmp_path / "out.jsonl")] == [row.paper_id for row in ledger.papers()]


def test_an_order_is_made_without_pyarrow(monkeypatch: pytest.MonkeyPatch, folder: DataFolder, ledger: Ledger) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    wanted = Order(folder.root / "x.parquet", "records", "parquet", Texts())
    with pytest.raises(ExportError, match=r"Parquet needs pyarrow: pip install 'rpa-shard\[parquet\]'"):
        export(folder, ledger.papers(), wanted)
