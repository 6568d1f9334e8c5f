"""`report` as a person uses it: during a run, after it, into a file, a pipe, and where it cannot be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, wait_for


@pytest.fixture
def ran(queued: Rig) -> Iterator[Rig]:
    """A rig on which a run has ended; some papers failed."""
    code, _, errors = queued.run("run", "--quiet")
    assert code == 1, errors
    yield queued


def test_a_report_on_a_run_that_has_ended(ran: Rig, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("an older one")
    code, output, errors = ran.run("report", "--out", str(out))
    assert (code, output) == (0, "")
    assert errors == f"rpa-shard: the report is in {out}: open it in a browser, or print it\n"
    content = out.read_text()
    papers = ran.by_status()
    assert f"{papers['prepped']} papers have been through prep" in content
    assert f"{papers['failed']} papers have failed for good" in content
    titles = re.findall(r"<h2>([^<]+?)(?: <small>|</h2>)", content)
    assert titles[:6] == [
        "Pace over time", "Failures over time", "Failures by reason", "Latency by stage", "Papers", "Sizes"
    ]  # fmt: skip
    assert "not_found" in content
    assert "needs_ocr" in content
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    code, output, errors = ran.run("report", "--all", "--out", "-")
    assert (code, errors) == (0, "")
    assert output.startswith("<!DOCTYPE html>")
    assert output.endswith("</html>\n")
    assert "<h1>All runs</h1>" in output


def test_a_report_that_cannot_be_written(queued: Rig, tmp_path: Path) -> None:
    for out, why in ((tmp_path / "missing" / "r.html", "No such file or directory"), (tmp_path, "Is a directory")):
        code, output, errors = queued.run("report", "--out", str(out))
        assert (code, output) == (2, "")
        assert errors == f"rpa-shard: {out} cannot be written: {why}\n"


def test_a_report_during_a_run(queued: Rig, tmp_path: Path) -> None:
    process = queued.start("run", "--daemon", "--quiet")
    wait_for(lambda: queued.by_status().get("prepped", 0) > 5, "some papers done")
    code, _, errors = queued.run("report", "--out", str(tmp_path / "report.html"))
    assert code == 0, errors
    content = (tmp_path / "report.html").read_text()
    assert re.search(r"The run began at [-0-9]+ [:0-9]+ and is on, for ", content)
    assert "papers have been through prep" in content
    process.terminate()
    assert process.wait(60) == 143


def test_there_is_nothing_to_report_on(rig: Rig, tmp_path: Path) -> None:
    code, output, errors = rig.run("report", "--out", str(tmp_path / "report.html"))
    assert (code, output) == (2, "")
    assert errors == f"rpa-shard: no papers in {rig.root} yet: add some with `add`\n"
