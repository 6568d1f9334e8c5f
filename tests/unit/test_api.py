"""The Python API: one PDF, the papers of a data folder, and both for asyncio."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import rpa_shard
from rpa_shard import Corpus, Failure, PaperError, StoreError
from rpa_shard.extract.runner import extract
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.phase import PREP
from rpa_shard.observe.export.records import Texts, records
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.finished import json_schema, make_record
from rpa_shard.phases.prep.artifacts import write_artifacts
from rpa_shard.phases.prep.result import row_result
from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from rpa_shard.system.content import InMemory
from rpa_shard.system.files import fingerprint_of
from rpa_shard.testing.sample_papers import Kind, sample_pdf
from tests.old_folder import FORMAT_1

PDF = sample_pdf(Kind.TWO_COLUMNS, "2401.00001")
DONE, SCAN, BROKEN, WAITING = "2401.00001", "hep-th/9901002v3", "2401.00004", "https://example.org/a.pdf"


def test_the_import_is_light() -> None:
    code = "import sys; before = {*sys.modules}; import rpa_shard; print(*({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {each.partition(".")[0] for each in done.stdout.split()}
    heavy = {"argparse", "asyncio", "json", "logging", "msgspec", "psutil", "pypdfium2", "sqlite3", "subprocess"}
    assert loaded & heavy == set()
    assert [each for each in done.stdout.split() if each.startswith("rpa_shard")] == ["rpa_shard"]


def test_every_name_that_is_promised_is_there() -> None:
    for name in rpa_shard.__all__:
        assert getattr(rpa_shard, name) is not None
        assert name in dir(rpa_shard)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = rpa_shard.nonsense


def test_a_pdf_from_wherever_it_is(pdf: Path) -> None:
    from_path = rpa_shard.read(pdf)
    assert from_path.id == from_path.source == pdf.as_uri()
    assert from_path.text.startswith("[PAGE 1]\n")
    assert from_path.clean_text.startswith("Tide gauges as slow clocks")
    assert (from_path.pages, len(from_path.references), from_path.arxiv_id) == (2, 5, "2401.00001")
    assert from_path.references[0].arxiv_ids == ("hep-th/9901001",)
    assert from_path.sections[-1].title == "References"
    (first, _), (begin, end) = from_path.clean_page_offsets[0], from_path.clean_page_offsets[1]
    assert (first, from_path.clean_text[begin:end].strip() != "") == (0, True)
    for source in (
        str(pdf),
        pdf.read_bytes(),
        bytearray(pdf.read_bytes()),
        io.BytesIO(pdf.read_bytes()),
        pdf.open("rb"),
    ):
        found = rpa_shard.read(source, id="arXiv:2401.00001v1")
        assert found.id == "2401.00001v1"
        assert (found.text, found.references) == (from_path.text, from_path.references)
        if not isinstance(source, str | bytes | bytearray):
            source.close()
    assert rpa_shard.read(PDF).id == f"sha256:{from_path.pdf_sha256}"


def test_a_pdf_from_a_pipe(pdf: Path) -> None:
    code = "import rpa_shard; print(rpa_shard.read('/dev/stdin').pages)"
    done = subprocess.run([sys.executable, "-c", code], input=pdf.read_bytes(), capture_output=True)
    assert (done.stdout, done.stderr) == (b"2\n", b"")


def test_the_record_is_that_of_a_run(pdf: Path) -> None:
    """There is one list of fields: that of `make_record`, which the schema describes."""
    record = rpa_shard.read(pdf).as_dict()
    stored = json.loads(json.dumps(record))
    assert record == stored, "plain values only"
    jsonschema.validate(stored, json_schema())
    made = make_record(
        "2401.00001",
        extract(InMemory("a", PDF), "auto"),
        pdf=fingerprint_of(PDF),
        text=fingerprint_of(b""),
        source=None,
        download_seconds=0.0,
        extract_seconds=0.0,
    )
    assert [*record] == [*made]
    assert {*record} <= {*json_schema()["properties"]}
    read_again = rpa_shard.Record.of(stored, "")
    assert read_again.as_dict() == record
    assert read_again == rpa_shard.Record.of({**stored, "of_a_later_version": 1}, "")


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (b"", Failure.NOT_A_PDF),
        (b"<html>no</html>", Failure.NOT_A_PDF),
        (sample_pdf(Kind.BROKEN, "2401.00004"), Failure.BAD_PDF),
    ],
)
def test_what_is_no_pdf_or_broken(tmp_path: Path, content: bytes, failure: Failure, isolated: bool) -> None:
    (tmp_path / "a.pdf").write_bytes(content)
    for given in (content, tmp_path / "a.pdf"):
        with pytest.raises(PaperError) as caught:
            rpa_shard.read(given, isolated=isolated)
        assert caught.value.failure is failure
        assert "\n" not in str(caught.value)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rpa_shard.read(tmp_path / "missing.pdf")
    with pytest.raises(IsADirectoryError):
        rpa_shard.read(tmp_path)
    with pytest.raises(TypeError, match="binary mode"):
        rpa_shard.read(io.StringIO("%PDF-"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="neither an arXiv id"):
        rpa_shard.read(PDF, id="nonsense")


def test_isolated_has_the_same_result_and_limits(pdf: Path) -> None:
    here, there = rpa_shard.read(pdf), rpa_shard.read(pdf, isolated=True)
    assert (here.text, here.references, here.layout) == (there.text, there.references, there.layout)
    with pytest.raises(PaperError) as caught:
        rpa_shard.read(pdf, isolated=True, deadline_seconds=0.0)
    assert caught.value.failure is Failure.EXTRACT_TIMEOUT
    with pytest.raises(PaperError) as caught:
        rpa_shard.read(pdf, isolated=True, memory_bytes=2**20)
    assert caught.value.failure in (Failure.POISON, Failure.BAD_PDF, Failure.BUG)


def test_threads_may_read_at_a_time() -> None:
    with ThreadPoolExecutor(4) as threads:
        found = [
            *threads.map(lambda number: rpa_shard.read(sample_pdf(Kind.TWO_COLUMNS, f"2401.{number:05}")), range(1, 9))
        ]
    assert [each.arxiv_id for each in found] == [f"2401.{number:05}" for number in range(1, 9)]


def test_a_record_may_be_pickled(pdf: Path) -> None:
    record = rpa_shard.read(pdf)
    copy = pickle.loads(pickle.dumps(record))
    assert (copy, copy.clean_text, repr(copy)) == (record, record.clean_text, repr(record))
    assert hash(copy) == hash(record)


# A data folder.


def write_paper(folder: DataFolder, paper_id: str, kind: Kind) -> dict[str, Any]:
    files = files_of(folder.papers, parse(paper_id))
    files.pdf.parent.mkdir(parents=True, exist_ok=True)
    files.pdf.write_bytes(sample_pdf(kind, paper_id))
    found = rpa_shard.read(files.pdf, id=paper_id)
    content = write_artifacts(files, "test", found.text.encode(), found.as_dict())
    return {**row_result(found.as_dict(), content, pdf_kept=True), "attempts": 1}


@pytest.fixture
async def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add([DONE, SCAN, BROKEN])
    for shard in (0, 1):
        async with engine_of(made).open_store(shard, 60) as store:
            for claim in await store.claim(PREP, 3):
                if claim.paper_id == BROKEN:
                    ending = failed(PREP, Failure.BAD_PDF, "no pages")
                else:
                    kind = Kind.SCANNED if claim.paper_id == SCAN else Kind.TWO_COLUMNS
                    ending = completed(PREP, write_paper(made, claim.paper_id, kind))
                assert await store.finish(claim, ending)
    with open_ledger(made) as ledger:
        ledger.add([WAITING])
    with engine_of(made).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata([PaperMetadata(DONE, "Tide gauges", "A", "Of tides", "physics.ao-ph cs.LG", None, 1)])
    return made


@pytest.fixture
def corpus(folder: DataFolder) -> Corpus:
    return rpa_shard.open(folder.root)


@pytest.fixture
def files(folder: DataFolder) -> PaperFiles:
    return files_of(folder.papers, parse(DONE))


def ids(papers: Iterator[rpa_shard.Paper]) -> set[str]:
    found = [paper.id for paper in papers]
    assert len(found) == len(set(found))
    return set(found)


def test_counts(corpus: Corpus) -> None:
    assert len(corpus) == 4
    assert corpus.counts() == {"pending": 1, "prepped": 2, "failed": 1}
    assert corpus.failures() == {"bad_pdf": 1}
    assert ids(iter(corpus)) == {DONE, SCAN, BROKEN, WAITING}


@pytest.mark.parametrize(
    "form", ["2401.00001", "arXiv:2401.00001", "https://arxiv.org/abs/2401.00001", " 2401.00001\n"]
)
def test_one_paper_by_any_form_of_its_id(corpus: Corpus, form: str) -> None:
    assert corpus[form].id == DONE
    assert form in corpus


def test_papers_that_are_not_there(corpus: Corpus) -> None:
    for wrong in ("2401.00099", "nonsense"):
        assert wrong not in corpus
        with pytest.raises(KeyError, match=wrong):
            corpus[wrong]
    assert corpus.get("2401.00099") is None
    with pytest.raises(ValueError, match="neither an arXiv id"):
        corpus.get("nonsense")


def test_a_finished_paper(corpus: Corpus, files: PaperFiles) -> None:
    paper = corpus[DONE]
    assert (paper.status, paper.failure, paper.detail, paper.flags) == ("prepped", None, None, ())
    assert (paper.arxiv_id, paper.pdf_path) == (DONE, files.pdf)
    assert paper.text == files.text.read_text()
    assert paper.record is not None
    assert paper.record.as_dict() == json.loads(files.record.read_bytes())
    assert paper.clean_text == paper.record.clean_text
    assert (len(paper.references), paper.sections[-1].title) == (5, "References")
    assert (paper.abstract or "").startswith("We describe")
    assert paper.metadata == rpa_shard.Metadata("Tide gauges", "A", "Of tides", ("physics.ao-ph", "cs.LG"), None)
    assert timedelta() <= datetime.now(UTC) - paper.changed_at < timedelta(hours=1)
    assert paper.added_at <= paper.changed_at
    assert pickle.loads(pickle.dumps(paper)).text == paper.text


def test_papers_without_a_text(corpus: Corpus) -> None:
    for paper_id, status, failure in ((BROKEN, "failed", "bad_pdf"), (WAITING, "pending", None)):
        paper = corpus[paper_id]
        assert (paper.status, paper.failure, paper.metadata, paper.pdf_path) == (status, failure, None, None)
        assert (paper.record, paper.text, paper.clean_text, paper.abstract) == (None, None, None, None)
        assert (paper.references, paper.sections, paper.flags) == ((), (), ())
    assert corpus[WAITING].arxiv_id is None
    assert corpus[SCAN].arxiv_id == "hep-th/9901002"


@pytest.mark.parametrize("texts", [Texts(False), Texts(True, True)])
def test_a_paper_as_it_is_exported(corpus: Corpus, folder: DataFolder, texts: Texts) -> None:
    ours = {paper.id: paper.as_dict(text=texts.raw, clean=texts.clean) for paper in corpus}
    with open_ledger(folder) as ledger:
        exported = {each["id"]: each for each in records(folder, ledger.papers(), texts)}
    assert ours == exported


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"status": "prepped"}, {DONE, SCAN}),
        ({"status": ["failed", "pending"]}, {BROKEN, WAITING}),
        ({"reason": "bad_pdf"}, {BROKEN}),
        ({"phase": "prep"}, {BROKEN}),
        ({"phase": ["analyze", "wrap"]}, set()),
        ({"flag": "needs_ocr"}, {SCAN}),
        ({"category": "cs"}, {DONE}),
        ({"query": "tide"}, {DONE}),
        ({"since": timedelta(hours=1)}, {DONE, SCAN, BROKEN, WAITING}),
        ({"since": datetime.now(UTC) + timedelta(days=1)}, set()),
        ({"since": (datetime.now() + timedelta(days=2)).date()}, set()),
        ({"since": 0}, {DONE, SCAN, BROKEN, WAITING}),
        ({"ids": [f"arXiv:{DONE}", "2401.00099"]}, {DONE}),
        ({"ids": DONE, "status": "failed"}, set()),
    ],
)
def test_selections(corpus: Corpus, conditions: dict[str, Any], expected: set[str]) -> None:
    assert ids(corpus.select(**conditions)) == expected


def test_conditions_that_do_not_exist(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="'finished' is no status: one of pending, "):
        corpus.select(status="finished")
    with pytest.raises(ValueError, match="'lost' is no failure: one of "):
        corpus.select(reason=["lost"])
    with pytest.raises(ValueError, match="'proof' is no phase: one of prep, analyze, wrap"):
        corpus.select(phase="proof")
    with pytest.raises(ValueError, match="neither an arXiv id"):
        next(corpus.select(ids=["nonsense"]))


@pytest.mark.parametrize("damage", ["missing", "changed", "no json", "no record"])
def test_damage_is_one_line(corpus: Corpus, files: PaperFiles, damage: str) -> None:
    paper = corpus[DONE]
    if damage == "missing":
        files.text.unlink()
    elif damage == "changed":
        files.text.write_text("other")
    else:
        files.record.write_text("{" if damage == "no json" else '{"schema": 4}')
    with pytest.raises(StoreError, match="see `rpa-shard verify`") as caught:
        _ = paper.text
    assert "\n" not in str(caught.value)
    if damage != "no record":
        assert paper.as_dict(text=True)["flags"] == ["damaged"]


def test_folders_that_cannot_be_opened(tmp_path: Path, folder: DataFolder) -> None:
    with pytest.raises(StoreError, match="no papers in "):
        rpa_shard.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        rpa_shard.open(tmp_path / "file")
    next(folder.root.rglob("shard-000.sqlite3")).write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreError, match="rpa-shard repair"):
        rpa_shard.open(folder.root)


def contents(root: Path) -> dict[str, bytes]:
    """Every file but those that SQLite makes while it reads."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_nothing_is_changed(corpus: Corpus, folder: DataFolder) -> None:
    before = contents(folder.root)
    for paper in corpus.select(category="cs"):
        _ = paper.clean_text
    assert len(corpus) == 4
    assert contents(folder.root) == before


def test_an_older_folder_is_left_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(FORMAT_1, tmp_path / "old")
    before = contents(tmp_path / "old")
    with pytest.raises(StoreError, match="has format 1, older than ours"):
        rpa_shard.open(tmp_path / "old")
    assert {name: content for name, content in contents(tmp_path / "old").items() if name in before} == before
    with open_ledger(DataFolder(tmp_path / "old")):
        pass  # upgrades it
    for paper in rpa_shard.open(tmp_path / "old").select(status="prepped"):
        assert paper.record is not None
        assert (paper.record.schema, paper.record.added_text, paper.record.fetched_at) == (2, (), None)
        assert paper.clean_text


def test_nothing_stays_open(corpus: Corpus, folder: DataFolder) -> None:
    """So another number of shards may be set while a notebook holds a corpus."""
    with corpus as same:
        assert same is corpus
        assert len([*corpus]) == 4
        with engine_of(folder).layout_lock(wait=False):
            pass
    descriptors = len([*Path("/proc/self/fd").iterdir()]) if Path("/proc/self/fd").exists() else 0
    for _ in range(3):
        _ = corpus[DONE].text
    if descriptors:
        assert len([*Path("/proc/self/fd").iterdir()]) == descriptors


def test_it_waits_while_the_store_changes(corpus: Corpus, folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        with engine_of(folder).layout_lock():
            with monkeypatch.context() as impatient:
                impatient.setattr("rpa_shard.api.corpus.WAIT_SECONDS", 0.0)
                with pytest.raises(StoreError, match="try again in a moment"):
                    len(corpus)
            monkeypatch.setattr("rpa_shard.api.corpus.time.sleep", lambda _: waiting.set())
            counting = thread.submit(len, corpus)
            assert waiting.wait(60)
        assert counting.result(60) == 4


def test_threads_may_use_a_corpus(corpus: Corpus) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert {*threads.map(lambda _: len([*corpus]), range(20))} == {4}


def test_reprs_are_short(corpus: Corpus) -> None:
    assert repr(corpus) == f"<Corpus {corpus.folder}>"
    assert repr(corpus[BROKEN]) == "<Paper 2401.00004: failed (bad_pdf)>"
    assert repr(corpus[DONE].record) == "<Record 2401.00001: 2 pages, 5 references>"


# asyncio.


async def test_reading_for_asyncio(pdf: Path) -> None:
    here, there = await asyncio.gather(rpa_shard.aio.read(pdf), rpa_shard.aio.read(pdf, isolated=True))
    assert here.text == there.text == rpa_shard.read(pdf).text
    with pytest.raises(PaperError):
        await rpa_shard.aio.read(b"no")


async def test_a_corpus_for_asyncio(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpa_shard.aio.BATCH", 1)
    async with await rpa_shard.aio.open(folder.root) as corpus:
        assert {paper.id async for paper in corpus} == {DONE, SCAN, BROKEN, WAITING}
        assert [paper.id async for paper in corpus.select(status="failed")] == [BROKEN]
        assert (await corpus.counts(), await corpus.failures()) == (corpus.corpus.counts(), {"bad_pdf": 1})
        found = await corpus.get("arXiv:2401.00001")
        assert found is not None
        assert (found.id, await corpus.get("2401.00099"), repr(corpus)) == (DONE, None, f"<AsyncCorpus {folder.root}>")
        papers = corpus.select()
        async for _ in papers:
            break  # what is not read to its end is closed with its generator
        await papers.aclose()  # type: ignore[attr-defined]
        with engine_of(folder).layout_lock(wait=False):
            pass
    with pytest.raises(StoreError):
        await rpa_shard.aio.open("/nowhere")


def test_documents_of_the_api_have_every_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text()
    for kind in (rpa_shard.Corpus, rpa_shard.Paper):
        for name in vars(kind):
            if not name.startswith("_") and name not in ("close", "folder"):
                assert f"`{name}" in page or f".{name}(" in page, name
