"""The data folder: everything of one collection of papers, below one path.

Guarantee: only names paths; asking for one creates nothing. Limit: the contents of each part are defined elsewhere: the
papers' files (`rpa_shard.phases`), the run's files (`rpa_shard.ipc.run_directory`), and the rows, whose place the store
engine knows (`rpa_shard.store.factory`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rpa_shard.ipc.run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data folder at `root`."""

    root: Path

    @property
    def papers(self) -> Path:
        """The papers' files: PDF, text, record."""
        return self.root / "papers"

    @property
    def run(self) -> RunDirectory:
        """The files of the run that works here."""
        return RunDirectory(self.root)
