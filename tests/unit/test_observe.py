"""What people see of a folder: the recount, one paper, the export, the status."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.extract.runner import make
from rpa_shard.ipc.run_status import Death, write_status
from rpa_shard.maintain.verify import verify
from rpa_shard.model.arxiv_id import parse
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.observe.show import NotShownError, show, show_clean
from rpa_shard.observe.status import folder_status, lines
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.reading.document import Document, Page
from rpa_shard.reading.quality.figures import measure
from rpa_shard.reading.references import Reference
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from rpa_shard.store.protocol import Ledger
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.system.files import Fingerprint, fingerprint_of, open_temporary, temporary_of
from tests.finished import write_finished
from tests.statuses import host_status, run_status

DONE, BROKEN, WAITING = "2401.00001", "hep-th/9901001", "2401.00003"
REFERENCES = (
    Reference(1, "[1]", "A. Ondine. {Water} & 100% of it. 1988.", 1, 9, 13, ("hep-th/9901001",), year=1988),
    Reference(
        2, "[2]", "Weir, C. On ships.", 1, 14, 18, (), ("10.5555/x_1",), (), 1991, "On ships", ("Weir, C.", "IBM")
    ),
)


@pytest.fixture
async def folder(tmp_path: Path) -> DataFolder:
    """One paper prepped, one failed, one pending; the first two share a shard."""
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add([DONE, BROKEN])
        (shard,) = {ledger.layout.shard_of(each) for each in (DONE, BROKEN)}
    async with engine_of(made).open_store(shard, 60) as store:
        claims = {claim.paper_id: claim for claim in await store.claim(PREP, 2)}
        assert await store.finish(claims[DONE], completed(PREP, {**write_paper(made), "attempts": 1}))
        assert await store.finish(claims[BROKEN], failed(PREP, Failure.BAD_PDF, "no pages"))
    with open_ledger(made) as ledger:
        ledger.add([WAITING])
    return made


def write_paper(folder: DataFolder) -> dict[str, Any]:
    files = files_of(folder.papers, parse(DONE))
    pages = (Page("Slow ﬁsh\nclocks"),)
    extraction = replace(make(Document(pages, "pdfium", "5"), measure(pages)), references=REFERENCES)
    return write_finished(files, DONE, extraction)


@pytest.fixture
def ledger(folder: DataFolder) -> Iterator[Ledger]:
    with open_ledger(folder) as opened:
        yield opened


@pytest.fixture
def files(folder: DataFolder) -> PaperFiles:
    return files_of(folder.papers, parse(DONE))


def test_a_clean_recount(folder: DataFolder, ledger: Ledger) -> None:
    found = verify(folder, ledger)
    assert found.clean
    assert found.lines() == [
        "verify    3 papers (1 pending, 1 prepped, 1 failed), 3 files by size and hash",
        "verify    clean",
    ]


@pytest.mark.parametrize(
    ("ending", "content", "kind"),
    [
        (".txt", None, "missing"),
        (".txt", b"short", "wrong size"),
        (".txt", b"[PAGE 1]\nSlow docks\n\n", "wrong hash"),
        (".json", None, "missing"),
        (".pdf", b"%pdf-", "wrong hash"),
    ],
)
def test_each_damage_is_named_and_can_be_fixed(
    folder: DataFolder, ledger: Ledger, files: PaperFiles, ending: str, content: bytes | None, kind: str
) -> None:
    damaged = files.text.with_suffix(ending) if ending != ".txt" else files.text
    damaged = damaged.parent / (f"{DONE}{ending}")
    if content is None:
        damaged.unlink()
    else:
        damaged.write_bytes(content.ljust(damaged.stat().st_size, b"\n") if kind == "wrong hash" else content)
    found = verify(folder, ledger)
    assert [(each.id, each.kind) for each in found.differences] == [(DONE, kind)]
    assert not found.clean
    assert json.loads(json.dumps(found.as_json()))["differences"][0]["advice"].startswith("`verify --fix`")
    if kind == "wrong hash":
        assert verify(folder, ledger, hashes=False).clean
    fixed = verify(folder, ledger, fix=True)
    assert (fixed.clean, fixed.fixed) == (True, 1)
    assert ledger.counts().by_status == {"pending": 2, "failed": 1}
    assert not damaged.exists()
    assert [line.event for line in ledger.history(DONE)] == ["prepped", "requeued"]


def test_leftovers_are_reported_but_are_no_difference(folder: DataFolder, ledger: Ledger) -> None:
    open_temporary(temporary_of("shard-000", folder.papers / "2401" / "2401.00009.pdf")).close()
    found = verify(folder, ledger)
    assert (found.clean, found.leftovers) == (True, 1)


def test_a_row_in_the_wrong_shard_file(folder: DataFolder, ledger: Ledger) -> None:
    """As if a person had put back a file of another layout."""
    right, wrong = ledger.layout.shard_of(DONE), 1 - ledger.layout.shard_of(DONE)
    shard_file = SQLiteFiles(folder.root).shard_file
    with closing(sqlite3.connect(shard_file(right))) as connection, connection:
        connection.execute("ATTACH ? AS other", (str(shard_file(wrong)),))
        connection.execute("INSERT INTO other.papers SELECT * FROM main.papers WHERE id = ?", (DONE,))
    found = verify(folder, ledger, fix=True)
    assert [each.kind for each in found.differences] == ["wrong shard"]
    assert not found.clean


def test_one_paper(folder: DataFolder, ledger: Ledger) -> None:
    shown = "\n".join(show(folder, ledger, DONE))
    for part in ("status    prepped since", "1 pages, 25 characters, 2 references", "Slow ﬁsh", "1  A. Ondine."):
        assert part in shown
    shown = "\n".join(show(folder, ledger, BROKEN))
    assert "failure   bad_pdf in prep: no pages" in shown
    assert "none" in shown
    assert "pending" in show(folder, ledger, WAITING)[1]
    with pytest.raises(NotShownError, match=r"2401.99999 was never added: rpa-shard add 2401.99999"):
        show(folder, ledger, "2401.99999")


def test_the_clean_text_of_one_paper(folder: DataFolder, ledger: Ledger) -> None:
    assert show_clean(folder, ledger, DONE) == ["Slow fish clocks"]
    for paper_id, message in ((BROKEN, "is failed: it has no text"), ("2401.99999", "was never added")):
        with pytest.raises(NotShownError, match=message):
            show_clean(folder, ledger, paper_id)


def test_status_without_a_run(folder: DataFolder, ledger: Ledger) -> None:
    shown = "\n".join(lines(folder_status(folder, ledger, Settings())))
    for part in ("run       none yet", "papers    3", "prepped          1", "bad_pdf          1", "leases    none"):
        assert part in shown


def test_a_run_in_the_status_for_programs(folder: DataFolder, ledger: Ledger) -> None:
    assert folder_status(folder, ledger, Settings()).as_json()["run"] is None
    status = run_status()
    write_status(folder.run.status_file, status)
    shown = json.loads(json.dumps(folder_status(folder, ledger, Settings()).as_json()))
    assert shown["running"]
    assert shown["run"] == json.loads(folder.run.status_file.read_bytes())


def test_hosts_that_are_shut_are_reported_during_a_run(folder: DataFolder, ledger: Ledger) -> None:
    hosts = {
        "a.example": host_status(blocked="HTTP 403: no"),
        "b.example": host_status(closed_seconds=3.0, why="asked for a pause"),
        "c.example": host_status(),
    }
    write_status(folder.run.status_file, run_status(hosts=hosts))
    refusing, closed = (line for line in lines(folder_status(folder, ledger, Settings())) if line.startswith("host"))
    assert refusing == "host      a.example refuses us: HTTP 403: no"
    assert re.fullmatch(r"host      b.example left alone until \S+: asked for a pause", closed)
    write_status(folder.run.status_file, run_status(hosts=hosts, born=1.0))
    assert not any(line.startswith("host") for line in lines(folder_status(folder, ledger, Settings())))


def test_what_was_repaired_is_reported(folder: DataFolder, ledger: Ledger) -> None:
    deaths = tuple(Death(number, 1.0, f"cause {number}") for number in range(7))
    write_status(folder.run.status_file, run_status(deaths=deaths, handed_back=3))
    shown = lines(folder_status(folder, ledger, Settings()))
    assert "returned  3 papers of dead shards went back to the queue" in shown
    assert [line for line in shown if line.startswith("death")] == [
        f"death     shard {number} at 00:00:01 UTC: cause {number}" for number in range(2, 7)
    ]


def test_fingerprints_are_plain_values() -> None:
    assert fingerprint_of(b"") == Fingerprint(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
