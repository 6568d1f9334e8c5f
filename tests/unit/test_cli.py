"""The commands in process: what they print, how they exit, and one line for a person's mistake."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rpa_shard.cli import main
from rpa_shard.config.settings import Settings
from rpa_shard.model.failure import Failure
from rpa_shard.model.phase import PREP
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.store.outcome import failed

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
        "line 7: 2401.1: ids of 2401 have 5 digits after the point",
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


def test_a_file_that_cannot_be_looked_for_stops_no_other(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "loop.pdf").symlink_to("loop.pdf")
    given = [str(tmp_path / f"{'n' * 300}.pdf"), str(tmp_path / "loop.pdf"), str(tmp_path), "/dev/null", "2401.00001"]
    assert main(["add", *given]) == 1
    output, errors = capsys.readouterr()
    assert output == "added 1, already known 0, invalid 4\n"
    assert "File name too long" in errors


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["add"], "add what? give ids, --file F"),
        (["add", "--file", "/nowhere"], "/nowhere: No such file or directory"),
        (["status"], "no papers in "),
        (["show", "2401.00001"], "no papers in "),
        (["retry", "2401.00001"], "no papers in "),
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
        (["show", "nonsense"], "argument 1: nonsense: neither an arXiv id"),
        (["show", "2401.00009"], "rpa-shard: 2401.00009 was never added"),
        (["retry", "nonsense"], "argument 1: nonsense: neither an arXiv id"),
        (["export", "--out", "/nowhere/out.jsonl"], "rpa-shard: /nowhere/out.jsonl cannot be written"),
    ):
        capsys.readouterr()
        assert main(arguments) == 2
        assert capsys.readouterr().err.startswith(line)


async def fail_paper(folder: DataFolder, paper_id: str, failure: Failure) -> None:
    with open_ledger(folder, Layout(200, 2)) as ledger:
        ledger.add([paper_id])
        shard = ledger.layout.shard_of(paper_id)
    async with engine_of(folder).open_store(shard, 60) as store:
        (claim,) = await store.claim(PREP, 1)
        await store.finish(claim, failed(PREP, failure, "so it was"))


async def test_retry_by_reason_and_by_name(folder: DataFolder, capsys: Captured) -> None:
    await fail_paper(folder, "2401.00001", Failure.NETWORK)
    await fail_paper(folder, "2401.00002", Failure.NOT_FOUND)
    await fail_paper(folder, "2401.00003", Failure.NOT_FOUND)
    assert main(["retry", "--reason", "network"]) == 0
    assert capsys.readouterr().out == "back in the queue: 1\n"
    assert main(["retry", "2401.00001", "2401.00002"]) == 0
    output, errors = capsys.readouterr()
    assert output == "back in the queue: 1\n"
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
    capsys.readouterr()
    assert main(["export", "--out", "-"]) == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["id"] == "2401.00001"
    assert errors == "rpa-shard: exported 1 papers to -\n"


@pytest.mark.parametrize(
    "command",
    ["", "add", "run", "status", "verify", "retry", "show", "export", "mirror", "demo", "plan", "failures", "hosts"],
)
def test_help_has_an_example(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert ("example: " in shown) or command == ""


def test_the_demo_will_not_step_on_a_folder(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "precious").mkdir()
    assert main(["demo", "--folder", str(tmp_path / "precious")]) == 2
    assert "was not made by the demo" in capsys.readouterr().err


def test_a_plan_for_a_list(tmp_path: Path, capsys: Captured) -> None:
    ids = tmp_path / "ids.txt"
    lines = [f"2401.{number:05}" for number in range(1, 1001)]
    ids.write_text("\n".join([*lines, "https://x.example/a.pdf", "nonsense"]))
    assert main(["plan", "--file", str(ids)]) == 1
    output, errors = capsys.readouterr()
    shown = [line.split() for line in output.splitlines()]
    assert shown[1] == ["export.arxiv.org", "1,000", "5.0", "min", "1.2", "GB"]
    assert shown[2] == ["4", "in", "1", "s", "allowed"]
    assert shown[3][:2] == ["x.example", "1"]
    assert "line 1002: nonsense" in errors


def test_a_plan_for_the_queue(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["plan"]) == 2
    main(["add", "2401.00001", "2401.00002"])
    monkeypatch.setenv("RPA_V2_ARXIV_MAX_PAPERS", "1")
    capsys.readouterr()
    assert main(["plan"]) == 0
    assert "is not for this many papers (1 at most)" in capsys.readouterr().out
    monkeypatch.setenv("RPA_V2_SOURCES", "file:///shelf/{name}.pdf")
    assert main(["plan"]) == 0
    assert "local files" in capsys.readouterr().out


def test_every_failure_has_a_line(capsys: Captured) -> None:
    assert main(["failures"]) == 0
    named = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert named == {failure.value for failure in Failure}


def test_hosts_that_are_open(capsys: Captured) -> None:
    main(["add", "2401.00001"])
    capsys.readouterr()
    assert main(["hosts"]) == 0
    assert capsys.readouterr().out == "export.arxiv.org=4/1@4\n"
    assert main(["hosts", "--reopen", "export.arxiv.org"]) == 2
    assert "is not closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sources", "ids", "expected"),
    [
        (("arxiv",), ["2401.00001"] * 400, [("export.arxiv.org", 400, 120.0)]),
        (("http://arxiv.org/pdf/{id}",), ["hep-th/9901001"], [("export.arxiv.org", 1, 0.3)]),
        (("http://xxx.lanl.gov/pdf/{id}",), ["2401.00001"] * 400, [("export.arxiv.org", 400, 120.0)]),
        (("gcs", "arxiv"), ["2401.00001"] * 1000, [("storage.googleapis.com", 1000, 100.0)]),
        (("file:///shelf/{name}.pdf",), ["2401.00001"] * 1000, [("local files", 1000, 12.5)]),
        (("https://{archive}.x.example/{id}",), ["hep-th/9901001", "math/9901001", "https://a.example/b.pdf"],
         [("hep-th.x.example", 1, 0.1), ("math.x.example", 1, 0.1), ("a.example", 1, 0.1)]),
    ],
)  # fmt: skip
def test_what_a_plan_counts(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    sources: tuple[str, ...],
    ids: list[str],
    expected: list[tuple[str, int, float]],
) -> None:
    from rpa_shard.observe import plan as plan_module
    from rpa_shard.observe.hosts import known_hosts

    monkeypatch.setattr(plan_module, "usable_cores", lambda: 4)
    settings = Settings(shard_count=1, sources=sources)
    known = known_hosts(DataFolder(tmp_path), settings)
    planned = plan_module.plan(ids, settings, known, None, 1_250_000.0)
    assert [(line.source, line.papers, round(line.seconds or 0, 2)) for line in planned] == expected


def test_times_and_sizes() -> None:
    from rpa_shard.control.sentences import duration
    from rpa_shard.observe.statistics import size

    assert [duration(each) for each in (5, 119, 120, 7200, 172800)] == ["5 s", "119 s", "2.0 min", "2.0 h", "2.0 days"]
    assert [size(each) for each in (5e5, 2e9, 3e12)] == ["500.0 kB", "2.0 GB", "3.0 TB"]


def test_an_interrupt_while_the_program_is_loaded_is_no_traceback() -> None:
    code = """
import runpy, sys
class Interrupted:
    def find_spec(name, path, target=None):
        if name == "rpa_shard.cli.arguments":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted)
runpy.run_module("rpa_shard", run_name="__main__")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")


def test_commands_that_look_at_papers_load_nothing_that_only_a_run_needs() -> None:
    modules = "rpa_shard.maintain.verify, rpa_shard.observe.show, rpa_shard.observe.export, rpa_shard.cli.looking"
    code = f"import {modules}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx", "aiohttp", "jsonschema", "pypdfium2", "pypdf", "pyarrow"}.isdisjoint(done.stdout.split())
