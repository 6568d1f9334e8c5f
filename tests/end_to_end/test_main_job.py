"""The main job over real processes: papers go from pending to prepped, on any number of shards."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf
from tests.rig import Rig, wait_for


def test_every_paper_ends_in_its_state(queued: Rig, collection: Collection) -> None:
    code, output, errors = queued.run("run")
    assert code == 1, errors
    assert queued.by_status() == {"prepped": 58, "failed": 2}
    rows = queued.rows()
    assert (rows["2401.00004"].failure, rows["2401.00006"].failure) == ("bad_pdf", "not_found")
    assert rows["2401.00009"].results["prep"]["flags"] == ["needs_ocr"]
    assert "58 papers" in output
    for word in ("download_pdf done arxiv_id=", "extract_text done arxiv_id=", "PREP DONE arxiv_id="):
        assert errors.count(word) == (59 if word.startswith("download") else 58), word
    queued.assert_nothing_left_behind()


def test_any_number_of_shards_gives_the_same_results(queued: Rig) -> None:
    queued.run("run", SHARD_COUNT="1")
    expected = queued.results()
    assert len(expected) == 58
    for paper in list((queued.root / "papers").rglob("*.*")):
        paper.unlink()
    for shards in ("2", "3", "7"):
        again = Rig(queued.root.parent / f"data-{shards}", dict(queued.environment))
        again.environment["RPA_V2_DATA_DIR"] = str(again.root)
        again.run("add", *queued.rows())
        again.run("run", SHARD_COUNT=shards)
        assert again.results() == expected, shards
        again.assert_nothing_left_behind()


def test_a_resize_between_runs_keeps_what_is_done(queued: Rig) -> None:
    queued.run("run", SHARD_COUNT="3")
    before = queued.results()
    queued.run("add", "2401.99999")
    code, _, errors = queued.run("run", SHARD_COUNT="1")
    assert code == 1
    assert "resizing from 3 to 1 shards" in errors
    assert queued.results() == before
    assert "PREP DONE" not in errors, "nothing that was finished is done again"


@pytest.mark.parametrize("pool", ["thread", "process"])
@pytest.mark.parametrize("engine", ["pdfium", "pypdf"])
def test_pools_and_engines(queued: Rig, pool: str, engine: str) -> None:
    code, _, errors = queued.run("run", PREP_EXTRACT_POOL=pool, EXTRACT_ENGINE=engine, PREP_EXTRACT_WORKERS="2")
    assert code == 1, errors
    assert queued.by_status() == {"prepped": 58, "failed": 2}
    for _, record in queued.results().values():
        assert record["engine"]["name"] == engine
    queued.assert_nothing_left_behind()


def test_urls_and_local_files(rig: Rig, mirror: str, tmp_path: Path) -> None:
    local = tmp_path / "my paper.pdf"
    local.write_bytes(sample_pdf(Kind.AUTHOR_YEAR, "2401.77777"))
    url = f"{mirror}/pdf/2401.00001"
    assert rig.run("add", url, str(local))[0] == 0
    assert rig.run("run")[0] == 0
    assert rig.by_status() == {"prepped": 2}
    assert local.exists()
    assert "harbour 2401.77777" in rig.results()[local.as_uri()][0].decode()


def test_pdfs_are_deleted_when_they_are_not_to_be_kept(queued: Rig) -> None:
    queued.run("run", KEEP_PDF="0")
    assert not [path for path in (queued.root / "papers").rglob("*.pdf") if not path.name.endswith(".bad.pdf")]
    assert queued.run("verify")[0] == 0


def test_a_source_that_lacks_a_paper_falls_through_to_the_next(rig: Rig, mirror: str, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "hep-th_9902001.pdf").write_bytes(sample_pdf(Kind.AUTHOR_YEAR, "hep-th/9902001"))
    rig.run("add", "2401.00001", "hep-th/9902001")
    sources = f"{mirror}/pdf/{{id}} {shelf.as_uri()}/{{name}}.pdf"
    assert rig.run("run", SOURCES=sources)[0] == 0
    record = json.loads((rig.root / "papers" / "9902" / "hep-th_9902001.json").read_text())
    assert record["source"].startswith("file://")


def test_nothing_queued_says_what_to_do(rig: Rig) -> None:
    code, output, _ = rig.run()
    assert code == 0
    assert "rpa-shard add" in output
    assert "rpa-shard demo" in output


def test_a_daemon_picks_up_what_is_added_meanwhile_and_drains_on_sigterm(rig: Rig, collection: Collection) -> None:
    rig.run("add", "2401.00001")
    daemon = rig.start("run", "--daemon")
    wait_for(lambda: rig.by_status() == {"prepped": 1}, "the first paper")
    assert rig.run("add", "2401.00002", "--priority", "3")[0] == 0
    wait_for(lambda: rig.by_status() == {"prepped": 2}, "the paper added meanwhile")
    code, output, _ = rig.run("status", "--json")
    assert code == 0
    assert json.loads(output)["running"] is True
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=60)
    assert daemon.returncode == 143
    rig.assert_nothing_left_behind()


def test_a_second_run_on_the_same_folder_is_refused(rig: Rig) -> None:
    rig.run("add", "2401.00001")
    first = rig.start("run", "--daemon")
    rig.running_shards(2)
    code, _, errors = rig.run("run")
    assert code == 2
    assert errors.strip().splitlines()[-1] == f"rpa-shard: another run (process {first.pid}) is working in {rig.root}"
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert first.returncode == 130


def test_a_wrong_knob_is_one_line(rig: Rig) -> None:
    code, output, errors = rig.run("run", WORKERS="1", SHARD_COUNT="2")
    assert (code, output) == (2, "")
    assert errors == "rpa-shard: RPA_V2_SHARD_COUNT=2: must be at most RPA_V2_WORKERS=1: every shard needs a worker\n"


def test_an_unwritable_folder_is_one_line(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, errors = rig.run("add", "2401.00001", DATA_DIR=str(tmp_path / "file" / "data"))
    assert code == 2
    assert len(errors.splitlines()) == 1


def test_the_module_is_the_command(rig: Rig) -> None:
    assert rig.run("--version")[1].startswith("rpa-shard ")
