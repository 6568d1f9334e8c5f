"""Papers from arXiv's bulk archives and from its metadata snapshot."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.cli import main
from rpa_shard.fetch.local import local_part
from rpa_shard.intake.adding import BATCH, Adder, AddResult
from rpa_shard.intake.archives import id_of_member, read_archive, read_manifest
from rpa_shard.intake.errors import IntakeError
from rpa_shard.intake.snapshot import Filter, first_submitted, metadata_of
from rpa_shard.model.arxiv_id import without_version
from rpa_shard.model.errors import StoreError
from rpa_shard.store.catalogue import Whereabouts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.rig import Rig, wait_for

MEMBERS = {
    "9901/hep-th9901001.pdf": sample_pdf(Kind.AUTHOR_YEAR, "hep-th/9901001"),
    "9901/hep-th9901002v2.pdf": sample_pdf(Kind.TWO_COLUMNS, "hep-th/9901002v2"),
    "2401/2401.00001.pdf": sample_pdf(Kind.TWO_COLUMNS, "2401.00001"),
    "2401/2401.00003v3.pdf": sample_pdf(Kind.AUTHOR_YEAR, "2401.00003v3"),
    "2401/README.txt": b"not a paper",
}
IDS = ["2401.00001", "2401.00003v3", "hep-th/9901001", "hep-th/9901002v2"]
Captured = pytest.CaptureFixture[str]


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        tar.addfile(_folder("2401"))
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    return write_tar(tmp_path / "arXiv_pdf_2401_001.tar", MEMBERS)


def manifest(path: Path, items: int) -> Path:
    entry = f"<file><filename>pdf/arXiv_pdf_2401_001.tar</filename><num_items>{items}</num_items><size>1</size></file>"
    path.write_text(f'<?xml version="1.0"?><arXivPDF>{entry}<timestamp>now</timestamp></arXivPDF>')
    return path


@pytest.mark.parametrize(
    ("name", "paper_id"),
    [
        ("2401/2401.00001.pdf", "2401.00001"),
        ("2401.00001v12.pdf", "2401.00001v12"),
        ("0001/astro-ph0001001.pdf", "astro-ph/0001001"),
        ("0001/math0001001v2.pdf", "math/0001001v2"),
        ("2401/notes.pdf", None),
        ("2401/2401.00001.txt", None),
        ("../../etc/passwd.pdf", None),
        ("9901/elsewhere9901001.pdf", None),
    ],
)
def test_ids_of_member_names(name: str, paper_id: str | None) -> None:
    assert id_of_member(name) == paper_id


def test_what_an_archive_holds(tar: Path, tmp_path: Path) -> None:
    archive = read_archive(tar, read_manifest(manifest(tmp_path / "manifest.xml", 5)))
    assert sorted(member.paper_id for member in archive.members) == IDS
    assert archive.others == 1
    content = tar.read_bytes()
    found = {
        each.paper_id: content[each.offset_bytes : each.offset_bytes + each.size_bytes] for each in archive.members
    }
    assert found == {id_of_member(name): pdf for name, pdf in MEMBERS.items() if name.endswith(".pdf")}


def test_an_archive_that_is_incomplete(tar: Path, tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="has 5 files, but the manifest says 6: fetch it again"):
        read_archive(tar, {tar.name: 6})
    complete = tar.read_bytes()
    for size in (0, 100, len(complete) // 2):
        tar.write_bytes(complete[:size])
        with pytest.raises(IntakeError, match=r"fetch it again|cut short"):
            read_archive(tar)
    tar.write_bytes(gzip.compress(complete))
    with pytest.raises(IntakeError, match="not a plain tar file"):
        read_archive(tar)
    with pytest.raises(IntakeError, match="No such file"):
        read_archive(tmp_path / "none.tar")
    for text in ("", "<a>", "<a><file><filename>x</filename></file></a>"):
        (tmp_path / "bad.xml").write_text(text)
        with pytest.raises(IntakeError, match="not a manifest"):
            read_manifest(tmp_path / "bad.xml")


def test_an_archive_that_is_damaged_between_members(tar: Path) -> None:
    """Damage that tarfile takes for the end of the archive."""
    content = tar.read_bytes()
    with tarfile.open(tar) as opened:
        headers = [info.offset for info in opened.getmembers()]
    for wrong in (content[: headers[3]], content[: headers[3]] + b"x" * 512 + content[headers[3] + 512 :]):
        tar.write_bytes(wrong)
        with pytest.raises(IntakeError, match="cut short, or damaged at 9901/hep-th9901002v2"):
            read_archive(tar)
    tar.write_bytes(content[: headers[3] + 100])
    with pytest.raises(IntakeError, match="cut short"):
        read_archive(tar)


def test_more_papers_in_archives_than_arxivs_host_would_serve(rig: Rig, tar: Path) -> None:
    rig.run("add", "--tar", str(tar))
    assert rig.run("run", SOURCES="arxiv", ARXIV_MAX_PAPERS="3")[0] == 0
    rig.run("add", "2401.00007", "2401.00008")
    code, _, errors = rig.run("run", SOURCES="arxiv", ARXIV_MAX_PAPERS="1")
    assert (code, errors.splitlines()[-1][:27]) == (2, "rpa-shard: 2 papers from ex")


def test_papers_come_straight_from_the_archive(rig: Rig, tar: Path, tmp_path: Path) -> None:
    code, output, _ = rig.run("add", "--tar", str(tar), "--manifest", str(manifest(tmp_path / "manifest.xml", 5)))
    assert (code, output) == (0, "added 4, already known 0, invalid 0\n")
    code, _, errors = rig.run("run", SOURCES="http://127.0.0.1:9/{id}", SHARD_COUNT="3")
    assert code == 0, errors
    record = json.loads((rig.root / "papers" / "9901" / "hep-th_9901001.json").read_text())
    assert record["source"].startswith(f"tar://{tar}#offset=")
    assert (rig.root / "papers" / "9901" / "hep-th_9901001.pdf").read_bytes() == MEMBERS["9901/hep-th9901001.pdf"]


def test_a_damaged_archive_is_invalid_and_the_others_count(rig: Rig, tar: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.tar").write_bytes(b"no tar")
    code, output, errors = rig.run("add", "--tar", str(tmp_path / "broken.tar"), str(tar))
    assert (code, output) == (1, "added 4, already known 0, invalid 1\n")
    assert len(errors.splitlines()) == 1


def test_an_archive_that_has_gone_falls_through_to_the_sources(rig: Rig, tar: Path) -> None:
    rig.run("add", "--tar", str(tar))
    tar.unlink()
    rig.run("run")
    assert rig.rows()["2401.00001"].status == "prepped"
    assert rig.rows()["2401.00003v3"].failure == "not_found"


def row(
    paper_id: str, categories: str = "cs.LG stat.ML", created: str = "Mon, 2 Apr 2007 19:18:42 GMT"
) -> dict[str, Any]:
    return {
        "id": paper_id,
        "title": "Slow\n  clocks",
        "authors": "A. Ondine and B. Fjord",
        "abstract": "  We read\n water. ",
        "categories": categories,
        "doi": "10.5555/1" if paper_id.endswith("1") else None,
        "versions": [
            {"version": "v1", "created": created},
            {"version": "v2", "created": "Tue, 3 Apr 2012 00:00:00 GMT"},
        ],
        "update_date": "2012-04-03",
        "authors_parsed": [["Ondine", "A.", ""]],
    }


ROWS = [
    row("0704.0001"),
    row("hep-th/9901001", "hep-th", "Fri, 1 Jan 1999 00:00:00 GMT"),
    row("2401.00002", "csx.LG", "Wed, 31 Jan 2024 23:59:59 GMT"),
]


@pytest.mark.parametrize("packed", [False, True])
def test_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, packed: bool) -> None:
    content = "\n".join([*map(json.dumps, ROWS), "", "{", '{"id": "nonsense", "categories": ""}', "[]"]).encode()
    path = tmp_path / "snapshot"
    path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    assert main(["add", "--metadata", str(path)]) == 1
    output, errors = capsys.readouterr()
    assert output == "added 3, already known 0, invalid 3\n"
    assert [line.split(":")[0] for line in errors.splitlines()] == ["line 5", "line 6", "line 7"]
    assert main(["show", "hep-th/9901001"]) == 0
    assert "title     Slow clocks" in capsys.readouterr().out
    assert main(["export", "--out", "-"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert record["metadata"]["categories"]
    assert main(["export", "--out", str(tmp_path / "out.parquet")]) == 0


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        (["--category", "cs"], 1),
        (["--category", "cs.LG", "--category", "hep-th"], 2),
        (["--since", "1999-01-01", "--until", "2007-04-02"], 2),
        (["--since", "2024-01-31"], 1),
        (["--limit", "2"], 2),
    ],
)
def test_filters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str], added: int
) -> None:
    path = tmp_path / "snapshot"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    assert main(["add", "--metadata", str(path), *arguments]) == 0
    assert capsys.readouterr().out == f"added {added}, already known 0, invalid 0\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--category", "cs.LQ"], 2, "no paper of the snapshot is in cs.LQ: did you mean cs.LG?"),
        (["--category", "csx.L"], 2, "no paper of the snapshot is in csx.L: did you mean csx.LG?"),
        (["--category", "q"], 2, "no paper of the snapshot is in q"),
        (["--until", "1998-12-31"], 2, "its papers are from 1999-01-01 to 2024-01-31"),
        (["--since", "2025-01-01"], 2, "its papers are from 1999-01-01 to 2024-01-31"),
        (
            ["--category", "hep-th", "--since", "2024-01-01"],
            2,
            "those in these categories are from 1999-01-01",
        ),
        (["--category", "cs.LG", "--category", "cs.LQ"], 1, "no paper of the snapshot is in cs.LQ: did you mean"),
    ],
)
def test_a_filter_that_takes_nothing_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    path = tmp_path / "snapshot"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    assert main(["add", "--metadata", str(path), *arguments]) == code
    output, errors = capsys.readouterr()
    assert output == ("" if code == 2 else "added 1, already known 0, invalid 1\n")
    (line,) = errors.splitlines()
    assert says in line


def test_an_interrupted_add_says_what_was_added(rig: Rig) -> None:
    """Its list comes from a pipe that stays open, so it waits for more when Ctrl-C comes."""
    command = [sys.executable, "-m", "rpa_shard", "add", "2401.00001", "--file", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=rig.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test in the background ignores it
    ) as adding:  # fmt: skip
        assert adding.stdin is not None
        adding.stdin.writelines(f"2402.{number:05}\n" for number in range(1, 30_000))
        adding.stdin.flush()
        wait_for(lambda: rig.by_status().get("pending", 0) >= BATCH, "a batch to be added")
        adding.send_signal(signal.SIGINT)
        output, errors = adding.communicate(timeout=60)
    assert (adding.returncode, output) == (130, "")
    (line,) = errors.splitlines()
    added = int(line.split("added ")[1].split()[0])
    assert added % BATCH == 0
    assert added == rig.by_status()["pending"]
    assert "the same command again adds the rest" in line


def test_snapshots_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "cut.gz").write_bytes(gzip.compress(json.dumps(ROWS[0]).encode() * 1000)[:-20])
    for name, reason in (("cut.gz", "damaged, or cut short"), ("none", "No such file")):
        assert main(["add", "--metadata", str(tmp_path / name)]) == 2
        assert reason in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["add", "--metadata", "x", "--since", "yesterday"])
    assert "'yesterday' is not a day: write YYYY-MM-DD" in capsys.readouterr().err


ODD_FIELDS: list[dict[str, Any]] = [
    {"title": None}, {"categories": None}, {"categories": ["cs"]}, {"doi": ["10.1"]}, {"doi": 7}, {"id": "x.pdf"},
    {"id": "https://x.example/y.pdf"}, {"versions": [{}]}, {"versions": [{"version": "v" + "9" * 30}]},
    {"versions": 5}, {"abstract": {}},
]  # fmt: skip
ODD_LINES = [
    '{"id": 704.0001}', '{"id": "x.pdf"}', '{"id": null}', "null", "[" * 100_000, '"2401.00001"', "\x00", "\xff",
    *(json.dumps(row("2401.00005") | odd) for odd in ODD_FIELDS),
]  # fmt: skip


def test_lines_that_are_not_as_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    path = tmp_path / "snapshot"
    odd_but_good = [
        row("2401.00001") | {"title": "half \ud83d", "versions": [], "doi": ""},
        row("2401.00002") | {"title": "nul \0 and \u2028 lines", "versions": None},
    ]
    path.write_text("\n".join([*ODD_LINES, *map(json.dumps, odd_but_good)]), encoding="latin-1")
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    assert main(["add", "--metadata", str(path)]) == 1
    output, errors = capsys.readouterr()
    assert output == f"added 2, already known 0, invalid {len(ODD_LINES)}\n"
    assert len(errors.splitlines()) == len(ODD_LINES)
    with engine_of(DataFolder(tmp_path / "data")).open_catalogue() as catalogue:
        assert catalogue is not None
        assert (catalogue.metadata("2401.00001") or {})["title"] == "half ?"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metadata", "x", "--limit", "0"], "not a whole number of at least 1"),
        (["--metadata", "x", "--limit", "-1"], "not a whole number of at least 1"),
        (["2401.00001", "--category", "cs"], "--metadata"),
        (["2401.00001", "--since", "2024-01-01"], "--metadata"),
        (["2401.00001", "--manifest", "x"], "--tar"),
    ],
)
def test_options_that_go_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    try:
        code: object = main(["add", *arguments])
    except SystemExit as exit:
        code = exit.code
    assert code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_days_and_rows() -> None:
    assert first_submitted(ROWS[0]) == "2007-04-02"
    assert first_submitted({"update_date": "2012-04-03"}) == "2012-04-03"
    found = metadata_of(ROWS[0])
    assert (found.title, found.abstract, found.version, found.doi) == ("Slow clocks", "We read water.", 2, "10.5555/1")


def test_the_catalogue_during_a_run(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    reader = engine_of(folder).catalogue_reader()
    assert reader.whereabouts("2401.00001") == Whereabouts()
    path = tmp_path / "snapshot"
    path.write_text(json.dumps(row("2401.00001")))
    with Adder(folder, Layout(200, 1), 0, AddResult(print)) as adder:
        adder.add_snapshots([path], Filter(), None)
        adder.add_snapshots([path], Filter(), None)
    assert reader.whereabouts("2401.00001") == Whereabouts(version="2")
    reader.close()
    with engine_of(folder).open_catalogue() as catalogue:
        assert catalogue is not None
        assert not catalogue.has_members()
        found = catalogue.metadata("2401.00001v1")
        assert found is not None
        assert found["doi"] == "10.5555/1"
    with open_ledger(folder) as ledger:
        assert ledger.counts().by_status == {"pending": 1}


def test_a_file_that_is_not_a_catalogue(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with open_ledger(folder, Layout(1, 1)):
        pass
    SQLiteFiles(folder.root).catalogue_file.write_bytes(SQLiteFiles(folder.root).shard_file(0).read_bytes())
    with pytest.raises(StoreError, match="of another program"), engine_of(folder).open_catalogue():
        pass


def test_versions_come_off() -> None:
    ids = ("2401.00001v2", "2401.00001", "hep-th/9901001v12", "https://x/av1")
    assert [without_version(each) for each in ids] == ["2401.00001", "2401.00001", "hep-th/9901001", "https://x/av1"]


def test_an_archive_whose_path_is_not_text(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    archive = tmp_path / os.fsdecode(b"caf\xe9 %41.tar")
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("2401/2401.00001.pdf")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"%PDF"))
    result = AddResult(print)
    with Adder(folder, Layout(200, 1), 0, result) as adder:
        for _ in range(2):
            adder.add_archives([archive], [])
    assert (result.added, result.known, result.invalid) == (1, 1, 0)
    with engine_of(folder).open_catalogue() as catalogue:
        assert catalogue is not None
        found = catalogue.whereabouts("2401.00001").tar_url
    assert found is not None
    assert local_part(found) == (archive, 512, 4)
