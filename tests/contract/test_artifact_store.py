"""What every artifact store promises: a name is created once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.phases.published import fetch, fetch_blocking, names_of, publish, versions
from rpa_shard.store.artifacts import ArtifactStore, ArtifactStoreError
from rpa_shard.store.artifacts.factory import artifact_store_of, refuse_unusable
from rpa_shard.store.artifacts.probe import probe
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.testing.flaky_http import FlakyHttp
from rpa_shard.testing.s3_server import S3Server
from tests.memory_artifacts import MemoryArtifacts

PAPER = from_canonical("2401.00001")


@pytest.fixture
def keys(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, whose keys this process has."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    return s3


@pytest.fixture(params=["memory", "file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "memory":
        return MemoryArtifacts()
    if request.param == "file":
        url = f"file://{tmp_path}/shared"
    else:
        url = request.getfixturevalue("keys").create_bucket(f"b{sha256(str(tmp_path).encode()).hexdigest()[:20]}")
    found = artifact_store_of(DataFolder(tmp_path, artifacts=url))
    assert found is not None
    return found


async def test_of_many_at_once_one_creates(store: ArtifactStore) -> None:
    contents = [f"content {number}".encode() for number in range(16)]
    made = await asyncio.gather(*(store.create("2401/name.json", each) for each in contents))
    assert made.count(True) == 1
    assert store.read("2401/name.json") == contents[made.index(True)]
    assert await store.read_now("2401/name.json") == contents[made.index(True)]
    assert store.size("2401/name.json") == len(contents[made.index(True)])


async def test_lists_what_begins_so_in_order(store: ArtifactStore) -> None:
    names = [
        "2401/a.json",
        "2401/a.0123456789abcdef.json",
        "2401/a-b.json",
        "2401/ab.json",
        "2402/a.json",
        "z/0f/u.txt",
    ]
    for name in names:
        assert await store.create(name, name.encode())
    assert [each.name for each in store.list("2401/a.")] == ["2401/a.0123456789abcdef.json", "2401/a.json"]
    assert [each.name for each in store.list("2401/a.json")] == ["2401/a.json"]
    assert list(store.list("2403/")) == []
    assert [tuple(each) for each in store.list()] == [(name, len(name)) for name in sorted(names)]


async def test_what_is_missing_is_told_and_may_be_removed(store: ArtifactStore) -> None:
    for ask in (store.read, store.size):
        with pytest.raises(FileNotFoundError):
            ask("2401/none.json")
    with pytest.raises(FileNotFoundError):
        await store.read_now("2401/none.json")
    store.remove("2401/none.json")
    await store.create("2401/some.json", b"some")
    store.remove("2401/some.json")
    assert list(store.list()) == []


async def test_a_late_writer_changes_nothing(store: ArtifactStore) -> None:
    """The successor's text is what the row names; the one that lost its lease publishes afterwards, and differs."""
    await publish(store, PAPER, "text", b"the successor's")
    await publish(store, PAPER, "text", b"the late writer's")
    await publish(store, PAPER, "text", b"the successor's")
    digest, late = (sha256(each).hexdigest() for each in (b"the successor's", b"the late writer's"))
    assert await fetch(store, PAPER, "text", digest) == fetch_blocking(store, PAPER, "text", digest)
    assert await fetch(store, PAPER, "text", late) == b"the late writer's"
    assert [each.name for each in versions(store, PAPER, "text")] == [
        names_of(PAPER, "text", late)[1],
        "2401/2401.00001.txt",
    ]
    assert await fetch(store, PAPER, "text", "0" * 64) is None


async def test_a_damaged_name_with_a_hash_is_told(store: ArtifactStore) -> None:
    usual, hashed = names_of(PAPER, "text", sha256(b"text").hexdigest())
    await store.create(usual, b"other")
    await store.create(hashed, b"damaged")
    with pytest.raises(ArtifactStoreError, match="damaged"):
        await publish(store, PAPER, "text", b"text")


def test_a_store_that_overwrites_is_refused() -> None:
    class Overwriting(MemoryArtifacts):
        async def create(self, name: str, content: bytes) -> bool:
            self.files[name] = content
            return True

    probe(MemoryArtifacts(), "memory:")
    with pytest.raises(ArtifactStoreError, match="overwrites"):
        probe(Overwriting(), "memory:")


def test_the_process_that_tries_is_not_taken_down_while_threads_hold_its_objects(keys: S3Server) -> None:
    url = keys.create_bucket("tried")
    program = (
        "import atexit, runpy; atexit.register(print, 'taken down');"
        "runpy.run_module('rpa_shard.store.artifacts.probe', run_name='__main__')"
    )
    command = [sys.executable, "-c", program]
    good = subprocess.run([*command, url], capture_output=True, text=True, timeout=60, check=False)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = subprocess.run([*command, "s3://absent"], capture_output=True, text=True, timeout=60, check=False)
    assert (bad.returncode, bad.stderr) == (1, "")
    assert "no such bucket" in bad.stdout
    assert "taken down" not in bad.stdout


def test_what_cannot_be_used_is_one_line(tmp_path: Path, keys: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unusable(DataFolder(tmp_path, artifacts=keys.create_bucket("usable")), print)
    refuse_unusable(DataFolder(tmp_path, artifacts=f"file://{tmp_path}/shared"), print)
    refuse_unusable(DataFolder(tmp_path), print)
    with pytest.raises(ArtifactStoreError, match="no such bucket"):
        refuse_unusable(DataFolder(tmp_path, artifacts="s3://absent/prefix"), print)
    with pytest.raises(ArtifactStoreError, match="RPA_V2_ARTIFACTS"):
        refuse_unusable(DataFolder(tmp_path, artifacts="file:///proc/nowhere"), print)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(ArtifactStoreError, match="access denied") as refused:
        refuse_unusable(DataFolder(tmp_path, artifacts="s3://usable"), print)
    assert "not-the-secret" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_store_that_is_busy_is_waited_for(tmp_path: Path, keys: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, said = DataFolder(tmp_path, artifacts=keys.create_bucket("busy")), list[str]()
    with FlakyHttp(keys.url, share=1.0) as proxy:

        def say(line: str) -> None:
            said.append(line)
            proxy.share = 0.0

        monkeypatch.setenv("AWS_ENDPOINT", proxy.url)
        refuse_unusable(folder, say)
        assert [line.endswith(": waiting for it") and "SlowDown" in line for line in said] == [True]
        proxy.share = 1.0
        with pytest.raises(ArtifactStoreError, match="SlowDown"):
            refuse_unusable(folder, print, patience_seconds=0.0)
