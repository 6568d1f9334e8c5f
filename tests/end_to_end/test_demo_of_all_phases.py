"""The demo of all phases: from papers to reports, against the endpoint that comes with the program."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rig import Rig


def test_the_demo_ends_with_reports(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "a demo"
    code, output, errors = rig.run("demo", "--analyze", "--papers", "8", "--folder", str(folder), SHARD_COUNT="2")
    assert code == 0, output + errors
    assert re.search(r"^health    (OK|WARNING)$", output, re.MULTILINE), "a busy machine may be late"
    assert re.search(r"^verify +clean$", output, re.MULTILINE)
    assert "by verdict passed 6" in output, "of 8 papers one is broken and one is missing"
    (report,) = re.findall(r"^ +less '(.+)'(/.+)$", output, re.MULTILINE)
    text = Path("".join(report)).read_text()
    assert text.startswith("---\nver: 1\n")
    assert "ruler" in text
