"""Where the view's figures come from: what `rpa_shard.observe.source` sees, and papers, one by one.

Guarantee: as there; shows nothing before the first run, and says so. Limit: as there.
"""

from __future__ import annotations

from rpa_shard.config.settings import Settings
from rpa_shard.model.errors import StoreError
from rpa_shard.observe.source import Source as FolderSource
from rpa_shard.observe.top.watched import Watched
from rpa_shard.store.data_folder import DataFolder
from rpa_shard.store.factory import open_ledger
from rpa_shard.system.program import program


class NoRunError(Exception):
    """There is nothing to watch; the message is one line."""


class Source:
    """Looks at a data folder. Used by one thread at a time."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        self._folder = folder
        self._source = FolderSource(folder, settings)

    def look(self) -> Watched:
        """The folder now. Raises NoRunError before the first run."""
        seen = self._source.look()
        if seen.run is None and seen.problem and self._folder.store is not None:
            raise NoRunError(seen.problem)
        if seen.run is None:
            raise NoRunError(
                f"no run was ever made in {self._folder.root}: start one with {program()} run, then watch it"
            )
        return Watched(
            folder=seen.folder,
            on=seen.on,
            account=seen.account,
            run=seen.run,
            hosts=seen.hosts,
            hosts_at=seen.hosts_at,
            age_seconds=seen.run.written.seconds_since(),
            problem=seen.problem,
            nodes=seen.nodes,
        )

    def paper(self, paper_id: str) -> list[str]:
        """All that is known of a paper, or why nothing is, in lines. For any thread."""
        # Imported here: it takes a while to load, and a person wants to see something at once.
        from rpa_shard.observe.show import NotShownError, show

        try:
            with open_ledger(self._folder) as ledger:
                return show(self._folder, ledger, paper_id)
        except (NotShownError, StoreError, OSError) as error:
            return [str(error)]
