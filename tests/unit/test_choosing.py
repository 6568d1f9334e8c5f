"""Commands on papers that a person chooses: `list`, `show`, `retry`, `verify`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rpa_shard.cli import looking
from rpa_shard.cli.main import main
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP, Status
from rpa_shard.observe import listing
from rpa_shard.store.catalogue import PaperMetadata
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import completed, failed, postponed
from rpa_shard.store.rows import PaperRow

Captured = pytest.CaptureFixture[str]
FAILED, WAITING, PREPPED, NEW = "2401.00001", "2401.00002", "2401.00003", "2401.00004"
IDS = [FAILED, WAITING, PREPPED, NEW]
RESULT = {"flags": ["garbled"], "pages": 1, "characters": 9, "references": 0}


@pytest.fixture(autouse=True)
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A paper in every state that matters, with metadata of two of them."""
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    made = DataFolder(tmp_path / "data")
    with open_ledger(made, Layout(200, 2)) as ledger:
        ledger.add(IDS[:3])
    for shard in range(2):
        async with engine_of(made).open_store(shard, 60.0) as store:
            for claim in await store.claim(PREP, 10):
                ending = {
                    FAILED: failed(PREP, Failure.NOT_FOUND, "no such paper"),
                    WAITING: postponed(PREP, Failure.NETWORK, "x", 3600.0, charged=True, suspect=False),
                    PREPPED: completed(PREP, RESULT),
                }
                await store.finish(claim, ending[claim.paper_id])
    with open_ledger(made) as ledger:
        ledger.add(IDS[3:])
    with engine_of(made).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_metadata(
            PaperMetadata(each, title, "A", "x", "cs.LG", None, 1)
            for each, title in ((FAILED, "Tides\tand\n  clocks\x1b"), (NEW, "Deep sea"))
        )
    return made


def run(capsys: Captured, *arguments: str) -> tuple[int, list[str], str]:
    capsys.readouterr()
    code = main(list(arguments))
    output, errors = capsys.readouterr()
    return code, output.splitlines(), errors


def first_words(lines: list[str]) -> list[str]:
    return sorted(line.split()[0] for line in lines)


def test_a_list_for_people(capsys: Captured) -> None:
    code, lines, errors = run(capsys, "list")
    assert (code, errors) == (0, "")
    assert first_words(lines) == IDS
    assert not any("\t" in line or "\x1b" in line for line in lines)
    by_id = {line.split()[0]: re.split(r" {2,}", line) for line in lines}
    assert [by_id[each][1:3] for each in IDS] == [
        ["failed", "not_found"],
        ["pending", "network"],
        ["prepped", "-"],
        ["pending", "-"],
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each[3]) for each in by_id.values())
    assert [by_id[each][4:] for each in IDS] == [["Tides and clocks?"], [], [], ["Deep sea"]]
    starts = {re.search(r"\d{4}-\d\d-\d\dT", line).start() for line in lines}  # type: ignore[union-attr]
    assert len(starts) == 1, "columns are aligned"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--status", "failed"], [FAILED]),
        (["--status", "failed", "--status", "prepped"], [FAILED, PREPPED]),
        (["--reason", "network"], [WAITING]),
        (["--phase", "prep"], [FAILED]),
        (["--phase", "analyze", "--phase", "wrap"], []),
        (["--flag", "garbled"], [PREPPED]),
        (["--since", "1h"], IDS),
        (["--since", "2999-01-01"], []),
        (["--category", "cs"], [FAILED, NEW]),
        (["--category", "cs.LG", "--status", "pending"], [NEW]),
        (["--query", "tides clo"], [FAILED]),
        ([PREPPED, FAILED], [FAILED, PREPPED]),
        ([PREPPED, FAILED, "--status", "failed"], [FAILED]),
    ],
)
def test_conditions(capsys: Captured, arguments: list[str], expected: list[str]) -> None:
    code, lines, errors = run(capsys, "list", *arguments)
    assert (code, first_words(lines)) == (0, expected)
    assert ("no paper is chosen" in errors) == (not expected)
    assert run(capsys, "list", "--count", *arguments) == (0, [str(len(expected))], "")


def test_a_list_for_programs(capsys: Captured) -> None:
    code, lines, _ = run(capsys, "list", "--json", WAITING, PREPPED, FAILED)
    waiting, prepped, failure = map(json.loads, lines)
    assert code == 0
    assert [each["id"] for each in (waiting, prepped, failure)] == [WAITING, PREPPED, FAILED]
    assert (waiting["status"], waiting["failure"], waiting["attempts"]) == ("pending", "network", 1)
    assert waiting["next_attempt_at"] == pytest.approx(waiting["changed_at"] + 3600.0)
    assert (prepped["flags"], prepped["title"]) == (["garbled"], None)
    assert (failure["failed_phase"], failure["next_attempt_at"]) == ("prep", None)
    assert failure["detail"] == "no such paper"


def test_a_list_of_some(capsys: Captured) -> None:
    assert len(run(capsys, "list", "--limit", "3")[1]) == 3
    assert run(capsys, "list", "--limit", "3", "--count")[1] == ["3"]
    with pytest.raises(SystemExit):
        main(["list", "--limit", "0"])


def test_ids_that_are_not_there(capsys: Captured) -> None:
    code, lines, errors = run(capsys, "list", "2401.00009", PREPPED)
    assert (code, first_words(lines)) == (1, [PREPPED])
    assert "2401.00009 was never added: " in errors
    assert run(capsys, "list", "nonsense")[0] == 2
    code, lines, errors = run(capsys, "list", "nonsense", PREPPED)
    assert (code, len(lines)) == (1, 1)
    code, _, errors = run(capsys, "list", "--category", "cs.XX")
    assert (code, len(errors.splitlines())) == (2, 1)
    assert "cs.XX" in errors


def test_a_list_goes_on_as_a_list_of_ids(capsys: Captured, tmp_path: Path) -> None:
    listed = tmp_path / "listed.txt"
    listed.write_text("\n".join(run(capsys, "list")[1]))
    assert run(capsys, "add", "--file", str(listed))[1] == ["added 0, already known 4, invalid 0"]
    assert run(capsys, "list", "--file", str(listed), "--status", "failed", "--count")[1] == ["1"]


def row(paper_id: str) -> PaperRow:
    blank = (None, None, False, None, None, None)
    return PaperRow(paper_id, 0, 0, 0, Status.PENDING, 2, 0.0, *blank, {}, 0.0, 0.0)


@pytest.mark.parametrize("columns", [20, 40, 60, 100])
def test_nothing_is_wider_than_the_terminal(columns: int) -> None:
    ids = ["2401.00001", "cond-mat/9901001v2", "https://example.org/" + "a" * 100]
    lines = list(listing.lines(map(row, ids), lambda _: "海" * 50, columns))
    assert all(sum(2 if ord(each) > 0x2FFF else 1 for each in line) <= columns for line in lines)
    assert lines[0].startswith("2401.00001 ")


def test_lines_come_while_papers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAPERS_LOOKED_AT", 2)
    read: list[str] = []

    def rows() -> Iterator[PaperRow]:
        for number in range(1, 6):
            read.append(f"2401.{number:05}")
            yield row(read[-1])

    lines = listing.lines(rows(), lambda _: None)
    assert "attempts=2" in next(lines)
    assert len(read) == 2
    assert len(list(lines)) == 4


def test_several_papers_are_shown(capsys: Captured) -> None:
    code, lines, errors = run(capsys, "show", FAILED, WAITING)
    assert (code, errors) == (0, "")
    assert [line for line in lines if line.startswith("paper ")] == [f"paper     {FAILED}", f"paper     {WAITING}"]
    assert lines.count("") == 1
    code, lines, errors = run(capsys, "show", "--since", "1h", "--limit", "1")
    assert (code, lines.count("")) == (0, 0)
    assert "and 3 more" in errors


def test_how_many_more_is_not_counted_for_ever(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MOST_COUNTED", 2)
    assert "and at least 2 more" in run(capsys, "show", *IDS, "--limit", "1")[2]


def test_what_cannot_be_shown(capsys: Captured) -> None:
    assert "which papers?" in run(capsys, "show")[2]
    code, lines, errors = run(capsys, "show", "2401.00009", FAILED, PREPPED, "--status", "failed")
    assert (code, lines[0]) == (1, f"paper     {FAILED}")
    assert "2401.00009 was never added" in errors
    assert f"{PREPPED} is prepped, and not one of those" in errors
    assert run(capsys, "show", "2401.00009")[:2] == (2, [])
    code, lines, errors = run(capsys, "show", "--clean", FAILED, NEW)
    assert (code, lines, len(errors.splitlines())) == (2, [], 2)
    code, lines, errors = run(capsys, "show", "--status", "done")
    assert (code, lines) == (0, [])
    assert "no paper is chosen" in errors


def test_some_papers_are_verified(capsys: Captured) -> None:
    code, lines, _ = run(capsys, "verify", FAILED, "--no-hashes")
    assert (code, lines) == (0, ["verify    1 papers (1 failed), 0 files by size", "verify    clean"])
    code, lines, errors = run(capsys, "verify", "2401.00009")
    assert (code, lines[-1]) == (1, "verify    clean")
    assert "2401.00009 was never added" in errors
    assert json.loads(run(capsys, "verify", "--status", "pending", "--json")[1][0])["papers"] == 2
    assert run(capsys, "verify", "nonsense")[0] == 2


def test_chosen_papers_are_tried_again(capsys: Captured, folder: DataFolder, tmp_path: Path) -> None:
    assert run(capsys, "retry", "--reason", "network")[:2] == (0, ["back in the queue: 0"]), "it is not failed for good"
    code, lines, errors = run(capsys, "retry", FAILED, WAITING, WAITING, "--category", "cs")
    assert (code, lines) == (0, ["back in the queue: 1"])
    assert [line for line in errors.splitlines() if WAITING in line] == [
        f"rpa-shard: {WAITING}: not failed, left as it is"
    ]
    errors = run(capsys, "retry", PREPPED, "--phase", "analyze", "--reason", "llm_cut")[2]
    assert errors == f"rpa-shard: {PREPPED}: not failed in analyze with llm_cut, left as it is\n"
    with open_ledger(folder) as ledger:
        assert {each.status for each in ledger.select(ids=[FAILED])} == {Status.PENDING}
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    assert run(capsys, "retry", "--file", str(tmp_path / "ids.txt")) == (0, ["back in the queue: 0"], "")
    code, lines, errors = run(capsys, "retry", "--file", str(tmp_path / "nowhere.txt"))
    assert (code, lines, len(errors.splitlines())) == (2, [], 1)
