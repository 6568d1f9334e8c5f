"""All phases through the real supervisor and shards, against an endpoint: a drain in the middle, damage, removal."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import files_of
from rpa_shard.store.factory import open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.llm_mirror import MODEL, LlmMirrorProcess
from rpa_shard.testing.sample_papers import Collection
from tests.rig import Rig, wait_for

PAPERS, QUESTIONS = 8, 7


@pytest.fixture
def log(tmp_path: Path, rig: Rig, collection: Collection) -> Iterator[Path]:
    """The log of an endpoint that a run over some papers asks."""
    with_text = list(collection.pdfs)[10 : 10 + PAPERS]  # none of them is broken, missing or a scan
    with open_ledger(rig.folder, Layout(200, 2)) as ledger:
        ledger.add(with_text)
    log = tmp_path / "endpoint.jsonl"
    with LlmMirrorProcess(log=log, latency_seconds=0.2) as endpoint:
        rig.environment |= {
            "RPA_V2_PHASES": "prep,analyze,wrap",
            "RPA_V2_LLM_ENDPOINTS": f"{endpoint.base_url} models={MODEL} in_flight=3",
        }
        yield log


def answered(log: Path) -> Counter[str]:
    """How often each question was answered."""
    if not log.exists():
        return Counter()
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return Counter(line["id"].partition(".")[0] for line in lines if line["answered"] is not None)


def test_a_drain_loses_no_answer_and_what_is_damaged_is_written_again_for_free(rig: Rig, log: Path) -> None:
    running = rig.start("run")
    wait_for(lambda: answered(log).total() >= 4, "some answers")
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert answered(log).total() < PAPERS * QUESTIONS
    code, _, errors = rig.run("run")
    assert code == 0, errors
    assert rig.by_status() == {"done": PAPERS}
    assert answered(log) == dict.fromkeys(answered(log), 1)
    assert answered(log).total() == PAPERS * QUESTIONS
    assert errors.count("WRAP DONE arxiv_id=") == PAPERS
    rig.assert_promise_kept(rig.rows())

    first, second, *_ = (files_of(rig.folder.papers, parse(paper_id)) for paper_id in rig.rows())
    report = first.report.read_bytes()
    first.report.write_bytes(b"damaged")
    second.analysis.unlink()
    assert "fixed 2" in rig.run("verify", "--fix")[1]
    assert rig.run("run")[0] == 0
    assert rig.run("verify")[0] == 0
    assert first.report.read_bytes() == report
    assert answered(log).total() == PAPERS * QUESTIONS

    assert rig.run("remove", "--all", "--files")[0] == 0
    assert [path for path in rig.folder.papers.rglob("*") if path.is_file()] == []
