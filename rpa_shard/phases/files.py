"""A paper's files, side by side: what each is called, and how one is written.

Guarantee: each file appears complete or not at all, and is on disk before the call that writes it returns. Limit: files
are named by the paper alone, so two runs must not share a folder (the run lock prevents it).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rpa_shard.model.arxiv_id import PaperId
from rpa_shard.system.failpoints import reach
from rpa_shard.system.files import replacing, sync_folder, temporary_of

# From a paper's folder up to the data folder: `papers/url/0f`.
LEVELS_OF_FOLDERS = 3

# By phase: what `prep`, `analyze` and `wrap` write. `answers` has every answer of a model, as it came.
ENDINGS = {
    "pdf": ".pdf",
    "text": ".txt",
    "record": ".json",
    "answers": ".answers.jsonl",
    "analysis": ".analysis.json",
    "report": ".report.md",
    "report_record": ".report.json",
}


@dataclass(frozen=True, slots=True)
class PaperFiles:
    """The files of one paper, side by side."""

    pdf: Path
    text: Path
    record: Path
    answers: Path
    analysis: Path
    report: Path
    report_record: Path

    @property
    def refused_pdf(self) -> Path:
        """Where a PDF is put that no engine can read, or that is another paper's."""
        return self.pdf.with_suffix(".bad.pdf")


def files_of(papers: Path, paper: PaperId) -> PaperFiles:
    """Where the files of `paper` lie below the folder `papers`, whether or not they exist."""
    stem = stem_of(str(papers), paper)
    return PaperFiles(*(Path(stem + ending) for ending in ENDINGS.values()))


def stem_of(papers: str, paper: PaperId) -> str:
    """The common stem of the paths of the files of `paper`; as text, since callers may need millions of them."""
    return f"{papers}/{paper.folder}/{paper.file_stem}"


_named: set[Path] = set()


def sync_names(folder: Path) -> None:
    """Makes the names of a paper's files durable, and once per process those of the folders above them.

    The folders may have been made by a process that died before their names were on disk.
    """
    sync_folder(folder)
    if folder not in _named:
        for each in list(folder.parents)[:LEVELS_OF_FOLDERS]:
            sync_folder(each)
        _named.add(folder)


def write_durably(content: bytes, writer: str, final: Path) -> None:
    """Writes `final` complete or not at all. The caller syncs its folder."""
    with replacing(final, temporary=temporary_of(writer, final)) as file:
        reach("write_artifact")
        file.write(content)
        file.flush()
        reach("sync_artifact")
