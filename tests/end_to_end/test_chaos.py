"""The harness itself: a short trial passes, and a broken promise is found and reported with its seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rpa_shard import cli
from rpa_shard.chaos.harness import Chaos
from rpa_shard.chaos.plan import Plan
from rpa_shard.chaos.run_process import RunProcess
from tests.rig import Rig


def test_a_short_trial(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "chaos"
    folder.mkdir()
    code, output, errors = rig.run(
        "chaos", "--kills", "6", "--papers", "250", "--seed", "5", "--folder", str(folder), deadline_seconds=240
    )
    assert code == 0, output + errors
    assert output.count(" holds  ") == 8
    (killed,) = re.findall(r"^processes killed +(\d+)$", output, re.MULTILINE)
    assert int(killed) >= 6
    assert list(folder.iterdir()) == []


def test_a_short_trial_from_an_archive_that_keeps_no_pdf(rig: Rig, tmp_path: Path) -> None:
    options = ("--tar", "--keep-pdf", "0", "--kills", "4", "--papers", "150", "--seed", "6")
    code, output, errors = rig.run("chaos", *options, "--folder", str(tmp_path), deadline_seconds=240)
    assert code == 0, output + errors
    assert output.count(" holds  ") == 8
    (requests,) = re.findall(r"^requests +(\d+),", output, re.MULTILINE)
    assert int(requests) < 20, "only what the archive lacks is looked for at the mirror"
    assert not list(tmp_path.glob("rpa-shard-chaos-*"))


def test_a_short_trial_of_all_phases(rig: Rig, tmp_path: Path) -> None:
    options = ("--phases", "all", "--kills", "3", "--papers", "50", "--seed", "7", "--folder", str(tmp_path))
    code, output, errors = rig.run("chaos", *options, deadline_seconds=240)
    assert code == 0, output + errors
    assert output.count(" holds  ") == 10
    (finished,) = re.findall(r"^papers +50: (\d+) finished, ", output, re.MULTILINE)
    (calls,) = re.findall(r"^calls of models +(\d+),", output, re.MULTILINE)
    assert int(calls) >= int(finished) * 7 > 0, "four sections, limitations, tags, a judge"


def test_what_vanished_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of a finished paper is removed from outside, and the trial reports it."""
    real = RunProcess.end

    def losing(run: RunProcess) -> None:
        real(run)
        next(tmp_path.rglob("papers/*/*.txt")).unlink()

    monkeypatch.setattr(RunProcess, "end", losing)
    code = cli.main(["chaos", "--kills", "1", "--papers", "30", "--seed", "3", "--folder", str(tmp_path)])
    shown = capsys.readouterr()
    assert code == 1
    assert "I3  BROKEN 1 times" in shown.out
    assert "again: chaos --seed 3" in shown.err
    assert len(list(tmp_path.iterdir())) == 1, "everything is kept for whoever looks"


def test_a_run_that_will_not_start_is_a_violation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpa_shard.chaos.harness.KNOBS", {"RPA_V2_WORKERS": "none"})
    report = Chaos(Plan(seed=1, papers=20, kills=1), tmp_path / "trial", print).run()
    assert any("exit code 2: rpa-shard: RPA_V2_WORKERS=none" in each.what for each in report.violations)


def test_unknown_faults_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chaos", "--faults", "nonsense"]) == 2
    assert "no such fault" in capsys.readouterr().err
