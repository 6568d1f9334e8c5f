"""The pages about Python run as they stand: their blocks, one after the other, on the papers of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf
from tests.rig import Rig

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def data(rig: Rig, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `data` holds a finished run, and `paper.pdf` is a paper."""
    rig.run("add", *collection.pdfs)
    assert rig.run("run")[0] == 1, "one paper is broken and one is missing"
    (tmp_path / "paper.pdf").write_bytes(sample_pdf(Kind.TWO_COLUMNS, "2401.00001"))
    monkeypatch.chdir(tmp_path)
    return rig.root


def run_blocks(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    blocks = _BLOCK.findall((DOCS / page).read_text())
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return names


def test_the_page_about_notebooks(data: Path) -> None:
    pytest.importorskip("pandas")
    found = run_blocks("notebook.md")
    assert len(found["papers"]) == 60
    assert set(found["papers"].reason.dropna()) == {"bad_pdf", "not_found"}
    assert found["graph"].has_edge("2401.00001", "hep-th/9901001")
    assert found["cited_most"].index[0] in ("hep-th/9901001", "2401.00001")
    assert list(found["by_year"].columns) == ["year", "times", "papers"]
    assert len(found["by_year"]) > 2
    assert len(found["record"].references) == 5


def test_the_page_about_the_api(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_blocks("python.md")
    output = capsys.readouterr().out
    assert "not_a_pdf" in output
    assert "bad_pdf" in output


def test_a_block_has_ten_lines_at_most() -> None:
    for block in _BLOCK.findall((DOCS / "notebook.md").read_text()):
        assert len(block.splitlines()) <= 10, block
