"""The papers of a benchmark: PDFs on disk under arXiv ids, any number of them.

Guarantee: ids are distinct, and one pass over the distinct PDFs comes before the next, so that any number of passes has
the same mix. Limit: repeated PDFs are one file under many names, so they are in the page cache for every contender.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from rpa_shard.testing.sample_papers import Kind, sample_pdf

# Of generated papers: enough for the mix, few enough to be made quickly.
DISTINCT_SAMPLES = 100
_PAPERS_PER_MONTH = 90_000


@dataclass(frozen=True, slots=True)
class Shelf:
    """Papers that a mirror serves from `folder`; the first `distinct` of `ids` are one pass over all PDFs."""

    folder: Path
    ids: tuple[str, ...]
    distinct: int

    @property
    def files(self) -> list[Path]:
        return [self.folder / f"{paper_id}.pdf" for paper_id in self.ids]

    def urls(self, mirror: str) -> list[str]:
        """The papers as URLs of a mirror: under arXiv ids, the stamps of most would show another paper."""
        return [f"{mirror}/pdf/{paper_id}" for paper_id in self.ids]

    @property
    def uris(self) -> list[str]:
        """The papers as local files."""
        return [file.absolute().as_uri() for file in self.files]

    def first(self, papers: int) -> Shelf:
        """The same shelf with fewer papers."""
        return Shelf(self.folder, self.ids[:papers], min(self.distinct, papers))

    def passes(self, number: int) -> Shelf:
        """This many passes over the distinct PDFs, at most all papers: for slow contenders."""
        return self.first(number * self.distinct)


def id_stream(papers: int) -> Iterator[str]:
    """This many arXiv ids, in order."""
    return (f"{2401 + 100 * (n // _PAPERS_PER_MONTH)}.{n % _PAPERS_PER_MONTH + 1:05}" for n in range(papers))


def fill_shelf(folder: Path, sources: Sequence[Path], papers: int) -> Shelf:
    """Puts `papers` PDFs from the folders `sources`, or generated ones if there are none, into `folder`.

    Raises FileNotFoundError if the sources have no PDF.
    """
    folder.mkdir(parents=True)
    originals = folder.with_name(folder.name + "-originals")
    originals.mkdir()
    found = _copies(sources, originals) if sources else _samples(originals, min(papers, DISTINCT_SAMPLES))
    if not found:
        raise FileNotFoundError(f"no PDF in {', '.join(map(str, sources))}")
    named = list(id_stream(papers))
    for paper_id, original in zip(named, islice(cycle(found), papers), strict=True):
        os.link(original, folder / f"{paper_id}.pdf")
    return Shelf(folder, tuple(named), min(len(found), papers))


def _copies(sources: Sequence[Path], originals: Path) -> list[Path]:
    """The PDFs of the folders on one file system, so that they can be linked."""
    copies = []
    for number, source in enumerate(path for folder in sources for path in sorted(folder.glob("*.pdf"))):
        copies.append(originals / f"{number}.pdf")
        shutil.copyfile(source, copies[-1])
    return copies


def _samples(originals: Path, papers: int) -> list[Path]:
    kinds = (Kind.TWO_COLUMNS, Kind.AUTHOR_YEAR)
    made = []
    for number, paper_id in enumerate(id_stream(papers)):
        made.append(originals / f"{number}.pdf")
        made[-1].write_bytes(sample_pdf(kinds[number % len(kinds)], paper_id))
    return made
