"""A run is resized while it works: the papers move, the work continues, and death in the middle changes nothing."""

from __future__ import annotations

import signal
import subprocess
from itertools import pairwise

import pytest

from rpa_shard.config.settings import Settings
from rpa_shard.control.resizing import LiveResize, resize
from rpa_shard.ipc.run_status import RunState
from rpa_shard.model.errors import StoreError
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.sqlite.files import SQLiteFiles
from rpa_shard.system.files import replace_file
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for

DONE = {"prepped": 58, "failed": 2}
# So that there is work left all the way.
SLOWLY = "127.0.0.1=1/1@1"
SOON = "127.0.0.1=1000/0.1@64"


@pytest.fixture
def one_shard(rig: Rig, collection: Collection) -> Rig:
    """A rig with one shard and the whole collection queued."""
    with open_ledger(rig.folder, Layout(200, 1)) as ledger:
        ledger.add(collection.pdfs)
    return rig


def test_a_living_run_gets_more_shards_and_fewer(one_shard: Rig, collection: Collection) -> None:
    run = one_shard.start("run", SHARD_COUNT="1", HOST_POLICY=SLOWLY)
    for before, after in pairwise((1, 4, 2)):
        one_shard.running_shards(before)
        code, output, errors = one_shard.run("resize", str(after))
        assert code == 0, errors
        assert output.startswith(f"the run now has {after} shards, after ")
        manifest = SQLiteFiles(one_shard.folder.root).read_manifest()
        assert manifest is not None
        assert manifest.layout.shards == len(list((one_shard.root / "shards").glob("*.sqlite3"))) == after
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert errors.count("resized: moved ") == 2
    assert "died" not in errors
    assert one_shard.run("run", HOST_POLICY=SOON)[0] == 1
    assert one_shard.by_status() == DONE
    one_shard.assert_promise_kept(collection.pdfs)


def test_each_resize_of_a_living_run_is_cut_short_by_death(one_shard: Rig, collection: Collection) -> None:
    """The run dies while it is resized, and the next one, of the new size, finishes the move: 1, 4, 3, 8, 2.

    A move of so few rows may be over before it is noticed; then the run dies just after it.
    """
    told: list[int] = []
    for before, after in pairwise((1, 4, 3, 8, 2)):
        run = one_shard.start("run", SHARD_COUNT=str(before), HOST_POLICY=SLOWLY)
        one_shard.running_shards(before)
        asking = one_shard.start("resize", str(after))

        def is_seen(asking: subprocess.Popen[str] = asking) -> bool:
            return one_shard.state() is RunState.RESIZING or asking.poll() is not None

        wait_for(is_seen, "the resize")
        run.kill()
        run.communicate()
        told.append(asking.wait(timeout=60))
    assert set(told) <= {0, 2}
    assert 2 in told, "it is told that the run is gone"
    assert one_shard.done_files() < 58, "all of them under load"
    assert one_shard.run("run", SHARD_COUNT="2", HOST_POLICY=SOON)[0] == 1
    assert one_shard.by_status() == DONE
    one_shard.assert_promise_kept(collection.pdfs)


def test_a_signal_during_a_resize_ends_the_run(one_shard: Rig, collection: Collection) -> None:
    run = one_shard.start("run", SHARD_COUNT="1", HOST_POLICY=SLOWLY)
    one_shard.running_shards(1)
    replace_file(one_shard.folder.run.resize_request, b"3")
    wait_for(lambda: one_shard.state() is RunState.RESIZING or len(one_shard.shards()) == 3, "the resize")
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    assert not one_shard.folder.run.resize_request.exists()
    assert one_shard.run("run", SHARD_COUNT="3", HOST_POLICY=SOON)[0] == 1
    one_shard.assert_promise_kept(collection.pdfs)


def test_a_reader_of_the_folder_delays_a_resize(one_shard: Rig, collection: Collection) -> None:
    errors = one_shard.errors_to = one_shard.root.with_name("errors")
    run = one_shard.start("run", SHARD_COUNT="1", HOST_POLICY=SLOWLY)
    one_shard.errors_to = None
    one_shard.running_shards(1)
    with SQLiteFiles(one_shard.folder.root).shared():
        asking = one_shard.start("resize", "2")
        wait_for(lambda: "the resize is waiting for a command that reads the store" in errors.read_text(), "the wait")
        assert one_shard.state() is RunState.RUNNING, "work goes on meanwhile"
    assert asking.wait(timeout=60) == 0
    run.send_signal(signal.SIGTERM)
    assert run.wait(timeout=60) == 143
    one_shard.disarm()
    assert one_shard.run("run", HOST_POLICY=SOON)[0] == 1
    one_shard.assert_promise_kept(collection.pdfs)


def test_without_a_run_there_is_nothing_to_resize(one_shard: Rig) -> None:
    code, _, errors = one_shard.run("resize", "4")
    assert (code, "no run is working in" in errors, errors.count("\n")) == (2, True, 1)
    code, _, errors = one_shard.run("resize", "0")
    assert (code, "RPA_V2_SHARD_COUNT=0: must be" in errors) == (2, True)


def test_a_size_that_the_run_cannot_have_is_refused(one_shard: Rig) -> None:
    run = one_shard.start("run", SHARD_COUNT="1", WORKERS="200", HOST_POLICY=SLOWLY)
    one_shard.running_shards(1)
    with pytest.raises(StoreError, match="did not accept 300 shards"):
        resize(one_shard.folder, 300)
    run.send_signal(signal.SIGTERM)
    _, errors = run.communicate(timeout=60)
    assert "not resized: RPA_V2_SHARD_COUNT=300: must be at most RPA_V2_WORKERS=200" in errors


def test_requests_that_ask_for_nothing_go_away(one_shard: Rig) -> None:
    folder: DataFolder = one_shard.folder
    one_shard.engine.create(Layout(200, 1))
    live = LiveResize(folder)
    (folder.root / "run").mkdir()
    for request in (b"1", b"many", b""):
        replace_file(folder.run.resize_request, request)
        assert not live.is_asked_for(Settings(shard_count=1), RunState.RUNNING)
        assert not folder.run.resize_request.exists()
