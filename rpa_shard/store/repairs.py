"""The input and the report of a repair of a store.

Guarantee: everything that may have been lost is reported. Limit: the number of papers of which no trace is left is
known only if a run has counted them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rpa_shard.model.phase import Phase


@dataclass(frozen=True, slots=True)
class KnownPaper:
    """A paper that has files: the phase that they complete and its result, both None if there is only a PDF."""

    paper_id: str
    phase: Phase
    result: Mapping[str, Any] | None


@dataclass(slots=True)
class Losses:
    """What could not be read: complete pages, and records of pages that could otherwise be read."""

    pages: int = 0
    records: int = 0
    of_pages: int = 0


@dataclass(slots=True)
class RepairedFile:
    """The repair of one damaged file. Counts are papers, except for `losses`.

    `expected` is how many papers the last run counted in it, None if unknown.
    """

    path: Path
    damage: str
    kept_as: Path | None = None
    intact: int = 0
    without_row: int = 0
    from_files: int = 0
    losses: Losses = field(default_factory=Losses)
    expected: int | None = None

    @property
    def papers(self) -> int:
        """How many papers it holds now."""
        return self.intact + self.without_row + self.from_files

    @property
    def may_lack_papers(self) -> bool:
        """Whether papers may have been lost."""
        if self.expected is not None:
            return self.papers < self.expected
        return bool(self.losses.pages or self.losses.records)


@dataclass(slots=True)
class RepairReport:
    """What a repair did; `catalogue` is where a damaged catalogue was put."""

    intact: list[Path] = field(default_factory=list)
    repaired: list[RepairedFile] = field(default_factory=list)
    finished: list[Path] = field(default_factory=list)
    catalogue: Path | None = None

    @property
    def complete(self) -> bool:
        """Whether certainly nothing has been lost."""
        return self.catalogue is None and not any(each.may_lack_papers for each in self.repaired)

    def lines(self) -> list[str]:
        """The report for a terminal."""
        shown = [f"{path}: a repair that was cut short is finished" for path in self.finished]
        for each in self.repaired:
            shown += _lines_of(each)
        if self.catalogue is not None:
            shown.append(f"the catalogue was damaged and is now {self.catalogue}: `add --tar` and `--metadata` again")
        if any(each.may_lack_papers for each in self.repaired):
            shown.append("papers that were waiting, and of which no trace is left, are missing:")
            shown.append("`add --file` your lists again (known papers are not repeated), then `verify` and `run`")
        elif self.repaired:
            shown.append("nothing is missing: `verify` checks it, `run` continues")
        if not (self.repaired or self.finished or self.catalogue):
            shown.append(f"nothing to repair: {len(self.intact)} shard files are intact")
        return shown


def _lines_of(done: RepairedFile) -> list[str]:
    lost = done.losses
    known = f", and the last run counted {done.expected}" if done.expected is not None else ""
    return [
        f"{done.path}: {done.damage}",
        f"  kept as  {done.kept_as or '- (there was nothing)'}",
        f"  read     {done.intact} papers as they were; {lost.pages} of {lost.of_pages} pages and {lost.records} "
        "records could not be read",
        f"  restored {done.without_row} from an index or their history, {done.from_files} from their files",
        f"  now      {done.papers} papers{known}",
    ]
