"""The mirror serves ids like arXiv, only from its folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from rpa_shard.testing.mirror import Index, Mirror, MirrorProcess, serve
from rpa_shard.testing.serving import MirrorError


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("2401.00001", "2401.00002v1", "2401.00002v3", "hep-th_9901001", "my paper"):
        (folder / f"{name}.pdf").write_bytes(b"%PDF-1.5 " + name.encode())
    (folder / "notes.txt").write_text("no")
    return folder


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("2401.00001", "2401.00001"),
        ("2401.00001.pdf", "2401.00001"),
        ("2401.00001v1", "2401.00001"),
        ("2401.00001v2", None),
        ("2401.00002", "2401.00002v3"),
        ("2401.00002v1", "2401.00002v1"),
        ("2401.00002v2", None),
        ("hep-th/9901001", "hep-th_9901001"),
        ("../shelf/2401.00001", None),
        ("notes.txt", None),
    ],
)
def test_which_file_is_served(shelf: Path, asked: str, name: str | None) -> None:
    found = Index(shelf).find(asked)
    assert (found and found.name) == (name and f"{name}.pdf")


async def test_over_http(shelf: Path) -> None:
    async with Mirror(shelf) as mirror, httpx.AsyncClient() as client:
        answer = await client.get(f"{mirror.url}/pdf/hep-th/9901001")
        assert (answer.status_code, answer.content) == (200, b"%PDF-1.5 hep-th_9901001")
        assert answer.headers["content-type"] == "application/pdf"
        assert (await client.get(f"{mirror.url}/pdf/2401.99999")).status_code == 404
        assert (await client.get(f"{mirror.url}/pdf/..%2F..%2Fetc%2Fpasswd")).status_code == 404
        ids = (await client.get(f"{mirror.url}/ids")).text.split("\n")
        assert ids[:4] == ["2401.00001", "2401.00002v1", "2401.00002v3", "hep-th/9901001"]
        assert ids[4].startswith(f"{mirror.url}/pdf/my")


async def test_names_that_are_not_text(shelf: Path) -> None:
    Path(shelf, os.fsdecode(b"caf\xe9.pdf")).write_bytes(b"%PDF-1.5 caf")
    async with Mirror(shelf) as mirror, httpx.AsyncClient() as client:
        ids = (await client.get(f"{mirror.url}/ids")).text.splitlines()
        assert len(ids) == 6
        assert f"{mirror.url}/pdf/caf%E9" in ids
        assert (await client.get(f"{mirror.url}/pdf/caf%E9")).content == b"%PDF-1.5 caf"


async def test_new_files_are_found(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpa_shard.testing.mirror.RESCAN_SECONDS", 0.0)
    index = Index(shelf)
    assert index.find("2402.00001") is None
    (shelf / "2402.00001.pdf").touch()
    assert index.find("2402.00001") is not None


def test_mistakes_are_one_line(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(MirrorError, match="No such file"):
        serve(tmp_path / "nowhere", "127.0.0.1", 0, print)
    with MirrorProcess(shelf) as running:
        port = int(running.url.rsplit(":", 1)[1])
        with pytest.raises(MirrorError, match="cannot listen on"):
            serve(shelf, "127.0.0.1", port, print)
    with pytest.raises(MirrorError, match="did not start"), MirrorProcess(tmp_path / "nowhere"):
        pass


async def test_a_mirror_process_ends_with_its_user(shelf: Path) -> None:
    with MirrorProcess(shelf) as running:
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{running.url}/pdf/2401.00001")).status_code == 200
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
