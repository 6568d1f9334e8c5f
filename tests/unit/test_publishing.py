"""What a node does around an attempt where papers' files are kept elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from rpa_shard.model.arxiv_id import from_canonical
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.model.paper import Claim
from rpa_shard.model.phase import ANALYZE, PREP
from rpa_shard.phases.analyze.definition import ANALYZE_DEFINITION
from rpa_shard.phases.bringing import Bringer
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.artifacts import read_finished
from rpa_shard.phases.prep.definition import PREP_DEFINITION
from rpa_shard.phases.prep.result import row_result
from rpa_shard.phases.publishing import PublishingRunner
from rpa_shard.phases.runner import Attempt, Result, Slots
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.system.files import fingerprint_of
from tests.bare_runner import BareRunner
from tests.memory_artifacts import MemoryArtifacts

PAPER = from_canonical("2401.00001")
NAME = "2401/2401.00001"


@dataclass
class Runner(BareRunner):
    """Does to the files what it is told; counts its attempts."""

    work: Callable[[], Result]
    attempts: int = 0

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        self.attempts += 1
        return self.work()


@dataclass
class Node:
    """One node: its folder, and what it shares with others."""

    folder: DataFolder
    store: MemoryArtifacts
    disk: ThreadPoolExecutor
    keep_pdf: bool = False

    @property
    def files(self) -> PaperFiles:
        return files_of(self.folder.papers, PAPER)

    def run(self, runner: Runner, claim: Claim | None = None) -> Result:
        claim = claim or Claim(PAPER.canonical, PREP, "lease", 1)
        definition = PREP_DEFINITION if claim.phase is PREP else ANALYZE_DEFINITION
        bringer = Bringer(self.store, self.folder, "shard-000", self.disk, self.keep_pdf)
        return asyncio.run(PublishingRunner(runner, definition, bringer).run(claim, Attempt(Slots({}))))

    def prep(self, text: str = "the text", extracted_at: str = "2026-01-01T00:00:00Z") -> Result:
        """As the prep phase: adopts what is there, or writes text and record."""
        found = read_finished(self.files, PAPER.canonical)
        if found is not None:
            return row_result(*found, pdf_kept=False)
        record = {
            "id": PAPER.canonical, "pages": 1, "characters": 8, "references": [], "flags": [], "pdf_sha256": "0" * 64,
            "pdf_bytes": 1, "extracted_at": extracted_at, "text_sha256": fingerprint_of(text.encode()).sha256,
            "text_bytes": len(text),
        }  # fmt: skip
        self.files.text.parent.mkdir(parents=True, exist_ok=True)
        self.files.text.write_text(text)
        self.files.record.write_text(json.dumps(record))
        return row_result(record, self.files.record.read_bytes(), pdf_kept=False)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.papers.rglob("*") if path.is_file())


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    store = MemoryArtifacts()
    with ThreadPoolExecutor(2) as disk:
        yield Node(DataFolder(tmp_path / "a"), store, disk), Node(DataFolder(tmp_path / "b"), store, disk)


def test_a_new_paper_takes_three_requests_and_leaves_nothing_behind(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    one.run(Runner(one.prep))
    assert one.store.requests == [
        ("read", f"{NAME}.json"),
        ("create", f"{NAME}.txt"),
        ("create", f"{NAME}.json"),
    ]
    assert one.left() == []


class Slow(Runner):
    """Lets others run before it works; notes how many attempts were at work at the same time."""

    inside, most = 0, 0

    async def run(self, claim: Claim, attempt: Attempt) -> Result:
        self.inside += 1
        self.most = max(self.most, self.inside)
        for _ in range(20):
            await asyncio.sleep(0)
        self.inside -= 1
        return await super().run(claim, attempt)


def test_an_attempt_whose_lease_was_lost_does_not_meet_the_next_one_of_its_paper(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    slow = Slow(one.prep)
    runner = PublishingRunner(slow, PREP_DEFINITION, Bringer(one.store, one.folder, "shard-000", one.disk, False))

    async def both() -> list[Result]:
        claims = [Claim(PAPER.canonical, PREP, lease, 1) for lease in ("lost", "next")]
        return await asyncio.gather(*(runner.run(claim, Attempt(Slots({}))) for claim in claims))

    lost, following = asyncio.run(both())
    assert lost == following
    assert (slow.attempts, slow.most) == (2, 1)
    assert one.left() == []


def test_what_was_published_but_not_recorded_is_adopted_elsewhere(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    first = one.run(Runner(one.prep))

    def adopt() -> Result:
        assert other.left() == ["2401.00001.json", "2401.00001.txt"]
        return other.prep("never written")

    assert other.run(Runner(adopt)) == first
    assert sorted(other.store.files) == [f"{NAME}.json", f"{NAME}.txt"]
    assert other.left() == []


def test_what_is_outdated_is_made_again_under_other_names_and_then_adopted(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    first = one.run(Runner(one.prep))
    again = Claim(PAPER.canonical, PREP, "lease", 1, outdated_before=1_770_000_000.0)
    second = one.run(Runner(lambda: one.prep("new text", "2026-06-01T00:00:00Z")), again)
    assert second["text_sha256"] != first["text_sha256"]
    assert f"{NAME}.{second['text_sha256'][:16]}.txt" in one.store.files
    assert f"{NAME}.{second['record_sha256'][:16]}.json" in one.store.files
    assert other.run(Runner(lambda: other.prep("never written")), again) == second


def test_what_cannot_be_published_stays_for_the_next_attempt(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes

    def prep_and_lose() -> Result:
        result = one.prep()
        one.store.fails = True
        return result

    for _ in range(2):
        with pytest.raises(PaperError) as failed:
            one.run(Runner(prep_and_lose))
        assert failed.value.failure is Failure.ARTIFACTS
    assert one.left() == ["2401.00001.json", "2401.00001.txt"]
    one.store.fails = False
    one.run(Runner(lambda: one.prep("never written")))
    assert one.store.files[f"{NAME}.txt"] == b"the text" and one.left() == []


def test_a_store_that_is_not_reached_begins_no_attempt(nodes: tuple[Node, Node]) -> None:
    one, _ = nodes
    one.store.fails = True
    runner = Runner(one.prep)
    with pytest.raises(PaperError):
        one.run(runner)
    assert runner.attempts == 0


def test_answers_reach_other_nodes_even_from_failed_attempts(nodes: tuple[Node, Node]) -> None:
    claim = Claim(PAPER.canonical, ANALYZE, "lease", 1)
    for node in nodes:
        with open_ledger(node.folder, Layout(1, 1)) as ledger:
            ledger.add([PAPER.canonical])

    def answer_and_fail(node: Node, line: bytes) -> Result:
        with node.files.answers.open("ab") as file:
            file.write(line)
        raise PaperError(Failure.LLM_CUT, "cut")

    for number, node in enumerate((*nodes, nodes[0])):
        node.files.answers.parent.mkdir(parents=True, exist_ok=True)
        with pytest.raises(PaperError) as failed:
            node.run(Runner(lambda node=node, number=number: answer_and_fail(node, b"%d\n" % number)), claim)  # type: ignore[misc]
        assert failed.value.failure is Failure.LLM_CUT and node.left() == []
    assert max(nodes[0].store.files.values(), key=len).split() == [b"0", b"1", b"2"]
