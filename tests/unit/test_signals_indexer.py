"""The thread that writes the index of the corpus."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.fetch.permits import Permits
from rpa_shard.llm.call_permits import CallPermits
from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.phases.files import files_of
from rpa_shard.phases.runner import ShardContext
from rpa_shard.phases.signals import indexer as module
from rpa_shard.phases.signals.indexer import Indexer, Pace, Stopped
from rpa_shard.phases.signals.opening import open_signals
from rpa_shard.phases.signals.reader import SignalsReader
from rpa_shard.phases.signals.signals import Signals
from rpa_shard.store.changes import Target
from rpa_shard.store.data_folder import OWN_NAMES, DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.lease_validity import LeaseValidity
from rpa_shard.system.locks import lock_now
from tests.corpus import LOCAL, PLAIN, VERSIONED, make_corpus
from tests.rig import DEADLINE_SECONDS, wait_for

GRAPH = r"On $\alpha_1$ & the 100% Erd\H{o}s--R\'enyi graph"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    for name in ("LOOK_SECONDS", "LOCK_SECONDS", "FAILURE_SECONDS"):
        monkeypatch.setattr(module, name, 0.01)
    made = DataFolder(tmp_path / "data")
    make_corpus(made)
    return made


@contextmanager
def writing(folder: DataFolder) -> Iterator[Indexer]:
    indexer = Indexer(folder, engine_of(folder), share=0.9)
    indexer.start()
    try:
        yield indexer
    finally:
        indexer.stop(60)


def papers_in(folder: DataFolder) -> int:
    with closing(SignalsReader(folder.signals_file)) as reader:
        return reader.read("2401.99999", "", "").corpus_papers


def signals_of(folder: DataFolder, paper_id: str) -> Signals:
    with closing(SignalsReader(folder.signals_file)) as reader:
        return reader.read(paper_id, "", "")


def test_records_and_the_catalogue_are_indexed(folder: DataFolder) -> None:
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    found = signals_of(folder, VERSIONED)
    assert found.cited_by == 2
    assert [each.paper_id for each in found.cites] == [PLAIN]
    (citing,) = signals_of(folder, PLAIN).cites
    assert (citing.paper_id, citing.title) == ("2401.00001", GRAPH)
    assert {each.name for each in folder.root.iterdir() if not each.name.endswith(("-wal", "-shm"))} <= set(OWN_NAMES)


def test_a_title_is_looked_for_in_the_text_if_nobody_says_it(folder: DataFolder) -> None:
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    (cited,) = signals_of(folder, VERSIONED).cites
    assert (cited.paper_id, cited.title) == (PLAIN, "Slow ﬁsh")


def test_it_follows_what_changes(folder: DataFolder) -> None:
    with writing(folder), open_ledger(folder) as ledger:
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
        record = files_of(folder.papers, from_canonical(VERSIONED)).record
        record.write_bytes(record.read_bytes().replace(b"hep-th/9901001", b"hep-th/9901002"))
        row = ledger.paper(VERSIONED)
        assert row is not None
        with closing(sqlite3.connect(folder.root / "shards" / f"shard-{row.shard:03d}.sqlite3")) as rows:
            rows.execute(
                "UPDATE papers SET results = json_set(results, '$.prep.record_sha256', 'new'), "
                "changed_at = ? WHERE id = ?",
                (time.time(), VERSIONED),
            )
            rows.commit()
        wait_for(lambda: not signals_of(folder, VERSIONED).cites, "the change to be indexed")
        folder.signals_file.unlink()
        wait_for(lambda: papers_in(folder) == 4, "a removed index to be made again")


def test_a_removed_paper_is_forgotten_by_the_next_writer(folder: DataFolder) -> None:
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    with open_ledger(folder) as ledger:
        ledger.remove([Target(LOCAL)])
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 3, "the paper to be forgotten")


def test_one_writes_and_another_takes_over(folder: DataFolder) -> None:
    with writing(folder):
        with lock_now(folder.signals_lock) as was_free:
            pass
        # Either it has the lock, or it gets it now.
        assert not was_free or wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    folder.signals_file.unlink(missing_ok=True)
    with lock_now(folder.signals_lock) as is_ours, writing(folder) as second:
        assert is_ours
        second.stop(60)
        assert not folder.signals_file.exists()
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the next one to write")


@pytest.mark.parametrize("content", [b"no database " * 1000, b""])
def test_a_damaged_file_is_put_aside_and_made_again(
    folder: DataFolder, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    folder.signals_file.write_bytes(content)
    with caplog.at_level(logging.WARNING), writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    lines = [each for each in caplog.messages if "made again" in each]
    assert len(lines) == bool(content)
    assert (folder.damaged / "signals.sqlite3").exists() == bool(content)


def test_damage_inside_the_file_is_noticed_and_mended(folder: DataFolder, caplog: pytest.LogCaptureFixture) -> None:
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    content = bytearray(folder.signals_file.read_bytes())
    content[4096:] = b"\xff" * len(content[4096:])
    folder.signals_file.write_bytes(content)
    with caplog.at_level(logging.WARNING), writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed again")
    assert len([each for each in caplog.messages if "made again" in each]) == 1


def test_another_programs_database_is_kept(folder: DataFolder) -> None:
    with closing(sqlite3.connect(folder.signals_file)) as other:
        other.execute("CREATE TABLE precious (value)")
    with writing(folder):
        wait_for(lambda: papers_in(folder) == 4, "the corpus to be indexed")
    with closing(sqlite3.connect(folder.damaged / "signals.sqlite3")) as kept:
        assert kept.execute("SELECT count(*) FROM precious").fetchone() == (0,)


def test_the_pace_waits_in_proportion_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return self.is_set()

    times = iter([2.0, 2.0, 3.0, 3.0])
    monkeypatch.setattr("time.thread_time", lambda: next(times))
    stopping = Stopping()
    pace = Pace(stopping, share=0.1)
    pace.pause()
    pace.pause()
    assert waits == pytest.approx([18.0, 9.0])
    stopping.set()
    with pytest.raises(Stopped):
        pace.wait(60)


async def test_the_signals_of_a_shard(folder: DataFolder) -> None:
    settings = Settings.from_environment({"RPA_V2_DATA_DIR": str(folder.root), "RPA_V2_SHARD_COUNT": "1"})
    engine, leases = engine_of(folder), LeaseValidity(300.0)
    permits, calls = Permits({}, lambda message: None, leases), CallPermits(lambda message: None, leases)
    context = ShardContext(0, settings, settings.share(0), folder, engine, permits, calls, leases)
    async with open_signals(context) as signals:
        give_up = time.monotonic() + DEADLINE_SECONDS
        while (await signals.read("2401.00001", "", "")).corpus_papers < 4:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.01)
        assert (await signals.read(VERSIONED, GRAPH, "")).cited_by == 2
        assert isinstance(await signals.tags(), tuple)
    with lock_now(folder.signals_lock) as is_free:
        assert is_free
