"""Files of papers that commands look for, give back or remove; and what need not be fetched because it is there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.model.arxiv_id import PaperId, file_at, parse
from rpa_shard.model.errors import StoreError
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.finished import give_back_refused, has_pdf, ids_to_fetch, remove_files
from rpa_shard.phases.prep.definition import refuse_too_many
from rpa_shard.store.catalogue import Member
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.store.sqlite.shard_file import open_shard_file

PAPER = parse("2401.00001")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


@pytest.fixture
def files(folder: DataFolder) -> PaperFiles:
    made = files_of(folder.papers, PAPER)
    made.pdf.parent.mkdir(parents=True)
    return made


def test_a_kept_pdf_is_there(folder: DataFolder, files: PaperFiles) -> None:
    assert not has_pdf(folder.papers, PAPER)
    files.refused_pdf.write_bytes(b"%PDF-")
    assert not has_pdf(folder.papers, PAPER)
    assert has_pdf(folder.papers, PAPER, refused=True)
    files.pdf.write_bytes(b"%PDF-")
    assert has_pdf(folder.papers, PAPER)


@pytest.mark.parametrize("kind", ["file", "tar"])
def test_a_pdf_is_where_the_record_says(folder: DataFolder, files: PaperFiles, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "a file of mine"
    url = source.as_uri() if kind == "file" else f"tar://{source.as_uri()[7:]}#offset=512&size=7"
    files.record.write_text(json.dumps({"source": url}))
    assert not has_pdf(folder.papers, PAPER)
    source.mkdir()
    assert not has_pdf(folder.papers, PAPER)
    source.rmdir()
    source.write_bytes(b"")
    assert has_pdf(folder.papers, PAPER)


@pytest.mark.parametrize(
    "record",
    [b"", b"{}", b"[]", b'{"source": 7}', b'{"source": "https://arxiv.org/pdf/1"}', b'{"source": "tar:///etc/passwd"}',
     b'{"source": "file:///etc%00passwd"}'],
)  # fmt: skip
def test_nonsense_in_a_record_is_no_pdf(folder: DataFolder, files: PaperFiles, record: bytes) -> None:
    files.record.write_bytes(record)
    assert not has_pdf(folder.papers, PAPER)


def test_a_local_paper_is_there_as_long_as_its_file(folder: DataFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pdf"
    assert not has_pdf(folder.papers, file_at(mine))
    mine.write_bytes(b"%PDF-")
    assert has_pdf(folder.papers, file_at(mine))
    assert remove_files(folder.papers, [file_at(mine).canonical]) == 0
    assert mine.exists()


def test_a_refused_pdf_takes_its_name_back_unless_that_is_taken(folder: DataFolder, files: PaperFiles) -> None:
    give_back_refused(folder.papers, [PAPER.canonical])
    files.refused_pdf.write_bytes(b"old")
    files.pdf.write_bytes(b"new")
    give_back_refused(folder.papers, [PAPER.canonical])
    assert (files.pdf.read_bytes(), files.refused_pdf.read_bytes()) == (b"new", b"old")
    files.pdf.unlink()
    give_back_refused(folder.papers, [PAPER.canonical])
    assert (files.pdf.read_bytes(), files.refused_pdf.exists()) == (b"old", False)


def test_all_files_of_a_paper_are_removed_and_no_others(folder: DataFolder, files: PaperFiles) -> None:
    for path in (files.pdf, files.text, files.record, files.refused_pdf):
        path.write_bytes(b"x")
    others = [files.pdf.with_name(name) for name in ("2401.00001v2.pdf", "2401.00001.pdf.gz", "2401.00010.txt")]
    for path in others:
        path.write_bytes(b"x")
    assert remove_files(folder.papers, [PAPER.canonical, "2402.00001"]) == 4
    assert sorted(files.pdf.parent.iterdir()) == sorted(others)
    assert remove_files(folder.papers, [PAPER.canonical]) == 0


def outdated(folder: DataFolder, paper_ids: Iterable[str]) -> None:
    """A store with papers that are to be made again."""
    ids = list(paper_ids)
    with open_ledger(folder, Layout(200, 1)) as ledger:
        ledger.add(ids)
    connection = open_shard_file(SQLiteFiles(folder.root).shard_file(0))
    connection.execute("UPDATE papers SET status = 'prepped'")
    connection.close()
    with open_ledger(folder) as ledger:
        ledger.redo([Target(each) for each in ids])


def with_pdf(folder: DataFolder, paper: PaperId) -> None:
    files = files_of(folder.papers, paper)
    files.pdf.parent.mkdir(parents=True, exist_ok=True)
    files.pdf.write_bytes(b"%PDF-")


def test_what_is_there_is_not_fetched(folder: DataFolder) -> None:
    outdated(folder, ["2401.00001", "2401.00002"])
    with_pdf(folder, PAPER)
    with open_ledger(folder) as ledger:
        ledger.add(["2401.00003"])
        assert sorted(ids_to_fetch(ledger, folder.papers)) == ["2401.00002", "2401.00003"]


def test_papers_whose_pdfs_are_there_do_not_count_against_the_limit_of_arxiv(folder: DataFolder) -> None:
    ids = [f"2401.{number:05}" for number in range(1, 6)]
    outdated(folder, ids)
    settings = Settings(data_dir=folder.root, sources=("arxiv",), arxiv_max_papers=3)
    with open_ledger(folder) as ledger:
        with pytest.raises(StoreError, match="5 papers from"):
            refuse_too_many(settings, ledger, None)
        refuse_too_many(settings, ledger, 3)
        with pytest.raises(StoreError, match="4 papers from"):
            refuse_too_many(settings, ledger, 4)
        for paper_id in ids[:2]:
            with_pdf(folder, parse(paper_id))
        refuse_too_many(settings, ledger, None)
        # One that is in an archive, too, is not taken away twice.
        ledger.add(["2401.00006"])
        with pytest.raises(StoreError, match="4 papers from"):
            refuse_too_many(settings, ledger, None)
        with engine_of(folder).open_catalogue(create=True) as catalogue:
            assert catalogue is not None
            catalogue.add_members(Path("/a.tar"), [Member(ids[0], 512, 100)])
        with pytest.raises(StoreError, match="4 papers from"):
            refuse_too_many(settings, ledger, None)
