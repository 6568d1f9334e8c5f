"""A paper's files and the breadcrumb: complete or not at all, and readable by others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rpa_shard.ipc.breadcrumb import Breadcrumb, read_breadcrumb
from rpa_shard.model.arxiv_id import MAX_ID_BYTES, parse
from rpa_shard.phases.prep.artifacts import files_of, read_finished, write_artifacts, write_durably
from rpa_shard.system.files import fingerprint_of, temporaries_in

PAPER = parse("hep-th/9901001v2")


def test_where_files_lie(tmp_path: Path) -> None:
    files = files_of(tmp_path, PAPER)
    assert files.pdf == tmp_path / "9901" / "hep-th_9901001v2.pdf"
    assert files.text.name == "hep-th_9901001v2.txt"
    assert files.record.name == "hep-th_9901001v2.json"
    assert files_of(tmp_path, parse("2401.00001")).text == tmp_path / "2401" / "2401.00001.txt"


def record_for(text: bytes) -> dict[str, str]:
    return {"id": PAPER.canonical, "text_sha256": fingerprint_of(text).sha256}


def test_finished_is_what_belongs_together(tmp_path: Path) -> None:
    files = files_of(tmp_path / "papers", PAPER)
    assert read_finished(files, PAPER.canonical) is None
    content = write_artifacts(files, "me", b"text", record_for(b"text"))
    found = read_finished(files, PAPER.canonical)
    assert found is not None
    assert found == (json.loads(content), files.record.read_bytes())
    assert read_finished(files, "2401.00001") is None, "another paper's record"
    files.text.write_bytes(b"tex")
    assert read_finished(files, PAPER.canonical) is None
    files.text.unlink()
    assert read_finished(files, PAPER.canonical) is None
    assert temporaries_in(files.text.parent) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_record_is_not_finished(tmp_path: Path, damage: bytes) -> None:
    files = files_of(tmp_path / "papers", PAPER)
    write_artifacts(files, "me", b"text", record_for(b"text"))
    files.record.write_bytes(damage)
    assert read_finished(files, PAPER.canonical) is None


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OSError, match="taken"):
        write_durably(b"text", "me", tmp_path / "taken" / "paper.txt")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


def test_a_breadcrumb_is_there_only_inside(tmp_path: Path) -> None:
    path = tmp_path / "crumb"
    assert read_breadcrumb(path) is None
    crumb = Breadcrumb(path)
    assert read_breadcrumb(path) is None
    long = "https://example.org/" + "x" * (MAX_ID_BYTES - 20)
    for paper_id in ("2401.00001", long, "hep-th/9901001"):
        with crumb.inside(paper_id):
            found = read_breadcrumb(path)
            assert found is not None
            assert found.paper_id == paper_id
        assert read_breadcrumb(path) is None
    crumb.close()
    path.write_bytes(b"short")
    assert read_breadcrumb(path) is None


def test_a_breadcrumb_survives_a_kill(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from rpa_shard.ipc.breadcrumb import Breadcrumb\n"
        "with Breadcrumb(Path(sys.argv[1])).inside('2401.00001'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", program, str(tmp_path / "crumb")], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    found = read_breadcrumb(tmp_path / "crumb")
    assert found is not None
    assert found.paper_id == "2401.00001"
