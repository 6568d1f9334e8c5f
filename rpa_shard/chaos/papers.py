"""The papers of a trial: what each must end with, and where it comes from.

Guarantee: every paper that must not be missing is on the shelf of the mirror, or else in an archive of which the data
folder knows. Limit: they are small, so that most of a trial's time goes into the disruptions.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from rpa_shard.intake.archives import read_archive
from rpa_shard.model.failure import Failure
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import engine_of, open_ledger
from rpa_shard.store.layout import Layout
from rpa_shard.testing.sample_papers import Kind, sample_pdf


def expected_ends(papers: int) -> dict[str, Failure | None]:
    """The papers of a trial, and the failure that each must end with: a few are broken, a few are missing."""
    ids = (f"{2301 + number // 90_000:04}.{number % 90_000 + 1:05}" for number in range(papers))
    kinds = {50: Failure.BAD_PDF, 75: Failure.NOT_FOUND}
    return {paper_id: kinds.get(number % 100) for number, paper_id in enumerate(ids)}


def make_papers(
    folder: DataFolder, workers: int, ends: Mapping[str, Failure | None], root: Path, *, as_archive: bool
) -> None:
    """Queues papers that must end so, and puts their PDFs on `root/shelf`, or into `root/papers.tar`."""
    (root / "shelf").mkdir(parents=True, exist_ok=True)
    with open_ledger(folder, Layout(workers, 2)) as ledger:
        ledger.add(ends)
    pdfs = {paper_id: _pdf(paper_id, end) for paper_id, end in ends.items() if end is not Failure.NOT_FOUND}
    if as_archive:
        _archive(folder, root / "papers.tar", pdfs)
        return
    for paper_id, pdf in pdfs.items():
        (root / "shelf" / f"{paper_id}.pdf").write_bytes(pdf)


def _pdf(paper_id: str, end: Failure | None) -> bytes:
    return sample_pdf(Kind.BROKEN if end is Failure.BAD_PDF else Kind.TWO_COLUMNS, paper_id)


def _archive(folder: DataFolder, path: Path, pdfs: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for paper_id, pdf in pdfs.items():
            member = tarfile.TarInfo(f"{paper_id}.pdf")
            member.size = len(pdf)
            archive.addfile(member, BytesIO(pdf))
    with engine_of(folder).open_catalogue(create=True) as catalogue:
        assert catalogue is not None
        catalogue.add_members(path.absolute(), read_archive(path).members)
