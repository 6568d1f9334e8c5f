"""The files of a paper that a command outside a run looks for, gives back or removes.

Guarantee: only files of the data folder are changed, never a PDF elsewhere that a person owns: a link is removed, not
what it leads to. What is done is on disk when the call returns. Limit: the caller makes sure that nobody works on the
papers meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rpa_shard.fetch.local import is_local, local_part
from rpa_shard.model.arxiv_id import PaperId, from_canonical, local_path
from rpa_shard.phases.files import PaperFiles, files_of
from rpa_shard.phases.prep.artifacts import read_record
from rpa_shard.system.files import sync_folder


def has_pdf(papers: Path, paper: PaperId, *, refused: bool = False) -> bool:
    """Whether a paper's PDF is on this machine: kept, or in the file or archive that it came from.

    With `refused` also one that was set aside because no engine could read it.
    """
    files = files_of(papers, paper)
    if files.pdf.exists() or (refused and files.refused_pdf.exists()):
        return True
    if paper.kind == "file":
        return _is_file(local_path(paper))
    source = read_record(files).get("source")
    if not isinstance(source, str) or not is_local(source):
        return False
    try:
        return _is_file(local_part(source)[0])
    except (ValueError, KeyError):
        return False


def give_back_refused(papers: Path, paper_ids: Iterable[str]) -> None:
    """Gives PDFs that were set aside their names back, unless another PDF has taken the name. Raises OSError."""
    changed: set[Path] = set()
    for paper_id in paper_ids:
        files = files_of(papers, from_canonical(paper_id))
        if files.refused_pdf.exists() and not files.pdf.exists():
            files.refused_pdf.rename(files.pdf)
            changed.add(files.pdf.parent)
    for folder in changed:
        sync_folder(folder)


def remove_files(papers: Path, paper_ids: Iterable[str]) -> int:
    """Removes all files of papers; returns how many there were. Raises OSError."""
    removed = 0
    changed: set[Path] = set()
    for paper_id in paper_ids:
        for path in _all_files(files_of(papers, from_canonical(paper_id))):
            with suppress(FileNotFoundError, NotADirectoryError):
                path.unlink()
                removed += 1
                changed.add(path.parent)
    for folder in changed:
        sync_folder(folder)
    return removed


def _all_files(files: PaperFiles) -> tuple[Path, ...]:
    """The record comes first: what is left of a paper without one is never taken for finished."""
    made = (files.report_record, files.report, files.analysis, files.answers)
    return (files.record, files.text, *made, files.refused_pdf, files.pdf)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return False
