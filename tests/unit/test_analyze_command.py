"""The commands `analyze` and `prompts`, without a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpa_shard.cli.main import main
from rpa_shard.maintain.changed import SentBack, Today, send_back_changed
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import ANALYZE, PREP, WRAP, Phase
from rpa_shard.phases.writing.prompts import load_prompts
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed
from rpa_shard.store.protocol import Store

Captured = pytest.CaptureFixture[str]
MODEL, ENDPOINT = "small", "http://127.0.0.1:1/v1 models=small"
NOW = {phase.name: load_prompts(None).sha256_of(phase) for phase in (ANALYZE, WRAP)}
OTHER = "0" * 64
# What each paper has been through, with which prompts and models; the last one failed in its last phase.
PAPERS: dict[str, tuple[tuple[Phase, str, str], ...]] = {
    "2401.00001": ((ANALYZE, NOW["analyze"], MODEL), (WRAP, NOW["wrap"], MODEL)),
    "2401.00002": ((ANALYZE, OTHER, MODEL), (WRAP, NOW["wrap"], MODEL)),
    "2401.00003": ((ANALYZE, NOW["analyze"], MODEL), (WRAP, OTHER, MODEL)),
    "2401.00004": ((ANALYZE, NOW["analyze"], "large"),),
    "2401.00005": ((ANALYZE, NOW["analyze"], MODEL), (WRAP, NOW["wrap"], "large")),
    "2401.00006": (),
    "2401.00007": ((ANALYZE, OTHER, MODEL),),
}
FAILED = "2401.00007"


@pytest.fixture(autouse=True)
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """Papers in every state, made with prompts and models of today or others."""
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RPA_V2_LLM_ENDPOINTS", ENDPOINT)
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add(PAPERS)
    for shard in range(2):
        async with engine_of(made).open_store(shard, 60.0) as store:
            await go_through(store)
    return made


async def go_through(store: Store) -> None:
    for claim in await store.claim_named(PREP, list(PAPERS)):
        await store.finish(claim, completed(PREP, {"flags": [], "pages": 1, "characters": 9, "references": 0}))
    for paper_id, phases in PAPERS.items():
        for phase, prompts, model in phases:
            for claim in await store.claim_named(phase, [paper_id]):
                await store.finish(claim, completed(phase, {"prompts_sha256": prompts, "models": [model]}))
    for claim in await store.claim_named(WRAP, [FAILED]):
        await store.finish(claim, failed(WRAP, Failure.LLM_JUDGED, "x"))


def run(capsys: Captured, *arguments: str) -> tuple[int, list[str], str]:
    capsys.readouterr()
    code = main(list(arguments))
    output, errors = capsys.readouterr()
    return code, output.splitlines(), errors


def statuses(folder: DataFolder) -> dict[str, str]:
    with open_ledger(folder) as ledger:
        return {row.paper_id[-1]: row.status.value for row in ledger.papers()}


def test_what_was_made_with_other_prompts_or_models_goes_back(capsys: Captured, folder: DataFolder) -> None:
    before = statuses(folder)
    code, lines, _ = run(capsys, "analyze", "--redo", "changed", "--dry-run")
    assert (code, lines) == (0, ["5 papers would go back: 3 to analyze, 2 to wrap"])
    assert statuses(folder) == before
    code, lines, _ = run(capsys, "analyze", "--redo", "changed", "--dry-run", "2401.00003", "2401.00001")
    assert (code, lines) == (0, ["1 papers would go back: 0 to analyze, 1 to wrap"])
    with open_ledger(folder) as ledger:
        today = Today.of(load_prompts(None), {MODEL})
        done = SentBack()
        send_back_changed(ledger, ledger.papers(), today, done)
        again = SentBack()
        send_back_changed(ledger, ledger.papers(), today, again)
        kept = {row.paper_id[-1]: sorted(row.results) for row in ledger.papers()}
    assert (done.papers, done.left, again.papers.total()) == ({ANALYZE: 3, WRAP: 2}, 0, 0)
    sent = {"2": "prepped", "3": "analyzed", "4": "prepped", "5": "analyzed", "7": "prepped"}
    assert statuses(folder) == before | sent
    assert (kept["2"], kept["3"]) == (["prep"], ["analyze", "prep"])


async def test_papers_in_work_are_left(capsys: Captured, folder: DataFolder) -> None:
    shard = Layout(200, 2).shard_of("2401.00004")
    async with engine_of(folder).open_store(shard, 60.0) as store:
        assert len(await store.claim_named(WRAP, ["2401.00004"])) == 1
        code, lines, _ = run(capsys, "analyze", "--redo", "changed", "--dry-run", "2401.00004", "--status", "wrapping")
    assert code == 1
    assert lines == [
        "0 papers would go back: 0 to analyze, 0 to wrap",
        "1 in work or changed meanwhile, and left: repeat the command",
    ]


def test_how_many_wait(capsys: Captured) -> None:
    assert run(capsys, "analyze", "--dry-run")[:2] == (0, ["waiting: 1 for analyze, 1 for wrap"])
    assert run(capsys, "analyze", "--dry-run", "--with-prep")[1] == ["waiting: 0 for prep, 1 for analyze, 1 for wrap"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["2401.00001"], "papers are chosen for --redo"),
        (["--redo", "everything"], "one of changed"),
        (["--redo", "changed", "--batch-in", "x"], "not allowed with"),
        (["--price-factor", "2"], "not a number from 0 to 1"),
    ],
)
def test_mistakes(capsys: Captured, arguments: list[str], line: str) -> None:
    try:
        code, output, errors = run(capsys, "analyze", *arguments)
    except SystemExit as ended:
        code, output, errors = int(ended.code or 0), [], capsys.readouterr().err
    assert (code, output, len(errors.splitlines())) == (2, [], 1)
    assert line in errors


def test_without_a_model_nothing_is_sent_back(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RPA_V2_LLM_ENDPOINTS")
    for arguments in ([], ["--redo", "changed"], ["--redo", "changed", "--dry-run"]):
        code, output, errors = run(capsys, "analyze", *arguments)
        assert (code, output) == (2, [])
        assert "RPA_V2_LLM_ENDPOINTS: no model is named" in errors


def test_prompts_are_listed_copied_and_checked(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, listed, _ = run(capsys, "prompts")
    assert (code, listed[0]) == (0, "prompts   built in")
    assert re.fullmatch(r"analyze   key_outcome +[0-9a-f]{12}  Key outcome", listed[1])
    assert run(capsys, "prompts", "--check")[1] == ["8 prompts built in: valid"]
    mine = tmp_path / "my prompts"
    code, lines, _ = run(capsys, "prompts", "--copy", str(mine))
    assert (code, lines) == (0, [f"16 files in {mine}: change them, and RPA_V2_PROMPTS='{mine}' uses them"])
    monkeypatch.setenv("RPA_V2_PROMPTS", str(mine))
    assert run(capsys, "prompts")[1][1:] == listed[1:], "the same prompts have the same hashes"
    instruction = mine / "analyze" / "key_outcome.md"
    instruction.write_text(instruction.read_text() + "Be brief.\n")
    changed = [new for old, new in zip(listed, run(capsys, "prompts")[1], strict=True) if new != old]
    assert [line.split()[1] for line in changed] == ["of", "key_outcome"]
    (mine / "analyze" / "key_outcome.schema.json").write_text("{")
    code, lines, errors = run(capsys, "prompts", "--check")
    assert (code, lines, len(errors.splitlines())) == (2, [], 1)
    assert "key_outcome.schema.json" in errors
    assert run(capsys, "prompts", "--copy", str(mine))[0] == 2
