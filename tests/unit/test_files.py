"""A paper's files and the breadcrumb: complete or not at all, and readable by others."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rpa_shard.ipc.breadcrumb import Breadcrumb, read_breadcrumb
from rpa_shard.model.arxiv_id import MAX_ID_BYTES, parse
from rpa_shard.model.failure import Failure, PaperError
from rpa_shard.phases.files import files_of, write_durably
from rpa_shard.phases.prep.artifacts import read_finished, write_artifacts
from rpa_shard.store.sqlite.salvage.aside import move_aside
from rpa_shard.system.files import (
    fingerprint_of,
    open_temporary,
    put_in_place,
    remove_temporaries,
    replace_file,
    temporaries_in,
    temporary_of,
)

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


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    for name in ("n" * 255, "\u00e9" * 127):
        replace_file(tmp_path / name, b"content")
        assert (tmp_path / name).read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 2


def test_half_written_files_lie_beside_their_targets(tmp_path: Path) -> None:
    final = tmp_path / "2401" / "2401.00001.pdf"
    paths = [temporary_of("shard-000", final) for _ in range(2)]
    assert paths[0] != paths[1]
    for each in paths:
        open_temporary(each).close()
    assert set(temporaries_in(final.parent)) == set(paths)
    put_in_place(paths[0], final)
    remove_temporaries(final.parent)
    assert list(final.parent.iterdir()) == [final]


def test_a_folder_that_is_a_link_to_nowhere(tmp_path: Path) -> None:
    (tmp_path / "2401").symlink_to("/nowhere/at/all")
    with pytest.raises(NotADirectoryError):
        open_temporary(temporary_of("shard-000", tmp_path / "2401" / "2401.00001.pdf"))


def test_moving_aside_to_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.replace

    def not_across(path: Path, target: Path) -> Path:
        if path.parent != target.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(path, target)

    monkeypatch.setattr(Path, "replace", not_across)
    aside = tmp_path / "damaged"
    aside.mkdir()
    (tmp_path / "file").write_bytes(b"content")
    move_aside(tmp_path / "file", aside)
    assert (aside / "file").read_bytes() == b"content"
    assert not (tmp_path / "file").exists()


def test_a_paper_error_can_be_stored_and_shown() -> None:
    error = PaperError(Failure.NOT_FOUND, "no such file: caf\udce9.pdf")
    assert error.detail.encode() == b"no such file: caf\\udce9.pdf"
