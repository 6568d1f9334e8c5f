"""The data folder: everything of one collection of papers, below one path, or what a node of many machines has of it.

Guarantee: only names places; asking for one creates nothing. Limit: the contents of each part are defined elsewhere:
the papers' files (`rpa_shard.phases`), the run's files (`rpa_shard.ipc.run_directory`), and the rows, whose place the
store engine knows (`rpa_shard.store.factory`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rpa_shard.config.settings import Settings
from rpa_shard.ipc.run_directory import RunDirectory
from rpa_shard.system.files import remove_temporaries, temporaries_in

# Everything that a run, a command or a store engine makes directly in the folder, so that nobody else writes there.
OWN_NAMES = (
    "papers", "shards", "run", "logs", "tmp", "cache", "damaged", "before-upgrade", "before-move",
    "manifest.json", "moved.json", "catalogue.sqlite3", "signals.sqlite3", "run.lock", "layout.lock",
    "signals.lock",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data folder at `root`.

    `store` is the URL of the database that holds the rows, and `artifacts` the one below which papers' files are kept;
    where they are None, that is in the folder. `node` is what this machine is called in such a database.
    """

    root: Path
    store: str | None = None
    artifacts: str | None = None
    node: str = ""

    @classmethod
    def of(cls, settings: Settings) -> DataFolder:
        """The data folder that the settings name."""
        return cls(settings.data_dir, settings.store, settings.artifacts, settings.node)

    @property
    def papers(self) -> Path:
        """The papers' files: PDF, text, record."""
        return self.root / "papers"

    @property
    def cache(self) -> Path:
        """Papers' files that are kept elsewhere, as they were brought for readers; it may be removed at any time."""
        return self.root / "cache"

    @property
    def signals_file(self) -> Path:
        """The index of what the corpus says of its papers, which may be removed at any time."""
        return self.root / "signals.sqlite3"

    @property
    def signals_lock(self) -> Path:
        """Held by the process that writes that index."""
        return self.root / "signals.lock"

    @property
    def damaged(self) -> Path:
        """Where damaged files are put."""
        return self.root / "damaged"

    @property
    def run(self) -> RunDirectory:
        """The files of the run that works here."""
        return RunDirectory(self.root)

    def paper_folders(self) -> Iterator[Path]:
        """Every folder that may hold files of papers, about a thousand at most; links are followed."""
        yield self.papers
        for folder in _folders_in(self.papers):
            yield folder
            if not folder.name.isdigit():  # a month holds files only, perhaps very many
                yield from _folders_in(folder)

    def half_written_files(self) -> list[Path]:
        """Files that a killed process left unfinished."""
        papers = [path for folder in self.paper_folders() for path in temporaries_in(folder)]
        return papers + self.run.half_written_files()

    def remove_half_written(self, writer: str | None = None) -> None:
        """Removes the unfinished files of processes that have died; the run's lock must be held.

        With `writer` only the papers' files that it was writing.
        """
        for folder in self.paper_folders():
            remove_temporaries(folder, writer)
        if writer is None:
            self.run.remove_half_written()

    def disks(self) -> list[Path]:
        """A folder on each file system that the data folder uses: its parts may be mounted or linked elsewhere."""
        found: dict[int, Path] = {}
        for folder in (self.root, *_folders_in(self.root), *self.paper_folders()):
            with suppress(OSError):
                found.setdefault(folder.stat().st_dev, folder)
        return list(found.values())


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [folder / each.name for each in entries if not each.name.startswith(".") and each.is_dir()]
    except OSError:
        return []
