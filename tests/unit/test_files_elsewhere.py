"""Reading, comparing and removing papers' files that are kept in a shared folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from rpa_shard.maintain.published_files import has_published_pdf, remove_published
from rpa_shard.maintain.recorded_files import MISSING, WRONG_HASH, WRONG_SIZE, PublishedFiles
from rpa_shard.maintain.verify import verify
from rpa_shard.model.arxiv_id import PaperId, from_canonical
from rpa_shard.model.phase import PREP, Status
from rpa_shard.phases.at_hand import THREADS, WAITING, at_hand, each_at_hand, kept_at_hand
from rpa_shard.phases.published import names_of, publish
from rpa_shard.phases.runner import ExpectedFile
from rpa_shard.store.artifacts import ArtifactStore
from rpa_shard.store.artifacts.factory import artifact_store_of
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed
from rpa_shard.system.files import fingerprint_of
from tests.memory_artifacts import MemoryArtifacts

PAPER = from_canonical("2401.00001")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data", artifacts=f"file://{tmp_path}/shared")


def store_of(folder: DataFolder) -> ArtifactStore:
    store = artifact_store_of(folder)
    assert store is not None
    return store


async def prep(folder: DataFolder, ids: list[str]) -> None:
    """Publishes text and record of papers, and records them."""
    engine = engine_of(folder)
    engine.create(Layout(1, 1))
    with open_ledger(folder) as ledger:
        ledger.add(ids)
    async with engine.open_store(0, 60.0) as rows:
        for claim in await rows.claim(PREP, len(ids)):
            result = await published(store_of(folder), from_canonical(claim.paper_id))
            assert await rows.finish(claim, completed(PREP, result))


async def published(store: ArtifactStore, paper: PaperId) -> dict[str, object]:
    text = f"the text of {paper.canonical}".encode()
    record = json.dumps({"id": paper.canonical, "text_sha256": fingerprint_of(text).sha256}).encode()
    await publish(store, paper, "text", text)
    await publish(store, paper, "record", record)
    result: dict[str, object] = {"pdf_kept": False, "attempts": 1, "flags": []}
    for kind, content in (("text", text), ("record", record)):
        result |= {f"{kind}_sha256": fingerprint_of(content).sha256, f"{kind}_bytes": len(content)}
    return result


def test_each_row_comes_with_the_files_that_it_names(folder: DataFolder) -> None:
    ids = [f"2401.{number:05}" for number in range(1, 2 * WAITING + THREADS)]
    asyncio.run(store_of(folder).create("2401/2401.00001.txt", b"of an attempt that was not recorded"))
    asyncio.run(prep(folder, ids))
    seen = []
    with open_ledger(folder) as ledger:
        rows = list(ledger.papers())
    for row, files in each_at_hand(folder, rows, ("text",)):
        assert files.text.read_text() == f"the text of {row.paper_id}"
        assert not files.record.exists()
        seen.append(row.paper_id)
    assert seen == [row.paper_id for row in rows]
    with at_hand(folder, rows[0], ("record", "text")) as files:
        assert files.text.exists() and files.record.exists()
    assert not files.text.exists()
    kept = kept_at_hand(folder, rows[0], ("text",))
    assert kept.text.is_relative_to(folder.cache) and kept.text.exists()


def test_verify_finds_and_removes_what_is_damaged(folder: DataFolder, tmp_path: Path) -> None:
    asyncio.run(prep(folder, ["2401.00001", "2401.00002", "hep-th/9901001"]))
    with open_ledger(folder) as ledger:
        found = verify(folder, ledger)
        assert found.clean and found.files == 6
        damaged = tmp_path / "shared/2401/2401.00002.txt"
        damaged.write_text("the text of 2401.00003")
        (tmp_path / "shared/9901/hep-th_9901001.json").unlink()
        assert verify(folder, ledger, hashes=False).differences[0].kind == MISSING
        kinds = {each.id: each.kind for each in verify(folder, ledger, fix=True).differences}
        assert kinds == {"2401.00002": WRONG_HASH, "hep-th/9901001": MISSING}
        assert not damaged.exists()
        statuses = {row.paper_id: row.status for row in ledger.papers()}
        assert statuses["2401.00002"] is Status.PENDING and statuses["2401.00001"] is Status.PREPPED
        assert verify(folder, ledger).clean


@pytest.fixture
def compared() -> Iterator[tuple[MemoryArtifacts, PublishedFiles]]:
    store = MemoryArtifacts()
    with ThreadPoolExecutor(2) as threads:
        yield store, PublishedFiles(store, "/data/papers", threads, hashes=True)


def test_a_file_may_have_either_name(compared: tuple[MemoryArtifacts, PublishedFiles]) -> None:
    store, files = compared
    print_ = fingerprint_of(b"text")
    usual, hashed = names_of(PAPER, "text", print_.sha256)
    expected = ExpectedFile(f"/data/papers/{usual}", print_.size_bytes, print_.sha256)
    other = replace(expected, path="/data/papers/2402/2402.00001.txt")
    store.files = {usual: b"taken", hashed: b"text"}
    files.prepare([expected, other])
    assert (files.compare(expected), files.compare(other)) == (None, MISSING)
    store.files[hashed] = b"texx"
    files.prepare([expected])
    assert files.compare(expected) == WRONG_HASH
    files.remove(expected)
    assert store.files == {}


def test_a_size_is_asked_for_again_before_it_is_called_wrong(
    compared: tuple[MemoryArtifacts, PublishedFiles],
) -> None:
    store, files = compared
    print_ = fingerprint_of(b"text")
    usual, _ = names_of(PAPER, "text", print_.sha256)
    expected = ExpectedFile(f"/data/papers/{usual}", print_.size_bytes, print_.sha256)
    store.files = {usual: b"another"}
    files.prepare([expected])
    assert files.compare(expected) == WRONG_SIZE
    store.files = {usual: b"text"}  # published after the folder was listed
    files.prepare([expected])
    assert files.compare(expected) is None


def test_all_names_of_a_paper_are_removed_and_no_others(folder: DataFolder) -> None:
    async def fill() -> None:
        for name in ("2401.00001.txt", "2401.00001.0123456789abcdef.json", "2401.00001.pdf", "2401.00001v2.txt"):
            await store_of(folder).create(f"2401/{name}", b"content")

    asyncio.run(fill())
    assert has_published_pdf(folder, PAPER)
    assert remove_published(folder, [PAPER.canonical]) == 3
    assert [each.name for each in store_of(folder).list()] == ["2401/2401.00001v2.txt"]
    assert not has_published_pdf(folder, PAPER)
    assert remove_published(replace(folder, artifacts=None), [PAPER.canonical]) == 0
