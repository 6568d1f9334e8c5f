"""The commands in process: what they print, how they exit, and one line for a person's mistake."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from rpa_shard.cli import main
from rpa_shard.paper import PREP, Failure
from rpa_shard.store.folder import DataFolder, Layout
from rpa_shard.store.ledger import open_ledger
from rpa_shard.store.outcome import failed
from rpa_shard.store.sqlite import SQLiteStore

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("RPA_V2_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("RPA_V2_SHARD_COUNT", "2")
    return DataFolder(tmp_path / "data")


def test_add_counts_new_known_and_invalid(tmp_path: Path, capsys: Captured) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("# my list\n2401.00001\n\nhttps://arxiv.org/abs/2401.00002v3\nnonsense\n9913.00001\n2401.1\n")
    assert main(["add", "hep-th/9901001", "2401.00001", "--file", str(ids), "--priority", "2"]) == 1
    output, errors = capsys.readouterr()
    assert output == "added 3, already known 1, invalid 3\n"
    assert errors.splitlines() == [
        "line 5: nonsense: neither an arXiv id nor the URL or path of a PDF",
        "line 6: 9913.00001: no such month: 13",
        "line 7: 2401.1: neither an arXiv id nor the URL or path of a PDF",
    ]
    assert main(["add", "2401.00001"]) == 0


def test_add_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeff2401.00001\r\n\xff\n".encode())))
    assert main(["add", "--file", "-"]) == 1
    output, errors = capsys.readouterr()
    assert output == "added 1, already known 0, invalid 1\n"
    assert errors.startswith("line 2: ")


def test_add_takes_pdfs_that_exist(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "my.pdf").touch()
    assert main(["add", str(tmp_path / "my.pdf"), str(tmp_path / "other.pdf")]) == 1
    assert "other.pdf: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["add"], "add what? give ids, --file F"),
        (["add", "--file", "/nowhere"], "/nowhere: No such file or directory"),
        (["status"], "no papers in "),
        (["show", "nonsense"], "no papers in "),
        (["mirror", "/nowhere"], "/nowhere: No such file or directory"),
        (["run", "--shards", "0"], "RPA_V2_SHARD_COUNT=0: must be a whole number from 1 to 1_024"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], line: str, capsys: Captured) -> None:
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"rpa-shard: {line}")
    assert len(errors.splitlines()) == 1


def test_mistakes_about_papers(capsys: Captured) -> None:
    main(["add", "2401.00001"])
    for arguments, line in (
        (["show", "nonsense"], "rpa-shard: nonsense: neither an arXiv id"),
        (["show", "2401.00009"], "rpa-shard: 2401.00009 was never added"),
        (["retry", "nonsense"], "rpa-shard: nonsense: neither an arXiv id"),
        (["export", "--out", "/nowhere/out.jsonl"], "rpa-shard: /nowhere/out.jsonl cannot be written"),
    ):
        capsys.readouterr()
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith(line)


async def fail_paper(folder: DataFolder, paper_id: str, failure: Failure) -> None:
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add([paper_id])
        shard = ledger.layout.shard_of(paper_id)
    async with SQLiteStore.open(folder.shard_file(shard), 60) as store:
        (claim,) = await store.claim(PREP, 1)
        await store.settle(claim, failed(failure, "so it was"))


async def test_retry_by_reason_and_by_name(folder: DataFolder, capsys: Captured) -> None:
    await fail_paper(folder, "2401.00001", Failure.NETWORK)
    await fail_paper(folder, "2401.00002", Failure.NOT_FOUND)
    await fail_paper(folder, "2401.00003", Failure.NOT_FOUND)
    assert main(["retry", "--reason", "network"]) == 0
    assert capsys.readouterr().out == "back to pending: 1\n"
    assert main(["retry", "2401.00001", "2401.00002"]) == 0
    output, errors = capsys.readouterr()
    assert output == "back to pending: 1\n"
    assert errors == "rpa-shard: 2401.00001: not failed, left as it is\n"
    assert main(["retry"]) == 0
    with open_ledger(folder) as ledger:
        assert ledger.counts().by_status == {"pending": 3}


def test_json_for_programs(capsys: Captured) -> None:
    main(["add", "2401.00001"])
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["by_status"] == {"pending": 1}
    assert main(["verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True
    assert main(["show", "2401.00001"]) == 0
    assert main(["export", "--out", "-"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["id"] == "2401.00001"


@pytest.mark.parametrize("command", ["", "add", "run", "status", "verify", "retry", "show", "export", "mirror", "demo"])
def test_help_has_an_example(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert ("example: " in shown) or command == ""


def test_the_demo_will_not_step_on_a_folder(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "precious").mkdir()
    assert main(["demo", "--folder", str(tmp_path / "precious")]) == 2
    assert "is in the way" in capsys.readouterr().err
