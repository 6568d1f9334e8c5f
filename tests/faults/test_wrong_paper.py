"""A source that serves another paper than the one requested: the stamp shows it."""

from __future__ import annotations

from pathlib import Path

from rpa_shard.model.arxiv_id import parse
from rpa_shard.phases.files import files_of
from rpa_shard.testing.mirror import MirrorProcess
from rpa_shard.testing.sample_papers import Collection, Kind, sample_pdf, write_collection
from tests.rig import Rig


def test_another_paper_is_a_failed_download(rig: Rig, tmp_path: Path) -> None:
    right, wrong, version = "2401.00001", "2401.00002", "2401.00003v7"
    served = {each: sample_pdf(Kind.TWO_COLUMNS, right) for each in (right, wrong)}
    served[version] = sample_pdf(Kind.AUTHOR_YEAR, "2401.00003")
    write_collection(tmp_path / "mirror", Collection(served))
    with MirrorProcess(tmp_path / "mirror") as mirror:
        rig.run("add", right, wrong, version)
        code, _, _ = rig.run("run", SOURCES=f"{mirror.url}/pdf/{{id}}", SHARD_COUNT="1")
    assert code == 1
    rows = rig.rows()
    assert rows[right].status == "prepped"
    for paper_id, words in ((wrong, "the stamp says 2401.00001v1"), (version, "the stamp says 2401.00003v1")):
        row = rows[paper_id]
        assert (row.status, row.failure) == ("failed", "wrong_paper")
        assert row.detail is not None
        assert words in row.detail
        files = files_of(rig.folder.papers, parse(paper_id))
        assert not files.pdf.exists()
        assert not files.record.exists()
        assert files.pdf.with_suffix(".bad.pdf").exists(), "kept for whoever wants to look"
        assert rig.events(paper_id).count("failed") >= 1
    assert rig.done_files() == 1
